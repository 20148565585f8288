"""Silence and clipping, and what every score of a sound asks first: is there sound, and how loud is each moment?"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from studio.quality.base import Sample, Withheld, metrics
from studio.types import Kind, Score

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SILENT_DBFS = -60.0
FRAME_SECONDS = 0.05
FLAT_TOP = 3
SOUND: tuple[Kind, ...] = ("speech", "music")


def need_sound(sample: Sample, seconds: float) -> None:
    """Raises Withheld for less than `seconds` of sound, or silence throughout."""
    length = len(sample.sound.samples) / sample.sound.sample_rate
    if length < seconds:
        raise Withheld(f"needs at least {seconds:g} s of sound; this has {length:.2g} s")
    if sample.peak < 10 ** (SILENT_DBFS / 20):
        raise Withheld("the sound is silent throughout")


def frame_levels(mono: NDArray[np.float32], rate: int) -> NDArray[np.float64]:
    """Root mean square level of each 50 ms frame in dBFS, (frames,); at least one frame."""
    import numpy as np

    size = max(1, int(FRAME_SECONDS * rate))
    count = max(1, len(mono) // size)
    frames = mono[: count * size].reshape(count, -1)
    power = np.einsum("ij,ij->i", frames, frames).astype(np.float64) / frames.shape[1]
    level: NDArray[np.float64] = 10 * np.log10(np.maximum(power, 1e-12))
    return level


@metrics.register
class Silence:
    """Share of 50 ms frames that lie 40 dB and more under the loud ones."""

    name: ClassVar[str] = "silence"
    kinds: ClassVar[tuple[Kind, ...]] = SOUND
    needs: ClassVar[tuple[str, ...]] = ()

    def score(self, sample: Sample) -> Score:
        import numpy as np

        need_sound(sample, 0.5)
        levels = frame_levels(sample.mono, sample.sound.sample_rate)
        value = 100 * float((levels < max(np.quantile(levels, 0.95) - 40, SILENT_DBFS)).mean())
        return Score(
            self.name, value, "% of the time", "neither", "sound of half a second and more; pauses count"
        )


@metrics.register
class Clipping:
    """Share of samples in flat tops: three and more equal samples at the very peak of a channel."""

    name: ClassVar[str] = "clipping"
    kinds: ClassVar[tuple[Kind, ...]] = SOUND
    needs: ClassVar[tuple[str, ...]] = ()

    def score(self, sample: Sample) -> Score:
        need_sound(sample, 0.05)
        flat = [_flat_tops(channel) for channel in sample.channels()]
        value = 100 * sum(flat) / sample.sound.samples.size
        domain = "hard clipping, also when turned down later; not soft limiting, not after lossy coding"
        return Score(self.name, value, "% of samples", "lower", domain)


def _flat_tops(channel: NDArray[np.float32]) -> int:
    """Samples in runs of FLAT_TOP and more within one 16-bit step of the channel's highest or lowest sample."""
    import numpy as np

    count = 0
    for side in (1, -1):
        extreme = channel.max() if side > 0 else channel.min()
        top = float(np.round(side * extreme * 32767))
        if top <= 327:
            continue
        # Only what could round to the top is rounded.
        least = side * (top - 2) / 32767
        near = np.flatnonzero(channel >= least if side > 0 else channel <= least)
        near = near[np.round(side * channel[near] * 32767) >= top - 1]
        runs = np.diff(np.flatnonzero(np.diff(near, prepend=-2, append=len(channel) + 1) != 1))
        count += int(runs[runs >= FLAT_TOP].sum())
    return count
