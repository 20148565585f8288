"""A scorecard as the page shows it."""

from __future__ import annotations

import pytest

from studio.types import Score, Scorecard
from studio.ui.show import scorecard


@pytest.mark.parametrize(
    ("value", "unit", "words"),
    [(1, "flags", "1 flag<"), (2, "flags", "2 flags<"), (1, "LUFS", "1 LUFS<"), (0, "words", "0 words<")],
)
def test_one_thing_is_named_in_the_singular(value: float, unit: str, words: str) -> None:
    page = scorecard(Scorecard((Score("claims", value, unit, "neither", "any language"),), {}))
    assert words in page


def test_what_a_score_says_is_text_and_no_markup() -> None:
    page = scorecard(
        Scorecard(
            (Score("claims", 1, "flags", "neither", "any", detail="<img src=x>"),), {"mauve": "<b>few</b>"}
        )
    )
    assert "&lt;img" in page and "<img" not in page and "&lt;b&gt;few" in page
