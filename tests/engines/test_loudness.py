"""Loudness against the standard's own numbers and an independent implementation."""

from __future__ import annotations

import math

import numpy as np
import pyloudnorm
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from studio.engines.loudness import Meter, bring_to, limit, loudness, true_peak


def tone(frequency: float, seconds: float, rate: int, level_dbfs: float) -> NDArray[np.float32]:
    t = np.arange(int(seconds * rate)) / rate
    return (10 ** (level_dbfs / 20) * np.sin(2 * np.pi * frequency * t)).astype(np.float32)


def babble(seconds: float, rate: int, seed: int) -> NDArray[np.float32]:
    """Noise whose level wanders, with pauses: gates have something to do."""
    draw = np.random.default_rng(seed)
    frames = int(seconds * rate)
    level = np.repeat(draw.choice([0.0, 0.003, 0.05, 0.3], size=frames // (rate // 5) + 1), rate // 5)[
        :frames
    ]
    return (draw.standard_normal(frames) * level * 0.3).clip(-1, 1).astype(np.float32)


@pytest.mark.parametrize("rate", [48000, 44100, 24000, 16000])
@pytest.mark.parametrize("level", [-23.0, -33.0])
def test_a_997_hz_tone_reads_its_level(rate: int, level: float) -> None:
    # BS.1770: a 0 dBFS 997 Hz sine on one front channel reads -3.01 LKFS.
    assert loudness(tone(997, 5, rate, level), rate) == pytest.approx(level - 3.01, abs=0.1)


@pytest.mark.parametrize("rate", [48000, 24000])
@pytest.mark.parametrize("seed", range(4))
def test_as_pyloudnorm_reads_it(rate: int, seed: int) -> None:
    sound = babble(7.3, rate, seed)
    assert loudness(sound, rate) == pytest.approx(pyloudnorm.Meter(rate).integrated_loudness(sound), abs=0.1)


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(0, 9000), min_size=1, max_size=12))
def test_adding_in_pieces_is_adding_at_once(sizes: list[int]) -> None:
    sound = babble(sum(sizes) / 24000 + 0.01, 24000, 1)[: sum(sizes)]
    pieces, at = Meter(24000), 0
    for size in sizes:
        pieces.add(sound[at : at + size])
        at += size
    whole = loudness(sound, 24000)
    assert pieces.integrated() == whole or pieces.integrated() == pytest.approx(whole, abs=1e-6)


def test_true_peak_sees_between_the_samples() -> None:
    # A quarter-rate sine sampled off its crests: samples reach 0.707, the wave 1.0 (EBU Tech 3341).
    sound = np.sin(2 * np.pi * 12000 * np.arange(48000) / 48000 + np.pi / 4).astype(np.float32)
    assert abs(sound).max() == pytest.approx(0.7071, abs=1e-3)
    assert true_peak(sound[100:-100]) == pytest.approx(0.0, abs=0.4)


@pytest.mark.parametrize("target", [-16.0, -23.0, -14.0])
@pytest.mark.parametrize("seed", range(3))
def test_the_target_is_met_under_the_ceiling(target: float, seed: int) -> None:
    sound = babble(6, 24000, seed)
    reached = bring_to(sound, 24000, target)
    assert reached == pytest.approx(target, abs=0.5)
    assert loudness(sound, 24000) == pytest.approx(target, abs=0.5)
    assert true_peak(sound) <= -0.95


def test_peaks_that_do_not_allow_the_target_win() -> None:
    clicks = np.zeros(48000, np.float32)
    clicks[::12000] = 0.5
    bring_to(clicks, 24000, -10.0)
    assert true_peak(clicks) <= -0.95


@pytest.mark.parametrize("length", [0, 1, 100, 30000])
def test_silence_stays_silence(length: int) -> None:
    silence = np.zeros(length, np.float32)
    assert bring_to(silence, 24000, -16.0) == -math.inf
    assert not silence.any()
    assert true_peak(silence) == -math.inf
    assert not limit(silence, 24000)


def test_limiting_leaves_quiet_sound_untouched() -> None:
    sound = tone(440, 1, 24000, -12.0)
    before = sound.copy()
    assert not limit(sound, 24000)
    assert np.array_equal(sound, before)


def test_a_block_border_leaves_no_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    whole, split = tone(440, 1, 24000, 3.0), tone(440, 1, 24000, 3.0)
    limit(whole, 24000)
    monkeypatch.setattr("studio.engines.loudness._BLOCK", 5000)
    limit(split, 24000)
    assert np.abs(whole - split).max() < 1e-3
