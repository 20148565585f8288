"""Sound scores against signals whose values are known: EBU test signals, published DNSMOS, tuned tones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from quality_material import PHRASE_A, SONG, rng, sound_sample, speech, tune
from scipy.signal import lfilter

from studio.catalog import Catalog
from studio.quality.base import Sample, metrics
from studio.quality.card import with_models
from studio.quality.speech_dnsmos import dnsmos, speech_share
from studio.quality.speech_words import compare, one_spelling, spoken
from studio.settings import Settings
from studio.types import Kind


def value(name: str, sample: Sample) -> float:
    return metrics.lookup(name)().score(sample).value


def sine(hertz: float, seconds: float, level_dbfs: float, rate: int = 48_000, phase: float = 0.0) -> Any:
    return 10 ** (level_dbfs / 20) * np.sin(2 * np.pi * hertz * np.arange(int(seconds * rate)) / rate + phase)


def stereo(*parts: Any) -> Any:
    return np.repeat(np.concatenate(parts)[:, None], 2, axis=1)


EBU_LOUDNESS = {  # EBU Tech 3341, minimum requirements test signals 1 to 5
    "1": (stereo(sine(1000, 20, -23)), -23.0),
    "2": (stereo(sine(1000, 20, -33)), -33.0),
    "3": (stereo(sine(1000, 10, -36), sine(1000, 60, -23), sine(1000, 10, -36)), -23.0),
    "4": (
        stereo(*(sine(1000, s, db) for s, db in ((10, -72), (10, -36), (60, -23), (10, -36), (10, -72)))),
        -23.0,
    ),
    "5": (stereo(sine(1000, 20, -26), sine(1000, 20.1, -20), sine(1000, 20, -26)), -23.0),
}


@pytest.mark.parametrize("case", EBU_LOUDNESS)
def test_loudness_within_a_tenth(case: str, tmp_path: Path) -> None:
    samples, expected = EBU_LOUDNESS[case]
    assert value("loudness", sound_sample(tmp_path, samples, 48_000)) == pytest.approx(expected, abs=0.1)


@pytest.mark.parametrize(("divisor", "degrees"), [(4, 0), (4, 45), (6, 60), (8, 67.5)])
def test_true_peak_between_samples(divisor: int, degrees: float, tmp_path: Path) -> None:
    """EBU Tech 3341, test signals 15 to 18: −6.0 dBTP, +0.2/−0.4 dB."""
    samples = sine(48_000 / divisor, 2, 20 * np.log10(0.5), phase=np.radians(degrees))
    samples[:2400] *= np.linspace(0, 1, 2400)
    samples[-2400:] *= np.linspace(1, 0, 2400)
    assert -6.4 <= value("true_peak", sound_sample(tmp_path, samples, 48_000)) <= -5.8


def test_silence_and_clipping_are_counted(tmp_path: Path) -> None:
    half = np.concatenate([sine(300, 2, -6, 16_000), np.zeros(32_000)])
    assert value("silence", sound_sample(tmp_path, half, 16_000)) == pytest.approx(50, abs=1)
    clean, driven = sine(300, 2, -1, 16_000), np.clip(sine(300, 2, 6, 16_000), -0.7, 0.7)
    assert value("clipping", sound_sample(tmp_path, clean, 16_000)) == 0
    share = 100 * float((abs(driven) >= 0.7).mean())
    assert value("clipping", sound_sample(tmp_path, driven, 16_000)) == pytest.approx(share, abs=0.5)


def test_pace_leaves_out_the_silence_around(tmp_path: Path) -> None:
    words = "one two three four five six seven eight nine ten"
    samples = np.concatenate([np.zeros(16_000), sine(200, 4, -10, 16_000), np.zeros(32_000)])
    assert value("pace", sound_sample(tmp_path, samples, 16_000, prompt=words)) == pytest.approx(
        150, rel=0.02
    )


# --- DNSMOS ---------------------------------------------------------------------------------------


def buzz(seconds: float) -> Any:
    """A pulse train through three vowel resonances, as a voice without words."""
    rate, n = 16_000, int(seconds * 16_000)
    t = np.arange(n) / rate
    phase = 2 * np.pi * np.cumsum(120 + 20 * np.sin(2 * np.pi * 0.7 * t)) / rate
    source = sum(np.sin(k * phase) / k for k in range(1, 25))
    voice = np.zeros(n)
    for hertz, width in ((500, 80), (1500, 120), (2500, 160)):
        r = np.exp(-np.pi * width / rate)
        voice += lfilter([1 - r], [1, -2 * r * np.cos(2 * np.pi * hertz / rate), r * r], source)
    voice = voice * np.clip(np.sin(2 * np.pi * 3.1 * t), 0, 1) + 0.002 * rng(0).standard_normal(n)
    return (0.3 * voice / abs(voice).max()).astype(np.float32)


@pytest.mark.real
@pytest.mark.parametrize(
    ("seconds", "published"),
    [(3.0, (2.1267039, 3.3228051, 1.7403526)), (12.3, (2.0818217, 3.3814884, 1.7116721))],
)
def test_dnsmos_equals_the_published_tool(
    seconds: float, published: tuple[float, ...], settings: Settings
) -> None:
    """`published` was computed by speechmos 0.0.1.1 on the same signal."""
    folder = Catalog.read(settings).require("dnsmos").folder
    assert dnsmos(buzz(seconds), folder) == pytest.approx(published, abs=2e-4)


def test_voices_are_told_from_other_sounds() -> None:
    assert all(speech_share(speech(which)[0]) > 0.9 for which in (0, 1))
    others = (tune(SONG[:20], 0.5, 16_000), 0.2 * rng(0).standard_normal(64_000), sine(220, 4, -10, 16_000))
    assert all(speech_share(np.float32(sound)) < 0.3 for sound in others)


# --- Words ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (0, "zero"), (13, "thirteen"), (20, "twenty"), (42, "forty two"), (100, "one hundred"), (305, "three hundred five"),
        (1000, "one thousand"), (21_019, "twenty one thousand nineteen"),
        (999_999, "nine hundred ninety nine thousand nine hundred ninety nine"),
    ],
)  # fmt: skip
def test_numbers_as_words(number: int, words: str) -> None:
    assert spoken(number) == words


def test_one_spelling() -> None:
    assert one_spelling("It’s 1,200 — 50% off!") == "it's one thousand two hundred fifty percent off"
    assert one_spelling("?!") == ""


def test_slips_by_word() -> None:
    wrong, slips = compare("The soft lantern glows tonight.", "the lantern grows tonight dear")
    assert wrong == pytest.approx(3 / 5)
    assert slips == ["left out: soft", "glows → grows", "put in: dear"]


@pytest.mark.real
def test_the_listener_hears_the_script(settings: Settings, tmp_path: Path) -> None:
    metric = metrics.lookup("intelligibility")
    samples, rate, script = speech(1)
    sample = with_models(
        sound_sample(tmp_path, samples, rate, prompt=script), [metric], Catalog.read(settings)
    )
    score = metric().score(sample)
    assert score.value <= 10 and score.model == "whisper-base"


# --- Music ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("up", [0, 3, 7, 10])
def test_the_key_is_found(up: int, tmp_path: Path) -> None:
    song = sound_sample(tmp_path, tune([(m + up, d) for m, d in SONG], 0.5), 22_050, "music")
    score = metrics.lookup("key_stability")().score(song)
    assert score.detail == f"fits {('C', 'E♭', 'G', 'B♭')[(0, 3, 7, 10).index(up)]} major best"


@pytest.mark.parametrize("bpm", [90, 120, 150])
def test_the_tempo_is_found(bpm: int, tmp_path: Path) -> None:
    song = sound_sample(tmp_path, tune(PHRASE_A * 6, 60 / bpm), 22_050, "music")
    score = metrics.lookup("tempo_stability")().score(song)
    found = float(score.detail.split()[1])
    assert min(abs(found / bpm - k) for k in (0.5, 1, 2)) < 0.02
    assert score.value > 97


@pytest.mark.parametrize("kind", ["speech", "music"])
def test_sample_rates_and_channels(kind: Kind, tmp_path: Path) -> None:
    for rate in (8000, 16_000, 44_100, 96_000):
        samples = np.stack([sine(440, 3, -12, rate), sine(440, 3, -12, rate)], axis=1)
        sample = sound_sample(tmp_path, samples, rate, kind)
        assert value("true_peak", sample) == pytest.approx(-12, abs=0.3)
        assert value("loudness", sample) == pytest.approx(-12.7, abs=0.2)
