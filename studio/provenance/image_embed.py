"""Putting the picture mark in: blue (and luma in texture) goes up and down as much as each place can hide.

Where more light or contrast would swallow blue whole, luma carries it too, far below what is seen. The
embedder begins faintly and reads its own work as the detector would, after JPEG and after that light. Where it
reads clearly it stops; else it strengthens the waves that came out weak at the cost of the others, and all of
them as far as it must.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from studio.provenance.image_fresh import USUAL, Meant, clearness, jpeg
from studio.provenance.image_pattern import LUMA, PILOTS, QUICK, SLOW, Pattern, render
from studio.provenance.image_plane import flattened, plane_size, resized, scale_of
from studio.provenance.image_room import BAYER, allowances, refuge, swallowing, tipping

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]
    Complexes = NDArray[np.complex64]
    Pixels = NDArray[np.uint8]

STRENGTH = 1.0
"""Root mean square of the change in blue on a flat fill, in levels of 255, where that is enough."""
PASSES = 3
_FLAT, _OTHER = (1.1, 1.3, 4.0), (1.0, 3.0, 5.0)
"""Times the strength at first and at most, and the margin (dB) at which nothing more is done."""
_AIM = 1.2
_CREST = 1.6  # times the root mean square: the highest a blue wave rises
_MIN_PSNR = 42.5
_LEAST_LUMA, _SOME, _TEXTURED = 0.1, 0.01, 0.15  # levels; a share of the picture
_MUCH = 0.25  # share of a picture


def marked(pixels: Pixels, message: bytes, key: bytes, strength: float = STRENGTH) -> Pixels:
    """A marked copy of uint8 (h, w, 3 or 4); alpha and what it hides stay as they are."""
    import numpy as np

    meant, work = Meant.of(message, key), _Work(pixels, strength)
    gains = np.ones((len(meant.symbols), 2), np.float32)
    louder, most, ample = _FLAT if work.flat else _OTHER
    for turn in range(PASSES):
        lifted = (meant.symbols.real * gains[:, 0] + 1j * meant.symbols.imag * gains[:, 1]) * meant.phases
        result = work.changed(meant.pattern, lifted.astype(np.complex64), louder)
        if turn == PASSES - 1:
            break
        came = [meant.came(meant.soft(view, luma=luma)) for view, luma in work.views(result)]
        short = ample - min(map(clearness, came))
        if short <= 0:
            break
        aim = np.clip((_AIM - np.mean(came, axis=0)) / _AIM, -0.3, 1.5)
        gains[PILOTS:] = np.clip(gains[PILOTS:] + 0.7 * aim, 0.3, 3)
        louder = min(louder * 10 ** (short / 20), most)
    return result


class _Work:
    """One picture and what every pass over it needs; `flat` tells whether wide even fills make up much of it,
    which are helped less by strength than by their tipping."""

    def __init__(self, pixels: Pixels, strength: float) -> None:
        import numpy as np

        self._pixels, rgb = pixels, flattened(pixels)
        height, width = rgb.shape[:2]
        self._size = width, height
        self._rooms = strength * allowances(rgb)
        textured = float((self._rooms[LUMA] > _LEAST_LUMA).mean())
        self._harsh = swallowing(rgb)
        if self._harsh:
            self._rooms[LUMA] = np.maximum(self._rooms[LUMA], strength * refuge(rgb, self._harsh))
        self._luma = bool(self._harsh) or textured > _SOME
        self._textured = textured > _TEXTURED
        self._seen = pixels[..., 3] / np.float32(255) if pixels.shape[2] == 4 else None
        tips = tipping(rgb)
        self.flat = bool((tips != 0).mean() > _MUCH)
        self._blue = pixels[..., 2] + self._stretched(tips)
        self._edge = self._stretched(self._rooms[SLOW])

    def changed(self, pattern: Pattern, lifted: Complexes, louder: float) -> Pixels:
        """The pixels with the waves in them; blue keeps clear of both ends of its range first."""
        import numpy as np

        width, height = self._size
        columns, rows = plane_size(height, width)
        whole = scale_of(height, width)
        scale = whole * rows / height, whole * columns / width
        slow, quick = (
            self._rooms[at] * _crested(render(pattern.points[at], lifted[at], rows, columns, scale))
            for at in (SLOW, QUICK)
        )
        blue, luma = louder * (slow + quick), self._rooms[LUMA] if self._luma else np.zeros(1, np.float32)
        power = float((blue**2).mean() / 3 + (luma**2).mean())
        share = min(1.0, (255**2 * 10 ** (-_MIN_PSNR / 10) / max(power, 1e-9)) ** 0.5)
        clear = louder * share * self._edge
        moved = np.clip(self._blue, clear, 255 - clear) + self._stretched(share * blue)
        result = self._pixels.copy()
        if self._luma:
            waves = render(pattern.points[LUMA], lifted[LUMA], height, width, (whole, whole))
            waves *= self._stretched(share * luma)
            for channel in (0, 1):
                result[..., channel] = _dithered(self._pixels[..., channel] + waves)
            moved += waves
        result[..., 2] = _dithered(moved)
        return result

    def views(self, result: Pixels) -> list[tuple[Pixels, bool]]:
        """What the result must be read from, and whether its luma counts there: after JPEG, and after the light
        that swallows most of its blue."""
        rgb = flattened(result)
        coded = [jpeg(rgb), *([jpeg(rgb, USUAL)] if self.flat else [])]
        return [(view, self._textured) for view in coded] + [(table[rgb], True) for table in self._harsh[:1]]

    def _stretched(self, field: Floats) -> Floats:
        """A field of the canvas at the picture's size, less where alpha lets less be seen."""
        import numpy as np

        wide = resized(field, self._size)
        return wide if self._seen is None else np.asarray(wide * self._seen)


def _crested(waves: Floats) -> Floats:
    """The waves with their few high crests pressed down: crests are what is seen, all else carries as well."""
    import numpy as np

    return np.asarray(_CREST * np.tanh(waves / np.float32(_CREST)))


def _dithered(values: Floats) -> Pixels:
    """uint8: values rounded up or down by the dither's pattern."""
    import numpy as np

    height, width = values.shape
    step = np.tile(np.array(BAYER, np.float32), (-(-height // 4), -(-width // 4)))[:height, :width]
    return np.asarray(np.clip(values, 0, 255) + (step[..., None] if values.ndim == 3 else step)).astype(
        np.uint8
    )
