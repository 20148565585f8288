"""The forge: our loop against a bare PyTorch loop on the same model and batches, and memory over a thousand steps."""

from __future__ import annotations

import time
from itertools import count
from pathlib import Path
from typing import Any

from studio.bench.base import RUNS, Figure, Place, bench, paired

STEPS = 60
LONG = 1000
BATCH, LENGTH, WORDS = 8, 64, 512
ROWS = BATCH * 50


def _model() -> Any:
    """A Llama of 1.3 million parameters, the same each time."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=WORDS, hidden_size=128, intermediate_size=384, num_hidden_layers=4, num_attention_heads=4,
        max_position_embeddings=LENGTH,
    )  # fmt: skip
    return LlamaForCausalLM(config)


def _rows() -> Any:
    import torch

    return torch.randint(WORDS, (ROWS, LENGTH), generator=torch.Generator().manual_seed(1))


def _loss(model: Any, ids: Any) -> Any:
    return model(input_ids=ids, labels=ids, use_cache=False).loss


def _options(steps: int) -> Any:
    from studio.forge.loop import LoopOptions

    return LoopOptions(epochs=10_000, steps=steps, batch_size=BATCH, learning_rate=1e-3, log_every=10)


def _task(seen: Any = None) -> Any:
    import numpy as np

    from studio.forge.loop import Rows, Task

    class Learning(Task):
        def __init__(self) -> None:
            self.ids = _rows()
            self.nets, self.rows = {"model": _model()}, {"train": np.arange(ROWS)}

        def loss(self, net: str, rows: Rows, rng: Any, step: int) -> Any:
            if seen is not None:
                seen(step)
            return _loss(self.nets[net], self.ids[rows])

    return Learning()


def _ours(folder: Path) -> float:
    """Steps a second of `train`, its first and last checkpoint, curves and event files included."""
    from studio.forge.loop import train
    from studio.forge.track import Track

    task = _task()
    began = time.perf_counter()
    train(task, _options(STEPS), Track(folder, listen=lambda line: None))
    return STEPS / (time.perf_counter() - began)


def _bare() -> float:
    """The loop of the textbook: forward, backward, clipped AdamW step; the loss read at every tenth."""
    import torch

    model, ids = _model(), _rows()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, betas=(0.9, 0.999), weight_decay=0.01)
    model.train()
    began = time.perf_counter()
    order = torch.randperm(ROWS)
    for step in range(STEPS):
        place = step * BATCH % ROWS
        loss = _loss(model, ids[order[place : place + BATCH]])
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        if step % 10 == 0:
            loss.item()
    return STEPS / (time.perf_counter() - began)


@bench("forge.overhead")
def overhead(place: Place) -> list[Figure]:
    """Steps a second of the one loop, checkpoints and tracking on, against a bare PyTorch loop."""
    numbers = count()
    ours, base, ratio = paired(lambda: _ours(place.folder / str(next(numbers))), _bare)
    note = f"{STEPS} steps of a 1.3 M parameter Llama, batch {BATCH} × {LENGTH}"
    return [
        Figure("forge.overhead", ours, "steps/s", RUNS, "≥ 0.90 of bare", ratio >= 0.9, base, ratio, note)
    ]


@bench("forge.memory")
def memory(place: Place) -> list[Figure]:
    """How much the process grows between the 200th and the 1,000th step of a training."""
    import psutil

    from studio.forge.loop import train
    from studio.forge.track import Track

    held: dict[int, int] = {}

    def look(step: int) -> None:
        if step in (200, LONG - 1):
            held[step] = psutil.Process().memory_info().rss

    train(_task(look), _options(LONG), Track(place.folder / "long", listen=lambda line: None))
    grown = (held[LONG - 1] - held[200]) / 2**20
    return [Figure("forge.memory", grown, "MB", 1, "≤ 10 in 800 steps", grown <= 10)]
