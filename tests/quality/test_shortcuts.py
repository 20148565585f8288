"""What is computed cheaply equals what the plain definition gives: the shortcuts change no score."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pyloudnorm
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from quality_material import (
    SONG,
    image_sample,
    landscape,
    photograph,
    rng,
    sound_sample,
    speech,
    sticker,
    tune,
)
from scipy.ndimage import uniform_filter1d
from scipy.signal import resample_poly

from studio.quality import (
    image_alignment,
    image_artefacts,
    image_detail,
    music_tonality,
    sound_level,
    spectrum,
)
from studio.quality.base import metrics
from studio.quality.sound_loudness import integrated, step_energies
from studio.quality.sound_peak import true_peak


def sounds() -> dict[str, Any]:
    random = rng(3)
    click = np.zeros(5000, np.float32)
    click[[0, 2500, 4999]] = 0.9, -0.4, 1.0
    return {
        "tune": tune(SONG, 0.5),
        "speech": speech(0)[0],
        "noise": random.normal(0, 0.3, 40_000).astype(np.float32),
        "click at the ends": click,
        "alternating": np.tile(np.float32([0.5, -0.5]), 700),
        "one sample": np.float32([0.25]),
        "fewer than a block": random.uniform(-1, 1, 30).astype(np.float32),
        "quiet, then loud": np.concatenate([1e-4 * random.normal(size=9000), np.ones(11)]).astype(np.float32),
    }


@pytest.mark.parametrize("name", sounds())
@pytest.mark.parametrize("times", [2, 4, 5, 8])
def test_true_peak_is_that_of_the_whole_oversampled(name: str, times: int) -> None:
    channel = sounds()[name]
    assert true_peak(channel, times) == pytest.approx(abs(resample_poly(channel, times, 1)).max(), rel=2e-5)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 400), st.integers(0, 1000), st.sampled_from([2, 4, 8]), st.floats(0, 3))
def test_true_peak_of_any_sound(length: int, seed: int, times: int, spikes: float) -> None:
    channel = (rng(seed).normal(size=length) ** 3 * spikes + rng(seed).normal(size=length)).astype(np.float32)
    assert true_peak(channel, times) == pytest.approx(abs(resample_poly(channel, times, 1)).max(), rel=2e-5)


@pytest.mark.parametrize("rate", [8000, 11_025, 22_050, 24_000, 44_100, 48_000])
@pytest.mark.parametrize("channels", [1, 2, 3, 5])
@pytest.mark.parametrize("seconds", [0.5, 0.777, 6.03])
def test_loudness_is_pyloudnorms(rate: int, channels: int, seconds: float) -> None:
    random = rng(channels)
    swell = np.repeat(random.uniform(0.001, 0.4, 25), int(seconds * rate) // 25 + 1)[
        : int(seconds * rate), None
    ]
    samples = (swell * random.normal(size=(len(swell), channels))).astype(np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = pyloudnorm.Meter(rate).integrated_loudness(samples)
    assert integrated(step_energies(list(samples.T), rate), rate) == pytest.approx(expected, abs=1e-4)


def test_loudness_of_what_never_passes_the_gate() -> None:
    assert integrated(step_energies([np.full(48_000, 1e-6, np.float32)], 48_000), 48_000) == -np.inf


def plain_flat_tops(channel: Any) -> int:
    grid = np.round(channel * 32767)
    count = 0
    for side in (grid, -grid):
        top = np.concatenate(([0], (side >= side.max() - 1).astype(np.int8), [0]))
        runs = np.flatnonzero(np.diff(top) == -1) - np.flatnonzero(np.diff(top) == 1)
        count += int(runs[runs >= sound_level.FLAT_TOP].sum()) if side.max() > 327 else 0
    return count


@settings(max_examples=80, deadline=None)
@given(st.integers(1, 600), st.integers(0, 10_000), st.floats(0.01, 1.0), st.floats(0.0, 0.9))
def test_flat_tops_of_any_sound(length: int, seed: int, level: float, offset: float) -> None:
    wave = np.cumsum(rng(seed).normal(0, 0.2, length))
    channel = np.clip(wave, -level * (1 - offset), level).astype(np.float32)
    assert sound_level._flat_tops(channel) == plain_flat_tops(channel)


def test_flat_tops_that_differ_by_a_step() -> None:
    near = np.float32([0, 32766, 32767, 32766, 32765, 32767, 0, -32767, -32767, -32767]) / 32767
    assert sound_level._flat_tops(near) == plain_flat_tops(near) == 6


def plain_chroma(mono: Any) -> Any:
    """Every bin of every frame, in double precision."""
    frames = np.lib.stride_tricks.sliding_window_view(mono, spectrum.WINDOW)[:: spectrum.HOP]
    spectra = abs(np.fft.rfft(frames * np.hanning(spectrum.WINDOW)))
    classes = np.zeros((len(spectra), 12))
    for row, spectrum_ in zip(classes, spectra, strict=True):
        for k in range(1, len(spectrum_) - 1):
            left, middle, right = spectrum_[k - 1 : k + 2]
            if not (spectrum.LOW_HZ <= k * spectrum.RATE / spectrum.WINDOW <= spectrum.HIGH_HZ):
                continue
            if middle > left and middle >= right:
                a, b, c = np.log(np.array([left, middle, right]) + 1e-9)
                true = (k + np.clip(0.5 * (a - c) / min(a - 2 * b + c, -1e-6), -0.5, 0.5)) * spectrum.RATE
                row[round(12 * np.log2(true / spectrum.WINDOW / 440) + 69) % 12] += middle**2
    return classes


def test_chroma_is_that_of_all_bins() -> None:
    mono = tune(SONG[:12], 0.4)[: 6 * spectrum.RATE]
    found, expected = spectrum.chroma(mono), plain_chroma(mono)
    assert abs(found - expected).max() < 1e-3 * expected.max()


def test_key_fit_is_a_correlation() -> None:
    profiles = rng(0).random((5, 12)).astype(np.float32)
    keys = [
        np.roll(profile, k) for profile in (music_tonality.MAJOR, music_tonality.MINOR) for k in range(12)
    ]
    expected = [[np.corrcoef(profile, key)[0, 1] for key in keys] for profile in profiles]
    assert np.allclose(music_tonality.key_fit(profiles), expected, atol=1e-5)


def test_channels_are_mixed_evenly(tmp_path: Path) -> None:
    samples = rng(0).normal(0, 0.1, (4000, 3)).astype(np.float32)
    sample = sound_sample(tmp_path, samples, 44_100)
    assert np.allclose(sample.mono, samples.mean(axis=1), atol=1e-7)
    assert sample.peak == abs(samples).max()


def plain_loss(grey: Any) -> float:
    blurred = uniform_filter1d(grey.astype(np.float64), image_detail.BLUR_TAPS, axis=0, mode="nearest")
    before, after = abs(np.diff(grey, axis=0)), abs(np.diff(blurred, axis=0))
    return float(np.maximum(0, before - after).sum() / before.sum())


@pytest.mark.parametrize("seed", range(3))
def test_sharpness_is_what_a_blur_takes(seed: int, tmp_path: Path) -> None:
    sample = image_sample(tmp_path, landscape(seed))
    expected = min(plain_loss(sample.luma), plain_loss(sample.luma.T))
    assert metrics.lookup("sharpness")().score(sample).value == pytest.approx(expected, rel=1e-5)


def test_moments_of_the_artefact_model(tmp_path: Path) -> None:
    x = image_artefacts.normalised(image_sample(tmp_path, photograph(1)).luma.astype(np.float64))
    _, _, left, right = image_artefacts.asymmetric_fit(x)
    assert left == pytest.approx((x[x < 0] ** 2).mean(), rel=1e-9)
    assert right == pytest.approx((x[x >= 0] ** 2).mean(), rel=1e-9)


def test_a_picture_that_is_not_square_is_laid_on_a_white_one() -> None:
    wide = np.full((256, 512, 3), 255, np.uint8)
    wide[:, 128:384] = sticker(0)[..., :3]
    square = np.pad(wide, ((128, 128), (0, 0), (0, 0)), constant_values=255)
    assert np.array_equal(image_alignment.small(wide), image_alignment.small(square))
    clear = np.zeros((512, 512, 4), np.uint8)
    clear[128:384, 128:384, :3], clear[128:384, 128:384, 3] = sticker(0)[..., :3], 255
    assert np.array_equal(image_alignment.small(clear), image_alignment.small(square))
