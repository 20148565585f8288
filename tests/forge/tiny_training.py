"""A tiny task with dropout and two nets, run as a program so that tests can kill it.

python tests/forge/tiny_training.py FOLDER [--resume] [name=value …]
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from studio.errors import StudioError
from studio.forge.loop import LoopOptions, Rows, Task, train
from studio.forge.track import Track
from studio.options import read_options

BASE = {
    "epochs": 4, "batch_size": 8, "learning_rate": 0.01, "schedule": "step", "ema": 0.9, "warmup_steps": 3,
    "checkpoint_seconds": 0.0, "log_every": 1,
}  # fmt: skip


class TinyTask(Task):
    """`model` fits y = x·w under dropout, `rival` fits the model's error: both move at every step."""

    def __init__(self, pause: float = 0.0, poison: int = -1) -> None:
        torch.manual_seed(7)
        self.x = torch.randn(60, 4)
        self.y = self.x @ torch.tensor([[1.0], [-2.0], [0.5], [3.0]])
        self.nets: dict[str, nn.Module] = {
            "model": nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Dropout(0.2), nn.Linear(16, 1)),
            "rival": nn.Linear(4, 1),
        }
        self.rows = {"train": np.arange(44), "valid": np.arange(44, 52), "test": np.arange(52, 60)}
        self.pause, self.poison = pause, poison

    def loss(self, net: str, rows: Rows, rng: torch.Generator, step: int) -> torch.Tensor | None:
        time.sleep(self.pause)
        noise = 0.01 * torch.randn(len(rows), 1, generator=rng)
        error = self.nets["model"](self.x[rows] + noise) - self.y[rows]
        if net == "rival":
            return (self.nets["rival"](self.x[rows]) - error.detach()).square().mean() if step > 4 else None
        bad = float("nan") if step == self.poison else 1.0
        return error.square().mean() * bad

    def measure(self, model: nn.Module, rows: Rows, rng: torch.Generator) -> torch.Tensor:
        return (model(self.x[rows]) - self.y[rows]).square().mean()


def options(**changes: Any) -> LoopOptions:
    return read_options(LoopOptions, BASE | changes)


def main() -> int:
    torch.set_num_threads(1)
    changes = dict(pair.split("=") for pair in sys.argv[2:] if "=" in pair)
    pause = float(changes.pop("pause", 0))
    track = Track(Path(sys.argv[1]), resume="--resume" in sys.argv)
    try:
        train(TinyTask(pause), options(**changes), track)
    except StudioError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
