"""Loudness and true peak of sound, measured as it grows, and the gain that brings it to a target.

ITU-R BS.1770-5: K-weighting (Annex 1), gated integration over 400 ms blocks with 75 % overlap, absolute
gate −70 LUFS and relative gate −10 LU; true peak by 4-times oversampling (Annex 2). EBU R 128 names the
targets. Sound shorter than 400 ms has no integrated loudness; its ungated level is taken instead.
"""

from __future__ import annotations

import math
from typing import Any

_ABSOLUTE_GATE, _RELATIVE_GATE, _OFFSET = -70.0, -10.0, -0.691
_BLOCK = 1 << 20  # samples handled at once, so that hours of speech need no second copy


class Meter:
    """Integrated loudness of everything added so far; adding costs time in proportion to what is added."""

    def __init__(self, sample_rate: int) -> None:
        self._filters = _k_weighting(sample_rate)
        self._state: Any = None
        self._hop = round(sample_rate * 0.1)
        self._rest: Any = None
        self._energies: list[float] = []  # mean square of each 100 ms

    def add(self, samples: Any) -> None:
        """`samples`: float array (frames,) or (frames, channels), −1…1; the power of channels adds up."""
        import numpy as np
        from scipy.signal import sosfilt

        if self._state is None:
            self._state = np.zeros((len(self._filters), 2, *samples.shape[1:]))
            self._rest = np.zeros((0, *samples.shape[1:]))
        for start in range(0, len(samples), _BLOCK):
            block = np.asarray(samples[start : start + _BLOCK], np.float64)
            weighted, self._state = sosfilt(self._filters, block, axis=0, zi=self._state)
            joined = np.concatenate([self._rest, weighted])
            whole = len(joined) // self._hop * self._hop
            squares = np.square(joined[:whole]).reshape(-1, self._hop, *joined.shape[1:]).mean(axis=1)
            self._energies.extend((squares if squares.ndim == 1 else squares.sum(axis=1)).tolist())
            self._rest = joined[whole:]

    def integrated(self) -> float:
        """LUFS; −inf for silence."""
        import numpy as np

        energies = np.asarray(self._energies)
        if len(energies) < 4:
            parts = [*self._energies] + (
                [float(np.square(self._rest).mean(axis=0).sum())]
                if self._rest is not None and len(self._rest)
                else []
            )
            return _lufs(float(np.mean(parts))) if parts else -math.inf
        blocks = np.convolve(energies, np.full(4, 0.25), mode="valid")
        loud = blocks[blocks > _power(_ABSOLUTE_GATE)]
        if not len(loud):
            return -math.inf
        loud = loud[loud > loud.mean() * 10 ** (_RELATIVE_GATE / 10)]
        return _lufs(float(loud.mean()))


def loudness(samples: Any, sample_rate: int) -> float:
    """Integrated loudness in LUFS of a float array (frames,) or (frames, channels)."""
    meter = Meter(sample_rate)
    meter.add(samples)
    return meter.integrated()


def true_peak(samples: Any) -> float:
    """The largest magnitude between the samples, too, in dBTP; −inf for silence."""
    peak = max((float(abs(part).max()) for part in _oversampled(samples)), default=0.0)
    return 20 * math.log10(peak) if peak > 0 else -math.inf


def bring_to(samples: Any, sample_rate: int, target_lufs: float, ceiling_dbtp: float = -1.0) -> float:
    """Change `samples` (float32, in place) to `target_lufs` with true peaks under `ceiling_dbtp`.

    Where the ceiling is met, a look-ahead limiter turns down the peak, and the gain is raised again, three
    times at most. Returns the loudness reached: silence stays silent, and a target that the peaks do not
    allow is missed on the quiet side.
    """
    import numpy as np

    reached = loudness(samples, sample_rate)
    for _ in range(3):
        if not math.isfinite(reached):
            return reached
        gain = 10 ** ((target_lufs - reached) / 20)
        np.multiply(samples, np.float32(gain), out=samples)
        limited = limit(samples, sample_rate, ceiling_dbtp)
        reached = loudness(samples, sample_rate) if limited else target_lufs
        if abs(reached - target_lufs) < 0.1:
            break
    return reached


def limit(samples: Any, sample_rate: int, ceiling_dbtp: float = -1.0) -> bool:
    """Keep true peaks under the ceiling (in place) with 2 ms of look-ahead; True if there was any to do."""
    import numpy as np
    from scipy.ndimage import minimum_filter1d, uniform_filter1d

    ceiling = 10 ** (ceiling_dbtp / 20) * 0.997  # smoothing the gain moves peaks by a little
    reach = max(round(0.002 * sample_rate), 1)
    touched, before = (
        False,
        np.zeros((0, *samples.shape[1:]), np.float32),
    )  # `before`: what stood left of the block, unlimited
    for start in range(0, len(samples), _BLOCK):
        a, b = start - len(before), min(start + _BLOCK + 2 * reach, len(samples))
        block = np.concatenate([before, np.asarray(samples[start:b], np.float32)])
        before = np.array(samples[max(start + _BLOCK - 2 * reach, start) : start + _BLOCK], np.float32)
        peaks = _peak_of_each(block)
        if float(peaks.max(initial=0.0)) <= ceiling:
            continue
        touched = True
        wanted = np.minimum(1.0, ceiling / np.maximum(peaks, 1e-9))
        held = minimum_filter1d(wanted, 2 * reach + 1, mode="nearest")
        gain = uniform_filter1d(held, 2 * reach + 1, mode="nearest").astype(np.float32)
        block *= gain if block.ndim == 1 else gain[:, None]  # all channels alike, or the image would move
        end = min(start + _BLOCK, len(samples))
        samples[start:end] = block[start - a : end - a]
    return touched


def _peak_of_each(block: Any) -> Any:
    """For every sample the largest magnitude of any channel in the quarter steps around it."""
    import numpy as np

    fine = np.abs(np.concatenate(list(_oversampled(block)) or [np.zeros(0, np.float32)]))
    return fine[: 4 * len(block)].reshape(len(block), -1).max(axis=1)


def _oversampled(samples: Any) -> Any:
    """The sound at four times its rate, in pieces."""
    import numpy as np
    from scipy.signal import resample_poly

    margin = 64
    for start in range(0, len(samples), _BLOCK):
        a, b = max(start - margin, 0), min(start + _BLOCK + margin, len(samples))
        fine = resample_poly(np.asarray(samples[a:b], np.float32), 4, 1)
        end = min(start + _BLOCK, len(samples))
        yield fine[4 * (start - a) : 4 * (end - a)]


def _k_weighting(sample_rate: int) -> Any:
    """Second-order sections of the two K-weighting filters at any sample rate.

    The standard gives coefficients at 48 kHz; these are the analogue prototypes behind them, through the
    bilinear transform (De Man 2014, "Evaluation of implementations of the EBU R128 loudness measurement").
    """
    import numpy as np

    gain, q, centre = 3.999843853973347, 0.7071752369554196, 1681.974450955533
    k, vh = math.tan(math.pi * centre / sample_rate), 10 ** (gain / 20)
    vb = vh**0.4996667741545416
    a0 = 1 + k / q + k * k
    shelf = [(vh + vb * k / q + k * k) / a0, 2 * (k * k - vh) / a0, (vh - vb * k / q + k * k) / a0, 1.0,
             2 * (k * k - 1) / a0, (1 - k / q + k * k) / a0]  # fmt: skip
    q, centre = 0.5003270373238773, 38.13547087602444
    k = math.tan(math.pi * centre / sample_rate)
    a0 = 1 + k / q + k * k
    high_pass = [1.0, -2.0, 1.0, 1.0, 2 * (k * k - 1) / a0, (1 - k / q + k * k) / a0]
    return np.array([shelf, high_pass])


def _lufs(power: float) -> float:
    return _OFFSET + 10 * math.log10(power) if power > 0 else -math.inf


def _power(lufs: float) -> float:
    return float(10 ** ((lufs - _OFFSET) / 10))
