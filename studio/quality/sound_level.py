"""Loudness, peaks, silence and clipping: what broadcasters and platforms measure.

Sources: ITU-R BS.1770-4 (integrated loudness; Annex 2: true peak by 4 × oversampling), EBU R 128.
"""

from __future__ import annotations

import warnings
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
    samples, rate = sample.sound.samples, sample.sound.sample_rate
    length = len(samples) / rate
    if length < seconds:
        raise Withheld(f"needs at least {seconds:g} s of sound; this has {length:.2g} s")
    if abs(samples).max() < 10 ** (SILENT_DBFS / 20):
        raise Withheld("the sound is silent throughout")


def frame_levels(mono: NDArray[np.float32], rate: int) -> NDArray[np.float64]:
    """Root mean square level of each 50 ms frame in dBFS, (frames,); at least one frame."""
    import numpy as np

    size = max(1, int(FRAME_SECONDS * rate))
    count = max(1, len(mono) // size)
    frames = mono[: count * size].astype(np.float64).reshape(count, -1)
    level: NDArray[np.float64] = 10 * np.log10(np.maximum((frames**2).mean(axis=1), 1e-12))
    return level


@metrics.register
class Loudness:
    name: ClassVar[str] = "loudness"
    kinds: ClassVar[tuple[Kind, ...]] = SOUND
    needs: ClassVar[tuple[str, ...]] = ()

    def score(self, sample: Sample) -> Score:
        import pyloudnorm

        need_sound(sample, 0.5)
        if sample.sound.samples.shape[1] > 5:
            raise Withheld("works for up to five channels")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            meter = pyloudnorm.Meter(sample.sound.sample_rate)
            value = float(meter.integrated_loudness(sample.sound.samples))
        if value < -70:
            raise Withheld("the sound lies under the −70 LUFS gate throughout")
        domain = "0.5 s of sound and more; platforms ask for −14 to −23"
        return Score(self.name, value, "LUFS", "neither", domain, version="ITU-R BS.1770-4")


@metrics.register
class TruePeak:
    name: ClassVar[str] = "true_peak"
    kinds: ClassVar[tuple[Kind, ...]] = SOUND
    needs: ClassVar[tuple[str, ...]] = ()

    def score(self, sample: Sample) -> Score:
        import numpy as np
        from scipy.signal import resample_poly

        need_sound(sample, 0.05)
        times = max(1, -(-192_000 // sample.sound.sample_rate)) if sample.sound.sample_rate < 96_000 else 2
        peak = max(abs(resample_poly(channel, min(times, 8), 1)).max() for channel in sample.sound.samples.T)
        value = float(20 * np.log10(peak))
        return Score(
            self.name,
            value,
            "dBTP",
            "lower",
            "any sound; above −1 may clip after coding",
            version="ITU-R BS.1770-4",
        )


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
        flat = [_flat_tops(channel) for channel in sample.sound.samples.T]
        value = 100 * sum(flat) / sample.sound.samples.size
        domain = "hard clipping, also when turned down later; not soft limiting, not after lossy coding"
        return Score(self.name, value, "% of samples", "lower", domain)


def _flat_tops(channel: NDArray[np.float32]) -> int:
    import numpy as np

    grid = np.round(channel * 32767)
    count = 0
    for side in (grid, -grid):
        top = np.concatenate(([0], (side >= side.max() - 1).astype(np.int8), [0]))
        starts, ends = np.flatnonzero(np.diff(top) == 1), np.flatnonzero(np.diff(top) == -1)
        runs = ends - starts
        count += int(runs[runs >= FLAT_TOP].sum()) if side.max() > 327 else 0
    return count
