"""The editor as an engine: what it does to the samples, what it says it did, what it refuses."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest
import soundfile

from studio.catalog import Catalog
from studio.engines.devices import cpu
from studio.engines.edit_audio import EditMusic, EditOptions, EditSpeech, actions
from studio.engines.loudness import loudness, true_peak
from studio.errors import BadInput
from studio.types import Brief, Draft, Job

RATE = 24_000


@pytest.fixture
def tone(tmp_path):
    """A file of a beating tone, three seconds."""
    time = np.arange(3 * RATE) / RATE
    path = tmp_path / "tone.wav"
    soundfile.write(path, 0.2 * np.sin(2 * np.pi * 330 * time) * (1 + 0.5 * np.sin(5 * time)), RATE, "FLOAT")
    return path


def edited(settings, inputs, cls=EditSpeech, cancelled=False, count=1, **options):
    model = next(one for one in Catalog.read(settings) if one.engine == cls.name)
    engine = cls(model, cpu(), settings)
    engine.load()
    brief = Brief(cls.kind, "Edited", inputs=tuple(map(str, inputs)), options=options, count=count, seed=3)
    state = "cancelled" if cancelled else "running"
    steps = list(engine.generate(Job("j", brief, "me", state, datetime.now(UTC))))
    return [step for step in steps if isinstance(step, Draft)]


def test_a_cut_changes_no_sample_that_it_keeps(settings, tone):
    (draft,) = edited(settings, [tone], start=1.0, end=2.0)
    whole, _ = soundfile.read(tone, dtype="float32", always_2d=True)
    assert np.array_equal(draft.payload.samples, whole[RATE : 2 * RATE])
    assert draft.edits == ("c2pa.trimmed",) and draft.kind == "speech"
    assert draft.model_id == "speech-editor" and draft.facts["audio_seconds"] == 1.0
    assert draft.settings["start"] == 1.0


@pytest.mark.parametrize("target", [-30.0, -16.0])
def test_loudness_is_reached_with_peaks_under_the_ceiling(settings, tone, target):
    (draft,) = edited(settings, [tone], cls=EditMusic, gain_db=20, loudness_lufs=target)
    samples = draft.payload.samples
    assert loudness(samples, RATE) == pytest.approx(target, abs=0.3) and true_peak(samples) <= -0.9
    assert draft.kind == "music" and draft.edits == ("c2pa.edited",)


def test_gain_never_clips(settings, tone):
    (draft,) = edited(settings, [tone], gain_db=30)
    assert true_peak(draft.payload.samples) <= -0.9


def test_what_was_done_is_told_in_the_words_of_the_standard():
    told = {
        (): ("c2pa.transcoded",),
        (("end", 2.0), ("fade_out", 1.0)): ("c2pa.trimmed", "c2pa.edited"),
    }
    for changes, expected in told.items():
        assert actions(EditOptions(**dict(changes)), 1) == expected
    assert actions(EditOptions(), 2) == ("c2pa.edited",)
    assert actions(EditOptions(arrange="mix", start=1.0), 2) == ("c2pa.trimmed", "c2pa.mixed")


def test_the_same_inputs_and_options_give_the_same_samples(settings, tone):
    ways = {"arrange": "mix", "loudness_lufs": -20.0}
    first, second = (edited(settings, [tone, tone], **ways)[0].payload.samples for _ in range(2))
    assert np.array_equal(first, second)


def test_a_stopped_job_yields_nothing(settings, tone):
    assert edited(settings, [tone], cancelled=True) == []


def test_what_cannot_be_is_refused_with_a_sentence(settings, tone, tmp_path):
    silence = tmp_path / "silence.wav"
    soundfile.write(silence, np.zeros(RATE), RATE)
    refusals = [
        ([], {}, "nothing to edit"),
        ([tone], {"count": 2}, "one result"),
        ([tone] * 3, {"arrange": "mix"}, "two recordings"),
        ([tone] * 2, {"gap": 1.0, "crossfade": 1.0}, "both pause and overlap"),
        ([tone], {"loudness_lufs": -3.0}, "between -31 and -9"),
        ([tone], {"start": "soon"}, "must be a number"),
        ([tone], {"fade_in": 2.0, "fade_out": 2.0}, "shorten them"),
        ([silence], {"loudness_lufs": -16.0}, "silent"),
    ]
    for inputs, options, words in refusals:
        with pytest.raises(BadInput, match=words):
            edited(settings, inputs, **options)


def test_silence_itself_may_be_cut(settings, tmp_path):
    silence = tmp_path / "silence.wav"
    soundfile.write(silence, np.zeros(RATE), RATE)
    (draft,) = edited(settings, [silence], end=0.5)
    assert not draft.payload.samples.any() and draft.facts["loudness_lufs"] == -100.0
