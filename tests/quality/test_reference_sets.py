"""Reference sets: checked by hash, missing or altered ones give words and no number."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from quality_material import copy, text_sample

from studio.catalog import Catalog
from studio.errors import BadInput
from studio.quality.base import Withheld
from studio.quality.card import make_scorecard
from studio.quality.reference import SETS, ReferenceSet, build, reference_for, save
from studio.settings import Settings
from studio.types import Score


@pytest.fixture
def own(settings: Settings, tmp_path: Path) -> Settings:
    """Settings whose assets hold a copy of the reference sets that a test may spoil."""
    shutil.copytree(settings.assets / "reference", tmp_path / "assets" / "reference")
    return replace(settings, assets=tmp_path / "assets")


def test_shipped_sets_are_what_the_index_says(settings: Settings) -> None:
    shipped = [kind for kind, name in SETS.items() if (settings.assets / f"reference/{name}.json").exists()]
    assert "text" in shipped
    for kind in shipped:
        found = reference_for(kind, settings.assets / "reference")
        assert found.kind == kind and found.n >= 30 and found.what
        assert all(values == sorted(values) and len(values) <= found.n for values in found.values.values())


@pytest.mark.real
@pytest.mark.parametrize("harm", ["altered", "missing", "no index", "not json", "empty"])
def test_harmed_set_gives_words(harm: str, own: Settings, tmp_path: Path) -> None:
    folder = own.assets / "reference"
    path = folder / "signet-copy-en.json"
    if harm == "altered":
        path.write_text(path.read_text().replace("0", "1", 1))
    elif harm == "missing":
        path.unlink()
    elif harm == "no index":
        (folder / "index.toml").unlink()
    elif harm == "not json":
        path.write_bytes(b"\x00\xff")
    else:
        path.write_bytes(b"")
    record = max(copy(), key=lambda r: len(r["text"]))
    card = make_scorecard(text_sample(tmp_path, record["text"], record["prompt"]), Catalog.read(own), own)
    assert "signet-copy-en" in card.withheld["percentiles"]
    assert card.get("relevance") is None and "signet-copy-en" in card.withheld["relevance"]
    assert all(score.percentile is None for score in card.scores)


def score(name: str, value: float, unit: str = "m") -> Score:
    return Score(name, value, unit, "higher", "any")


def test_percentile_counts_ties_half() -> None:
    values = {"a": [1.0] * 10 + [2.0] * 20 + [3.0] * 10, "few": [1.0]}
    found = ReferenceSet("x", "text", "en", "", 40, {"a": "m", "few": "m"}, values)
    assert found.percentile(score("a", 2)) == 50
    assert found.percentile(score("a", 0)) == 0 and found.percentile(score("a", 9)) == 100
    assert found.percentile(score("few", 1)) is None and found.percentile(score("none", 1)) is None
    assert found.percentile(score("a", 2, "km")) is None
    assert found.label("a") == "x (N = 40)"


@given(st.lists(st.floats(-1e6, 1e6), min_size=30, max_size=80), st.floats(-1e6, 1e6), st.floats(-1e6, 1e6))
def test_percentile_is_monotone(values: list[float], a: float, b: float) -> None:
    found = ReferenceSet("x", "text", "en", "", len(values), {"v": "m"}, {"v": sorted(values)})
    low, high = found.percentile(score("v", min(a, b))), found.percentile(score("v", max(a, b)))
    assert low is not None and high is not None and 0 <= low <= high <= 100


@pytest.mark.real
def test_build_and_save(own: Settings) -> None:
    made = build("signet-copy-en", copy()[:30], "thirty of them", own)
    save(made, own.assets / "reference")
    again = reference_for("text", own.assets / "reference")
    assert again == made and again.n == 30 and again.what == "thirty of them"


def test_build_refuses(own: Settings) -> None:
    with pytest.raises(BadInput, match="signet-copy-en"):
        build("nonsense", [], "x", own)
    with pytest.raises(BadInput, match="at least 30"):
        build("signet-copy-en", copy()[:3], "x", own)


def test_unreadable_kind(tmp_path: Path) -> None:
    with pytest.raises(Withheld, match="is not here"):
        reference_for("image", tmp_path)
