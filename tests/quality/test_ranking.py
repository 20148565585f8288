"""Best first: by stated weights, over what all candidates have, with no invented total."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio.errors import BadInput
from studio.quality.base import metrics
from studio.quality.rank import WEIGHTS, rank
from studio.types import Score, Scorecard


def card(**values: float) -> Scorecard:
    lower = {"phrase_repetition", "forbidden_phrases"}
    return Scorecard(
        tuple(
            Score(
                name,
                value,
                "x",
                "lower" if name in lower else "neither" if name == "words" else "higher",
                "any",
            )
            for name, value in values.items()
        )
    )


def test_higher_and_lower() -> None:
    assert rank([card(relevance=0.1), card(relevance=0.9), card(relevance=0.5)], "text") == [1, 2, 0]
    assert rank([card(phrase_repetition=9), card(phrase_repetition=0)], "text") == [1, 0]


def test_person_weighs_anew() -> None:
    cards = [card(relevance=0.9, phrase_repetition=20), card(relevance=0.5, phrase_repetition=0)]
    assert rank(cards, "text") == [0, 1]
    assert rank(cards, "text", {"phrase_repetition": 5, "relevance": 1}) == [1, 0]
    assert rank(cards, "text", {}) == [0, 1]


def test_a_score_that_one_lacks_does_not_count() -> None:
    assert rank([card(), card(relevance=0.9)], "text") == [0, 1]


def test_scores_without_a_better_side_do_not_count() -> None:
    assert rank([card(words=1), card(words=9)], "text", {"words": 5}) == [0, 1]


def test_negative_weight() -> None:
    with pytest.raises(BadInput, match="0 or more"):
        rank([card(relevance=1)], "text", {"relevance": -1})


def test_weights_name_metrics() -> None:
    assert {name for weights in WEIGHTS.values() for name in weights} - {"alignment"} <= set(metrics)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_every_candidate_once(values: list[float]) -> None:
    order = rank([card(relevance=value) for value in values], "text")
    assert sorted(order) == list(range(len(values)))
    assert [values[i] for i in order] == sorted(values, reverse=True)
