"""Recipe: signet-tune, a small language model of melodies, on the tune data."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from studio.forge.base import recipes
from studio.forge.loop import LoopOptions, Rows, Task, train
from studio.forge.track import Track
from studio.forge.tunes import TuneData
from studio.nets.tune_tokens import BEGIN, ID, PAD
from studio.options import option

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class TuneOptions(LoopOptions):
    epochs: int = option(10, "Epochs", low=1, high=100_000)
    batch_size: int = option(8, "Batch size", low=1, high=65_536, hint="Rows of 512 tokens")
    learning_rate: float = option(3e-3, "Learning rate", low=0.0, high=10.0)
    warmup_steps: int = option(50, "Warm-up steps", low=0, high=100_000)
    weight_decay: float = option(0.1, "Weight decay", low=0.0, high=1.0, advanced=True)
    beta2: float = option(0.98, "Beta 2", low=0.0, high=0.99999, advanced=True)
    ema: float = option(0.99, "Averaging (EMA)", low=0.0, high=0.99999, advanced=True)
    width: int = option(160, "Width", low=16, high=4096, advanced=True)
    depth: int = option(4, "Layers", low=1, high=100, advanced=True)
    heads: int = option(5, "Heads", low=1, high=64, advanced=True)
    hidden: int = option(432, "Hidden width", low=16, high=16_384, advanced=True)


@recipes.register
class PretrainTune:
    name: ClassVar[str] = "pretrain_tune"
    summary: ClassVar[str] = "Learns from old dance tunes and airs to write melodies of its own."
    Options: ClassVar[type] = TuneOptions

    def run(self, data: Path, options: TuneOptions, track: Track) -> Path:
        import torch

        from studio.nets.tune import Shape, TuneModel

        torch.manual_seed(options.seed)
        model = TuneModel(Shape(options.width, options.depth, options.heads, options.hidden))
        model.save_shape(track.folder)
        if train(TuneTask(TuneData(data), model), options, track).finished:
            model.save(track.folder / "tune")
        return track.folder / "tune"


class TuneTask(Task):
    """Next-token prediction within each tune; rows are packed tunes that cannot see each other."""

    def __init__(self, data: TuneData, model: Any) -> None:
        self.nets = {"model": model}
        parts = {split: data.packed(split) for split in ("train", "valid", "test")}
        self.tokens = np.concatenate(list(parts.values()))
        ends = np.cumsum([0, *(len(part) for part in parts.values())])
        self.rows = {
            split: np.arange(first, last, dtype=np.int64)
            for split, first, last in zip(parts, ends[:-1], ends[1:], strict=True)
        }

    def loss(self, net: str, rows: Rows, rng: torch.Generator, step: int) -> torch.Tensor | None:
        return self._cross_entropy(self.nets[net], rows)

    def measure(self, model: Any, rows: Rows, rng: torch.Generator) -> torch.Tensor:
        return self._cross_entropy(model, rows)

    def _cross_entropy(self, model: Any, rows: Rows) -> torch.Tensor:
        """Mean nats per token; the head of a tune is given, so it is not counted."""
        import torch

        tokens = torch.from_numpy(self.tokens[rows].astype(np.int64))
        inputs, targets = tokens[:, :-1], tokens[:, 1:].clone()
        starts = inputs == ID[BEGIN]
        tune = starts.cumsum(1)
        mask = (tune[:, :, None] == tune[:, None]).tril()[:, None]
        targets[targets == ID[PAD]] = -100
        head = torch.zeros_like(starts)
        for shift in range(3):  # metre, mode and style
            head[:, shift:] |= starts[:, : starts.shape[1] - shift]
        targets[head | (targets == ID[BEGIN])] = -100
        logits = model(inputs, mask)
        return torch.nn.functional.cross_entropy(
            logits.flatten(0, 1).float(), targets.flatten(), ignore_index=-100
        )
