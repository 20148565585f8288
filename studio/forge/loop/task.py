"""What a recipe gives the loop (`Task`) and what it gets back (`Outcome`)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from studio.errors import StudioError
from studio.forge.track import Track

if TYPE_CHECKING:
    import torch
    from torch import nn

Rows = NDArray[np.int64]


class Task:
    """What is learned: nets, examples and their loss. The first net is the model that is kept.

    `rows` holds example numbers under "train", "valid" and "test"; `weights`, if set, how often each
    training row is drawn (then an epoch draws with replacement).
    """

    nets: dict[str, nn.Module]
    rows: dict[str, Rows]
    weights: torch.Tensor | None = None

    def loss(self, net: str, rows: Rows, rng: torch.Generator, step: int) -> torch.Tensor | None:
        """The scalar mean loss that `net` minimises on `rows`; None lets the net rest this step."""
        raise NotImplementedError

    def measure(self, model: nn.Module, rows: Rows, rng: torch.Generator) -> torch.Tensor:
        """Validation and test loss of `model` (its average when EMA is on)."""
        raise NotImplementedError

    def show(self, model: nn.Module, track: Track, step: int) -> None:
        """Called after each epoch: pictures, texts or further scalars for people."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended. `finished` is False after a stop; losses are None where nothing was measured."""

    finished: bool
    step: int
    state: Path
    valid_loss: float | None = None
    test_loss: float | None = None


class Stopped(StudioError):
    """The loss left the numbers; the message says what to lower. The last good checkpoint stays."""
