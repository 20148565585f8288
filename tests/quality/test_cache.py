"""No score is computed twice for the same bytes, and none is taken from other ones."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import pytest
from quality_material import text_sample

from studio.catalog import Catalog
from studio.quality.base import Metric, Sample, Withheld, metrics
from studio.quality.batch import evaluate
from studio.quality.cache import ScoreCache
from studio.quality.card import make_scorecard, score_one, with_models
from studio.settings import Settings
from studio.types import Kind, Score


class Counting:
    """Counts how often it is asked; looks at the other candidates only where the brief says so."""

    name: ClassVar[str] = "counting"
    kinds: ClassVar[tuple[Kind, ...]] = ("text",)
    needs: ClassVar[tuple[str, ...]] = ()
    asked: ClassVar[int] = 0

    def score(self, sample: Sample) -> Score:
        type(self).asked += 1
        if "withhold" in sample.brief.prompt:
            raise Withheld("asked to")
        value = len(sample.others) if "others" in sample.brief.prompt else len(sample.text)
        return Score(self.name, float(value), "signs", "neither", "tests", interval=(0.0, 1.0))


@pytest.fixture
def cache(tmp_path: Path) -> ScoreCache:
    Counting.asked = 0
    return ScoreCache(tmp_path / "home" / "scores.db")


def test_the_same_bytes_are_scored_once(cache: ScoreCache, tmp_path: Path) -> None:
    sample = text_sample(tmp_path, "A lamp.")
    first = cache.score(Counting, sample, {})
    copy = tmp_path / "copy.txt"
    copy.write_bytes(sample.path.read_bytes())
    again = cache.score(Counting, replace(sample, path=copy, facts={"tokens": 3.0}), {})
    assert again == first and Counting.asked == 1
    for other in (text_sample(tmp_path, "A lamp!"), text_sample(tmp_path, "A lamp.", "another brief")):
        cache.score(Counting, other, {})
    assert Counting.asked == 3
    assert ScoreCache(tmp_path / "home" / "scores.db").score(Counting, sample, {}) == first
    assert Counting.asked == 3


def test_what_was_looked_at_beside_the_file_counts(cache: ScoreCache, tmp_path: Path) -> None:
    sample = text_sample(tmp_path, "A lamp.", "look at others")
    sibling = text_sample(tmp_path, "Another lamp.").path
    assert cache.score(Counting, sample, {}).value == 0
    assert cache.score(Counting, replace(sample, others=(sibling,)), {}).value == 1
    assert cache.score(Counting, replace(sample, others=(sibling,)), {}).value == 1
    assert Counting.asked == 2


def test_another_revision_of_a_model_is_another_score(
    cache: ScoreCache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Counting, "needs", ("judge",))
    sample = text_sample(tmp_path, "A lamp.")
    for revision in ("1", "2", "2"):
        cache.score(Counting, sample, {"judge": revision})
    assert Counting.asked == 2


def test_reasons_are_kept_too(cache: ScoreCache, tmp_path: Path) -> None:
    for _ in range(2):
        with pytest.raises(Withheld, match="asked to"):
            cache.score(Counting, text_sample(tmp_path, "A lamp.", "withhold it"), {})
    assert Counting.asked == 1


def test_a_broken_cache_costs_time_and_nothing_else(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "scores.db"
    path.write_bytes(b"no database at all" * 100)
    broken, sample = ScoreCache(path), text_sample(tmp_path, "A lamp.")
    assert broken.score(Counting, sample, {}) == broken.score(Counting, sample, {})
    assert "scores are not kept" in caplog.text


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The names of built-in metrics in the order they really compute."""
    found: list[str] = []
    for metric in metrics.values():
        _spy(metric, found, monkeypatch)
    yield found


def _spy(metric: type[Metric], found: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    inner = metric.score

    def score(self: Metric, sample: Sample) -> Score:
        found.append(self.name)
        return inner(self, sample)

    monkeypatch.setattr(metric, "score", score)


def test_an_evaluation_takes_up_what_the_line_scored(
    tmp_path: Path, settings: Settings, computed: list[str]
) -> None:
    text = "The lantern is light. It charges in two hours. It folds flat into any pack. You will love it."
    folder = tmp_path / "set"
    folder.mkdir()
    (folder / "a.txt").write_text(text)
    (folder / "a.prompt.txt").write_text("Write a product description.")
    sample = text_sample(tmp_path, text)
    card = make_scorecard(sample, Catalog.read(settings), settings)
    made = set(computed)
    computed.clear()
    found = evaluate("text", folder, settings=settings)
    assert made and not set(computed) & made
    assert found["items"]["a"]["words"] == next(s.value for s in card.scores if s.name == "words")


def test_kept_scores_equal_computed_ones(tmp_path: Path, settings: Settings) -> None:
    catalog, cache = Catalog.read(settings), ScoreCache(tmp_path / "scores.db")
    sample = text_sample(tmp_path, "The lantern is light. It folds flat, and it is the best of all.")
    for metric in (m for m in metrics.values() if "text" in m.kinds and not m.needs):
        ready = with_models(sample, [metric], catalog)
        try:
            plain = score_one(metric, ready, catalog)
        except Withheld:
            continue
        assert [score_one(metric, ready, catalog, cache) for _ in range(2)] == [plain, plain]
