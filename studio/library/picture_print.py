"""What a picture looks like, in about 2 KB: enough to know it again after scaling, re-encoding or cropping.

- `sketch`: the picture squeezed to 16×16 cells of lightness and 8×8 of colour, 384 bytes. The given picture
  is laid over every sketch of the library at every size and shift a crop could have, all of it as matrix
  products; the best are nominated.
- `thumb`: the picture at 80 pixels. What decides is the thumb registered to the given picture to a fraction
  of a pixel and compared cell by cell, see picture_match.py.

Not covered: rotation, mirroring, heavy filters, and crops that lose more than 30 % of a side.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image

    Floats = NDArray[np.floating[Any]]
    Bytes = NDArray[np.uint8]

GRID = 16
SKETCH = GRID * GRID + 2 * (GRID // 2) ** 2
"""Bytes of a sketch: lightness, then the two colours, row by row, 128 being none."""
SIDE = 256
"""Longer side, in pixels, at which a given picture is looked at."""
THUMB_SIDE = 80
SCALES = (1.0, 0.95, 0.9, 0.85, 0.8, 0.75, 0.7)
"""The share of a stored side that a given picture may show."""
_FINE = 32  # cells a side from which the given picture's templates are made
_COLOUR_WEIGHT = 2.0
_FEW = 2_000  # sketches that the fine grid may be laid over at once
_STILL = 0.2  # keeps flat stretches from matching by their noise
_CHUNK = 4_096


@dataclass(frozen=True)
class View:
    """A given picture as it is looked at: (height, width, 3) float32 in 0…1, and `cells` at 32×32×3."""

    pixels: Floats
    cells: Floats


@dataclass(frozen=True)
class Frame:
    """Where the given picture lies in the stored one: stored = shift + scale · given, in fractions of the
    sides (x, y)."""

    shift: tuple[float, float]
    scale: tuple[float, float]


def look(picture: Image) -> View:
    """Transparency is taken as white, orientation as the camera noted it."""
    import numpy as np
    from PIL import Image, ImageOps

    picture = ImageOps.exif_transpose(picture)
    if "A" in picture.getbands() or "transparency" in picture.info:
        picture = picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)
    picture = picture.convert("RGB")
    scale = SIDE / max(picture.size)
    size = (max(8, round(picture.width * scale)), max(8, round(picture.height * scale)))
    small = picture.resize(size, Image.Resampling.BOX, reducing_gap=3.0)
    cells = small.resize((_FINE, _FINE), Image.Resampling.BOX)
    return View(np.asarray(small, np.float32) / 255, _lightness_colour(cells))


def sketch_of(view: View) -> bytes:
    import numpy as np

    planes = [_shrunk(view.cells[..., 0], GRID)] + [_shrunk(view.cells[..., c], GRID // 2) for c in (1, 2)]
    planes[1], planes[2] = planes[1] + 0.5, planes[2] + 0.5
    values = np.concatenate([plane.ravel() for plane in planes])
    return (values * 255).round().clip(0, 255).astype(np.uint8).tobytes()


def thumb_of(view: View) -> bytes:
    """The picture at `THUMB_SIDE` pixels as WebP."""
    import numpy as np
    from PIL import Image

    picture = Image.fromarray((view.pixels * 255).round().astype(np.uint8))
    picture.thumbnail((THUMB_SIDE, THUMB_SIDE), Image.Resampling.BOX, reducing_gap=None)
    out = io.BytesIO()
    picture.save(out, "WEBP", quality=90, method=2)
    return out.getvalue()


def nominate(sketches: Bytes, view: View, most: int) -> list[tuple[int, Frame]]:
    """Rows of `sketches` (n, `SKETCH`) that look most like the given picture, best first, and where."""
    import numpy as np

    rows = np.arange(len(sketches))
    if len(rows) > _FEW:
        likeness, _ = _laid_over(sketches, view, GRID // 2)
        rows = np.sort(np.argpartition(-likeness, _FEW)[:_FEW])
    likeness, place = _laid_over(sketches[rows], view, GRID)
    spans = _spans(GRID)
    best = np.argsort(-likeness, kind="stable")[:most]
    found = []
    for row in best:
        (y, height), (x, width) = spans[place[row] // len(spans)], spans[place[row] % len(spans)]
        found.append((int(rows[row]), Frame((x, y), (width, height))))
    return found


def _lightness_colour(picture: Image) -> Floats:
    """Lightness 0…1 and two colours −0.5…0.5 (JFIF's YCbCr)."""
    import numpy as np

    weights = [[0.299, 0.587, 0.114], [-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]]
    return (np.asarray(picture, np.float32) / 255) @ np.array(weights, np.float32).T


def _shrunk(plane: Floats, grid: int) -> Floats:
    import numpy as np

    step = len(plane) // grid
    return np.asarray(plane.reshape(grid, step, grid, step).mean((1, 3)))


@cache
def _spans(grid: int) -> list[tuple[float, float]]:
    """Every (start, length) a shown stretch of a side is tried at."""
    import numpy as np

    spans = []
    for scale in SCALES:
        places = 1 + round((1 - scale) * grid * 1.25)
        spans += [(float(start), scale) for start in np.linspace(0, 1 - scale, places)]
    return spans


@cache
def _spread(grid: int, cells: int) -> tuple[Floats, Floats]:
    """For each span: how the given picture's cells average into `cells` of a side (spans, cells, fine), and
    which cells it covers (spans, cells)."""
    import numpy as np

    averages, covers = [], []
    for start, length in _spans(grid):
        edges = np.linspace(start, start + length, _FINE + 1) * cells
        low = np.maximum(np.arange(cells)[:, None], edges[None, :-1])
        high = np.minimum(np.arange(cells)[:, None] + 1, edges[None, 1:])
        shared = np.maximum(high - low, 0)
        covered = shared.sum(1)
        averages.append(shared / np.maximum(covered, 1e-6)[:, None])
        covers.append(covered > 0.6)
    return np.array(averages, np.float32), np.array(covers, np.float32)


def _templates(view: View, grid: int) -> tuple[Floats, Floats]:
    """The given picture at every frame (values, frames), unit length; and the cells it covers there."""
    import numpy as np

    values, covers = [], []
    for plane, cells in ((0, grid), (1, grid // 2), (2, grid // 2)):
        average, cover = _spread(grid, cells)
        laid = average @ view.cells[..., plane]
        frames = np.einsum("aif,bjf->abij", laid, average, optimize=True)
        mask = np.einsum("ai,bj->abij", cover, cover)
        if plane == 0:
            frames = frames - ((frames * mask).sum((2, 3)) / mask.sum((2, 3)))[..., None, None]
        frames = frames * mask * (1.0 if plane == 0 else _COLOUR_WEIGHT)
        values.append(frames.reshape(-1, cells * cells))
        covers.append(mask.reshape(-1, cells * cells))
    template, cover = np.concatenate(values, 1), np.concatenate(covers, 1)
    template /= np.linalg.norm(template, axis=1, keepdims=True) + _STILL
    return np.ascontiguousarray(template.T), np.ascontiguousarray(cover.T)


def _laid_over(sketches: Bytes, view: View, grid: int) -> tuple[Floats, NDArray[np.intp]]:
    """Cosine of each sketch and the given picture in the best frame (0 unrelated, 1 the same), and which."""
    import numpy as np

    template, cover = _templates(view, grid)
    light = grid * grid
    cells_light = cover[:light].sum(0)
    likeness, place = np.empty(len(sketches), np.float32), np.empty(len(sketches), np.intp)
    for start in range(0, len(sketches), _CHUNK):
        stored = _unpacked(sketches[start : start + _CHUNK], grid)
        squares = stored * stored
        total = stored[:, :light] @ cover[:light]
        energy = squares @ cover - total * total / cells_light
        cosine = (stored @ template) / (np.sqrt(np.maximum(energy, 0)) + _STILL)
        here = slice(start, start + len(stored))
        likeness[here], place[here] = cosine.max(1), cosine.argmax(1)
    return likeness, place


def _unpacked(sketches: Bytes, grid: int) -> Floats:
    """Sketches as float rows at `grid`, colours weighted."""
    import numpy as np

    count, light, half = len(sketches), GRID * GRID, GRID // 2
    values = sketches.astype(np.float32) / 255
    planes = [values[:, :light].reshape(count, GRID, GRID)]
    planes += [
        (plane - 0.5) * _COLOUR_WEIGHT
        for plane in values[:, light:].reshape(count, 2, half, half).swapaxes(0, 1)
    ]
    if grid != GRID:
        planes = [p.reshape(count, len(p[0]) // 2, 2, len(p[0]) // 2, 2).mean((2, 4)) for p in planes]
    return np.concatenate([plane.reshape(count, -1) for plane in planes], 1)
