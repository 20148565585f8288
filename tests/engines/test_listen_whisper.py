"""Listening with the real Whisper: words, times, languages, and one sentence for what cannot be heard."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from studio.catalog import Catalog
from studio.engines.base import Device
from studio.engines.listen_whisper import RATE, ListenWhisper, read_16k
from studio.errors import BadInput, ModelBroken, Refused, StudioError
from studio.settings import Settings
from studio.types import Brief, Draft, Job, Progress

CPU = Device("cpu", "CPU", 8000, 4000)
SAID = "Good morning. The museum opens at nine, and the last entry is at half past four."


@pytest.fixture(scope="module")
def spoken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sentence by the studio's own voice, as a file."""
    from studio.engines.speech_kokoro import Kokoro

    folder = tmp_path_factory.mktemp("spoken")
    settings = Settings.read({}, home=folder)
    voice = Kokoro(Catalog.read(settings).require("kokoro-82m"), CPU, settings)
    voice.load()
    (draft,) = [one for one in voice.generate(job(Brief("speech", SAID, seed=1))) if isinstance(one, Draft)]
    voice.close()
    path = folder / "said.wav"
    soundfile.write(path, draft.payload.samples, draft.payload.sample_rate)
    return path


@pytest.fixture(scope="module")
def whisper(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ListenWhisper]:
    settings = Settings.read({}, home=tmp_path_factory.mktemp("whisper"))
    engine = ListenWhisper(Catalog.read(settings).require("whisper-base"), CPU, settings)
    engine.load()
    yield engine
    engine.close()


def job(brief: Brief) -> Job:
    return Job("job", brief, "local", "running", datetime.now(UTC))


def listen(engine: ListenWhisper, *paths: Path, **given: Any) -> list[Progress | Draft]:
    brief = Brief("text", "", inputs=tuple(map(str, paths)), seed=1, **given)
    return list(engine.generate(job(brief)))


@pytest.mark.real
def test_what_is_said_is_written_down_with_its_language(whisper: ListenWhisper, spoken: Path) -> None:
    *progress, draft = listen(whisper, spoken)
    assert isinstance(draft, Draft) and draft.kind == "text"
    words = draft.payload.lower()
    assert "museum opens at" in words and "half past" in words
    assert draft.settings["language"] == "en" and draft.facts["language_share"] > 0.8
    assert all(isinstance(one, Progress) and one.stage == "listening" for one in progress) and progress
    assert 3 < draft.facts["seconds_of_sound"] < 12 and draft.facts["words"] >= 12


@pytest.mark.real
def test_a_known_script_gives_captions_without_mishearings(whisper: ListenWhisper, spoken: Path) -> None:
    draft = listen(whisper, spoken, format="vtt", options={"script": SAID})[-1]
    assert isinstance(draft, Draft)
    lines = draft.payload.splitlines()
    assert lines[0] == "WEBVTT"
    assert " ".join(line for line in lines[1:] if line and "-->" not in line) == SAID
    srt = listen(whisper, spoken, format="srt")[-1]
    assert isinstance(srt, Draft) and srt.payload.startswith("1\n00:00:0")


@pytest.mark.real
@pytest.mark.parametrize("rate", [8_000, 44_100])
def test_other_rates_and_many_channels_are_heard_too(
    whisper: ListenWhisper, spoken: Path, tmp_path: Path, rate: int
) -> None:
    import soxr

    sound, given = soundfile.read(spoken, dtype="float32", always_2d=True)
    eight = np.repeat(soxr.resample(sound, given, rate), 8, axis=1)
    soundfile.write(tmp_path / "eight.flac", eight, rate)
    draft = listen(whisper, tmp_path / "eight.flac", options={"language": "en"})[-1]
    assert isinstance(draft, Draft) and "museum opens" in draft.payload.lower()


@pytest.mark.real
def test_what_cannot_be_heard_is_one_sentence(whisper: ListenWhisper, spoken: Path, tmp_path: Path) -> None:
    silent, junk, short = tmp_path / "silent.wav", tmp_path / "junk.wav", tmp_path / "short.wav"
    soundfile.write(silent, np.zeros(3 * RATE, np.float32), RATE)
    soundfile.write(short, np.zeros(RATE // 20, np.float32), RATE)
    junk.write_bytes(b"RIFF\0\0\0\0WAVEjunk" * 9)
    faults: list[tuple[type[StudioError], str, tuple[Path, ...], dict[str, Any]]] = [
        (Refused, "Nothing was said", (silent,), {}),
        (BadInput, "cannot be played", (junk,), {}),
        (BadInput, "shorter than a tenth", (short,), {}),
        (BadInput, "one recording at a time", (), {}),
        (BadInput, "one recording at a time", (spoken, spoken), {}),
        (BadInput, "knows no language 'xx'", (spoken,), {"options": {"language": "xx"}}),
        (BadInput, "cannot be translated", (spoken,), {"options": {"translate": True, "script": "a"}}),
        (
            BadInput,
            "not the words",
            (spoken,),
            {"options": {"script": "Entirely other things were written."}},
        ),
    ]
    for kind, words, paths, given in faults:
        with pytest.raises(kind, match=words) as caught:
            listen(whisper, *paths, **given)
        assert "\n" not in str(caught.value)


@pytest.mark.real
def test_it_stops_when_the_job_is_cancelled(whisper: ListenWhisper, spoken: Path) -> None:
    cancelled = job(Brief("text", "", inputs=(str(spoken),))).with_state("cancelled")
    assert list(whisper.generate(cancelled)) == []


def test_broken_weights_say_so(tmp_path: Path) -> None:
    from dataclasses import replace

    settings = Settings.read({}, home=tmp_path)
    model = Catalog.read(settings).get("whisper-base")
    (tmp_path / "w").mkdir()
    (tmp_path / "w" / "model.bin").write_bytes(b"no model")
    with pytest.raises(ModelBroken, match="pull it again"):
        ListenWhisper(replace(model, folder=tmp_path / "w"), CPU, settings).load()


def test_a_recording_is_read_as_mono_at_16_khz(tmp_path: Path) -> None:
    left = np.sin(np.arange(48_000) / 20).astype(np.float32) / 2
    soundfile.write(tmp_path / "stereo.wav", np.stack([left, -left], axis=1), 48_000)
    heard = read_16k(tmp_path / "stereo.wav")
    assert heard.dtype == np.float32 and abs(len(heard) - RATE) < 20 and np.abs(heard).max() < 1e-3


def wav(path: Path, samples: Any, rate: int = RATE, **given: Any) -> Path:
    soundfile.write(path, samples, rate, **given)
    return path


def test_eight_channels_at_192_khz_are_read(tmp_path: Path) -> None:
    tone = np.sin(np.arange(192_000) / 300).astype(np.float32) / 2
    heard = read_16k(wav(tmp_path / "studio.wav", np.repeat(tone[:, None], 8, axis=1), 192_000))
    assert abs(len(heard) - RATE) < 20 and np.abs(heard).max() == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "cannot be played"),
        (b"\0\0\0\x20ftypisom\0\0\2\0isomiso2avc1mp41" + bytes(400), "cannot be played"),  # a film
        (b"ID3\4\0\0\0\0\0\0", "cannot be played"),
        (b"fLaC" + bytes(60), "cannot be played"),
        (bytes(range(256)) * 40, "cannot be played"),
    ],
)
def test_what_is_no_recording(tmp_path: Path, data: bytes, words: str) -> None:
    (tmp_path / "given.wav").write_bytes(data)
    with pytest.raises(BadInput, match=words) as caught:
        read_16k(tmp_path / "given.wav")
    assert "\n" not in str(caught.value)


def test_a_recording_cut_off_is_read_as_far_as_it_goes_or_refused(tmp_path: Path) -> None:
    whole = wav(tmp_path / "whole.flac", np.sin(np.arange(RATE * 2) / 9) / 2).read_bytes()
    for length in range(0, len(whole), len(whole) // 23):
        (tmp_path / "cut.flac").write_bytes(whole[:length])
        try:
            assert len(read_16k(tmp_path / "cut.flac")) <= RATE * 2 + 20
        except BadInput as error:
            assert "\n" not in str(error)


def test_a_recording_beyond_the_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("studio.engines.listen_whisper.MOST_SECONDS", 3600)
    path = wav(tmp_path / "long.flac", np.zeros(8_000 * 3_601, np.int16), 8_000)
    with pytest.raises(BadInput, match="longer than 1 hours; cut it"):
        read_16k(path)


def test_samples_that_are_no_numbers(tmp_path: Path) -> None:
    path = wav(tmp_path / "nan.wav", np.full(RATE, np.nan, np.float32), subtype="FLOAT")
    with pytest.raises(BadInput, match="no numbers"):
        read_16k(path)
