"""A recipe for tests, installed as an outsider's package would be, so that trainer processes find it too."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from studio.errors import BadInput
from studio.forge.base import recipes
from studio.forge.loop import LoopOptions, Rows, Task, train
from studio.forge.track import Track
from studio.options import option


@dataclass(frozen=True)
class TinyOptions(LoopOptions):
    pause: float = option(0.02, "Pause", low=0.0, high=10.0, hint="Seconds each step takes")
    epochs: int = option(10, "Epochs", low=1, high=1000)
    batch_size: int = option(4, "Batch size", low=1, high=64)
    learning_rate: float = option(0.3, "Learning rate", low=0.0, high=1.0)
    log_every: int = option(1, "Log every (steps)", low=1, high=1000, advanced=True)
    checkpoint_seconds: float = option(0.1, "Checkpoint every (s)", low=0.0, high=60.0, advanced=True)
    wrong: str = option("", "What goes wrong", choices=("", "fault", "input"))


@recipes.register
class Tiny:
    name: ClassVar[str] = "tiny"
    summary: ClassVar[str] = "Fits a line through a few points, to try the forge without waiting."
    Options: ClassVar[type] = TinyOptions

    def run(self, data: Path, options: TinyOptions, track: Track) -> Path:
        if options.wrong == "fault":
            raise KeyError("nobody expected this")
        if options.wrong == "input":
            raise BadInput(f"{data.name} holds no points.")
        task = _task(options)
        if train(task, options, track).finished:
            (track.folder / "line").mkdir(exist_ok=True)
            (track.folder / "line" / "done.txt").write_text("done", "utf-8")
        return track.folder / "line"


def _task(options: TinyOptions) -> Task:
    import numpy as np
    import torch
    from torch import nn

    class Line(Task):
        def __init__(self) -> None:
            torch.manual_seed(options.seed)
            self.x = torch.randn(20, 1)
            self.nets = {"model": nn.Linear(1, 1)}
            self.rows = {"train": np.arange(16), "valid": np.arange(16, 20)}

        def loss(self, net: str, rows: Rows, rng: Any, step: int) -> Any:
            time.sleep(options.pause)
            return self.measure(self.nets[net], rows, rng)

        def measure(self, model: Any, rows: Rows, rng: Any) -> Any:
            return (model(self.x[rows]) - 3 * self.x[rows]).square().mean()

        def show(self, model: Any, track: Track, step: int) -> None:
            picture = np.full((16, 32, 3), min(255, step * 6), np.uint8)
            track.picture("drawn", picture, step)

    return Line()
