"""Putting the picture mark in: blue (and luma in texture) goes up and down as much as each place can hide.

The embedder reads its own work as the detector would, plain and after JPEG, and strengthens the waves that
came out weak at the cost of those that came out strong.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from studio.provenance.image_detect import demodulated, spectra_of
from studio.provenance.image_guess import waves_of
from studio.provenance.image_pattern import PILOTS, SLOW, Pattern, pattern_of, render, shift_of
from studio.provenance.image_plane import SIEVES, flattened, resized, scale_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]
    Complexes = NDArray[np.complex64]
    Pixels = NDArray[np.uint8]

STRENGTH = 2.2
"""Root mean square of the change in blue on a flat fill, in levels of 255."""
PASSES = 5
_AIM = 1.2
_JPEG_QUALITY = 50
_LOUDEST = 1.8
_MUTEST = 2.2
_QUICK_SHARE = 0.6
_TEXTURE_SHARE = 0.3
_LOUDEST_LUMA = 1.0
_MIN_PSNR = 42.5


def marked(pixels: Pixels, message: bytes, key: bytes, strength: float = STRENGTH) -> Pixels:
    """A marked copy of uint8 (h, w, 3 or 4); alpha and what it hides stay as they are."""
    import numpy as np

    pattern = pattern_of(key)
    symbols, phases = pattern.symbols(message, key), pattern.shifted(shift_of(message, key))
    rooms = strength * allowances(pixels)
    gains = np.ones((len(symbols), 2), np.float32)
    result = pixels
    for turn in range(PASSES):
        lifted = (symbols.real * gains[:, 0] + 1j * symbols.imag * gains[:, 1]) * phases
        result = _changed(pixels, rooms, pattern, lifted.astype(np.complex64))
        if turn < PASSES - 1:
            came = np.mean(
                [_came_out(view, pattern, symbols, phases) for view in views(flattened(result))], axis=0
            )
            aim = np.clip((_AIM - came) / _AIM, -0.3, 1.5)
            gains[PILOTS:] = np.clip(gains[PILOTS:] + 0.7 * aim, 0.3, 3)
    return result


def margin(pixels: Pixels, message: bytes, key: bytes) -> float:
    """How clearly a marked picture reads, in dB (reading works from about 1): the worse of plain and JPEG 50."""
    import numpy as np

    pattern = pattern_of(key)
    symbols, phases = pattern.symbols(message, key), pattern.shifted(shift_of(message, key))
    worst = np.inf
    for view in views(flattened(pixels))[:2]:
        came = _came_out(view, pattern, symbols, phases)
        worst = min(worst, 10 * np.log10(2.5 * came.mean() ** 2 / (came.var() + 1e-12)))
    return float(worst)


def allowances(pixels: Pixels) -> Floats:
    """float32 (3, h, w): how far each carrier may move its channel, in units of the strength.

    Slow blue is 1 on white; more where colour or texture hides it. Luma moves in texture only. Less of all
    where alpha lets less be seen.
    """
    import numpy as np
    from scipy.ndimage import gaussian_filter, minimum_filter

    height, width = pixels.shape[:2]
    shrink = min(1.0, 1 / scale_of(height, width))
    size = round(width * shrink), round(height * shrink)
    seen = flattened(pixels)
    luma = resized(np.asarray(seen @ np.array(SIEVES["luma"].weights), np.float32), size)
    busy = gaussian_filter((luma - gaussian_filter(luma, 2)) ** 2, 2)
    busy = gaussian_filter(minimum_filter(busy, 7), 1.5)
    colour = np.minimum(yellowness(np.full((1, 1, 3), 255, np.uint8)) / yellowness(seen), _MUTEST)
    slow = resized(np.minimum(np.sqrt(1 + busy / 29), _LOUDEST), (width, height)) * colour
    quick = _QUICK_SHARE * slow * np.clip((255 - seen.min(axis=2)) / np.float32(20), 0.3, 1)
    texture = resized(np.minimum(_TEXTURE_SHARE * np.sqrt(busy / 29), _LOUDEST_LUMA), (width, height))
    rooms = np.stack([slow, quick, texture]).astype(np.float32)
    if pixels.shape[2] == 4:
        rooms *= pixels[..., 3].astype(np.float32) / 255
    return np.asarray(rooms, np.float32)


def yellowness(rgb: Pixels) -> Floats:
    """float32 (h, w): how far one level of blue moves CIE b* at each colour (sRGB, D65)."""
    import numpy as np

    curve = np.arange(256, dtype=np.float32) / 255
    linear = np.where(curve > 0.04045, ((curve + 0.055) / 1.055) ** 2.4, curve / 12.92)
    slope = np.where(curve > 0.04045, 2.4 / 1.055 * ((curve + 0.055) / 1.055) ** 1.4, 1 / 12.92) / 255
    weights = np.array([0.0193, 0.1192, 0.9505]) / 1.089
    z = sum(w * linear[rgb[..., i]] for i, w in enumerate(weights))
    return np.asarray(
        200 / 3 * weights[2] * slope[rgb[..., 2]] * np.maximum(z, 0.008856) ** (-2 / 3), np.float32
    )


def views(rgb: Pixels) -> tuple[Pixels, ...]:
    """What the picture must be read from: itself, after JPEG, and brightened until white swallows the rest."""
    import numpy as np

    lit = np.minimum(np.round(rgb * np.float32(1.5)), 255).astype(np.uint8)
    return rgb, jpeg(rgb), lit


def jpeg(rgb: Pixels, quality: int = _JPEG_QUALITY) -> Pixels:
    """The picture after JPEG."""
    import numpy as np
    from PIL import Image

    held = io.BytesIO()
    Image.fromarray(rgb).save(held, "JPEG", quality=quality)
    return np.asarray(Image.open(held))


def _changed(pixels: Pixels, rooms: Floats, pattern: Pattern, lifted: Complexes) -> Pixels:
    """The pixels with the waves in them; blue keeps clear of both ends of its range first."""
    import numpy as np

    height, width = pixels.shape[:2]
    slow, quick, luma = (
        room * render(points, row, height, width, scale_of(height, width))
        for room, points, row in zip(rooms, pattern.points, lifted, strict=True)
    )
    before = pixels[..., :3].astype(np.float32)
    change = np.repeat(luma[..., None], 3, axis=2)
    change[..., 2] += np.clip(before[..., 2], rooms[SLOW], 255 - rooms[SLOW]) - before[..., 2] + slow + quick
    power = max(float((change**2).mean()), 1e-9)
    change *= min(1.0, (255**2 * 10 ** (-_MIN_PSNR / 10) / power) ** 0.5)
    result = pixels.copy()
    result[..., :3] = np.clip(np.round(before + change), 0, 255)
    return result


def _came_out(rgb: Pixels, pattern: Pattern, symbols: Complexes, phases: Complexes) -> Floats:
    """float32 (160, 2): the soft values of an untouched picture along the bits meant, 1 on average."""
    import numpy as np

    here = np.zeros((1, 3), np.float32)
    values = []
    for points, spectrum in zip(pattern.points, spectra_of(rgb), strict=True):
        waves = waves_of(points, here)[0]
        # The pattern starts at the corner, the spectrum is taken about the centre.
        centre = np.array(spectrum.plane.shape[::-1]) / 2
        values.append(spectrum.exact(waves) * np.exp(-2j * np.pi * (waves @ centre)))
    soft = demodulated(pattern, np.array(values) * phases.conj())[pattern.order].reshape(-1, 2)
    meant = symbols[PILOTS:]
    good = soft * np.stack([np.sign(meant.real), np.sign(meant.imag)], axis=1)
    return np.asarray(good / max(float(good.mean()), 1e-6), np.float32)
