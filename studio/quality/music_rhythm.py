"""Does a piece keep its tempo? The beat is measured in overlapping stretches and compared.

Onsets by spectral flux, beat period by autocorrelation with a preference for 120 beats a minute
(Ellis 2007), then again in each stretch near the tempo of the whole.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from studio.quality.base import Sample, Withheld, metrics
from studio.quality.sound_level import need_sound
from studio.quality.spectrum import ONSET_HOP, RATE, onsets
from studio.types import Kind, Score

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

LEAST_SECONDS = 16.0
STRETCH_SECONDS = 5.0
STEP_SECONDS = 2.5
NEAR = 0.25  # octaves: a local tempo is sought around that of the whole
SLOW, FAST = 50.0, 220.0
LEAST_PULSE = 0.16
LEAST_FLUX = 0.1


def tempo(flux: NDArray[np.float32], about: float = 120.0, octaves: float = 1.0) -> tuple[float, float]:
    """Beats a minute of an onset curve, and how marked the pulse is (autocorrelation, 0–1).

    Tempi near `about` are preferred, with a spread of `octaves`.
    """
    import numpy as np

    curve = flux - flux.mean()
    power = abs(np.fft.rfft(curve, 2 * len(curve))) ** 2
    lags = np.fft.irfft(power)[: len(curve)]
    lags = lags / max(float(lags[0]), 1e-12)
    shortest, longest = (int(60 * RATE / ONSET_HOP / bpm) for bpm in (FAST, SLOW))
    tried = np.arange(shortest, min(longest, len(lags) - 2))
    distance = np.log2(60 * RATE / ONSET_HOP / tried / about) / octaves
    best = int(tried[np.argmax(lags[tried] * np.exp(-0.5 * distance**2))])
    a, b, c = lags[best - 1 : best + 2]
    shift = 0.5 * (a - c) / (a - 2 * b + c) if a - 2 * b + c < 0 else 0.0
    return float(60 * RATE / ONSET_HOP / (best + np.clip(shift, -0.5, 0.5))), float(b)


@metrics.register
class TempoStability:
    """100 % less the mean deviation of the local tempo from that of the whole."""

    name: ClassVar[str] = "tempo_stability"
    kinds: ClassVar[tuple[Kind, ...]] = ("music",)
    needs: ClassVar[tuple[str, ...]] = ()

    def score(self, sample: Sample) -> Score:
        import numpy as np

        need_sound(sample, LEAST_SECONDS)
        flux = onsets(sample.music)
        size, step = (int(seconds * RATE / ONSET_HOP) for seconds in (STRETCH_SECONDS, STEP_SECONDS))
        if np.quantile(flux, 0.95) < LEAST_FLUX:
            raise Withheld("no note begins in it")
        parts = [flux[i : i + size] for i in range(0, len(flux) - size + 1, step)]
        middle = float(np.median([tempo(part)[0] for part in parts]))
        local = [tempo(part, middle, NEAR) for part in parts]
        if np.median([pulse for _, pulse in local]) < LEAST_PULSE:
            raise Withheld("no steady pulse can be heard")
        value = float(100 * (1 - np.mean([abs(bpm / middle - 1) for bpm, _ in local])))
        domain = "music with a beat, 16 s and more; rubato is lower by design"
        return Score(self.name, value, "%", "higher", domain, detail=f"about {middle:.0f} beats a minute")
