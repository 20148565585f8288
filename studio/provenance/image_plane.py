"""What the picture mark is read from: a small blue-yellow plane, freed of the picture's own edges.

The plane is the chroma Cb (JFIF) shrunk to 128² in area. Its slopes are taken, steep ones (edges of the
picture) are struck out, the rest is weighted by how quiet its surroundings are; the divergence of what is
left holds the mark's waves nearly alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from studio.provenance.image_pattern import CANONICAL

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]
    Pixels = NDArray[np.uint8]

PLANE = 128
"""Side of the plane if the picture is square; the area is the same for every shape."""
_STEEP = 16.0  # squared slope (levels per cell) from which on a slope counts as an edge
_CALM = 0.3  # squared slope of the quietest surroundings told apart


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


def plane_of(rgb: Pixels) -> Floats:
    """float32, about 128² cells: Cb of a picture (h, w, 3)."""
    import numpy as np

    blue = rgb @ np.array([-0.168736, -0.331264, 0.5], np.float32)
    height, width = blue.shape
    shrink = PLANE / (height * width) ** 0.5
    size = max(16, round(width * shrink)), max(16, round(height * shrink))
    return resized(blue, size)


def resized(field: Floats, size: tuple[int, int]) -> Floats:
    """The field at another size (width, height): means of cells when shrinking, linear when growing."""
    import numpy as np
    from PIL import Image

    how: Any = Image.Resampling.BOX if size[0] < field.shape[1] else Image.Resampling.BILINEAR
    return np.asarray(Image.fromarray(np.ascontiguousarray(field, np.float32)).resize(size, how))


def bared(plane: Floats) -> Floats:
    """float32, same shape: the weighted divergence of the plane's gentle slopes."""
    import numpy as np
    from scipy.ndimage import gaussian_filter

    right, down = np.zeros_like(plane), np.zeros_like(plane)
    right[:, :-1], down[:-1] = np.diff(plane, axis=1), np.diff(plane, axis=0)
    steep = right**2 + down**2
    gentle = 1 / (1 + (steep / _STEEP) ** 2)
    around = gaussian_filter(gentle * steep, 3) / (gaussian_filter(gentle, 3) + 0.02)
    weight = gentle / (around + _CALM)
    right, down = right * weight, down * weight
    right[:, 1:] -= right[:, :-1].copy()
    down[1:] -= down[:-1].copy()
    return np.asarray(right + down, np.float32)
