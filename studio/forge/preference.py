"""Recipe: a small ranker from what people preferred in the library, by their votes and stars.

Data is a file of choices, one a line, as `Studio.taste` writes it:

    {"question": "4f…", "first": {"words": 61, …}, "second": {"words": 80, …}, "choice": "first"}

Left behind are `ranker/ranker.json` (studio/forge/ranker.py) and `report.json` with the agreement on
questions it has never seen. Choices about one question stay in one split.
"""

from __future__ import annotations

import json
import math
import random
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from studio.errors import BadInput
from studio.forge.base import recipes
from studio.forge.loop import LoopOptions, Rows, Task, train
from studio.forge.ranker import PRIOR_SD, Floats, Ranker, Scale, covariance
from studio.forge.track import Track
from studio.options import option

if TYPE_CHECKING:
    import torch

SHARE = {"first": 1.0, "second": 0.0, "same": 0.5}
LEAST_QUESTIONS = 4
HELD_OUT = 0.2


@dataclass(frozen=True)
class PreferenceOptions(LoopOptions):
    epochs: int = option(100, "Epochs", low=1, high=100_000)
    batch_size: int = option(32, "Batch size", low=1, high=65_536)
    learning_rate: float = option(0.05, "Learning rate", low=0.0, high=10.0)
    optimizer: str = option("adam", "Optimizer", choices=("adam", "adamw"))
    log_every: int = option(10, "Log every (steps)", low=1, high=100_000, advanced=True)


@dataclass(frozen=True)
class Choices:
    """float64 (choices, features) differences first − second, what the first got, and each one's question."""

    scale: Scale
    differences: Floats
    shares: Floats
    questions: tuple[str, ...]

    def split(self, seed: int) -> dict[str, Rows]:
        names = sorted(set(self.questions))
        if len(names) < LEAST_QUESTIONS:
            raise BadInput(
                f"There are choices about {len(names)} briefs; training and a fair test need at least "
                f"{LEAST_QUESTIONS}. Vote or give stars to results of more briefs."
            )
        random.Random(seed).shuffle(names)
        held = max(1, round(HELD_OUT * len(names)))
        place = {
            name: ("test", "valid")[i // held] if i < 2 * held else "train" for i, name in enumerate(names)
        }
        return {
            split: np.array([i for i, one in enumerate(self.questions) if place[one] == split], np.int64)
            for split in ("train", "valid", "test")
        }


def read_choices(path: Path) -> Choices:
    """Raises BadInput with the line of the first row that is no choice."""
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"{path.name} cannot be read as a file of choices ({error}).") from None
    rows = [_choice(path, number, line) for number, line in enumerate(lines, 1) if line.strip()]
    if not rows:
        raise BadInput(f"{path.name} holds no choice yet; vote on pairs or give stars to results first.")
    scale = Scale.of([item for row in rows for item in row[1:3]])
    differences = np.array([scale.vector(first) - scale.vector(second) for _, first, second, _ in rows])
    return Choices(scale, differences, np.array([row[3] for row in rows]), tuple(row[0] for row in rows))


def _choice(path: Path, number: int, line: str) -> tuple[str, dict[str, float], dict[str, float], float]:
    try:
        row = json.loads(line)
        return str(row["question"]), _numbers(row["first"]), _numbers(row["second"]), SHARE[row["choice"]]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise BadInput(
            f"{path.name}:{number} is no choice; a line holds question, first, second and choice "
            f"({', '.join(SHARE)})."
        ) from None


def _numbers(item: Mapping[str, Any]) -> dict[str, float]:
    found = {str(name): float(value) for name, value in item.items()}
    if not all(map(math.isfinite, found.values())):
        raise ValueError("not finite")
    return found


@recipes.register
class Preference:
    name: ClassVar[str] = "preference"
    summary: ClassVar[str] = "Learns from your votes and stars which of two results people would rather have."
    Options: ClassVar[type] = PreferenceOptions

    def run(self, data: Path, options: PreferenceOptions, track: Track) -> Path:
        from safetensors.torch import load_file

        choices = read_choices(data)
        rows = choices.split(options.seed)
        task = _task(choices, rows)
        if not train(task, options, track).finished:
            return track.folder
        weights = load_file(track.folder / "best.safetensors")["weight"][0].double().numpy()
        learnt = choices.differences[rows["train"]]
        ranker = Ranker(choices.scale, weights, covariance(learnt, weights), len(learnt))
        right, n = agreement(ranker, choices, rows["test"])
        track.say(f"Agrees with {right} of {n} held-out choices.")
        strongest = sorted(zip(choices.scale.names, weights, strict=True), key=lambda one: -abs(one[1]))[:8]
        report = {
            "held_out_choices": n,
            "agreement": f"{right / n:.0%}" if n else "none decided",
            **{f"weight of {name}": float(value) for name, value in strongest},
        }
        (track.folder / "report.json").write_text(json.dumps(report, indent=1) + "\n", "utf-8")
        ranker.save(track.folder / "ranker")
        return track.folder / "ranker"


def agreement(ranker: Ranker, choices: Choices, rows: Rows) -> tuple[int, int]:
    """(right, decided): ties say nothing about who is right."""
    decided = [row for row in rows if choices.shares[row] != SHARE["same"]]
    told = ranker.chance(choices.differences[decided]) > 0.5 if decided else np.zeros(0, bool)
    return int((told == (choices.shares[decided] > 0.5)).sum()), len(decided)


def _task(choices: Choices, rows: dict[str, Rows]) -> Task:
    import torch
    from torch import nn

    class Choosing(Task):
        def __init__(self) -> None:
            net = nn.Linear(len(choices.scale.names), 1, bias=False)
            nn.init.zeros_(net.weight)
            self.nets, self.rows = {"model": net}, rows
            self.x = torch.from_numpy(choices.differences).float()
            self.y = torch.from_numpy(choices.shares).float()

        def loss(self, net: str, rows: Rows, rng: torch.Generator, step: int) -> torch.Tensor:
            model = self.nets[net]
            # The prior belongs to the whole data, so a batch carries its share of it.
            prior = model.weight.square().sum() / (2 * PRIOR_SD**2 * len(self.rows["train"]))
            return self.measure(model, rows, rng) + prior

        def measure(self, model: Any, rows: Rows, rng: torch.Generator) -> torch.Tensor:
            told = model(self.x[rows])[:, 0]
            return nn.functional.binary_cross_entropy_with_logits(told, self.y[rows])

    return Choosing()
