"""The upscaler on discs drawn small and large: it learns their edges, and loads in the pipeline's own class."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw
from test_pictures import write_data

from studio.forge import pretrain_upscaler
from studio.forge.base import recipes
from studio.forge.pictures import PictureData
from studio.forge.pretrain_upscaler import UpscalerTask
from studio.forge.track import Track, read_curve
from studio.nets.upscaler import Upscaler
from studio.options import read_options

COUNT = 18


def disc(number: int, side: int) -> np.ndarray:
    """uint8 (side, side, 4): the same disc at every size, drawn finely and then made smaller."""
    picture = Image.new("RGBA", (1024, 1024))
    colour = tuple(np.random.default_rng(number).integers(0, 200, 3).tolist())
    ImageDraw.Draw(picture).ellipse((100 + 9 * number, 120, 600 + 20 * number, 900), fill=(*colour, 255))
    return np.asarray(picture.resize((side, side), Image.Resampling.BOX))


class Faithful(torch.nn.Module):
    """In the place of a trained autoencoder: it loses nothing, so only the noise of the latents is to be mended."""

    def encode(self, pictures: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.pixel_unshuffle(pictures, 8)

    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.pixel_shuffle(latents, 8)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    write_data(folder, COUNT)
    np.save(folder / "pictures-64.npy", np.stack([disc(n, 64) for n in range(COUNT)]))
    np.save(folder / "pictures-512.npy", np.stack([disc(n, 512) for n in range(COUNT)]))
    (folder / "pictures-512.json").write_text(json.dumps(list(range(COUNT))), "utf-8")
    return folder


@pytest.mark.recipe("pretrain_upscaler")
def test_the_upscaler_learns_and_loads(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pretrain_upscaler, "load_part", lambda *_: Faithful())
    recipe = recipes.lookup("pretrain_upscaler")
    options = {
        "pictures": COUNT, "width": 8, "depth": 1, "batch_size": 6, "epochs": 20, "warmup_steps": 0, "ema": 0.5,
        "learning_rate": 0.005,
    }  # fmt: skip
    track = Track(tmp_path / "run", listen=lambda line: None)
    folder = recipe().run(data, read_options(recipe.Options, options), track)
    curve = read_curve(tmp_path / "run")
    assert curve["epoch/model"][-1][1] < 0.8 * curve["epoch/model"][0][1]
    assert "unseen/psnr" in curve and list((tmp_path / "run").glob("enlarged-*.png"))
    trained, fresh = Upscaler.from_pretrained(folder).eval(), Upscaler(width=8, depth=1).eval()
    task = UpscalerTask(PictureData(data), trained, Faithful())
    with torch.no_grad():
        after, before = (task.measure(net, task.rows["test"], torch.Generator()) for net in (trained, fresh))
    assert after < 0.8 * before
