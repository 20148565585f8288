"""Pixels as the picture metrics see them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from studio.quality.base import Sample, Withheld

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

REC709 = (0.2126, 0.7152, 0.0722)


def on_white(pixels: Any) -> Floats:
    """float32 (height, width, 3), 0–255: transparent parts show the white page behind."""
    import numpy as np

    rgb: Floats = pixels[..., :3].astype(np.float32)
    if pixels.shape[2] == 3:
        return rgb
    alpha = pixels[..., 3:].astype(np.float32) / 255
    result: Floats = rgb * alpha + 255 * (1 - alpha)
    return result


def luma(pixels: Any) -> Floats:
    """float32 (height, width), 0–255: Rec. 709 weights on the gamma-coded values."""
    import numpy as np

    result: Floats = on_white(pixels) @ np.asarray(REC709, np.float32)
    return result


def lightness(grey: Floats) -> Floats:
    """CIE 1976 L* (0–100) of gamma-coded sRGB luma 0–255."""
    import numpy as np

    v = grey / 255
    y = np.where(v <= 0.04045, v / 12.92, ((v + 0.055) / 1.055) ** 2.4)
    return np.where(y <= 216 / 24389, y * 24389 / 27, 116 * np.cbrt(y) - 16).astype(np.float32)


def need_size(grey: Any, least: int) -> None:
    """Raises Withheld for a picture with a side under `least` pixels."""
    height, width = grey.shape[:2]
    if min(height, width) < least:
        raise Withheld(f"needs at least {least} × {least} pixels; this picture has {width} × {height}")


DRAWN = "judges photographs and pictures like them; this one is drawn"
FLAT_BLOCK, FLAT_LEVELS, FLAT_SHARE = 16, 1.0, 0.3


def need_photograph(sample: Sample) -> None:
    """Raises Withheld for a drawing: the engine said that it draws, or much of the picture is quite even.

    Cameras, and models that learnt from them, leave grain in every shade but burnt-out white. Blocks of 16 are
    wider than those that JPEG makes even.
    """
    if "drawing" in sample.facts:
        raise Withheld(DRAWN)
    grey, side = sample.luma, FLAT_BLOCK
    rows, columns = grey.shape[0] // side, grey.shape[1] // side
    tiles = grey[: rows * side, : columns * side].reshape(rows, side, columns, side)
    if (tiles.max(axis=(1, 3)) - tiles.min(axis=(1, 3)) <= FLAT_LEVELS).mean() > FLAT_SHARE:
        raise Withheld(DRAWN)
