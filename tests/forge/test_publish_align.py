"""Publishing signet-align: a folder that the catalog takes, and a card with what was measured."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from test_pictures import write_data

from studio.catalog import Catalog
from studio.errors import ModelMissing
from studio.forge.publish_align import publish
from studio.settings import Settings

SHIPPED = Path(__file__).resolve().parents[2] / "checkpoints"


def test_a_published_folder_is_a_model_with_a_measured_card(tmp_path: Path) -> None:
    from studio.nets.align import Aligner

    torch.manual_seed(0)
    (tmp_path / "data").mkdir()
    write_data(tmp_path / "data", 24)
    Aligner(widths=(8, 8), blocks=(1, 1)).save_pretrained(tmp_path / "run" / "align")
    out = tmp_path / "checkpoints" / "signet-align"
    (tmp_path / "checkpoints").mkdir()
    shutil.copy(SHIPPED / "catalog.toml", tmp_path / "checkpoints")
    publish(tmp_path / "run", tmp_path / "data", out)
    settings = Settings.read({}, home=tmp_path / "home", checkpoints=tmp_path / "checkpoints")
    model = Catalog.read(settings).verify("signet-align")
    assert (model.kind, model.engine) == ("quality", None) and model.commercial == "yes" and model.data
    card = (out / "card.md").read_text("utf-8")
    assert "| new pictures of things it knows | 4 |" in card and "%" in card
    Aligner.from_pretrained(out)


def test_without_a_run_it_says_so(tmp_path: Path) -> None:
    with pytest.raises(ModelMissing, match="train it first"):
        publish(tmp_path / "none", tmp_path, tmp_path / "out")
