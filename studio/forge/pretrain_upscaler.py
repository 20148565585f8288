"""Recipe: the ×8 upscaler, from exact vector pairs.

Each pair is one SVG drawn at 64 and at 512 pixels. Half of the small pictures pass through the
autoencoder with noisy latents first, so that the net also mends what a generator leaves soft.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from studio.errors import BadInput
from studio.forge.base import recipes
from studio.forge.loop import LoopOptions, Rows, Task, train
from studio.forge.pictures import SOURCES, PictureData, artwork, concepts, flatten
from studio.forge.pretrain_autoencoder import psnr
from studio.forge.track import Track
from studio.options import option

if TYPE_CHECKING:
    import torch

LARGE = 512
PATCH = 24  # pixels of the small picture: training on patches costs a seventh


@dataclass(frozen=True)
class UpscalerOptions(LoopOptions):
    epochs: int = option(40, "Epochs", low=1, high=100_000)
    batch_size: int = option(16, "Batch size", low=1, high=4096)
    warmup_steps: int = option(50, "Warm-up steps", low=0, high=100_000)
    ema: float = option(0.995, "Averaging (EMA)", low=0.0, high=0.99999, advanced=True)
    autoencoder: str = option("", "Autoencoder", hint="Folder that pretrain_autoencoder wrote")
    pictures: int = option(
        600, "Pictures", low=10, high=10_000, hint="Vector pictures drawn at 512 (1 MB each)"
    )
    width: int = option(48, "Width", low=8, high=512)
    depth: int = option(6, "Blocks", low=1, high=64)


@recipes.register
class PretrainUpscaler:
    name: ClassVar[str] = "pretrain_upscaler"
    summary: ClassVar[str] = (
        "Learns to enlarge small pictures eightfold with sharp edges and a clean cut-out."
    )
    Options: ClassVar[type] = UpscalerOptions

    def run(self, data: Path, options: UpscalerOptions, track: Track) -> Path:
        import torch

        from studio.nets.autoencoder import Autoencoder
        from studio.nets.upscaler import Upscaler

        if not options.autoencoder:
            raise BadInput(
                "Choose the autoencoder: --set autoencoder=FOLDER (train it with pretrain_autoencoder)."
            )
        draw_large(data, options.pictures)
        torch.manual_seed(options.seed)
        model = Upscaler(width=options.width, depth=options.depth)
        model.save_config(track.folder)
        task = UpscalerTask(PictureData(data), model, Autoencoder.from_pretrained(options.autoencoder).eval())
        if train(task, options, track).finished:
            model.save_pretrained(track.folder / "upscaler")
        return track.folder / "upscaler"


def draw_large(data: Path, count: int) -> None:
    """Draw `count` evenly chosen vector pictures at 512 into pictures-512.npy, with their numbers beside."""
    numbers = data / f"pictures-{LARGE}.json"
    if numbers.exists() and len(json.loads(numbers.read_text("utf-8"))) == count:
        return
    records = PictureData(data).records
    vector = [i for i, record in enumerate(records) if record.style != "3d"]
    chosen = [vector[place] for place in np.linspace(0, len(vector) - 1, count).astype(int)]
    wanted = {(records[i].source, records[i].concept): i for i in chosen}
    sources = [source for source in SOURCES if source.style and source.style != "3d"]
    found: dict[int, Any] = {}
    known = concepts(data / "packages")
    keep = {concept for _, concept in wanted}
    some = {slug: concept for slug, concept in known.items() if concept.name in keep}
    for source, concept, rgba in artwork(data / "packages", some, LARGE, sources):
        if (place := wanted.get((source.package, concept.name))) is not None:
            found[place] = rgba
    np.save(data / f"pictures-{LARGE}.npy", np.stack([found[i] for i in chosen]))
    numbers.write_text(json.dumps([int(i) for i in chosen]), "utf-8")


class UpscalerTask(Task):
    """Rows are places in pictures-512.npy."""

    def __init__(self, data: PictureData, model: Any, autoencoder: Any) -> None:
        self.data, self.autoencoder, self.nets = data, autoencoder, {"model": model}
        self.large = np.load(data.folder / f"pictures-{LARGE}.npy", mmap_mode="r")
        self.small = np.array(
            json.loads((data.folder / f"pictures-{LARGE}.json").read_text("utf-8")), np.int64
        )
        splits = np.array([data.records[i].split for i in self.small])
        self.rows = {"train": np.flatnonzero(splits == "train"), "test": np.flatnonzero(splits == "unseen")}

    def _pair(self, rows: Rows) -> tuple[torch.Tensor, torch.Tensor]:
        """Small (n, 3, 64, 64) over white; large (n, 4, 512, 512): over white and alpha in 0…1."""
        import torch

        large = np.asarray(self.large[rows])
        alpha = torch.from_numpy(large[..., 3]).float().div(255)[:, None]
        over_white = torch.from_numpy(flatten(large)).permute(0, 3, 1, 2).float() / 127.5 - 1
        small = torch.from_numpy(self.data.on_white(self.small[rows])).permute(0, 3, 1, 2).float() / 127.5 - 1
        return small, torch.cat([over_white, alpha], 1)

    def loss(self, net: str, rows: Rows, rng: torch.Generator, step: int) -> torch.Tensor | None:
        import torch

        small, large = self._pair(rows)
        soft = torch.rand(len(rows), generator=rng) < 0.5
        if soft.any():
            with torch.no_grad():
                latents = self.autoencoder.encode(small[soft])
                noise = 0.12 * torch.randn(latents.shape, generator=rng)
                small[soft] = self.autoencoder.decode(latents + noise).float().clamp(-1, 1)
        top, left = torch.randint(0, 64 - PATCH + 1, (2,), generator=rng).tolist()
        small = small[:, :, top : top + PATCH, left : left + PATCH]
        scale = LARGE // 64
        large = large[:, :, top * scale : (top + PATCH) * scale, left * scale : (left + PATCH) * scale]
        if torch.rand(1, generator=rng) < 0.5:
            small, large = small.flip(-1), large.flip(-1)
        return enlarging_loss(self.nets[net](small).float(), large)

    def measure(self, model: Any, rows: Rows, rng: torch.Generator) -> torch.Tensor:
        small, large = self._pair(rows)
        return enlarging_loss(model(small).float(), large)

    def show(self, model: Any, track: Track, step: int) -> None:
        import torch

        small, large = self._pair(self.rows["test"][:8])
        drawn = model(small).float()[:, :3].clamp(-1, 1)
        track.scalars({"unseen/psnr": psnr(drawn, large[:, :3])}, step)
        both = torch.cat([drawn[:3], large[:3, :3]], 0).permute(0, 2, 3, 1)
        sheet = both.add(1).mul(127.5).byte().numpy().reshape(2, 3, LARGE, LARGE, 3).swapaxes(1, 2)
        track.picture("enlarged", sheet.reshape(2 * LARGE, 3 * LARGE, 3), step)


def enlarging_loss(out: torch.Tensor, large: torch.Tensor) -> torch.Tensor:
    """L1 of colours and of their edges (sharpness), cross-entropy of alpha."""
    from torch.nn import functional as F

    error = out[:, :3] - large[:, :3]
    edges = error.diff(dim=-1).abs().mean() + error.diff(dim=-2).abs().mean()
    return error.abs().mean() + edges + 0.1 * F.binary_cross_entropy_with_logits(out[:, 3], large[:, 3])
