"""Evaluations in their own process: watched, stopped, kept, refused; and what people say."""

from __future__ import annotations

import json
import os
import signal
import time
from dataclasses import replace
from pathlib import Path

import pytest

from studio.errors import BadInput, Cancelled, NotFound, Refused, StudioError
from studio.evaluation import Asked
from studio.service import Studio
from studio.types import Better, Brief, Progress, Score, Scorecard


def texts(folder: Path, n: int = 12) -> str:
    folder.mkdir(parents=True, exist_ok=True)
    for i in range(n):
        (folder / f"{i:03}.txt").write_text(f"The lamp number {i} is light and it folds flat.")
    return str(folder)


def test_a_report_is_made_watched_and_kept(studio: Studio, tmp_path: Path) -> None:
    runs = studio.judging.evaluations
    key = runs.start(Asked("text", texts(tmp_path / "mine")))
    seen = list(runs.watch(key))
    assert all(isinstance(one, Progress) for one in seen) and seen[-1].fraction is not None
    assert [one.fraction for one in seen] == sorted(one.fraction or 0 for one in seen)
    done = runs.done(key)
    assert {path.name for path in done.files} >= {"report.html", "report.json", "scores.csv", "outputs.csv"}
    assert [one.id for one in runs.finished()] == [key]
    published = studio.judging.publish(done)
    assert {path.parent.parent for path in published} == {studio.exports}
    assert json.loads((done.folder / "report.json").read_text())["n"] == 12
    assert list(runs.watch(key)) == []


def test_two_sets_of_the_library_are_compared(studio: Studio, tmp_path: Path) -> None:
    for seed in (1, 2):
        for i in range(3):
            studio.make(Brief("text", f"lamp {i}", engine="echo", seed=seed))
    runs = studio.judging.evaluations
    key = runs.start(Asked("text", "library:lamp model=echo-text", against="library:lamp"))
    list(runs.watch(key))
    page = (runs.done(key).folder / "report.html").read_text()
    assert "library:lamp model=echo-text against library:lamp" in page
    assert "needs N ≥ 20 on each side" in page
    assert not (runs.done(key).folder / "sets").exists()


def test_one_at_a_time_and_it_can_be_stopped(studio: Studio, tmp_path: Path) -> None:
    runs = studio.judging.evaluations
    key = runs.start(Asked("text", texts(tmp_path / "many", 800)))
    with pytest.raises(Refused, match="Another evaluation is running"):
        runs.start(Asked("text", texts(tmp_path / "more")))
    runs.stop(key)
    with pytest.raises(Cancelled):
        list(runs.watch(key))
    assert runs.finished() == []
    with pytest.raises(NotFound):
        runs.done(key)


def test_a_process_that_dies_is_told(studio: Studio, tmp_path: Path) -> None:
    runs = studio.judging.evaluations
    key = runs.start(Asked("text", texts(tmp_path / "many", 800)))
    os.kill(runs.pid(key) or 0, signal.SIGKILL)
    with pytest.raises(StudioError, match="was lost"):
        list(runs.watch(key))


def test_what_is_wrong_is_one_sentence(studio: Studio, tmp_path: Path) -> None:
    runs = studio.judging.evaluations
    for asked, word in ((Asked("text", "nowhere"), "nowhere"), (Asked("text", "library:since=x"), "2026")):
        key = runs.start(asked)
        with pytest.raises(StudioError, match=word):
            list(runs.watch(key))
        while runs.pid(key):
            time.sleep(0.02)
    with pytest.raises(NotFound):
        list(runs.watch("never"))
    with pytest.raises(BadInput):
        runs.drop([])


def score(name: str, value: float, better: Better) -> Score:
    return Score(name, value, "unit", better, "tests")


def test_people_rank_models_and_candidates_are_weighed_anew(studio: Studio) -> None:
    first, second = studio.make(Brief("text", "a lamp", engine="echo", seed=1, count=2))
    assert {one.id for one in studio.judging.pair("text", "ann") or ()} == {first.id, second.id}
    studio.judging.vote(first.id, second.id, "first", "ann")
    assert studio.judging.pair("text", "ann") is None
    people = studio.judging.people("text")
    assert people.votes == 1 and people.places == () and "needs N" in str(people.withheld)
    apart = [
        replace(
            one,
            scorecard=Scorecard((score("relevance", a, "higher"), score("phrase_repetition", b, "lower"))),
        )
        for one, a, b in ((first, 0.9, 30.0), (second, 0.1, 5.0))
    ]
    assert studio.judging.order(apart, {"relevance": 2.0, "phrase_repetition": 1.0})[0].id == first.id
    assert studio.judging.order(apart, {"relevance": 1.0, "phrase_repetition": 2.0})[0].id == second.id
    with pytest.raises(BadInput):
        studio.judging.order([first, second], {"relevance": -1.0})
