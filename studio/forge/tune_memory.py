"""How much of a melody stands in others: the longest run of successive intervals that it shares with any of them.

A run is the same in every key and rhythm. Runs are compared by 64-bit polynomial hashes (Karp and Rabin 1987),
which for a million runs are wrong about once in 10^7 times.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from studio.nets.tune_tokens import Tune, notes_of

_BASE = np.uint64(0x9E3779B97F4A7C15)  # odd, so that no power of it vanishes modulo 2^64
LONGEST = 512


class Memory:
    """The intervals of many tunes; the hashes of one length are made when they are first asked for."""

    def __init__(self, tunes: Iterable[Tune]) -> None:
        parts = [steps_of(tune) for tune in tunes]
        self._joined = np.concatenate([*parts, np.zeros(0, np.uint64)])
        lengths = np.array([len(part) for part in parts], np.int64)
        # How many intervals of the same tune follow each place, itself included.
        ends = np.repeat(np.cumsum(lengths), lengths)
        self._left = ends - np.arange(len(self._joined))
        self._hashes: dict[int, NDArray[np.uint64]] = {}

    def longest(self, tune: Tune) -> int:
        """Intervals of the longest run of `tune` that any of the others has too."""
        steps = steps_of(tune)
        low, high = 0, min(len(steps), LONGEST)
        while low < high:  # whoever shares a run shares all shorter ones
            middle = (low + high + 1) // 2
            if self._shares(steps, middle):
                low = middle
            else:
                high = middle - 1
        return low

    def _shares(self, steps: NDArray[np.uint64], length: int) -> bool:
        if length not in self._hashes:
            whole = hashes(self._joined, length)
            self._hashes[length] = np.unique(whole[self._left[: len(whole)] >= length])
        known, own = self._hashes[length], hashes(steps, length)
        places = np.minimum(np.searchsorted(known, own), max(len(known) - 1, 0))
        return bool(len(known) and (known[places] == own).any())


def steps_of(tune: Tune) -> NDArray[np.uint64]:
    """The intervals between successive notes, in semitones over 64, so that none is zero or below."""
    pitches = np.array([pitch for pitch, _ in notes_of(tune)], np.int64)
    return (np.diff(pitches) + 64).astype(np.uint64)


def hashes(steps: NDArray[np.uint64], length: int) -> NDArray[np.uint64]:
    """One for every run of `length` intervals, in order, modulo 2^64."""
    if len(steps) < length:
        return np.zeros(0, np.uint64)
    total = np.zeros(len(steps) - length + 1, np.uint64)
    with np.errstate(over="ignore"):
        for place in range(length):
            total = total * _BASE + _mixed(steps[place : place + len(total)])
    return total


def _mixed(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Small numbers spread over 64 bits."""
    spread = values * np.uint64(0xBF58476D1CE4E5B9)
    return spread ^ (spread >> np.uint64(31))
