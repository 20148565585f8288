"""What lies between two prompts: the text states of both are mixed, the noise stays the same.

The pictures become one contact sheet or, where a film is asked for, stay a list of its frames.
"""

from __future__ import annotations

import math
from typing import Any

from studio.errors import BadInput

GAP = 8  # pixels of white between the pictures of a sheet
MOST_ON_A_SHEET = 24
FILM = "mp4"


def mixed(first: Any, second: Any, share: float) -> Any:
    """`first` moved by `share` (0–1) towards `second`, through tuples and lists; flags are joined.

    Raises BadInput where the two are of different lengths, as some text encoders make them.
    """
    if isinstance(first, tuple | list):
        return type(first)(mixed(a, b, share) for a, b in zip(first, second, strict=True))
    if first is None or not hasattr(first, "shape"):
        return first
    if first.shape != second.shape:
        raise BadInput("This model reads the two prompts at different lengths and cannot blend them.")
    if first.dtype.is_floating_point:
        return first.lerp(second, share)  # the ends exactly, in 16 bit too
    return first | second if str(first.dtype) == "torch.bool" else first.maximum(second)


def film_wanted(format: str | None, toward: str, frames: int) -> bool:
    """Whether the pictures are to be a film. Raises BadInput for a film of one prompt and for too full a sheet."""
    film = (format or "").lower().lstrip(".") == FILM
    if film and not toward:
        raise BadInput(
            "A film goes from one prompt to another; say what to blend into (to_prompt), or choose png."
        )
    if toward and not film and frames > MOST_ON_A_SHEET:
        raise BadInput(
            f"A sheet holds at most {MOST_ON_A_SHEET} pictures; lower frames, or ask for a film with the format mp4."
        )
    return film


def shares(frames: int) -> list[float]:
    """Evenly from 0 to 1."""
    return [place / (frames - 1) for place in range(frames)]


def sheet(pictures: list[Any]) -> Any:
    """uint8 (height, width, channels): the pictures row by row on white, nearly as wide as high."""
    import numpy as np

    across = math.ceil(math.sqrt(len(pictures)))
    down = math.ceil(len(pictures) / across)
    height, width, channels = pictures[0].shape
    whole = np.full((down * (height + GAP) - GAP, across * (width + GAP) - GAP, channels), 255, np.uint8)
    for place, picture in enumerate(pictures):
        top, left = place // across * (height + GAP), place % across * (width + GAP)
        whole[top : top + height, left : left + width] = picture
    return whole
