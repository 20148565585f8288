"""Recipe: the autoencoder that pictures are generated in (studio/nets/autoencoder.py).

Loss: L1 + squared error + L1 of the gradients at two scales; from `critic_from` on also a hinge
adversarial term. With `freeze_encoder` only the decoder learns, so latents made before stay valid.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from studio.forge.base import recipes
from studio.forge.loop import LoopOptions, Rows, Task, train
from studio.forge.parts import load_part, load_pictures
from studio.forge.pictures import PictureData
from studio.forge.track import Track
from studio.options import option

if TYPE_CHECKING:
    import torch

    from studio.nets.autoencoder import Autoencoder


@dataclass(frozen=True)
class AutoencoderOptions(LoopOptions):
    epochs: int = option(200, "Epochs", low=1, high=100_000)
    learning_rate: float = option(1e-3, "Learning rate", low=0.0, high=1.0)
    beta2: float = option(0.99, "Beta 2", low=0.0, high=0.99999, advanced=True)
    warmup_steps: int = option(100, "Warm-up steps", low=0, high=100_000)
    ema: float = option(0.995, "Averaging (EMA)", low=0.0, high=0.99999, advanced=True)
    latent: int = option(16, "Latent channels", low=1, high=64)
    noise: float = option(0.08, "Latent noise", low=0.0, high=1.0, hint="Makes the decoder forgiving")
    critic_from: int = option(0, "Critic from step", low=0, high=100_000_000, hint="0: no adversarial term")
    critic_weight: float = option(0.02, "Critic weight", low=0.0, high=1.0)
    freeze_encoder: bool = option(False, "Keep the encoder", hint="Only the decoder learns")
    start_from: str = option("", "Start from", hint="Folder of an autoencoder whose weights to begin with")


@recipes.register
class PretrainAutoencoder:
    name: ClassVar[str] = "pretrain_autoencoder"
    summary: ClassVar[str] = "Learns to squeeze pictures into a few numbers and to draw them again."
    Options: ClassVar[type] = AutoencoderOptions

    def run(self, data: Path, options: AutoencoderOptions, track: Track) -> Path:
        import torch

        from studio.nets.autoencoder import Autoencoder

        torch.manual_seed(options.seed)
        model = (
            load_part(Autoencoder, options.start_from, "start_from", "pretrain_autoencoder")
            if options.start_from
            else Autoencoder(latent=options.latent)
        )
        model.save_config(track.folder)
        task = AutoencoderTask(load_pictures(data), model, options)
        outcome = train(task, options, track)
        if outcome.finished:
            if not options.freeze_encoder:
                measure_latents(model, task.data)
            model.save_pretrained(track.folder / "autoencoder")
        return track.folder / "autoencoder"


class AutoencoderTask(Task):
    def __init__(self, data: PictureData, model: Autoencoder, options: AutoencoderOptions) -> None:
        from studio.nets.autoencoder import Critic

        self.data, self.options = data, options
        self.nets = {"model": model}
        if options.critic_from:
            self.nets["critic"] = Critic()
        if options.freeze_encoder:
            model.encoder.requires_grad_(False)
        self.rows = {
            "train": data.indices("train"),
            "valid": data.indices("valid"),
            "test": data.indices("unseen"),
        }

    def pictures(self, rows: Rows, rng: torch.Generator | None = None) -> torch.Tensor:
        """float (n, 3, 64, 64) in −1…1; with `rng` half of them mirrored and some slightly moved."""
        import torch

        pictures = torch.from_numpy(self.data.on_white(rows)).permute(0, 3, 1, 2).float() / 127.5 - 1
        if rng is not None:
            mirrored = torch.rand(len(rows), generator=rng) < 0.5
            pictures[mirrored] = pictures[mirrored].flip(-1)
            down, right = torch.randint(-3, 4, (2,), generator=rng).tolist()
            # Moving keeps white at the rim: the artwork has a margin on every side.
            pictures = torch.nn.functional.pad(pictures, (3, 3, 3, 3), value=1.0)
            pictures = pictures[:, :, 3 + down : 67 + down, 3 + right : 67 + right]
        return pictures

    def loss(self, net: str, rows: Rows, rng: torch.Generator, step: int) -> torch.Tensor | None:
        import torch

        adversarial = "critic" in self.nets and step >= self.options.critic_from
        if net == "critic" and not adversarial:
            return None
        real = self.pictures(rows, rng)
        model: Any = self.nets["model"]
        with torch.set_grad_enabled(net == "model"):
            latents = model.encode(real)
            latents = latents + self.options.noise * torch.randn(latents.shape, generator=rng)
            drawn = model.decode(latents)
        if net == "critic":
            scores = self.nets["critic"](torch.cat([real, drawn.to(real.dtype)])).float()
            good, bad = scores.chunk(2)
            return (1 - good).relu().mean() + (1 + bad).relu().mean()
        loss = reconstruction_loss(drawn.float(), real)
        if adversarial:
            loss = loss - self.options.critic_weight * self.nets["critic"](drawn).float().mean()
        return loss

    def measure(self, model: Any, rows: Rows, rng: torch.Generator) -> torch.Tensor:
        real = self.pictures(rows)
        return reconstruction_loss(model(real).float(), real)

    def show(self, model: Any, track: Track, step: int) -> None:
        import torch

        rows = self.rows["test"][:: max(1, len(self.rows["test"]) // 256)]
        real = self.pictures(rows)
        drawn = torch.cat([model(part) for part in real.split(64)]).clamp(-1, 1)
        track.scalars({"unseen/psnr": psnr(drawn, real)}, step)
        pairs = torch.stack([real[:32], drawn[:32]], 1).flatten(0, 1)
        track.picture("unseen", grid(pairs.permute(0, 2, 3, 1).add(1).mul(127.5).byte().numpy(), 8), step)


def reconstruction_loss(drawn: torch.Tensor, real: torch.Tensor) -> torch.Tensor:
    """L1 + 2 · squared error + 0.5 · L1 of gradients, at full and half size; pictures in −1…1."""
    from torch.nn import functional as F

    loss = F.l1_loss(drawn, real) + 2 * F.mse_loss(drawn, real)
    for _ in range(2):
        error = drawn - real
        loss = loss + 0.25 * (error.diff(dim=-1).abs().mean() + error.diff(dim=-2).abs().mean())
        drawn, real = F.avg_pool2d(drawn, 2), F.avg_pool2d(real, 2)
    return loss


def psnr(drawn: torch.Tensor, real: torch.Tensor) -> float:
    """Mean peak signal-to-noise ratio in dB of pictures in −1…1, picture by picture."""
    import torch

    error = ((drawn - real) / 2).square().mean((1, 2, 3)).clamp(min=1e-8)
    return float((-10 * torch.log10(error)).mean())


def measure_latents(model: Autoencoder, data: PictureData) -> None:
    """Put mean and standard deviation of the training latents into the model."""
    import torch

    task_rows = data.indices("train")
    with torch.no_grad():
        parts = []
        for start in range(0, len(task_rows), 128):
            pictures = torch.from_numpy(data.on_white(task_rows[start : start + 128]))
            parts.append(model.encode(pictures.permute(0, 3, 1, 2).float() / 127.5 - 1))
        latents = torch.cat(parts)
        model.mean.copy_(latents.mean((0, 2, 3)))
        model.std.copy_(latents.std((0, 2, 3)))


def grid(pictures: np.ndarray[Any, np.dtype[np.uint8]], columns: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """uint8 (n, h, w, 3) laid out in rows of `columns` on white."""
    count, height, width, depth = pictures.shape
    rows = -(-count // columns)
    sheet = np.full((rows * columns, height, width, depth), 255, np.uint8)
    sheet[:count] = pictures
    sheet = sheet.reshape(rows, columns, height, width, depth).swapaxes(1, 2)
    return sheet.reshape(rows * height, columns * width, depth)
