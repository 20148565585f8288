"""Sound as the audio mark sees it: 8 kHz mono, short-time spectra, and what stands out in them.

The feature of a point is how much louder it is than its surroundings, in nats, with the surroundings'
own restlessness divided out: gain, equalisers and slow level changes leave it alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from studio.provenance.audio_pattern import BANDS

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.floating[Any]]
    Spectra = NDArray[np.complex64]

RATE = 8_000
WINDOW, HOP = 512, 128
FIRST_BIN, BINS_PER_BAND = 12, 2
END_BIN = FIRST_BIN + BANDS * BINS_PER_BAND
_BLOCK_HOPS, _MARGIN_HOPS = 3_750, 64  # a minute; the longest box reaches 15 hops


def resampled(samples: Floats, rate: int, to: int) -> Floats:
    """float32 (frames,) at `to` Hz, without delay."""
    import numpy as np
    import soxr

    out: Floats = samples if rate == to else soxr.resample(samples, rate, to).astype(np.float32)
    return out


def spectra(samples: Floats) -> Spectra:
    """complex64 (hops, 257): Hann windows centred on every 128th sample."""
    import numpy as np
    from scipy.fft import rfft

    padded = np.pad(samples, (WINDOW // 2, WINDOW // 2 + HOP))
    frames = np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[::HOP]
    out: Spectra = rfft(frames * _hann(), axis=1)
    return out


def waveform(frames: Spectra, length: int) -> Floats:
    """float32 (length,): the least-squares inverse of `spectra` (Griffin and Lim, 1984)."""
    import numpy as np
    from scipy.fft import irfft

    pieces = irfft(frames, WINDOW, axis=1) * _hann()
    per = WINDOW // HOP
    total = np.zeros((len(pieces) + per - 1, HOP), np.float32)
    weight = np.zeros_like(total)
    square = (_hann() ** 2).reshape(per, HOP)
    for part in range(per):
        total[part : part + len(pieces)] += pieces[:, part * HOP : (part + 1) * HOP]
        weight[part : part + len(pieces)] += square[part]
    samples: Floats = total.ravel() / np.maximum(weight.ravel(), np.float32(1e-6))
    return samples[WINDOW // 2 : WINDOW // 2 + length]


def seen(samples: Floats) -> tuple[Floats, Floats]:
    """The `feature` of a whole recording, and float32 (hops,) of 0–1: whether there is sound to hold a mark.

    That is 0 from 35 dB below the loud hops, 1 from 20 dB. Works in blocks: an hour takes 0.5 GB, not 3.
    """
    import numpy as np

    parts, levels = [], []
    for start in range(0, len(samples), _BLOCK_HOPS * HOP):
        before = min(start // HOP, _MARGIN_HOPS)
        last = start + _BLOCK_HOPS * HOP >= len(samples)
        end = None if last else start + (_BLOCK_HOPS + _MARGIN_HOPS) * HOP
        frames = spectra(samples[start - before * HOP : end])
        kept = slice(before, None if last else before + _BLOCK_HOPS)
        parts.append(feature(frames)[kept])
        levels.append(10 * np.log10((np.abs(frames[kept, FIRST_BIN:END_BIN]) ** 2).sum(axis=1) + 1e-20))
    level = np.concatenate(levels)
    heard: Floats = np.clip((level - np.quantile(level, 0.9) + 35) / 15, 0, 1).astype(np.float32)
    return np.concatenate(parts), heard


def feature(frames: Spectra) -> Floats:
    """float32 (hops, END_BIN + 16): the loudness that stands out, of unit variance or less."""
    import numpy as np

    frames = frames[:, : END_BIN + 16]
    power = frames.real**2 + frames.imag**2
    around = np.maximum(_box(power, 5, 15), 0.0)  # a running sum may dip below
    logs: Floats = np.log(power + 0.01 * around + 1e-20)
    out = logs - _box(logs, 3, 15)
    out -= _box(out, 15, 1)
    top = float(np.quantile(around, 0.98))
    floor = np.clip(1.5 * np.quantile(around, 0.1, axis=0), 1e-6 * top, 2e-3 * top)
    # What lies under the noise floor says nothing: codecs and rooms rewrite it.
    out *= np.clip(1.0 - floor / (around + 1e-20), 0.0, 1.0)
    variance = np.maximum(_box(out * out, 15, 3), 0.0)
    out /= np.sqrt(variance + 0.1 * variance.mean() + 1e-20)
    return out.astype(np.float32)


def _box(values: Floats, hops: int, bins: int) -> Floats:
    from scipy.ndimage import uniform_filter

    out: Floats = uniform_filter(values, (hops, bins), mode="nearest")
    return out


def _hann() -> Floats:
    import numpy as np

    hann: Floats = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(WINDOW) / WINDOW)).astype(np.float32)
    return hann
