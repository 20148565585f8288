"""signet-judge is fitted to drawings, measured on others, and published with what was measured."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from test_pictures import write_data

from studio.catalog import Catalog
from studio.errors import BadInput
from studio.forge.pictures import ARTWORK, SOURCES, PictureData
from studio.forge.publish_judge import fit, measure, publish
from studio.settings import Settings


@pytest.fixture
def picture_data(tmp_path: Path) -> Path:
    """Twelve things in colours of their own, each drawn by two artists."""
    folder = tmp_path / "data"
    folder.mkdir()
    write_data(folder, 24)
    pixels = np.load(folder / "pictures-64.npy")
    pixels[1::2, 16:48, 16:48] = pixels[::2, 16:48, 16:48]
    np.save(folder / "pictures-64.npy", pixels)
    rows = [json.loads(line) for line in (folder / "records.jsonl").read_text().splitlines()]
    lines = [json.dumps({**row, "source": ("one", "two")[i % 2]}) + "\n" for i, row in enumerate(rows)]
    (folder / "records.jsonl").write_text("".join(lines))
    return folder


def test_one_artist_is_too_few(tmp_path: Path) -> None:
    write_data(tmp_path, 6)
    with pytest.raises(BadInput, match="two artists"):
        fit(PictureData(tmp_path))


def test_the_judge_shares_no_artwork_with_the_makers() -> None:
    drawn = {source.package for source in SOURCES if source.style}
    assert not drawn & {source.package for source in ARTWORK["judge"]}
    assert sum(bool(source.style) for source in ARTWORK["judge"]) >= 3


def test_what_it_learnt_it_names(picture_data: Path) -> None:
    data = PictureData(picture_data)
    judge = fit(data)
    rows = {name: (n, first, five, sure) for name, n, first, five, sure in measure(judge, data)}
    n, first, five, sure = rows["all"]
    assert n == len(data.records) and first == five == 1 and 0 < sure <= 1
    assert set(judge.names) == {record.concept for record in data.records}


def test_published_with_its_numbers_and_licences(
    picture_data: Path, settings: Settings, tmp_path: Path
) -> None:
    out = tmp_path / "checkpoints" / "signet-judge"
    publish(picture_data, picture_data, out)
    card = (out / "card.md").read_text("utf-8")
    assert "100.0 %" in card and all(one.package in card for one in ARTWORK["judge"])
    (tmp_path / "checkpoints" / "catalog.toml").write_text("")
    entry = Catalog.read(Settings.read({}, home=tmp_path / "h", checkpoints=tmp_path / "checkpoints")).get(
        "signet-judge"
    )
    assert entry.licence == "CC-BY-4.0" and len(entry.data) == len(ARTWORK["judge"])


@pytest.mark.real
def test_the_shipped_judge_is_whole(settings: Settings) -> None:
    catalog = Catalog.read(settings)
    assert catalog.ready("signet-judge")
    text = (settings.checkpoints / "signet-judge" / "card.md").read_text("utf-8")
    (row,) = (line for line in text.splitlines() if line.startswith("| all |"))
    assert float(row.split("|")[4].split("%")[0]) > 70
    assert np.isfinite(float(row.split("|")[5].split("%")[0]))
