"""True peak: the highest point of the wave between its samples (ITU-R BS.1770-4, Annex 2, 4 × oversampling).

Oversampling a whole file to find one point is wasted work. What comes out of the interpolation filter cannot
exceed the sum of its taps' sizes times the largest sample that it reads, so stretches whose bound lies under a
peak already found are left out: the result is that of the whole file.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, ClassVar

from studio.quality.base import Sample, metrics
from studio.quality.sound_level import SOUND, need_sound
from studio.types import Kind, Score

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from threadpoolctl import ThreadpoolController

    Floats = NDArray[np.float32]

REACH = 10
"""Samples on either side that one interpolated point is made of."""

BLOCK = 48
FIRST, NEXT = 64, 1024
"""So many of the most promising blocks are looked at first, and then at a time."""


@lru_cache(maxsize=8)
def _interpolation(times: int) -> tuple[Floats, float, float]:
    """A Kaiser-windowed sinc for `times` × oversampling, as what turns a block into the points between its samples.

    Float32 (BLOCK + 2 REACH, BLOCK · (times − 1)); what it makes of a sample itself; the most by which it can
    enlarge one.
    """
    import numpy as np
    from scipy.signal import firwin

    taps = times * firwin(2 * REACH * times + 1, 1 / times, window=("kaiser", 5.0))
    phases = np.pad(taps, (0, times - 1)).reshape(-1, times)[::-1]
    matrix = np.zeros((BLOCK + 2 * REACH, BLOCK, times - 1), np.float32)
    for place in range(BLOCK):
        matrix[place : place + len(phases), place] = phases[:, 1:]
    most = float(abs(phases).sum(axis=0).max()) * (1 + 1e-5)
    return matrix.reshape(len(matrix), -1), float(phases[REACH, 0]), most


@lru_cache(maxsize=1)
def _threads() -> ThreadpoolController:
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


def true_peak(channel: Floats, times: int) -> float:
    """The largest absolute value of `channel` (frames,), at least one frame, at `times` ≥ 2 its sample rate."""
    import numpy as np

    matrix, itself, most = _interpolation(times)
    count = -(-len(channel) // BLOCK)
    padded = np.pad(channel, (REACH, REACH + count * BLOCK - len(channel)))
    size = abs(padded[REACH : REACH + count * BLOCK]).reshape(count, BLOCK).max(axis=1)
    around = np.pad(size, 1)
    bound = most * np.maximum(np.maximum(around[:-2], around[2:]), size)
    segments = np.lib.stride_tricks.sliding_window_view(padded, BLOCK + 2 * REACH)[::BLOCK]
    last = (len(channel) - (count - 1) * BLOCK) * (times - 1)
    peak, done = itself * float(size.max()), 0
    order = np.argsort(-bound)
    # One thread: BLAS threads spin, and beside a busy model two are ten times slower than one.
    with _threads().limit(limits=1, user_api="blas"):
        while done < count and bound[order[done]] > peak:
            blocks = order[done : done + (NEXT if done else FIRST)]
            between = segments[blocks] @ matrix
            between[blocks == count - 1, last:] = 0  # what rings on after the last sample
            peak = max(peak, float(between.max()), -float(between.min()))
            done += len(blocks)
    return peak


@metrics.register
class TruePeak:
    name: ClassVar[str] = "true_peak"
    kinds: ClassVar[tuple[Kind, ...]] = SOUND
    needs: ClassVar[tuple[str, ...]] = ()

    def score(self, sample: Sample) -> Score:
        import numpy as np

        need_sound(sample, 0.05)
        rate = sample.sound.sample_rate
        times = min(8, -(-192_000 // rate)) if rate < 96_000 else 2
        peak = max(true_peak(channel, times) for channel in sample.channels())
        domain = "any sound; above −1 may clip after coding"
        return Score(
            self.name, float(20 * np.log10(peak)), "dBTP", "lower", domain, version="ITU-R BS.1770-4"
        )
