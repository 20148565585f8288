"""Putting the picture mark in: blue (and luma in texture) goes up and down as much as each place can hide.

The embedder reads its own work as the detector would, plain and after JPEG, and strengthens the waves that
came out weak at the cost of those that came out strong.
"""

from __future__ import annotations

import io
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from studio.provenance.image_detect import Probe, demodulated, spectra_of
from studio.provenance.image_guess import waves_of
from studio.provenance.image_pattern import PILOTS, SLOW, Pattern, pattern_of, render, shift_of
from studio.provenance.image_plane import SIEVES, flattened, resized, scale_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]
    Complexes = NDArray[np.complex64]
    Pixels = NDArray[np.uint8]

STRENGTH = 1.5
"""Root mean square of the change in blue on a flat fill, in levels of 255."""
PASSES = 3
_AIM = 1.2
_JPEG_QUALITY = 50
_LOUDEST = 1.8
_MUTEST = 1.8
_QUICK_SHARE = 0.6
_TEXTURE_SHARE = 0.3
_LOUDEST_LUMA = 1.0
_MIN_PSNR = 42.5
_WIDE, _FARTHEST, _MOST_FILLS = 33, 2.2, 64
_STEPS = (17 / 8, 10 / 8)  # of flat chroma in JPEG at qualities 50 and 70 (ITU-T T.81, Annex K)


def marked(pixels: Pixels, message: bytes, key: bytes, strength: float = STRENGTH) -> Pixels:
    """A marked copy of uint8 (h, w, 3 or 4); alpha and what it hides stay as they are."""
    import numpy as np

    pattern = pattern_of(key)
    symbols, phases = pattern.symbols(message, key), pattern.shifted(shift_of(message, key))
    rooms = strength * allowances(pixels)
    tip = tipping(flattened(pixels)) * _seen_through(pixels)
    gains = np.ones((len(symbols), 2), np.float32)
    result = pixels
    for turn in range(PASSES):
        lifted = (symbols.real * gains[:, 0] + 1j * symbols.imag * gains[:, 1]) * phases
        result = _changed(pixels, rooms, tip, pattern, lifted.astype(np.complex64))
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
    return np.asarray(rooms * _seen_through(pixels), np.float32)


def _seen_through(pixels: Pixels) -> Floats | float:
    """How much of each pixel is seen: its alpha, 0 to 1."""
    import numpy as np

    return np.asarray(pixels[..., 3] / np.float32(255)) if pixels.shape[2] == 4 else 1.0


def tipping(rgb: Pixels) -> Floats:
    """float32 (h, w): how far blue of wide even fills should move so that JPEG's rounding of chroma is undecided.

    A codec rounds an even fill to its nearest step, and every wave below half a step with it. Halfway between
    two steps the faintest wave tips it. A shift of the whole fill is not seen; waves are.
    """
    import numpy as np
    from scipy.ndimage import gaussian_filter, maximum_filter1d, minimum_filter1d

    def window(values: Pixels, filtered: Any) -> Pixels:
        return np.asarray(filtered(filtered(values, _WIDE, axis=0), _WIDE, axis=1))

    even = np.all(window(rgb, maximum_filter1d) == window(rgb, minimum_filter1d), axis=2)
    codes = rgb.astype(np.uint32) @ np.array([65536, 256, 1], np.uint32)
    wanted = np.zeros(rgb.shape[:2], np.float32)
    for code in np.unique(codes[even])[:_MOST_FILLS]:
        wanted[codes == code] = _tip(np.array([code >> 16, code >> 8 & 255, code & 255]))
    return np.asarray(wanted * gaussian_filter(window(even, maximum_filter1d).astype(np.float32), 1.0))


def _tip(fill: NDArray[np.uint32]) -> float:
    """The least shift of blue that brings one colour near the middle between two steps, for each of `_STEPS`."""
    import numpy as np

    shifts = np.linspace(-_FARTHEST, _FARTHEST, 89)
    chroma = float(fill @ np.array(SIEVES["blue"].weights)) + SIEVES["blue"].weights[2] * shifts
    far = [np.abs((chroma / step) % 1 - 0.5) * step for step in _STEPS]  # steps lie at whole numbers
    outside = (fill[2] + shifts < 0) | (fill[2] + shifts > 255)
    return float(shifts[(np.max(far, axis=0) + 0.05 * np.abs(shifts) + 9.0 * outside).argmin()])


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


def _changed(pixels: Pixels, rooms: Floats, tip: Floats, pattern: Pattern, lifted: Complexes) -> Pixels:
    """The pixels with the waves in them; blue keeps clear of both ends of its range first."""
    import numpy as np

    height, width = pixels.shape[:2]
    slow, quick, luma = (
        room * render(points, row, height, width, scale_of(height, width))
        for room, points, row in zip(rooms, pattern.points, lifted, strict=True)
    )
    before = pixels[..., :3].astype(np.float32)
    change = np.repeat(luma[..., None], 3, axis=2)
    clear = np.clip(before[..., 2] + tip, rooms[SLOW], 255 - rooms[SLOW])
    change[..., 2] += clear - before[..., 2] + slow + quick
    power = max(float((change**2).mean()), 1e-9)
    change *= min(1.0, (255**2 * 10 ** (-_MIN_PSNR / 10) / power) ** 0.5)
    result = pixels.copy()
    result[..., :3] = np.clip(np.round(before + change), 0, 255)
    return result


def _came_out(rgb: Pixels, pattern: Pattern, symbols: Complexes, phases: Complexes) -> Floats:
    """float32 (160, 2): the soft values of an untouched picture along the bits meant, 1 on average."""
    import numpy as np

    planes = [spectrum.plane for spectrum in spectra_of(rgb)]
    probes, turns = _probes(pattern, planes[0].shape)
    values = np.array([probe.read(plane) for probe, plane in zip(probes, planes, strict=True)]) * turns
    soft = demodulated(pattern, values * phases.conj())[pattern.order].reshape(-1, 2)
    meant = symbols[PILOTS:]
    good = soft * np.stack([np.sign(meant.real), np.sign(meant.imag)], axis=1)
    return np.asarray(good / max(float(good.mean()), 1e-6), np.float32)


@lru_cache(maxsize=2)
def _probes(pattern: Pattern, shape: tuple[int, ...]) -> tuple[list[Probe], Complexes]:
    """For each carrier what reads it as it lies, and complex (3, 224) from the planes' centre to the corner."""
    import numpy as np

    waves = [waves_of(points, np.zeros((1, 3), np.float32))[0] for points in pattern.points]
    # The pattern starts at the corner, the spectrum is taken about the centre.
    turns = np.exp(-2j * np.pi * (np.array(waves) @ (np.array(shape[::-1]) / 2)))
    return [Probe(one, shape) for one in waves], turns.astype(np.complex64)
