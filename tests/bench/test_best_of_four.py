"""The study of best-of-four: what it counts, and that a run that was broken off goes on."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from studio.bench import best_of_four
from studio.bench.best_of_four import Study, briefs, gain, subject_words
from studio.quality.base import Withheld
from studio.quality.rank import WEIGHTS
from studio.service import Studio
from studio.settings import Settings


def rows(n: int, judged: dict[float, float], better: str = "higher") -> list[dict[str, Any]]:
    """Rows whose candidates have the relevances of `judged`, each with what the judge says of it."""
    made = [
        {"asset": str(i), "scores": {"relevance": (value, "higher"), "judge": (said, better)}}
        for i, (value, said) in enumerate(judged.items())
    ]
    return [{"kind": "text", "brief": str(i), "candidates": made} for i in range(n)]


def test_a_judge_that_agrees_finds_the_first_better() -> None:
    found = gain(rows(24, {0.1: 1.0, 0.9: 4.0, 0.5: 2.0, 0.3: 1.0}), "judge", {"relevance": 1.0})
    assert found.figure == 4 and found.baseline == 2 and found.n == 24 and found.reached


def test_a_judge_that_disagrees_is_not_overruled() -> None:
    assert not gain(rows(24, {0.1: 4.0, 0.9: 1.0}), "judge", {"relevance": 1.0}).reached
    assert gain(rows(24, {0.1: 4.0, 0.9: 1.0}, "lower"), "judge", {"relevance": 1.0}).reached


def test_a_gain_on_a_few_briefs_shows_nothing() -> None:
    assert not gain(rows(3, {0.1: 1.0, 0.9: 4.0}), "judge", {"relevance": 1.0}).reached


def test_only_briefs_whose_first_was_judged_count() -> None:
    some = rows(24, {0.1: 1.0, 0.9: 4.0})
    lacking = {**some[0], "candidates": [{"asset": "x", "scores": {"relevance": (0.5, "higher")}}] * 2}
    assert gain([*some, lacking], "judge", {"relevance": 1.0}).n == 24
    without_first = rows(1, {0.1: 1.0, 0.9: 4.0, 0.5: 2.0})[0]
    del without_first["candidates"][1]["scores"]["judge"]
    assert gain([*some, without_first], "judge", {"relevance": 1.0}).n == 24
    without_another = rows(1, {0.1: 1.0, 0.9: 4.0, 0.5: 2.0})[0]
    del without_another["candidates"][0]["scores"]["judge"]
    assert gain([*some, without_another], "judge", {"relevance": 1.0}).n == 25
    with pytest.raises(Withheld, match="judged 0 of 1"):
        gain([lacking], "judge", {"relevance": 1.0})


def test_no_judge_ranks() -> None:
    """A judge stands in the shipped order only where the study takes it out: in a group of its kind."""
    for kind, groups in best_of_four.JUDGES.items():
        for group in groups:
            assert {name for name in WEIGHTS[kind] if name not in group}, kind
        assert len({brief.seed for _, brief in briefs(kind, 24)}) == 24


def test_subject_words() -> None:
    assert subject_words(
        "Our camping lanterns are bright.", "a solar camping lantern"
    ).value == pytest.approx(200 / 3)


def test_the_guide_is_written_anew(tmp_path: Path) -> None:
    guide, result = tmp_path / "scores.md", tmp_path / "rows.json"
    guide.write_text(f"before\n{best_of_four.BEGIN}old{best_of_four.END}\nafter\n")
    study = Study(tmp_path, None)  # type: ignore[arg-type]
    study.rows = {str(i): row for i, row in enumerate(rows(24, {0.1: 1.0, 0.9: 4.0}))}
    good, bad = (gain(rows(24, {0.1: a, 0.9: b}), "judge", {"relevance": 1.0}) for a, b in ((1, 4), (4, 1)))
    best_of_four.publish(study, {"text": [good, bad]}, result, guide)
    best_of_four.publish(study, {"text": [good, bad]}, result, guide)
    text = guide.read_text()
    assert text.startswith("before\n") and text.endswith("\nafter\n") and "old" not in text
    assert "| better |" in text and "| **worse** |" in text and text.count("| text |") == 2
    assert Study(tmp_path, None).rows == json.loads(result.read_text())  # type: ignore[arg-type]


def test_the_guide_has_a_place_for_it() -> None:
    text = best_of_four.GUIDE.read_text("utf-8")
    assert text.count(best_of_four.BEGIN) == text.count(best_of_four.END) == 1


@pytest.fixture
def echoing(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Studio]:
    """Every text brief goes to the engine that repeats its prompt."""
    real = best_of_four.briefs
    monkeypatch.setattr(
        best_of_four,
        "briefs",
        lambda kind, most: ((s, replace(b, engine="echo")) for s, b in real(kind, most)),
    )
    with Studio(settings) as studio:
        yield studio


def test_a_run_goes_on_where_it_stopped(echoing: Studio, tmp_path: Path) -> None:
    first = Study(tmp_path, echoing).run("text", 2)
    assert [len(row["candidates"]) for row in first] == [4, 4]
    assert all("subject_words" in one["scores"] for row in first for one in row["candidates"])
    again = Study(tmp_path, echoing).run("text", 3)
    assert [row["candidates"] for row in again[:2]] == [
        [{**one, "scores": {k: list(v) for k, v in one["scores"].items()}} for one in row["candidates"]]
        for row in first
    ]
    assert len(again) == 3
