"""Recipe: a many-step picture transformer teaches one that draws in one to four steps, guidance built in.

On the student's own grid of noise levels σ₀ = 1 > σ₁ > … > σ_n = 0 the teacher walks from σᵢ to σᵢ₊₁ in small guided
steps; the student learns the one velocity that lands in the same place (progressive distillation, Salimans
& Ho 2022, of a guided teacher as in Meng et al. 2023, for a flow). The student starts as the teacher. It is drawn
with `num_inference_steps` = its steps, `guidance_scale` = 1 and its own scheduler: half the work a step, few steps.
"""

from __future__ import annotations

import copy
import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from studio.errors import BadInput
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

    Words = tuple[torch.Tensor, torch.Tensor, torch.Tensor]

JUDGED = 64  # drawings of held-out captions that teacher and student are compared on
SHOWN = 24


@dataclass(frozen=True)
class DistilOptions(OverLatents):
    teacher: str = option("", "Teacher", hint="Folder of a transformer, or of a whole pipeline")
    autoencoder: str = option("", "Autoencoder", hint="Folder; empty: the one of the teacher's pipeline")
    student_steps: int = option(4, "Student's steps", low=1, high=4)
    teacher_steps: int = option(24, "Teacher's steps", low=4, high=200, hint="For a whole picture")
    guidance: float = option(3.5, "Guidance", low=1.0, high=20.0, hint="What the student has built in")
    epochs: int = option(30, "Epochs", low=1, high=100_000)
    batch_size: int = option(32, "Batch size", low=1, high=65_536)
    learning_rate: float = option(3e-4, "Learning rate", low=0.0, high=1.0)
    warmup_steps: int = option(50, "Warm-up steps", low=0, high=100_000)
    ema: float = option(0.999, "Averaging (EMA)", low=0.0, high=0.99999, advanced=True)


@recipes.register
class Distil:
    name: ClassVar[str] = "distil"
    summary: ClassVar[str] = "Makes a picture model draw in one to four steps instead of many."
    Options: ClassVar[type] = DistilOptions

    def run(self, data: Path, options: DistilOptions, track: Track) -> Path:
        import torch

        from studio.nets.autoencoder import Autoencoder
        from studio.nets.transformer import StickerTransformer

        folder, coder = _folders(options)
        torch.manual_seed(options.seed)
        teacher = load_part(StickerTransformer, folder, "teacher", "pretrain_diffusion").eval()
        teacher.requires_grad_(False)
        autoencoder = load_part(Autoencoder, coder, "autoencoder", "pretrain_autoencoder").eval()
        student = copy.deepcopy(teacher).requires_grad_(True)
        student.save_config(track.folder)
        task = DistilTask(load_pictures(data), student, teacher, autoencoder, options)
        if not train(task, options, track).finished:
            return track.folder
        report = task.compare(student.eval())
        track.say(
            f"Away from the teacher's drawing: {report['distance_before']:.3f} before, "
            f"{report['distance_after']:.3f} after, in {options.student_steps} steps."
        )
        (track.folder / "report.json").write_text(json.dumps(report, indent=1) + "\n", "utf-8")
        whole = Path(options.teacher).expanduser()
        if (whole / "model_index.json").is_file():
            return save_pipeline(whole, student, options.student_steps, track.folder / "pipeline")
        student.save_pretrained(track.folder / "transformer")
        scheduler_for(options.student_steps).save_pretrained(track.folder / "scheduler")
        return track.folder / "transformer"


def _folders(options: DistilOptions) -> tuple[Path, Path]:
    """Of the teacher's transformer and of the autoencoder. Raises BadInput if they are not said."""
    if not options.teacher:
        raise BadInput("Choose the teacher: --set teacher=FOLDER, a transformer or a whole pipeline.")
    whole = Path(options.teacher).expanduser()
    if not (whole / "transformer").is_dir():
        if not options.autoencoder:
            raise BadInput(
                "Choose the autoencoder: --set autoencoder=FOLDER (train it with pretrain_autoencoder)."
            )
        return whole, Path(options.autoencoder).expanduser()
    return whole / "transformer", Path(options.autoencoder or whole / "vae").expanduser()


class DistilTask(Task):
    def __init__(
        self, data: PictureData, student: Any, teacher: Any, autoencoder: Any, options: DistilOptions
    ) -> None:
        import torch

        self.data, self.teacher, self.autoencoder, self.options = data, teacher, autoencoder, options
        self.nets = {"model": student}
        self.rows = {
            "train": data.indices("train"), "valid": data.indices("valid"), "test": data.indices("unseen")
        }  # fmt: skip
        self.styles = torch.tensor([1 + STYLES.index(record.style) for record in data.records])
        self.latents = encode_all(autoencoder, data)
        self.grid = noise_levels(options.student_steps)
        self.inner = -(-options.teacher_steps // options.student_steps)

    def loss(self, net: str, rows: Rows, rng: torch.Generator, step: int) -> torch.Tensor:
        import torch

        captions = torch.randint(CAPTIONS, (len(rows),), generator=rng)
        return self._loss(self.nets[net], rows, self._words(rows, captions.numpy()), rng)

    def measure(self, model: Any, rows: Rows, rng: torch.Generator) -> torch.Tensor:
        return self._loss(model, rows, self._words(rows, np.zeros(len(rows), np.int64)), rng)

    def _words(self, rows: Rows, captions: np.ndarray[Any, np.dtype[np.int64]]) -> Words:
        states, mask = self.data.text(rows, captions)
        return states, mask, self.styles[rows]

    def _loss(self, model: Any, rows: Rows, words: Words, rng: torch.Generator) -> torch.Tensor:
        """Mean squared error of the student's velocity over one of its steps, drawn evenly."""
        import torch

        place = torch.randint(len(self.grid) - 1, (len(rows),), generator=rng)
        start, end = self.grid[place], self.grid[place + 1]
        clean = self.latents[rows]
        noise = torch.randn(clean.shape, generator=rng)
        x = torch.lerp(clean, noise, start[:, None, None, None])
        with torch.no_grad():
            landed = self._walk(x, start, end, words)
            wanted = (landed - x) / (end - start)[:, None, None, None]
        return torch.nn.functional.mse_loss(model(x, start, *words).float(), wanted)

    def _walk(self, x: torch.Tensor, start: torch.Tensor, end: torch.Tensor, words: Words) -> torch.Tensor:
        """The teacher from `start` to `end` in guided Euler steps."""
        import torch

        states, mask, style = words
        both = torch.cat([mask, torch.zeros_like(mask)])
        told = (torch.cat([states, torch.zeros_like(states)]), both, style.repeat(2))
        size = (end - start) / self.inner
        for number in range(self.inner):
            sigma = (start + number * size).repeat(2)
            with_text, without = self.teacher(x.repeat(2, 1, 1, 1), sigma, *told).float().chunk(2)
            x = x + size[:, None, None, None] * (without + self.options.guidance * (with_text - without))
        return x

    def draw(self, model: Any, words: Words, noise: torch.Tensor) -> torch.Tensor:
        """What a student draws: its few steps, no guidance."""
        import torch

        x = noise
        with torch.no_grad():
            for start, end in zip(self.grid[:-1], self.grid[1:], strict=True):
                x = x + (end - start) * model(x, start.expand(len(x)), *words).float()
        return x

    def compare(self, student: Any) -> dict[str, float]:
        """Root mean square distance to the teacher's latent from the same noise, as parts of its spread."""
        import torch

        rows = self.rows["test"][:JUDGED] if len(self.rows["test"]) else self.rows["valid"][:JUDGED]
        words = self._words(rows, np.zeros(len(rows), np.int64))
        noise = torch.randn(self.latents[rows].shape, generator=torch.Generator().manual_seed(0))
        ones = torch.ones(len(rows))
        with torch.no_grad():
            target = noise
            for start, end in zip(self.grid[:-1], self.grid[1:], strict=True):
                target = self._walk(target, start * ones, end * ones, words)
        spread = float(target.std())

        def away(model: Any) -> float:
            return float((self.draw(model, words, noise) - target).square().mean().sqrt()) / spread

        return {
            "distance_before": away(self.teacher), "distance_after": away(student), "pictures": len(rows),
            "steps": self.options.student_steps, "teacher_steps": self.inner * (len(self.grid) - 1),
        }  # fmt: skip

    def show(self, model: Any, track: Track, step: int) -> None:
        import torch

        epoch = step // -(-len(self.rows["train"]) // self.options.batch_size)
        if epoch % self.options.show_every:
            return
        rows = np.concatenate([self.rows[split][:SHOWN] for split in ("train", "test")])
        words = self._words(rows, np.zeros(len(rows), np.int64))
        noise = torch.randn(self.latents[rows].shape, generator=torch.Generator().manual_seed(0))
        drawn = self.draw(model.eval(), words, noise)
        pixels = self.autoencoder.decode(self.autoencoder.denormalise(drawn)).float().clamp(-1, 1)
        track.picture("drawn", grid(pixels.add(1).mul(127.5).byte().permute(0, 2, 3, 1).numpy(), 12), step)


def noise_levels(steps: int) -> torch.Tensor:
    """float32 (steps + 1,): even levels from 1 to 0, as `scheduler_for` visits them."""
    import torch

    return torch.linspace(1, 0, steps + 1)


def scheduler_for(steps: int) -> Any:
    """A scheduler that visits the student's levels. The teacher's would waste a step on the last thousandth."""
    from diffusers import FlowMatchEulerDiscreteScheduler

    return FlowMatchEulerDiscreteScheduler(num_train_timesteps=steps, shift=1.0)


def save_pipeline(teacher: Path, student: Any, steps: int, folder: Path) -> Path:
    """The teacher's pipeline with the student and its scheduler in it, as a folder that diffusers loads."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    shutil.copyfile(teacher / "model_index.json", folder / "model_index.json")
    for part in sorted(teacher.iterdir()):
        if part.is_dir() and part.name not in ("transformer", "scheduler"):
            shutil.copytree(part, folder / part.name)
    student.half().save_pretrained(folder / "transformer", safe_serialization=True)
    scheduler_for(steps).save_pretrained(folder / "scheduler")
    return folder
