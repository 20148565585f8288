"""Integrated loudness as broadcasters and platforms measure it (ITU-R BS.1770-4, EBU R 128).

The K-weighting filters are pyloudnorm's; filtering and gating are done here, in one pass over the sound and in
little memory. A test holds the result to pyloudnorm's own.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any, ClassVar

from studio.quality.base import Sample, Withheld, metrics
from studio.quality.sound_level import SOUND, need_sound
from studio.types import Kind, Score

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

BLOCK_SECONDS, STEPS = 0.4, 4
"""A block, and how many steps lead through it."""

GATE_LUFS, BELOW_MEAN = -70.0, 10.0
CHANNELS = (1.0, 1.0, 1.0, 1.41, 1.41)
AT_ONCE = 8
"""Steps filtered at a time: what fits a core's cache."""


@lru_cache(maxsize=8)
def _weighting(rate: int) -> NDArray[np.float64]:
    """The K-weighting at this sample rate as second-order sections, (2, 6)."""
    import numpy as np
    import pyloudnorm

    filters: Any = pyloudnorm.Meter(rate)._filters.values()
    return np.stack([np.r_[one.passband_gain * one.b / one.a[0], one.a / one.a[0]] for one in filters])


def step_energies(channels: Sequence[NDArray[np.float32]], rate: int) -> NDArray[np.float64]:
    """The K-weighted energy of each step of each channel (frames,), as far as blocks begin: (channels, steps).

    Two channels go through the filters as real and imaginary part of one signal, in little more time than one.
    """
    import numpy as np
    from scipy.signal import sosfilt

    sections = _weighting(rate)
    length = len(channels[0])
    blocks = int(np.round((length / rate - BLOCK_SECONDS) / (BLOCK_SECONDS / STEPS))) + 1
    edges = (BLOCK_SECONDS * (np.arange(blocks + STEPS) / STEPS) * rate).astype(int)
    edges = np.minimum(edges, length)
    rows: list[list[float]] = [[] for _ in channels]
    for at in range(0, len(channels), 2):
        pair = channels[at : at + 2]
        state = np.zeros((len(sections), 2), np.complex128 if len(pair) == 2 else np.float64)
        for i in range(0, len(edges) - 1, AT_ONCE):
            part = edges[i : i + AT_ONCE + 1]
            wave = np.empty(part[-1] - part[0], state.dtype)
            wave.real = pair[0][part[0] : part[-1]]
            if len(pair) == 2:
                wave.imag = pair[1][part[0] : part[-1]]
            weighted, state = sosfilt(sections, wave, zi=state)
            for row, one in zip(rows[at : at + 2], (weighted.real, weighted.imag), strict=False):
                steps = (one[a - part[0] : b - part[0]] for a, b in pairwise(part))
                row += [float(np.dot(step, step)) for step in steps]
    return np.array(rows)


def integrated(steps: NDArray[np.float64], rate: int) -> float:
    """LUFS from `step_energies`, gated twice; −inf where nothing passes the gate."""
    import numpy as np

    weights = np.array(CHANNELS[: len(steps)])
    blocks = sum(steps[:, k : steps.shape[1] - STEPS + 1 + k] for k in range(STEPS))
    power = weights @ blocks / (BLOCK_SECONDS * rate)
    with np.errstate(divide="ignore"):
        level = -0.691 + 10 * np.log10(power)
        heard = power[level >= GATE_LUFS]
        if not len(heard):
            return -np.inf
        gate = -0.691 + 10 * np.log10(heard.mean()) - BELOW_MEAN
        return float(-0.691 + 10 * np.log10(power[(level > gate) & (level > GATE_LUFS)].mean()))


@metrics.register
class Loudness:
    name: ClassVar[str] = "loudness"
    kinds: ClassVar[tuple[Kind, ...]] = SOUND
    needs: ClassVar[tuple[str, ...]] = ()

    def score(self, sample: Sample) -> Score:
        need_sound(sample, 0.5)
        if sample.sound.samples.shape[1] > len(CHANNELS):
            raise Withheld("works for up to five channels")
        rate = sample.sound.sample_rate
        value = integrated(step_energies(list(sample.channels()), rate), rate)
        if value < GATE_LUFS:
            raise Withheld("the sound lies under the −70 LUFS gate throughout")
        domain = "0.5 s of sound and more; platforms ask for −14 to −23"
        return Score(self.name, value, "LUFS", "neither", domain, version="ITU-R BS.1770-4")
