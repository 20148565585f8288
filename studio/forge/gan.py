"""Recipe: adversarial training of the style-based generator (studio/nets/stylegan.py) over latents.

Non-saturating logistic loss with R1 on real latents every 16th critic step (Karras et al. 2020); a third
kind of pair, a real picture with the words of another, teaches the critic to read. Half of the batches
mix two w at a random layer. There is no validation loss in a game; `unseen/kernel` measures instead.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from studio.forge.base import recipes
from studio.forge.captions import STYLES
from studio.forge.loop import Rows, Task, train
from studio.forge.parts import OverLatents, load_part, load_pictures
from studio.forge.pictures import CAPTIONS, PictureData
from studio.forge.pretrain_autoencoder import grid
from studio.forge.pretrain_diffusion import encode_all
from studio.forge.track import Track
from studio.options import option

if TYPE_CHECKING:
    import torch

R1_EVERY = 16


@dataclass(frozen=True)
class GanOptions(OverLatents):
    epochs: int = option(200, "Epochs", low=1, high=100_000)
    batch_size: int = option(64, "Batch size", low=2, high=65_536)
    learning_rate: float = option(1e-3, "Learning rate", low=0.0, high=1.0)
    optimizer: str = option("adam", "Optimizer", choices=("adam", "adamw"))
    beta1: float = option(0.0, "Beta 1", low=0.0, high=0.9999, advanced=True)
    beta2: float = option(0.99, "Beta 2", low=0.0, high=0.99999, advanced=True)
    schedule: str = option("constant", "Schedule", choices=("step", "cosine", "constant"))
    ema: float = option(0.998, "Averaging (EMA)", low=0.0, high=0.99999, advanced=True)
    r1: float = option(1.0, "R1 penalty", low=0.0, high=1000.0, advanced=True)
    width: int = option(192, "Width", low=16, high=1024)


@recipes.register
class Gan:
    name: ClassVar[str] = "gan"
    summary: ClassVar[str] = (
        "Two nets in a game: one draws in a single pass, the other tells drawn from real."
    )
    Options: ClassVar[type] = GanOptions

    def run(self, data: Path, options: GanOptions, track: Track) -> Path:
        import torch

        from studio.nets.autoencoder import Autoencoder
        from studio.nets.stylegan import StyleGenerator

        torch.manual_seed(options.seed)
        autoencoder = load_part(
            Autoencoder, options.autoencoder, "autoencoder", "pretrain_autoencoder"
        ).eval()
        model = StyleGenerator(latent=autoencoder.config.latent, width=options.width)
        model.save_config(track.folder)
        if train(GanTask(load_pictures(data), model, autoencoder, options), options, track).finished:
            model.save_pretrained(track.folder / "generator")
        return track.folder / "generator"


class GanTask(Task):
    def __init__(self, data: PictureData, model: Any, autoencoder: Any, options: GanOptions) -> None:
        import torch

        from studio.nets.stylegan import LatentCritic

        self.data, self.autoencoder, self.options = data, autoencoder, options
        self.nets = {"model": model, "critic": LatentCritic(latent=autoencoder.config.latent)}
        # No "valid" and no "test": how well one side of a game does says nothing about the pictures.
        self.rows = {"train": data.indices("train")}
        self.styles = torch.tensor([1 + STYLES.index(record.style) for record in data.records])
        self.latents = encode_all(autoencoder, data)

    def loss(self, net: str, rows: Rows, rng: torch.Generator, step: int) -> torch.Tensor | None:
        import torch
        from torch.nn.functional import softplus

        critic = self.nets["critic"]
        words, style = self._told(rows, rng)
        with torch.set_grad_enabled(net == "model"):
            drawn = self._draw(words, style, rng).float()
        if net == "model":
            return softplus(-critic(drawn, words, style).float()).mean()
        real = self.latents[rows].requires_grad_(step % R1_EVERY == 0)
        scores = critic(real, words, style).float()
        loss = softplus(-scores).mean() + softplus(critic(drawn, words, style).float()).mean()
        if len(rows) > 1:
            other = torch.roll(words, 1, 0)
            loss = (loss + softplus(critic(real.detach(), other, style).float()).mean()) / 1.5
        if step % R1_EVERY == 0 and self.options.r1:
            (slope,) = torch.autograd.grad(scores.sum(), real, create_graph=True)
            loss = loss + self.options.r1 / 2 * R1_EVERY * slope.square().sum((1, 2, 3)).mean()
        return loss

    def _told(self, rows: Rows, rng: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        import torch

        from studio.nets.text import sentence

        captions = torch.randint(CAPTIONS, (len(rows),), generator=rng).numpy()
        return sentence(*self.data.text(rows, captions)), self.styles[rows]

    def _draw(self, words: torch.Tensor, style: torch.Tensor, rng: torch.Generator) -> torch.Tensor:
        import torch

        from studio.nets.stylegan import mix

        model: Any = self.nets["model"]
        w = model.map(torch.randn(len(words), model.config.z, generator=rng), words, style)
        if torch.rand(1, generator=rng) < 0.5:
            other = model.map(torch.randn(len(words), model.config.z, generator=rng), words, style)
            w = mix(w, other, int(torch.randint(1, model.layers, (1,), generator=rng)))
        drawn: torch.Tensor = model.synthesise(w, rng)
        return drawn

    def show(self, model: Any, track: Track, step: int) -> None:
        import torch

        from studio.forge.evaluate_pictures import kernel_distance
        from studio.nets.text import sentence

        epoch = step // -(-len(self.rows["train"]) // self.options.batch_size)
        if epoch % self.options.show_every:
            return
        rows = self.data.indices("unseen")[:256]
        rng = torch.Generator().manual_seed(0)
        words = sentence(*self.data.text(rows, np.zeros(len(rows), np.int64)))
        drawn = model(
            torch.randn(len(rows), model.config.z, generator=rng), words, self.styles[rows], rng
        ).float()
        if len(rows) > 1:
            sides = (drawn.flatten(1).double().numpy(), self.latents[rows].flatten(1).double().numpy())
            track.scalars({"unseen/kernel": kernel_distance(*sides)}, step)
        pixels = self.autoencoder.decode(self.autoencoder.denormalise(drawn[:48])).clamp(-1, 1)
        track.picture("drawn", grid(pixels.add(1).mul(127.5).byte().permute(0, 2, 3, 1).numpy(), 12), step)
