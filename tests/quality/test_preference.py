"""Bradley–Terry: known answers, coverage of the intervals, and what it refuses."""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pytest

from studio.quality.base import Withheld
from studio.quality.preference import LEAST, PRIOR_SD, Ballot, ranking


def choices(first: str, second: str, won: int, lost: int) -> list[Ballot]:
    shares = [1.0] * won + [0.0] * lost
    return [Ballot(f"{first}{second}{i}", first, second, share) for i, share in enumerate(shares)]


def test_two_contenders_in_closed_form() -> None:
    """At the maximum the wins left over equal the prior's pull: n (w/n − p) = d / 2σ², d their distance."""
    best, worst = ranking(choices("a", "b", 300, 100))
    assert (best.name, worst.name) == ("a", "b") and (best.n, best.won) == (400, 300)
    distance = 2 * math.log(best.chance / (1 - best.chance))
    p = 1 / (1 + math.exp(-distance))
    assert 400 * (0.75 - p) == pytest.approx(distance / 2 / PRIOR_SD**2, abs=1e-6)
    assert best.chance + worst.chance == pytest.approx(1)


def test_side_does_not_matter_and_ties_are_halves() -> None:
    one = ranking(choices("a", "b", 12, 6))
    other = ranking(choices("b", "a", 6, 12))
    assert [(p.name, round(p.chance, 9)) for p in one] == [(p.name, round(p.chance, 9)) for p in other]
    tied = ranking([Ballot(str(i), "a", "b", 0.5) for i in range(20)])
    assert all(place.chance == pytest.approx(0.5) and place.won == 10 for place in tied)


def test_one_that_always_wins_stays_finite() -> None:
    best, _ = ranking(choices("a", "b", 15, 0))
    assert 0.6 < best.chance < 1 and best.interval[0] > 0.5


def test_strengths_carry_over_a_chain() -> None:
    """a beats b and b beats c: a is placed before c although the two never met."""
    found = ranking(choices("a", "b", 15, 5) + choices("b", "c", 15, 5))
    assert [place.name for place in found] == ["a", "b", "c"]


def test_copies_of_one_question_do_not_narrow_the_interval() -> None:
    """The same twenty questions answered alike by ten people are no two hundred independent choices."""
    few = [Ballot(str(i), "a", "b", float(i < 13)) for i in range(20)]
    wide, copied = ranking(few)[0], ranking(few * 10)[0]
    alone = ranking([Ballot(f"{i}-{j}", "a", "b", float(i < 13)) for i in range(20) for j in range(10)])[0]
    width = [one.interval[1] - one.interval[0] for one in (wide, copied, alone)]
    assert width[2] < 0.5 * width[0] < width[1]


def test_intervals_cover_as_promised() -> None:
    """95 % intervals hold the truth in at least 90 % of 200 made-up polls among three."""
    rng, true = np.random.default_rng(0), {"a": 0.6, "b": 0.0, "c": -0.6}
    held = total = 0
    for _ in range(200):
        ballots = []
        for first, second in combinations(true, 2):
            p = 1 / (1 + math.exp(true[second] - true[first]))
            ballots += [
                Ballot(f"{first}{second}{i}", first, second, float(rng.random() < p)) for i in range(25)
            ]
        for place in ranking(ballots):
            low, high = place.interval
            held += low <= 1 / (1 + math.exp(-true[place.name])) <= high
            total += 1
    assert held / total >= 0.9


def test_too_few_are_withheld() -> None:
    with pytest.raises(Withheld, match=f"needs N ≥ {LEAST}"):
        ranking(choices("a", "b", LEAST - 1, 0) + [Ballot("x", "a", "a", 1.0)] * 50)
