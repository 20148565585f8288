"""Recipe: the ×8 upscaler, from exact vector pairs.

Each pair is one SVG drawn at 64 and at 512 pixels. Half of the small pictures pass through the
autoencoder with noisy latents first, so that the net also mends what a generator leaves soft. Patches of one
colour teach nothing and are mostly passed over. The loss is the absolute error alone: where an edge may lie is
uncertain, and a penalty on edges would be smallest for having none.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from studio.forge.base import recipes
from studio.forge.loop import LoopOptions, Rows, Task, train
from studio.forge.parts import load_part, load_pictures
from studio.forge.pictures import SOURCES, PictureData, artwork, concepts, flatten
from studio.forge.pretrain_autoencoder import psnr
from studio.forge.track import Track
from studio.options import option

if TYPE_CHECKING:
    import torch

LARGE = 512
PATCH = 16  # pixels of the small picture: training on patches costs a sixteenth
PLAIN = 0.05  # standard deviation of a patch below which it counts as of one colour
SOFTNESS = 0.12  # noise of the latents that a picture is made soft with


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
    start_from: str = option("", "Start from", hint="Folder of an upscaler whose weights to begin with")


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

        autoencoder = load_part(
            Autoencoder, options.autoencoder, "autoencoder", "pretrain_autoencoder"
        ).eval()
        draw_large(data, options.pictures)
        torch.manual_seed(options.seed)
        model = Upscaler(width=options.width, depth=options.depth)
        if options.start_from:
            model = load_part(Upscaler, options.start_from, "start_from", "pretrain_upscaler")
        model.save_config(track.folder)
        task = UpscalerTask(load_pictures(data), model, autoencoder)
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
        self.latents = _latents(autoencoder, data, self.small)

    def _small(self, rows: Rows) -> torch.Tensor:
        """float (n, 3, 64, 64) in −1…1 over white."""
        import torch

        pixels = torch.from_numpy(self.data.on_white(self.small[rows]))
        return pixels.permute(0, 3, 1, 2).float() / 127.5 - 1

    def _large(self, row: int, top: int = 0, left: int = 0, side: int = 64) -> torch.Tensor:
        """float (4, 8 side, 8 side) of that part: over white in −1…1, and alpha in 0…1."""
        import torch

        scale = LARGE // 64
        part = self.large[row, top * scale : (top + side) * scale, left * scale : (left + side) * scale]
        alpha = torch.from_numpy(part[..., 3].astype(np.float32) / 255)[None]
        over_white = torch.from_numpy(flatten(np.asarray(part))).permute(2, 0, 1).float() / 127.5 - 1
        return torch.cat([over_white, alpha])

    def _pair(self, rows: Rows) -> tuple[torch.Tensor, torch.Tensor]:
        import torch

        return self._small(rows), torch.stack([self._large(int(row)) for row in rows])

    def loss(self, net: str, rows: Rows, rng: torch.Generator, step: int) -> torch.Tensor | None:
        import torch

        whole = self._small(rows)
        soft = torch.rand(len(rows), generator=rng) < 0.5
        if soft.any():
            with torch.no_grad():
                latents = self.latents[rows[soft.numpy()]]
                noise = SOFTNESS * torch.randn(latents.shape, generator=rng)
                whole[soft] = self.autoencoder.decode(latents + noise).float().clamp(-1, 1)
        small, large = [], []
        for row, picture in zip(rows, whole, strict=True):
            top, left = _place(picture, rng)
            small.append(picture[:, top : top + PATCH, left : left + PATCH])
            large.append(self._large(int(row), top, left, PATCH))
        first, second = torch.stack(small), torch.stack(large)
        if torch.rand(1, generator=rng) < 0.5:
            first, second = first.flip(-1), second.flip(-1)
        return enlarging_loss(self.nets[net](first).float(), second)

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


def _latents(autoencoder: Any, data: PictureData, chosen: Rows) -> torch.Tensor:
    """(n, latent, 8, 8) of the pictures, encoded once."""
    import torch

    with torch.no_grad():
        parts = [
            autoencoder.encode(
                torch.from_numpy(data.on_white(chosen[i : i + 32])).permute(0, 3, 1, 2).float() / 127.5 - 1
            )
            for i in range(0, len(chosen), 32)
        ]
    return torch.cat(parts).float()


def _place(picture: torch.Tensor, rng: torch.Generator) -> tuple[int, int]:
    """Top and left of a patch with something in it, if four throws find one."""
    import torch

    for _ in range(4):
        top, left = torch.randint(0, 64 - PATCH + 1, (2,), generator=rng).tolist()
        if picture[:, top : top + PATCH, left : left + PATCH].std() > PLAIN:
            break
    return top, left


def enlarging_loss(out: torch.Tensor, large: torch.Tensor) -> torch.Tensor:
    """L1 of colours, cross-entropy of alpha."""
    from torch.nn import functional as F

    error = (out[:, :3] - large[:, :3]).abs().mean()
    return error + 0.1 * F.binary_cross_entropy_with_logits(out[:, 3], large[:, 3])
