"""Short-time spectra, pitch classes and onsets, as the music metrics hear them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

RATE = 22_050
WINDOW = 4096
HOP = 1024
ONSET_WINDOW = 1024
ONSET_HOP = 256
SMOOTH = 7
LOW_HZ, HIGH_HZ = 65.0, 2100.0
MAX_SECONDS = 600.0


def resampled(mono: Floats, rate: int) -> Floats:
    import numpy as np
    import soxr

    return mono if rate == RATE else soxr.resample(mono, rate, RATE).astype(np.float32)


def magnitudes(mono: Floats, window: int, hop: int, bins: slice = slice(None)) -> Floats:
    """float32 (frames, window/2 + 1): Hann-windowed magnitude spectra, or `bins` of them; at least one frame."""
    import numpy as np
    from scipy.fft import rfft  # three times as fast as numpy's on float32

    if len(mono) < window:
        mono = np.pad(mono, (0, window - len(mono)))
    frames = np.lib.stride_tricks.sliding_window_view(mono, window)[::hop]
    hann = np.hanning(window).astype(np.float32)
    parts = np.array_split(frames, len(frames) // 256 + 1)
    return np.concatenate([abs(rfft(part * hann)[:, bins]) for part in parts])


def chroma(mono: Floats) -> Floats:
    """float32 (frames, 12): energy of the spectral peaks by pitch class from C, at A = 440 Hz.

    Only local peaks count, so that noise and the skirts of a tone add little. The peaks are sought from LOW_HZ
    to HIGH_HZ, so their two neighbours are all that is looked at beyond.
    """
    import numpy as np

    first, last = int(np.ceil(LOW_HZ * WINDOW / RATE)), int(HIGH_HZ * WINDOW / RATE)
    spectra = magnitudes(mono, WINDOW, HOP, slice(first - 1, last + 2))
    middle = spectra[:, 1:-1]
    frame, place = np.nonzero((middle > spectra[:, :-2]) & (middle >= spectra[:, 2:]))
    peak = middle[frame, place]
    # A peak's true frequency from its neighbours (parabola through log magnitudes).
    left, centre, right = (np.log(spectra[frame, place + k] + np.float32(1e-9)) for k in range(3))
    shift = 0.5 * (left - right) / np.minimum(left - 2 * centre + right, np.float32(-1e-6))
    true = np.maximum((place + first + np.clip(shift, -0.5, 0.5)) * RATE / WINDOW, 20.0)
    classes = np.round(12 * np.log2(true / 440.0) + 69).astype(int) % 12
    energy = np.bincount(12 * frame + classes, peak.astype(np.float64) ** 2, 12 * len(spectra))
    return energy.reshape(-1, 12).astype(np.float32)


def onsets(mono: Floats) -> Floats:
    """float32 (frames,): how much the log spectrum rises, per ONSET_HOP samples (spectral flux).

    Its square root, so that a few loud attacks do not outweigh all others.
    """
    import numpy as np

    spectra = np.log1p(100 * magnitudes(mono, ONSET_WINDOW, ONSET_HOP))
    flux = np.maximum(0, np.diff(spectra, axis=0, prepend=spectra[:1])).mean(axis=1)
    # Rounded, so that a beat that falls between two frames counts as much as one that hits a frame.
    rounded = np.hanning(SMOOTH + 2)[1:-1]
    return np.sqrt(np.convolve(flux, rounded / rounded.sum(), mode="same")).astype(np.float32)
