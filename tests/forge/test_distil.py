"""Distilling on a few pictures: the student comes nearer to its teacher's drawings and loads in its pipeline."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from test_pictures import write_data

from studio.errors import BadInput
from studio.forge.base import recipes
from studio.forge.distil import noise_levels, scheduler_for
from studio.forge.track import Track, read_curve
from studio.options import read_options


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    write_data(folder, 24)
    return folder


def run(name: str, data: Path, folder: Path, lines: list[str] | None = None, **options: Any) -> Path:
    recipe = recipes.lookup(name)
    read: Any = read_options(recipe.Options, {"batch_size": 8, "warmup_steps": 0} | options)
    return recipe().run(data, read, Track(folder, listen=(lines if lines is not None else []).append))


@pytest.fixture(scope="module")
def pipeline(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A teacher that has learnt a little, as a whole pipeline."""
    from studio.forge.publish_sticker import publish
    from studio.nets.autoencoder import Autoencoder
    from studio.nets.transformer import StickerTransformer
    from studio.nets.upscaler import Upscaler

    folder = tmp_path_factory.mktemp("teacher")
    torch.manual_seed(0)
    coder = folder / "ae"  # any latents will do to walk through
    Autoencoder().save_pretrained(coder)
    drawer = run(
        "pretrain_diffusion", data, folder / "flow", autoencoder=str(coder), width=32, depth=2, heads=2,
        epochs=12, ema=0.5, learning_rate=0.005, show_every=100,
    )  # fmt: skip
    models = {
        "transformer": StickerTransformer.from_pretrained(drawer), "vae": Autoencoder.from_pretrained(coder),
        "upscaler": Upscaler(),
    }  # fmt: skip
    publish(folder / "pipeline", models)
    return folder / "pipeline"


@pytest.mark.recipe("distil")
def test_the_student_comes_nearer_to_the_teacher_and_draws_in_the_pipeline(
    data: Path, pipeline: Path, tmp_path: Path
) -> None:
    from studio.nets.sticker_pipeline import SignetStickerPipeline

    lines: list[str] = []
    folder = run(
        "distil", data, tmp_path / "run", lines, teacher=str(pipeline), student_steps=2, teacher_steps=8,
        epochs=60, ema=0.9, learning_rate=0.003, show_every=60,
    )  # fmt: skip
    curve = read_curve(tmp_path / "run")["valid/loss"]
    assert curve[-1][1] < 0.9 * curve[0][1]
    report = json.loads((tmp_path / "run" / "report.json").read_text())
    assert report["distance_after"] < 0.9 * report["distance_before"]
    assert report["steps"] == 2 and report["teacher_steps"] == 8
    assert "in 2 steps" in lines[-1] and list((tmp_path / "run").glob("drawn-*.png"))
    loaded = SignetStickerPipeline.from_pretrained(folder, text_encoder=None, tokenizer=None)
    assert loaded.scheduler.config.num_train_timesteps == 2
    x, mask = torch.randn(2, 16, 8, 8), torch.zeros(2, 16, dtype=torch.bool)
    velocity = loaded.transformer.float()(
        x, torch.ones(2), torch.zeros(2, 16, 384), mask, torch.zeros(2, dtype=torch.long)
    )
    assert velocity.shape == x.shape and torch.isfinite(velocity).all()


@pytest.mark.parametrize("steps", [1, 2, 3, 4])
def test_the_scheduler_visits_the_levels_that_were_learnt(steps: int) -> None:
    scheduler = scheduler_for(steps)
    scheduler.set_timesteps(steps)
    torch.testing.assert_close(scheduler.sigmas, noise_levels(steps))
    told = scheduler.timesteps / scheduler.config.num_train_timesteps  # as the pipeline tells the transformer
    torch.testing.assert_close(told, noise_levels(steps)[:-1])


@pytest.mark.parametrize(
    ("options", "words"), [({}, "Choose the teacher"), ({"teacher": "somewhere"}, "Choose the autoencoder")]
)
def test_what_is_missing_is_said(options: dict[str, str], words: str, data: Path, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=words):
        run("distil", data, tmp_path, **options)
