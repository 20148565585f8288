"""Recipe: text to picture, a flow-matching transformer over the autoencoder's latents.

x_σ = (1 − σ) x + σ ε with σ logit-normal; the net learns ε − x (Lipman et al. 2023; Esser et al. 2024).
Text is dropped in 10 % (classifier-free guidance, Ho & Salimans 2022), the style in 15 %.
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
from studio.forge.track import Track
from studio.options import option

if TYPE_CHECKING:
    import torch

    from studio.nets.autoencoder import Autoencoder

NO_TEXT = 0.1
NO_STYLE = 0.15


@dataclass(frozen=True)
class DiffusionOptions(OverLatents):
    epochs: int = option(200, "Epochs", low=1, high=100_000)
    batch_size: int = option(64, "Batch size", low=1, high=65_536)
    warmup_steps: int = option(100, "Warm-up steps", low=0, high=100_000)
    ema: float = option(0.999, "Averaging (EMA)", low=0.0, high=0.99999, advanced=True)
    width: int = option(192, "Width", low=32, high=2048)
    depth: int = option(8, "Layers", low=1, high=48)
    heads: int = option(6, "Heads", low=1, high=32)
    start_from: str = option("", "Start from", hint="Folder of a transformer whose weights to begin with")


@recipes.register
class PretrainDiffusion:
    name: ClassVar[str] = "pretrain_diffusion"
    summary: ClassVar[str] = "Learns to draw what a sentence says, from noise, in small steps."
    Options: ClassVar[type] = DiffusionOptions

    def run(self, data: Path, options: DiffusionOptions, track: Track) -> Path:
        import torch

        from studio.nets.autoencoder import Autoencoder
        from studio.nets.transformer import StickerTransformer

        torch.manual_seed(options.seed)
        autoencoder = load_part(
            Autoencoder, options.autoencoder, "autoencoder", "pretrain_autoencoder"
        ).eval()
        if options.start_from:
            model = load_part(StickerTransformer, options.start_from, "start_from", "pretrain_diffusion")
        else:
            shape = {"width": options.width, "depth": options.depth, "heads": options.heads}
            model = StickerTransformer(latent=autoencoder.config.latent, **shape)
        model.save_config(track.folder)
        task = DiffusionTask(load_pictures(data), model, autoencoder, options)
        if train(task, options, track).finished:
            model.save_pretrained(track.folder / "transformer")
        return track.folder / "transformer"


class DiffusionTask(Task):
    def __init__(
        self, data: PictureData, model: Any, autoencoder: Autoencoder, options: DiffusionOptions
    ) -> None:
        import torch

        self.data, self.autoencoder, self.options = data, autoencoder, options
        self.nets = {"model": model}
        self.rows = {
            "train": data.indices("train"),
            "valid": data.indices("valid"),
            "test": data.indices("unseen"),
        }
        self.styles = torch.tensor([1 + STYLES.index(record.style) for record in data.records])
        self.latents = encode_all(autoencoder, data)

    def loss(self, net: str, rows: Rows, rng: torch.Generator, step: int) -> torch.Tensor | None:
        import torch

        captions = torch.randint(CAPTIONS, (len(rows),), generator=rng)
        states, mask = self.data.text(rows, captions.numpy())
        mask = mask & (torch.rand(len(rows), 1, generator=rng) >= NO_TEXT)
        style = self.styles[rows] * (torch.rand(len(rows), generator=rng) >= NO_STYLE)
        return self._flow_loss(self.nets[net], rows, states * mask[..., None], mask, style, rng)

    def measure(self, model: Any, rows: Rows, rng: torch.Generator) -> torch.Tensor:
        states, mask = self.data.text(rows, np.zeros(len(rows), np.int64))
        return self._flow_loss(model, rows, states, mask, self.styles[rows], rng)

    def _flow_loss(
        self, model: Any, rows: Rows, states: Any, mask: Any, style: Any, rng: torch.Generator
    ) -> torch.Tensor:
        import torch

        clean = self.latents[rows]
        noise = torch.randn(clean.shape, generator=rng)
        sigma = torch.randn(len(rows), generator=rng).sigmoid()
        mixed = torch.lerp(clean, noise, sigma[:, None, None, None])
        return torch.nn.functional.mse_loss(model(mixed, sigma, states, mask, style).float(), noise - clean)

    def show(self, model: Any, track: Track, step: int) -> None:
        import torch

        epoch = step // -(-len(self.rows["train"]) // self.options.batch_size)
        if epoch % self.options.show_every:
            return
        rows = np.concatenate(
            [split[:: max(1, len(split) // 24)][:24] for split in (self.rows["train"], self.rows["test"])]
        )
        states, mask = self.data.text(rows, np.zeros(len(rows), np.int64))
        with torch.autocast("cpu", torch.bfloat16, enabled=self.options.precision == "bf16"):
            drawn = draw(model.eval(), self.autoencoder, states, mask, self.styles[rows])
        track.picture("drawn", grid(drawn, 12), step)


def draw(
    model: Any,
    autoencoder: Any,
    states: torch.Tensor,
    mask: torch.Tensor,
    style: torch.Tensor,
    *,
    steps: int = 20,
    guidance: float = 3.0,
    seed: int = 0,
) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """uint8 (n, 64, 64, 3): Euler steps from noise with classifier-free guidance."""
    import torch

    config = model.config
    rng = torch.Generator().manual_seed(seed)
    x = torch.randn(len(states), config.latent, config.size, config.size, generator=rng)
    times = torch.linspace(1, 0, steps + 1)
    with torch.no_grad():
        for now, then in zip(times[:-1], times[1:], strict=True):
            sigma = now.expand(2 * len(x))
            both = torch.cat([mask, torch.zeros_like(mask)])
            told = model(
                x.repeat(2, 1, 1, 1), sigma, states.repeat(2, 1, 1) * both[..., None], both, style.repeat(2)
            )
            with_text, without = told.float().chunk(2)
            x = x + (then - now) * (without + guidance * (with_text - without))
        pixels = autoencoder.decode(autoencoder.denormalise(x)).float().clamp(-1, 1)
    return np.asarray(pixels.permute(0, 2, 3, 1).add(1).mul(127.5).round().byte())


def encode_all(autoencoder: Autoencoder, data: PictureData) -> torch.Tensor:
    """Normalised latents (pictures, latent, 8, 8) of the whole set, in the order of the records."""
    import torch

    parts = []
    with torch.no_grad():
        for start in range(0, len(data.records), 128):
            pictures = torch.from_numpy(data.on_white(np.arange(start, min(start + 128, len(data.records)))))
            parts.append(
                autoencoder.normalise(autoencoder.encode(pictures.permute(0, 3, 1, 2).float() / 127.5 - 1))
            )
    return torch.cat(parts)
