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


def magnitudes(mono: Floats, window: int, hop: int) -> Floats:
    """float32 (frames, window/2 + 1): Hann-windowed magnitude spectra; at least one frame."""
    import numpy as np

    if len(mono) < window:
        mono = np.pad(mono, (0, window - len(mono)))
    frames = np.lib.stride_tricks.sliding_window_view(mono, window)[::hop]
    hann = np.hanning(window).astype(np.float32)
    return np.concatenate(
        [
            abs(np.fft.rfft(part * hann)).astype(np.float32)
            for part in np.array_split(frames, len(frames) // 256 + 1)
        ]
    )


def chroma(mono: Floats) -> Floats:
    """float32 (frames, 12): energy of the spectral peaks by pitch class from C, at A = 440 Hz.

    Only local peaks count, so that noise and the skirts of a tone add little.
    """
    import numpy as np

    spectra = magnitudes(mono, WINDOW, HOP)
    peaks = np.zeros_like(spectra)
    middle = spectra[:, 1:-1]
    peaks[:, 1:-1] = middle * ((middle > spectra[:, :-2]) & (middle >= spectra[:, 2:]))
    hertz = np.arange(spectra.shape[1]) * RATE / WINDOW
    used = (hertz >= LOW_HZ) & (hertz <= HIGH_HZ)
    # A peak's true frequency from its neighbours (parabola through log magnitudes).
    logs = np.log(spectra + 1e-9)
    curve = logs[:, :-2] - 2 * logs[:, 1:-1] + logs[:, 2:]
    shift = np.zeros_like(spectra)
    shift[:, 1:-1] = np.where(
        peaks[:, 1:-1] > 0, 0.5 * (logs[:, :-2] - logs[:, 2:]) / np.minimum(curve, -1e-6), 0
    )
    true = np.maximum(hertz + np.clip(shift, -0.5, 0.5) * RATE / WINDOW, 20.0)
    classes = np.round(12 * np.log2(true / 440.0) + 69).astype(int) % 12
    energy = np.where(used, peaks, 0) ** 2
    return np.stack([(energy * (classes == k)).sum(axis=1) for k in range(12)], axis=1).astype(np.float32)


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
