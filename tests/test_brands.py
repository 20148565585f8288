"""Brands: their phrases reach the scores, and whatever is wrong with a file is one sentence."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from studio.brands import Brand, brand_folders, brand_names, read_brand
from studio.errors import BadInput, NotFound
from studio.service import Studio
from studio.settings import Settings
from studio.types import Brief

LUMEN = 'title = "Lumen Outdoor"\nrequired = ["Lumen"]\nforbidden = ["cheap"]\n'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "home" / "brands"
    made.mkdir(parents=True)
    (made / "lumen.toml").write_text(LUMEN)
    return made


def test_read(folder: Path) -> None:
    assert read_brand("lumen", [folder]) == Brand("lumen", "Lumen Outdoor", ("Lumen",), ("cheap",))


def test_ones_own_come_before_the_shipped(settings: Settings, folder: Path, tmp_path: Path) -> None:
    shipped = tmp_path / "assets" / "brands"
    shipped.mkdir(parents=True)
    (shipped / "lumen.toml").write_text('title = "Shipped"')
    folders = brand_folders(replace(settings, assets=tmp_path / "assets"))
    assert read_brand("lumen", folders).title == "Lumen Outdoor" and brand_names(folders) == ["lumen"]


@pytest.mark.parametrize("name", ["nothing", "", "../lumen", "/etc/passwd", "lumen.toml", "x" * 5000])
def test_unknown_names(name: str, folder: Path) -> None:
    with pytest.raises(NotFound, match="lumen") as told:
        read_brand(name, [folder])
    assert len(str(told.value)) < 500


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"\xff\xfe", "cannot be read"),
        (b"title =", "cannot be read"),
        (b"colour = 'red'", "unknown field 'colour'"),
        (b"title = 5", "title"),
        (b"title = ''", "title"),
        (b"required = 'Lumen'", "list of at most 50"),
        (b"forbidden = [1]", "each phrase of forbidden"),
        (b"forbidden = [' ']", "each phrase of forbidden"),
        (b"required = ['" + b"x" * 201 + b"']", "at most 200"),
        (b"# " + b"x" * 100_001, "larger than"),
    ],
)
def test_broken_files(content: bytes, why: str, folder: Path) -> None:
    (folder / "lumen.toml").write_bytes(content)
    with pytest.raises(BadInput, match=why):
        read_brand("lumen", [folder])


def test_its_phrases_are_scored_and_order_candidates(settings: Settings, folder: Path) -> None:
    brief = Brief("text", "A cheap lamp for camping.", engine="echo", seed=1)
    with Studio(settings) as studio:
        (plain,) = studio.make(brief)
        (asset,) = studio.make(replace(brief, brand="lumen"))
        with pytest.raises(NotFound, match="no brand 'other'"):
            studio.submit(replace(brief, brand="other"))
    assert plain.scorecard.get("required_phrases") is None
    required, forbidden = (asset.scorecard.get(name) for name in ("required_phrases", "forbidden_phrases"))
    assert required is not None and required.value == 0 and "Lumen" in required.detail
    assert forbidden is not None and forbidden.value == 1 and "cheap" in forbidden.detail
