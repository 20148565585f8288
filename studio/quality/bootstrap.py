"""Intervals and significance by resampling; every draw is seeded, so a report can be made again.

Sources: Efron & Tibshirani 1993 (percentile bootstrap); Riezler & Maxwell 2005 (approximate
randomisation); Holm 1979 (several comparisons at once).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

DRAWS = 1000
LEAST = 20


def interval(stats: Floats, score: Callable[[Floats], float], seed: int = 0) -> tuple[float, float] | None:
    """95 % interval of `score(sum of the rows)` under resampling of the rows; None under LEAST rows.

    `stats` is (n, k): one row of additive statistics per item (for a mean: the value and a one).
    """
    import numpy as np

    n = len(stats)
    if n < LEAST:
        return None
    rng = np.random.default_rng(seed)
    found = [score(rng.multinomial(n, np.full(n, 1 / n)) @ stats) for _ in range(DRAWS)]
    low, high = np.quantile(found, (0.025, 0.975))
    return float(low), float(high)


def mean_interval(values: Sequence[float]) -> tuple[float, float] | None:
    """95 % interval of the mean."""
    import numpy as np

    column = np.asarray(values, np.float64)
    return interval(
        np.stack([column, np.ones_like(column)], axis=1), lambda total: float(total[0] / total[1])
    )


def paired_p(a: Floats, b: Floats, score: Callable[[Floats], float], seed: int = 0) -> float:
    """Two-sided p-value that two systems on the same items differ, by swapping their rows at random."""
    import numpy as np

    rng = np.random.default_rng(seed)
    total, gap = a.sum(axis=0) + b.sum(axis=0), b - a
    seen = abs(score(b.sum(axis=0)) - score(a.sum(axis=0)))
    beyond = 0
    for _ in range(DRAWS):
        first = a.sum(axis=0) + (rng.random(len(a)) < 0.5) @ gap
        beyond += abs(score(first) - score(total - first)) >= seen - 1e-12
    return (beyond + 1) / (DRAWS + 1)


def unpaired_p(a: Sequence[float], b: Sequence[float], seed: int = 0) -> float:
    """Two-sided p-value that the means of two sets differ, by dealing their values out anew."""
    import numpy as np

    rng = np.random.default_rng(seed)
    both = np.concatenate([np.asarray(a, np.float64), np.asarray(b, np.float64)])
    seen = abs(np.mean(a) - np.mean(b))
    beyond = 0
    for _ in range(DRAWS):
        dealt = rng.permutation(both)
        beyond += abs(dealt[: len(a)].mean() - dealt[len(a) :].mean()) >= seen - 1e-12
    return (beyond + 1) / (DRAWS + 1)


def holm(p_values: Sequence[float]) -> list[float]:
    """The p-values corrected for being several, in the order given."""
    order = sorted(range(len(p_values)), key=p_values.__getitem__)
    corrected, worst = [0.0] * len(p_values), 0.0
    for rank, i in enumerate(order):
        worst = max(worst, min(1.0, (len(p_values) - rank) * p_values[i]))
        corrected[i] = worst
    return corrected
