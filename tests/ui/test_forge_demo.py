"""What the demo says of twelve pairs: means, and a verdict only where the pairs bear it out."""

from __future__ import annotations

import json
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from studio.settings import Settings
from studio.types import Score
from studio.ui.forge_demo import DEMO, compared


def asset(**values: float) -> Any:
    scores = [Score(name, value, "", "higher", "", "", "1") for name, value in values.items()]
    return SimpleNamespace(scorecard=SimpleNamespace(scores=scores))


def verdict(differences: list[float], better: str = "higher") -> str:
    pairs = [(asset(relevance=0.4), asset(relevance=0.4 + one)) for one in differences]
    (found,) = compared(pairs)
    return replace(found, better=better).verdict


def test_a_difference_is_named_only_beyond_twice_its_standard_error() -> None:
    assert verdict([0.10, 0.12, 0.09, 0.11, 0.10, 0.13]) == "better"
    assert verdict([0.10, 0.12, 0.09, 0.11, 0.10, 0.13], "lower") == "worse"
    assert verdict([0.30, -0.28, 0.31, -0.29, 0.30, -0.2]) == "no clear difference"
    assert verdict([0.10, 0.12]) == "no clear difference"  # two pairs prove nothing
    assert verdict([0.10] * 6, "neither") == ""


def test_scores_are_paired_by_name_and_those_of_one_side_left_out() -> None:
    found = compared(
        [(asset(words=10, relevance=0.2), asset(words=20)), (asset(words=12), asset(words=18, x=1))]
    )
    assert [(one.name, one.pairs) for one in found] == [("words", 2)]
    assert found[0].before == pytest.approx(11) and found[0].after == pytest.approx(19)
    assert found[0].basis == "2 pairs, higher is better"
    assert replace(found[0], pairs=1, better="neither").basis == "1 pair"


def test_the_demo_asks_for_things_that_its_data_do_not_hold() -> None:
    rows = [json.loads(line) for line in DEMO.data(Settings.read()).read_text("utf-8").splitlines()]
    assert len(rows) == 30 and len(DEMO.briefs) * len(DEMO.seeds) >= 12
    known = " ".join(row["prompt"].lower() for row in rows)
    for brief in DEMO.briefs:
        thing = brief.rstrip(".").rsplit(" for ", 1)[1].removeprefix("a ").removeprefix("an ")
        assert thing not in known


def test_every_blurb_of_the_demo_names_what_it_sells() -> None:
    rows = [json.loads(line) for line in DEMO.data(Settings.read()).read_text("utf-8").splitlines()]
    for row in rows:
        asked = row["prompt"].lower().replace(". write the copy.", "").replace(", please.", "").rstrip(".")
        thing = asked.replace(" for our shop", "").split()[-1]
        assert thing in row["answer"].lower(), row
