"""What is heard while a script is still being spoken is sealed as the finished file is."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from studio.bench.audio_material import syllables
from studio.catalog import Catalog, Model
from studio.previews import Previews
from studio.provenance.licence import note_for
from studio.provenance.seal import Sealer
from studio.provenance.verify import Verifier
from studio.settings import Settings
from studio.types import Brief, Progress, Report

RATE = 24_000
BRIEF = Brief("speech", "A script.", seed=3)


def wav(seconds: float, seed: int = 3) -> bytes:
    sound = syllables(seed, max(seconds, 2.0))
    buffer = io.BytesIO()
    soundfile.write(
        buffer, sound.samples[: round(seconds * sound.sample_rate)], sound.sample_rate, format="WAV"
    )
    return buffer.getvalue()


def seconds(data: bytes) -> float:
    return float(soundfile.info(io.BytesIO(data)).duration)


@pytest.fixture
def model(settings: Settings) -> Model:
    return Catalog.read(settings).get("echo-speech")


@pytest.fixture
def previews(settings: Settings, model: Model) -> Previews:
    return of(settings, model)


def of(settings: Settings, model: Model, brief: Brief = BRIEF) -> Previews:
    settings.home.mkdir(parents=True, exist_ok=True)
    licence = note_for(model, Catalog.read(settings).get, [])
    return Previews(Sealer(settings), brief, model, licence)


def verified(settings: Settings, data: Any, tmp_path: Path) -> Report:
    assert isinstance(data, bytes)
    (tmp_path / "preview.wav").write_bytes(data)
    return Verifier(settings, lambda *_: None).verify(tmp_path / "preview.wav")


def test_a_sentence_is_marked_and_signed(previews: Previews, settings: Settings, tmp_path: Path) -> None:
    step = Progress("job", 0.5, "speaking", "soon", wav(3.0))
    told = previews.sealed(step)
    assert replace(told, preview=None) == replace(step, preview=None)
    report = verified(settings, told.preview, tmp_path)
    assert report.verdict == "intact"
    assert {layer.layer for layer in report.layers if layer.found} >= {"credential", "watermark", "labels"}
    assert previews.rest() is None
    assert not list((settings.home / "tmp").iterdir())


def test_what_is_too_short_waits_for_the_next(previews: Previews, settings: Settings, tmp_path: Path) -> None:
    told = [
        previews.sealed(Progress("job", 0.1, "speaking", preview=wav(length))) for length in (0.6, 0.9, 2.5)
    ]
    assert [step.preview is None for step in told] == [True, True, False]
    assert isinstance(told[2].preview, bytes) and seconds(told[2].preview) == pytest.approx(4.0, abs=0.01)
    assert "watermark" in {
        one.layer for one in verified(settings, told[2].preview, tmp_path).layers if one.found
    }


def test_a_short_end_says_why_it_has_no_mark(previews: Previews, settings: Settings, tmp_path: Path) -> None:
    assert previews.sealed(Progress("job", 0.1, "speaking", preview=wav(0.7))).preview is None
    last = previews.rest()
    report = verified(settings, last, tmp_path)
    found = {layer.layer for layer in report.layers if layer.found}
    assert report.verdict == "intact" and found >= {"credential", "labels"} and "watermark" not in found
    assert previews.rest() is None


def test_a_notice_is_heard_once(settings: Settings, model: Model) -> None:
    aloud = of(replace(settings, policy="eu-disclosed"), model)
    lengths = [
        seconds(preview)
        for _ in range(2)
        if isinstance(
            preview := aloud.sealed(Progress("job", 0.1, "speaking", preview=wav(3.0))).preview, bytes
        )
    ]
    assert lengths[0] > 4 and lengths[1] == pytest.approx(3.0, abs=0.01)
    aloud.rest()
    again = aloud.sealed(Progress("job", 0.1, "speaking", preview=wav(3.0), candidate=1)).preview
    assert isinstance(again, bytes) and seconds(again) == pytest.approx(lengths[0])


@pytest.mark.parametrize("preview", [None, "text so far"])
def test_what_is_no_sound_passes(previews: Previews, preview: str | None) -> None:
    step = Progress("job", 0.1, "writing", preview=preview)
    assert previews.sealed(step) is step


def test_pictures_pass(settings: Settings, model: Model) -> None:
    step = Progress("job", 0.1, "painting", preview=b"\xff\xd8\xff")
    assert of(settings, model, replace(BRIEF, kind="image")).sealed(step) is step


def test_sound_keeps_its_samples_but_for_the_mark(previews: Previews) -> None:
    given = wav(3.0)
    preview = previews.sealed(Progress("job", 0.1, "speaking", preview=given)).preview
    assert isinstance(preview, bytes)
    before, after = (soundfile.read(io.BytesIO(data), dtype="float32")[0] for data in (given, preview))
    assert 10 * np.log10(np.square(before).sum() / np.square(after - before).sum()) > 24
