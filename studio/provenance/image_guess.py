"""How a picture may have been turned, scaled and mirrored since it was marked, as guesses for the detector.

A guess is a row of three numbers: turn in radians, logarithm of the size, mirrored (0 or 1).
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from studio.provenance.image_pattern import CANONICAL, TILE
from studio.provenance.image_plane import PLANE

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

_CELL = CANONICAL / PLANE / TILE  # tiles per cell of the plane
_HALF_TURN = 3.141592653589793


@cache
def plain_guesses() -> Floats:
    """The eight ways to lay a sheet on a table, unscaled."""
    import numpy as np

    return np.array([(quarter * _HALF_TURN / 2, 0.0, m) for m in (0, 1) for quarter in range(4)], np.float32)


@cache
def wide_guesses() -> Floats:
    """Turns within ±17° at the size they have when nothing else is done, less at sizes from 0.45 to 1.5."""
    import numpy as np

    step = 0.02
    sizes = np.arange(-0.8, 0.41, step)
    rows = [(0.0, size) for size in sizes]
    rows += [(turn * step, size) for turn in range(-7, 8) if turn for size in sizes if -0.45 <= size <= 0.25]
    rows += [
        (turn * step, size)
        for turn in range(-15, 16)
        if abs(turn) > 7
        for size in sizes
        if -0.2 <= size <= 0.05
    ]
    return np.array([(*row, mirrored) for row in rows for mirrored in (0, 1)], np.float32)


def waves_of(points: NDArray[np.int64], guesses: Floats) -> Floats:
    """float (guesses, points, 2): cycles per cell of the lattice points under each guess."""
    import numpy as np

    turn, size, mirrored = guesses.T
    scale = _CELL * np.exp(-size)
    cosine, sine = np.cos(turn) * scale, np.sin(turn) * scale
    across = points[:, 0] * (1 - 2 * mirrored[:, None])
    right = across * cosine[:, None] - points[:, 1] * sine[:, None]
    down = across * sine[:, None] + points[:, 1] * cosine[:, None]
    return np.stack([right, down], axis=-1)
