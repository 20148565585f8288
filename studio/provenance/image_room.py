"""Where a picture hides the mark: how far each place may move, and which even fills to shift as a whole.

Everything is worked out on the canvas, the picture at the size of the planes that the mark is read from, and
stretched to the picture's own size at the end: eyes resolve blue no finer than that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from studio.provenance.image_plane import SIEVES, plane_size, resized

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]
    Codes = NDArray[np.uint32]
    Pixels = NDArray[np.uint8]

BAYER = tuple(
    tuple((rank + 0.5) / 16 for rank in row)
    for row in ((0, 8, 2, 10), (12, 4, 14, 6), (3, 11, 1, 9), (15, 7, 13, 5))
)
"""What is added before rounding down, by pixel: ordered dither (Bayer 1973), so that no contours show."""
_LOUDEST = 1.8
_QUICK_SHARE = 0.6
_TEXTURE_SHARE = 0.3
_LOUDEST_LUMA = 1.0
_FAINT_LUMA = 0.1  # levels: far less than is seen, and enough where nothing but light was turned up
_HARSH, _MUCH = 1.5, 0.25  # times the light or the contrast; share of a picture
_BLOCK, _FARTHEST, _MOST_FILLS = 8, 4.0, 64
_STEPS = (17 / 8, 10 / 8, 9 / 8)  # of flat chroma in JPEG at qualities 50, 70 and 75 (ITU-T T.81, Annex K)
_WHITE = -3.7
_DEAR = 0.2  # dB that a level of shift must gain
_SPREAD, _INSIDE = 0.75, 0.6  # of waves' blue over blocks and within them, in levels
_GRAIN = 0.125  # how finely shifts are tried


def allowances(rgb: Pixels) -> Floats:
    """float32 (3, h, w) of the canvas: how far each carrier may move its channel, in units of the strength.

    Slow blue is 1 on white, less where colours show it more (CIE b*), more where texture hides it. Luma moves in texture only (but see `refuge`).
    """
    import numpy as np
    from PIL import Image
    from scipy.ndimage import gaussian_filter, minimum_filter

    seen = np.asarray(Image.fromarray(rgb).resize(plane_size(*rgb.shape[:2]), Image.Resampling.BOX))
    luma = np.asarray(seen @ np.array(SIEVES["luma"].weights, np.float32), np.float32)
    busy = gaussian_filter((luma - gaussian_filter(luma, 1)) ** 2, 1)
    busy = gaussian_filter(minimum_filter(busy, 3), 0.75)
    colour = np.minimum(yellowness(np.full((1, 1, 3), 255, np.uint8)) / yellowness(seen), 1)
    slow = np.minimum(np.sqrt(1 + busy / 29), _LOUDEST) * colour
    darkest = np.minimum(np.minimum(seen[..., 0], seen[..., 1]), seen[..., 2])
    quick = _QUICK_SHARE * slow * np.clip((255 - darkest) / np.float32(20), 0.3, 1)
    texture = np.minimum(_TEXTURE_SHARE * np.sqrt(busy / 29), _LOUDEST_LUMA)
    return np.stack([slow, quick, texture]).astype(np.float32)


def swallowing(rgb: Pixels) -> list[Pixels]:
    """Of brightness and contrast at ×1.5 those that drive blue to an end of its range in much of this picture.

    Tables (256,) of what they make of each level, the one that swallows more first.
    """
    import numpy as np

    some = rgb[::4, ::4]
    mean = float((some @ np.array(SIEVES["luma"].weights, np.float32)).mean())
    levels = np.arange(256)
    lit = (_HARSH * levels, mean + _HARSH * (levels - mean))
    tables = [np.clip(np.round(one), 0, 255).astype(np.uint8) for one in lit]
    shares = [float(_at_end(table)[some[..., 2]].mean()) for table in tables]
    return [tables[at] for at in np.argsort(shares)[::-1] if shares[at] > _MUCH]


def refuge(rgb: Pixels, tables: list[Pixels]) -> Floats:
    """float32 (h, w) of the canvas: how far luma may move, in units of the strength, where it outlasts a table.

    Even fills and slow gradients show luma waves sooner than blue ones, so these are far fainter, and only in
    pictures whose blue may be swallowed whole.
    """
    import numpy as np

    codes = _codes(rgb)
    kept = np.zeros(codes.shape, bool)
    for table in tables:
        ends = _at_end(table)
        kept |= ~(ends[codes >> 16] & ends[codes >> 8 & 255])
    return np.asarray(_FAINT_LUMA * kept, np.float32)


def _at_end(table: Pixels) -> NDArray[np.bool_]:
    import numpy as np

    return np.asarray((table == 0) | (table == 255))


def tipping(rgb: Pixels) -> Floats:
    """float32 (h, w) of the canvas: how far blue of wide even fills should move so that JPEG's rounding of
    chroma is undecided.

    A codec rounds an even fill to its nearest step, and every wave below half a step with it. Halfway between
    two steps the faintest wave tips it. A shift of the whole fill is not seen; waves are.
    """
    import numpy as np

    codes = _codes(rgb)
    height, width = codes.shape
    blocks = np.pad(codes, ((0, -height % _BLOCK), (0, -width % _BLOCK)), "edge")
    padded = blocks.shape[::-1]
    blocks = blocks.reshape(blocks.shape[0] // _BLOCK, _BLOCK, -1, _BLOCK)
    lead = blocks[:, 0, :, 0]
    even = (blocks == lead[:, None, :, None]).all(axis=(1, 3))
    corners = [(slice(y, y - 1 or None), slice(x, x - 1 or None)) for y in (0, 1) for x in (0, 1)]
    four = np.logical_and.reduce([even[at] & (lead[at] == lead[:-1, :-1]) for at in corners])
    fills, shares = np.unique(lead[:-1, :-1][four], return_counts=True)
    wanted = np.zeros(codes.shape, np.float32)
    if not len(fills):
        return wanted
    fills = fills[np.argsort(-shares, kind="stable")[:_MOST_FILLS]]
    for fill, shift in zip(fills, _tips(fills), strict=True):
        wanted[codes == fill] = shift
    wide = np.zeros(lead.shape, np.float32)
    for at in corners:
        wide[at][four] = 1
    return np.asarray(wanted * resized(wide, padded)[:height, :width], np.float32)


def _codes(rgb: Pixels) -> Codes:
    """uint32 (h, w) of the canvas: one pixel of each cell, its channels packed into one number."""
    import numpy as np

    size = plane_size(*rgb.shape[:2])
    down, right = (
        ((np.arange(cells) + 0.5) * pixels / cells).astype(np.intp)
        for cells, pixels in zip(size[::-1], rgb.shape[:2], strict=True)
    )
    some = rgb[down][:, right].astype(np.uint32)
    return np.asarray(some[..., 0] << 16 | some[..., 1] << 8 | some[..., 2])


def _tips(codes: Codes) -> Floats:
    """float (fills,): the shift of blue with which waves in each colour fare best at all of the `_STEPS`.

    White is a case of its own: with blue lower by `_WHITE` its luma lies between two levels, which tips more
    surely than chroma.
    """
    import numpy as np

    fills = np.stack([codes >> 16, codes >> 8 & 255, codes & 255], axis=1).astype(np.float64)
    reach = np.arange(-3, 3.01, _GRAIN)
    shifts = np.arange(-_FARTHEST, _FARTHEST + 0.01, _GRAIN)
    levels = np.arange(shifts[0] + reach[0], shifts[-1] + reach[-1] + 0.01, _GRAIN)
    inside = np.exp(-0.5 * (np.arange(-2, 2.01, _GRAIN) / _INSIDE) ** 2)
    means = _block_chroma(fills, np.arange(levels[0] - 2, levels[-1] + 2.01, _GRAIN))
    means = np.lib.stride_tricks.sliding_window_view(means, len(inside), axis=1) @ (inside / inside.sum())
    weights = np.exp(-0.5 * (reach / _SPREAD) ** 2)
    weights /= weights.sum()
    left = []
    for step in _STEPS:
        seen = np.lib.stride_tricks.sliding_window_view(np.round(means / step), len(reach), axis=1)
        mean, square = seen @ weights, (seen * seen) @ weights
        kept = (seen @ (weights * reach)) ** 2 / _SPREAD**2  # the power that goes with the wave
        left.append(10 * np.log10((kept + 1e-9) / (np.maximum(square - mean**2 - kept, 0) + 1e-3)))
    outside = (fills[:, 2:] + shifts < 0) | (fills[:, 2:] + shifts > 255)
    score = np.minimum(np.min(left, axis=0), 6) - _DEAR * np.abs(shifts) - 99.0 * outside
    return np.asarray(np.where(fills.min(axis=1) >= 254, _WHITE, shifts[score.argmax(axis=1)]), np.float32)


def _block_chroma(fills: NDArray[np.float64], levels: NDArray[np.float64]) -> NDArray[np.float64]:
    """float (fills, levels): mean Cb of a block once blue was moved by each of `levels` and dithered.

    As JPEG encoders work it out: to whole numbers at every pixel, then means of four to whole numbers again.
    """
    import numpy as np

    red, green = (SIEVES["blue"].weights[at] * fills[:, at] for at in (0, 1))
    moved = (
        np.floor(fills[:, 2, None, None, None] + levels[:, None, None] + BAYER) * SIEVES["blue"].weights[2]
    )
    pixel = np.floor((red + green)[:, None, None, None] + moved + 0.49999)
    fours = pixel.reshape(*pixel.shape[:2], 2, 2, 2, 2).sum(axis=(3, 5))
    return np.asarray(np.floor((fours + np.array([1, 2])) / 4).mean(axis=(2, 3)))


def yellowness(rgb: Pixels) -> Floats:
    """float32 (h, w): how far one level of blue moves CIE b* at each colour (sRGB, D65)."""
    import numpy as np

    curve = np.arange(256, dtype=np.float32) / 255
    linear = np.where(curve > 0.04045, ((curve + 0.055) / 1.055) ** 2.4, curve / 12.92)
    slope = np.where(curve > 0.04045, 2.4 / 1.055 * ((curve + 0.055) / 1.055) ** 1.4, 1 / 12.92) / 255
    weights = np.array([0.0193, 0.1192, 0.9505]) / 1.089
    tables = [np.asarray(weight * linear, np.float32) for weight in weights]
    z = sum(table[rgb[..., at]] for at, table in enumerate(tables))
    steep = np.asarray(200 / 3 * weights[2] * slope, np.float32)
    return np.asarray(steep[rgb[..., 2]] * np.cbrt(np.maximum(z, np.float32(0.008856))) ** -2, np.float32)
