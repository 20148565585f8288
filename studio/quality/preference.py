"""Who people prefer: Bradley–Terry strengths from choices between two, with 95 % intervals.

P(i is preferred to j) = 1 / (1 + exp(sⱼ − sᵢ)); a tie counts as half a choice for each (Bradley & Terry 1952).
A normal prior of spread PRIOR_SD on the strengths keeps them finite where one side won every time, and
pulls a model that was hardly compared towards the middle. The interval is the wider of two: from the
curvature at the most probable strengths, and from the sandwich estimator over questions (White 1982),
because choices about the same brief depend on each other.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from studio.quality.base import Withheld

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

PRIOR_SD = 2.0
LEAST = 10
"""So many choices between different contenders a ranking needs."""
ROUNDS = 50


@dataclass(frozen=True, slots=True)
class Ballot:
    """One choice between two contenders: `share` is what `first` got, 1, 0 or ½."""

    question: str
    first: str
    second: str
    share: float


@dataclass(frozen=True, slots=True)
class Place:
    """`chance` (0–1): how often this contender would be preferred to an average one, with its 95 % interval.

    `n` counts its choices, `won` how many it got, ties half.
    """

    name: str
    chance: float
    interval: tuple[float, float]
    n: int
    won: float


def ranking(ballots: Sequence[Ballot]) -> list[Place]:
    """The contenders, best first; a choice between a contender and itself says nothing and does not count.

    Raises Withheld below LEAST choices.
    """
    import numpy as np

    counted = [one for one in ballots if one.first != one.second]
    if len(counted) < LEAST:
        raise Withheld(f"needs N ≥ {LEAST} choices between different models; there are {len(counted)}")
    names = sorted({name for one in counted for name in (one.first, one.second)})
    design = np.zeros((len(counted), len(names)))
    for row, one in zip(design, counted, strict=True):
        row[names.index(one.first)], row[names.index(one.second)] = 1, -1
    shares = np.array([one.share for one in counted])
    strengths, errors = _strengths(design, shares, [one.question for one in counted])
    places = []
    for i, name in enumerate(names):
        n = int(np.abs(design[:, i]).sum())
        won = float(np.where(design[:, i] > 0, shares, 1 - shares)[design[:, i] != 0].sum())
        low, middle, high = (_chance(strengths[i] + side * 1.96 * errors[i]) for side in (-1, 0, 1))
        places.append(Place(name, middle, (low, high), n, won))
    return sorted(places, key=lambda place: (-place.chance, place.name))


def _strengths(design: Floats, shares: Floats, questions: Sequence[str]) -> tuple[Floats, Floats]:
    """The most probable strengths, their mean 0, and standard errors of their distance from the mean.

    Newton's method on a concave function: with the prior there is one maximum, and it is finite.
    """
    import numpy as np

    n = design.shape[1]
    prior = np.eye(n) / PRIOR_SD**2
    strengths = np.zeros(n)
    for _ in range(ROUNDS):
        chance = 1 / (1 + np.exp(-design @ strengths))
        curvature = design.T @ (design * (chance * (1 - chance))[:, None]) + prior
        step = np.linalg.solve(curvature, design.T @ (shares - chance) - prior @ strengths)
        strengths = strengths + step
        if np.abs(step).max() < 1e-9:
            break
    from_mean = np.eye(n) - 1 / n
    spread = from_mean @ np.linalg.inv(curvature)
    names = sorted(set(questions))
    slopes = np.zeros((len(names), n))
    np.add.at(slopes, [names.index(one) for one in questions], design * (shares - chance)[:, None])
    sandwich = spread @ (slopes.T @ slopes) @ spread.T * len(names) / max(1, len(names) - 1)
    variances = np.maximum(np.diag(spread @ from_mean.T), np.diag(sandwich))
    return strengths - strengths.mean(), np.sqrt(variances)


def _chance(strength: float) -> float:
    return 1 / (1 + math.exp(-strength))
