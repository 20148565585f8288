"""The table of concept names: names before keywords, nothing that stands for too much."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from studio.errors import ModelMissing
from studio.forge.concept_words import PACKAGE, table

ENGLISH = [{"hexcode": "1", "label": "red apple"}, {"hexcode": "2", "label": "green apple"}]
CHINESE = [
    {"hexcode": "1", "label": "红苹果", "tags": ["苹果", "水果", "红"]},
    {"hexcode": "2", "label": "大的青苹果", "tags": ["苹果", "青"]},
    {"hexcode": "9", "label": "没有英文", "tags": []},
]
TRADITIONAL = [{"hexcode": "1", "label": "紅蘋果", "tags": ["蘋果"]}]


@pytest.fixture
def packages(tmp_path: Path) -> Path:
    for language, entries in (("en", ENGLISH), ("zh", CHINESE), ("zh-hant", TRADITIONAL)):
        folder = tmp_path / PACKAGE / language
        folder.mkdir(parents=True)
        (folder / "data.json").write_text(json.dumps(entries), "utf-8")
    return tmp_path


def test_names_and_keywords(packages: Path) -> None:
    assert table(packages) == {
        "红苹果": "red apple",
        "苹果": "red apple",  # the shortest name that contains it
        "大的青苹果": "green apple",
        "紅蘋果": "red apple",
        "蘋果": "red apple",
    }


def test_a_missing_package_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelMissing, match="unpack emojibase-data"):
        table(tmp_path)


def test_the_shipped_table_is_whole() -> None:
    path = Path(__file__).resolve().parents[2] / "assets" / "concepts" / "zh.tsv"
    lines = [line for line in path.read_text("utf-8").splitlines() if not line.startswith("#")]
    pairs = dict(line.split("\t") for line in lines)
    assert len(pairs) == len(lines) > 3000
    assert pairs["火箭"] == "rocket" and pairs["蘋果"] == "red apple"
    assert all(word.strip() and name.strip() for word, name in pairs.items())
