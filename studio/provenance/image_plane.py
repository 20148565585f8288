"""What the picture mark is read from: two small planes, freed of the picture's own edges.

The planes are the chroma Cb and the luma (JFIF), shrunk to 256² in area. Of each the slopes are taken, steep
ones (edges of the picture) are struck out, the rest is weighted by how quiet its surroundings are; the
divergence of what is left holds the mark's waves nearly alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from studio.provenance.image_pattern import CANONICAL

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]
    Pixels = NDArray[np.uint8]

PLANE = 256
"""Side of a plane if the picture is square; the area is the same for every shape."""


@dataclass(frozen=True, slots=True)
class Sieve:
    """How a plane is freed: squared slopes (levels per cell) and a distance in cells.

    `steep` is where an edge begins, `calm` the quietest surroundings told apart, `around` how far they reach.
    """

    weights: tuple[float, float, float]
    steep: float
    calm: float
    around: float


SIEVES = {
    "blue": Sieve((-0.168736, -0.331264, 0.5), 6.0, 0.1, 4.0),
    "luma": Sieve((0.299, 0.587, 0.114), 400.0, 1.4, 2.5),
}


def scale_of(height: int, width: int) -> float:
    """Pixels per canonical pixel of a picture of this size."""
    return float((height * width) ** 0.5 / CANONICAL)


def flattened(pixels: Pixels) -> Pixels:
    """uint8 (h, w, 3): as it looks on white paper."""
    import numpy as np

    if pixels.shape[2] == 3:
        return pixels
    alpha = pixels[..., 3:].astype(np.float32) / 255
    return np.asarray(np.round(pixels[..., :3] * alpha + 255 * (1 - alpha)), np.uint8)


def plane_size(height: int, width: int) -> tuple[int, int]:
    """(width, height) of the planes of a picture, in cells."""
    shrink = PLANE / (height * width) ** 0.5
    return max(16, round(width * shrink)), max(16, round(height * shrink))


def plane_of(rgb: Pixels, sieve: Sieve) -> Floats:
    """float32, about 256² cells: the weighted divergence of the gentle slopes of a picture (h, w, 3)."""
    import numpy as np

    field = np.asarray(rgb @ np.array(sieve.weights, np.float32), np.float32)
    plane = resized(field, plane_size(*field.shape))
    right, down = np.zeros_like(plane), np.zeros_like(plane)
    right[:, :-1], down[:-1] = np.diff(plane, axis=1), np.diff(plane, axis=0)
    squared = right**2 + down**2
    gentle: Floats = np.asarray(1 / (1 + (squared / sieve.steep) ** 2), np.float32)
    around: Floats = _blurred(gentle * squared, sieve.around) / (_blurred(gentle, sieve.around) + 0.02)
    weight = gentle / (around + sieve.calm)
    right, down = right * weight, down * weight
    right[:, 1:] -= right[:, :-1].copy()
    down[1:] -= down[:-1].copy()
    return np.asarray(right + down, np.float32)


def _blurred(field: Floats, spread: float) -> Floats:
    """Gauss's blur by `spread` cells, worked out at half the size."""
    import numpy as np
    from PIL import Image
    from scipy.ndimage import gaussian_filter

    half = np.asarray(Image.fromarray(field).reduce(2))
    return resized(gaussian_filter(half, spread / 2), (field.shape[1], field.shape[0]))


def resized(field: Floats, size: tuple[int, int]) -> Floats:
    """The field at another size (width, height): means of cells when shrinking, linear when growing."""
    import numpy as np
    from PIL import Image

    how: Any = Image.Resampling.BOX if size[0] < field.shape[1] else Image.Resampling.BILINEAR
    return np.asarray(Image.fromarray(np.ascontiguousarray(field, np.float32)).resize(size, how))
