from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from studio.errors import ModelMissing
from studio.forge.base import recipes
from studio.forge.track import Track, read_curve

ROOT = Path(__file__).resolve().parents[2]


def test_a_resumed_run_forgets_what_came_after_its_checkpoint(tmp_path: Path) -> None:
    track = Track(tmp_path, listen=lambda line: None)
    track.open({}, 0)
    for step in (1, 2, 3):
        track.scalars({"loss": 1 / step}, step)
    track.close()
    with (tmp_path / "curve.jsonl").open("a") as curve:
        curve.write('{"step": 2, "na')  # the line that a kill cut off
    again = Track(tmp_path, listen=lambda line: None)
    again.open({}, 2)
    again.scalars({"loss": 9.0}, 3)
    again.close()
    assert read_curve(tmp_path) == {"loss": [(1, 1.0), (2, 0.5), (3, 9.0)]}


def test_tensorboard_reads_the_curve(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    track = Track(tmp_path, listen=lambda line: None)
    track.open({"batch_size": 3}, 0)
    track.scalars({"valid/loss": 0.25}, 5)
    track.close()
    events = EventAccumulator(str(tmp_path))
    events.Reload()
    assert [(e.step, e.value) for e in events.Scalars("valid/loss")] == [(5, 0.25)]


def test_wandb_asked_for_but_not_there_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_PROJECT", "signet")
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(ModelMissing, match="pip install wandb"):
        Track(tmp_path, listen=lambda line: None).open({}, 0)


def test_wandb_offline_keeps_a_run_that_can_be_synced_later(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from studio.forge.track import Track\n"
        "track = Track(Path(sys.argv[1]) / 'run', listen=lambda line: None)\n"
        "track.open({'batch_size': 3}, 0)\n"
        "track.scalars({'train/model': 0.5}, 1); track.scalars({'train/model': 0.25}, 2); track.close()"
    )
    environ = os.environ | {
        "WANDB_PROJECT": "signet", "WANDB_MODE": "offline", "WANDB_SILENT": "true", "WANDB_DIR": str(tmp_path),
        "WANDB_CACHE_DIR": str(tmp_path / "cache"), "WANDB_CONFIG_DIR": str(tmp_path / "config"),
        "WANDB_DATA_DIR": str(tmp_path / "data"),
    }  # fmt: skip
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], env=environ, cwd=ROOT, check=True)
    (kept,) = (tmp_path / "run").rglob("run-*.wandb")
    written = kept.read_bytes()
    assert b"train/model" in written and b"batch_size" in written
    assert [value for _, value in read_curve(tmp_path / "run")["train/model"]] == [0.5, 0.25]


def test_every_recipe_explains_itself_and_has_options() -> None:
    assert {
        "pretrain_autoencoder",
        "pretrain_diffusion",
        "pretrain_align",
        "pretrain_upscaler",
        "gan",
    } <= set(recipes)
    for recipe in recipes.values():
        assert recipe.summary.endswith(".") and recipe.Options().batch_size


def test_listing_recipes_does_not_load_torch() -> None:
    code = (
        "import sys; from studio.forge.base import recipes; list(recipes); sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[2]).returncode == 0
