"""Recipe: signet-align, contrastive picture and text alignment on the picture data.

Pictures of one concept are all right for each of its captions, so their columns share the target
(supervised contrastive, Khosla et al. 2020) instead of being pushed apart.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from studio.forge.base import recipes
from studio.forge.loop import LoopOptions, Rows, Task, train
from studio.forge.parts import load_pictures
from studio.forge.pictures import CAPTIONS, PictureData
from studio.forge.track import Track
from studio.options import option

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class AlignOptions(LoopOptions):
    epochs: int = option(30, "Epochs", low=1, high=100_000)
    batch_size: int = option(128, "Batch size", low=2, high=65_536)
    warmup_steps: int = option(50, "Warm-up steps", low=0, high=100_000)
    weight_decay: float = option(0.1, "Weight decay", low=0.0, high=1.0, advanced=True)
    ema: float = option(0.995, "Averaging (EMA)", low=0.0, high=0.99999, advanced=True)


@recipes.register
class PretrainAlign:
    name: ClassVar[str] = "pretrain_align"
    summary: ClassVar[str] = (
        "Learns which words and pictures belong together, for naming, ranking and search."
    )
    Options: ClassVar[type] = AlignOptions

    def run(self, data: Path, options: AlignOptions, track: Track) -> Path:
        import torch

        from studio.nets.align import Aligner

        torch.manual_seed(options.seed)
        model = Aligner()
        model.save_config(track.folder)
        if train(AlignTask(load_pictures(data), model), options, track).finished:
            model.save_pretrained(track.folder / "align")
        return track.folder / "align"


class AlignTask(Task):
    def __init__(self, data: PictureData, model: Any) -> None:
        import torch

        self.data, self.nets = data, {"model": model}
        self.rows = {
            "train": data.indices("train"),
            "valid": data.indices("valid"),
            "test": data.indices("unseen"),
        }
        names = {name: i for i, name in enumerate(sorted({record.concept for record in data.records}))}
        self.concepts = torch.tensor([names[record.concept] for record in data.records])

    def loss(self, net: str, rows: Rows, rng: torch.Generator, step: int) -> torch.Tensor | None:
        import torch

        captions = torch.randint(CAPTIONS, (len(rows),), generator=rng).numpy()
        return self._contrast(self.nets[net], _disturb(load(self.data, rows), rng), rows, captions)

    def measure(self, model: Any, rows: Rows, rng: torch.Generator) -> torch.Tensor:
        return self._contrast(model, load(self.data, rows), rows, np.full(len(rows), CAPTIONS))

    def _contrast(self, model: Any, pictures: torch.Tensor, rows: Rows, captions: Rows) -> torch.Tensor:
        import torch

        from studio.nets.text import sentence

        logits = model(pictures, sentence(*self.data.text(rows, captions))).float()
        concept = self.concepts[rows]
        target = (concept[:, None] == concept[None]).float()
        target = target / target.sum(1, keepdim=True)
        cross_entropy = torch.nn.functional.cross_entropy
        return (cross_entropy(logits, target) + cross_entropy(logits.T, target)) / 2

    def show(self, model: Any, track: Track, step: int) -> None:
        values = {}
        for split in ("valid", "unseen"):
            values[f"{split}/recall_at_5"] = recall(model, self.data, self.data.indices(split))
        track.scalars(values, step)


def load(data: PictureData, rows: Rows) -> torch.Tensor:
    """float (n, 3, 64, 64) in −1…1 over white."""
    import torch

    return torch.from_numpy(data.on_white(rows)).permute(0, 3, 1, 2).float() / 127.5 - 1


def recall(model: Any, data: PictureData, rows: Rows, at: int = 5) -> float:
    """Share of pictures whose own concept name is among the `at` nearest of *all* concept names."""
    import torch

    names, name_vectors = name_space(model, data)
    places = {name: i for i, name in enumerate(names)}
    right = 0
    for start in range(0, len(rows), 128):
        chosen = rows[start : start + 128]
        near = (model.picture(load(data, chosen)) @ name_vectors.T).topk(at).indices
        own = torch.tensor([places[data.records[i].concept] for i in chosen])
        right += int((near == own[:, None]).any(1).sum())
    return right / max(len(rows), 1)


def name_space(model: Any, data: PictureData) -> tuple[list[str], torch.Tensor]:
    """All concept names and their unit vectors: the closed vocabulary of naming."""
    from studio.nets.text import sentence

    first = {record.concept: i for i, record in reversed(list(enumerate(data.records)))}
    rows = np.array(list(first.values()), np.int64)
    states, mask = data.text(rows, np.zeros(len(rows), np.int64))
    return list(first), model.words(sentence(states, mask))


def _disturb(pictures: torch.Tensor, rng: torch.Generator) -> torch.Tensor:
    """Mirror, move, scale, tint and blur, so that drawn pictures are read like artwork."""
    import torch
    from torch.nn import functional as F

    count = len(pictures)
    size = 0.8 + 0.35 * torch.rand(count, generator=rng)
    mirror = torch.where(torch.rand(count, generator=rng) < 0.5, -1.0, 1.0)
    move = (torch.rand(count, 2, generator=rng) - 0.5) * 0.25
    theta = torch.zeros(count, 2, 3)
    theta[:, 0, 0], theta[:, 1, 1], theta[:, :, 2] = mirror / size, 1 / size, move
    # Over black the padding would be grey; shifted by one, zero is white.
    moved = (
        F.grid_sample(
            pictures - 1, F.affine_grid(theta, list(pictures.shape), align_corners=False), align_corners=False
        )
        + 1
    )
    gain = 0.85 + 0.3 * torch.rand(count, 3, 1, 1, generator=rng)
    moved = 1 - (1 - moved) * gain
    blurred = F.avg_pool2d(F.pad(moved, (1, 1, 1, 1), value=1.0), 3, 1)
    soft = torch.rand(count, 1, 1, 1, generator=rng) * (torch.rand(count, 1, 1, 1, generator=rng) < 0.5)
    return torch.lerp(moved, blurred, soft).clamp(-1, 1)
