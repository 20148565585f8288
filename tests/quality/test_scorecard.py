"""The card as a whole: nothing is lost, nothing is blended, nothing is computed twice."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from quality_material import copy, image_sample, landscape, sound_sample, speech, text_sample

from studio.catalog import Catalog
from studio.quality import decode
from studio.quality.base import Sample, metrics
from studio.quality.card import make_scorecard
from studio.settings import Settings
from studio.types import Brief, Kind, Score, Scorecard


@pytest.fixture
def catalog(settings: Settings) -> Catalog:
    return Catalog.read(settings)


def sample_of(kind: Kind, folder: Path) -> Sample:
    if kind == "text":
        record = max(copy(), key=lambda r: len(r["text"]))
        return text_sample(folder, record["text"], record["prompt"])
    if kind == "image":
        return image_sample(folder, landscape(1))
    samples, rate, script = speech(0)
    return sound_sample(folder, samples, rate, kind, script)


@pytest.mark.real
@pytest.mark.parametrize("kind", ["text", "image", "speech", "music"])
def test_every_metric_has_a_number_or_a_reason(
    kind: Kind, tmp_path: Path, settings: Settings, catalog: Catalog
) -> None:
    card = make_scorecard(sample_of(kind, tmp_path), catalog, settings)
    named = {metric.name for metric in metrics.values() if kind in metric.kinds}
    shown = {score.name for score in card.scores}
    assert shown | set(card.withheld) - {"percentiles"} == named
    assert not shown & set(card.withheld)
    assert shown, "a card of reasons alone says nothing"
    for score in card.scores:
        assert score.unit and score.domain and np.isfinite(score.value)
        assert (score.percentile is None) == (score.reference is None)
    assert all(
        len(reason) > 10 and "could not be computed" not in reason for reason in card.withheld.values()
    )


@pytest.mark.real
def test_percentiles_name_their_set(tmp_path: Path, settings: Settings, catalog: Catalog) -> None:
    score = make_scorecard(sample_of("text", tmp_path), catalog, settings).get("relevance")
    assert score and score.percentile is not None and 0 <= score.percentile <= 100
    assert score.reference and score.reference.startswith("signet-copy-en (N = ")


def test_costly_metrics_wait_for_evaluate(tmp_path: Path, settings: Settings, catalog: Catalog) -> None:
    card = make_scorecard(sample_of("speech", tmp_path), catalog, settings)
    assert "Evaluate" in card.withheld["intelligibility"]


def test_a_missing_model_names_its_command(tmp_path: Path, settings: Settings) -> None:
    empty = replace(settings, checkpoints=tmp_path / "checkpoints")
    empty.checkpoints.mkdir()
    (empty.checkpoints / "catalog.toml").write_bytes((settings.checkpoints / "catalog.toml").read_bytes())
    card = make_scorecard(sample_of("text", tmp_path), Catalog.read(empty), empty)
    assert "models pull minilm-l6-v2" in card.withheld["relevance"]
    assert card.get("words")


def test_a_failing_metric_loses_nothing(
    tmp_path: Path, settings: Settings, catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Broken:
        name: ClassVar[str] = "broken"
        kinds: ClassVar[tuple[Kind, ...]] = ("text",)
        needs: ClassVar[tuple[str, ...]] = ()

        def score(self, sample: Sample) -> Score:
            raise ZeroDivisionError("by zero")

    class Endless(Broken):
        name: ClassVar[str] = "endless"

        def score(self, sample: Sample) -> Score:
            return Score("endless", float("inf"), "m", "higher", "any")

    list(metrics)
    monkeypatch.setitem(metrics._parts, "broken", Broken)
    monkeypatch.setitem(metrics._parts, "endless", Endless)
    card = make_scorecard(sample_of("text", tmp_path), catalog, settings)
    assert card.withheld["broken"] == "could not be computed (ZeroDivisionError: by zero)"
    assert card.withheld["endless"] == "gave no finite number"
    assert card.get("words")


@pytest.mark.parametrize("kind", ["text", "image", "speech"])
def test_a_file_is_read_once(
    kind: Kind, tmp_path: Path, settings: Settings, catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    sample, reads = sample_of(kind, tmp_path), []
    for name in ("read_text", "read_pixels", "read_sound"):
        real = getattr(decode, name)
        monkeypatch.setattr(decode, name, lambda *a, real=real: reads.append(1) or real(*a))
    make_scorecard(sample, catalog, settings)
    assert len(reads) == 1


def test_no_score_blends_others() -> None:
    assert not {"quality", "overall", "total"} & set(metrics)


def test_video_says_that_nothing_judges_it(tmp_path: Path, settings: Settings, catalog: Catalog) -> None:
    card = make_scorecard(
        Sample(tmp_path / "a.mp4", "video", "video/mp4", Brief("video", "x")), catalog, settings
    )
    assert card == Scorecard(withheld={"video": "no score judges video yet"})


def test_facts_of_other_rooms_are_passed_on(tmp_path: Path, settings: Settings, catalog: Catalog) -> None:
    sample = replace(sample_of("image", tmp_path), facts={"mark_psnr": 41.5, "mark_ssim": 0.99})
    card = make_scorecard(sample, catalog, settings)
    assert card.get("mark_psnr").value == 41.5  # type: ignore[union-attr]
    assert card.get("mark_ssim").value == 0.99  # type: ignore[union-attr]
