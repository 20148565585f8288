"""Putting the picture mark in: blue goes up and down a little, as much as each place can hide.

The embedder reads its own work as the detector would, plain and after JPEG, and strengthens the waves that
came out weak at the cost of those that came out strong.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from studio.provenance.image_detect import Spectrum, demodulated, waves_of
from studio.provenance.image_pattern import CANONICAL, PILOTS, pattern_of, render, shift_of
from studio.provenance.image_plane import flattened, resized, scale_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]
    Complexes = NDArray[np.complex64]
    Pixels = NDArray[np.uint8]

STRENGTH = 2.2
"""Root mean square of the change in blue on a flat fill, in levels of 255."""
PASSES = 4
_AIM = 1.2
_JPEG_QUALITY = 50
_LOUDEST = 1.8
_MIN_PSNR = 42.5


def marked(pixels: Pixels, message: bytes, key: bytes, strength: float = STRENGTH) -> Pixels:
    """A marked copy of uint8 (h, w, 3 or 4); only blue changes, alpha and what it hides stay as they are."""
    import numpy as np

    height, width = pixels.shape[:2]
    pattern = pattern_of(key)
    symbols = pattern.symbols(message, key)
    phases = pattern.shifted(shift_of(message, key))
    room = strength * allowance(pixels)
    gains = np.ones((len(symbols), 2), np.float32)
    result = pixels
    for turn in range(PASSES):
        lifted = (symbols.real * gains[:, 0] + 1j * symbols.imag * gains[:, 1]) * phases
        change = room * render(pattern.points, lifted.astype(np.complex64), height, width, scale_of(height, width))
        result = _with_blue(pixels, change)
        if turn < PASSES - 1:
            seen = flattened(result)
            came = np.mean([_came_out(view, symbols, phases, pattern.points) for view in (seen, jpeg(seen))], axis=0)
            aim = np.clip((_AIM - came) / _AIM, -0.3, 1.5)
            gains = np.clip(gains + 0.7 * aim, 0.3, 3).astype(np.float32)
    return result


def margin(pixels: Pixels, message: bytes, key: bytes) -> float:
    """How clearly a marked picture reads, in dB (reading works from about 1): the worse of plain and JPEG 50."""
    import numpy as np

    pattern = pattern_of(key)
    phases = pattern.shifted(shift_of(message, key))
    signs = np.sign(pattern.soft(pattern.symbols(message, key)[PILOTS:]))
    worst = np.inf
    seen = flattened(pixels)
    for view in (seen, jpeg(seen)):
        good = demodulated(pattern, _values(view, phases, pattern.points)) * signs
        worst = min(worst, 10 * np.log10(max(good.mean(), 1e-6) ** 2 / (good.var() + 1e-12) * 2.5))
    return float(worst)


def allowance(pixels: Pixels) -> Floats:
    """float32 (h, w), 1 on flat fills: how much more texture hides; less where alpha lets less be seen."""
    import numpy as np
    from scipy.ndimage import gaussian_filter, minimum_filter

    height, width = pixels.shape[:2]
    shrink = min(1.0, 1 / scale_of(height, width))
    size = round(width * shrink), round(height * shrink)
    luma = resized(flattened(pixels) @ np.array([0.299, 0.587, 0.114], np.float32), size)
    busy = gaussian_filter((luma - gaussian_filter(luma, 2)) ** 2, 2)
    busy = gaussian_filter(minimum_filter(busy, 7), 1.5)
    room = resized(np.minimum(np.sqrt(1 + busy / 29), _LOUDEST), (width, height))
    return room * (pixels[..., 3] / np.float32(255)) if pixels.shape[2] == 4 else room


def jpeg(rgb: Pixels, quality: int = _JPEG_QUALITY) -> Pixels:
    """The picture after JPEG."""
    import numpy as np
    from PIL import Image

    held = io.BytesIO()
    Image.fromarray(rgb).save(held, "JPEG", quality=quality)
    return np.asarray(Image.open(held))


def _with_blue(pixels: Pixels, change: Floats) -> Pixels:
    import numpy as np

    power = float((change**2).mean()) / 3
    change = change * min(1.0, (255**2 * 10 ** (-_MIN_PSNR / 10) / max(power, 1e-9)) ** 0.5)
    result = pixels.copy()
    result[..., 2] = np.clip(np.round(pixels[..., 2] + change), 0, 255)
    return result


def _values(rgb: Pixels, phases: Complexes, points: NDArray[np.int64]) -> Complexes:
    """complex64 (224,): the waves as the detector finds them in an untouched picture, freed of their phases."""
    import numpy as np

    here = np.zeros((1, 3), np.float32)
    waves = waves_of(points, here)[0]
    spectrum = Spectrum.of(rgb)
    height, width = spectrum.plane.shape
    # The pattern starts at the corner, the spectrum is taken about the centre.
    centre = np.exp(-2j * np.pi * (waves @ np.array([width / 2, height / 2])))
    return np.asarray(spectrum.exact(waves) * centre * phases.conj(), np.complex64)


def _came_out(rgb: Pixels, symbols: Complexes, phases: Complexes, points: NDArray[np.int64]) -> Floats:
    """float32 (224, 2): real and imaginary parts along the symbols, 1 on average (imaginary pilots count full)."""
    import numpy as np

    values = _values(rgb, phases, points)
    both = np.stack([values.real * np.sign(symbols.real), values.imag * np.sign(symbols.imag)], axis=1)
    meant = np.stack([symbols.real != 0, symbols.imag != 0], axis=1)
    mean = max(float(both[meant].mean()), 1e-6)
    return np.where(meant, both / mean, _AIM)
