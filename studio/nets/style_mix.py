"""Two styles in one picture: by weight in every step, or the first for the early steps and the second for the rest.

The early steps of a flow settle shapes, the late ones surfaces; so mixing by steps gives the shapes of one style
the surfaces of another, which is what style mixing by layer does in a style-based generator (Karras et al. 2019).
"""

from __future__ import annotations

import torch
from torch.nn import functional as F

BY = ("weight", "steps")


def styles_by_step(
    first: torch.Tensor, second: torch.Tensor, kinds: int, steps: int, share: float, by: str
) -> list[torch.Tensor]:
    """What the transformer is told at each of `steps` steps: float (n, kinds), how much of each style.

    `first` and `second` (n,) are numbers of styles below `kinds`; `share` (0–1) is how much of the second there is:
    its weight, or the part of the steps that is drawn in it. `by` is one of `BY`.
    """
    one, two = F.one_hot(first, kinds).float(), F.one_hot(second, kinds).float()
    if by == "weight":
        return [one.lerp(two, share)] * steps
    turn = round(steps * (1 - share))
    return [one] * turn + [two] * (steps - turn)
