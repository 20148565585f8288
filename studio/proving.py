"""What an engine says about files that the forge has written, before they may appear in the catalog.

A language model's files are compared with PyTorch on the held-out answers of its run, in llama.cpp; anything else is
loaded by the engine that will run it.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from studio.catalog import Model
from studio.engines.base import engines
from studio.engines.devices import cpu
from studio.engines.llama_model import LlamaModel, Row
from studio.errors import ModelBroken
from studio.forge.publish_lm import Probe, Staged
from studio.settings import Settings

# Mean KL in nats a token that a file may be away from PyTorch's half-precision weights.
TOLERANCE = {"model-q8_0.gguf": 0.02, "model-q4_1.gguf": 0.25}
SPARE = "model-q4_1.gguf"  # a smaller copy: left out, and the card says so, where four bits lose too much
ROUNDS = 3  # speeds are taken in turn, so that a busy moment does not fall on one file alone
SPEED_TOKENS = 48


def loads(model: Model, settings: Settings) -> None:
    """Load it as its engine does. Raises ModelBroken, ModelMissing."""
    if model.engine:
        engine = engines.lookup(model.engine)(model, cpu(), settings)
        engine.load()
        engine.close()


def measure(staged: Staged, run: Path) -> list[dict[str, Any]]:
    """One row a file: size, distance from PyTorch, held-out perplexity, tokens a second. Raises ModelBroken.

    `start.gguf`, which `prune` leaves in its run, is measured along in turn as what it was before.
    """
    before = run / "start.gguf"
    paths = {file: staged.folder / file for file in staged.files}
    paths |= {before.name: before} if before.is_file() and staged.files else {}
    rows = {file: _proved(path, staged) for file, path in paths.items()}
    speeds: dict[str, list[float]] = {file: [] for file in paths}
    for _ in range(ROUNDS):
        for file, path in paths.items():
            speeds[file].append(_speed(path, staged.probes[0].ids[0]))
    return [row | {"tokens/s": float(np.median(speeds[file]))} for file, row in rows.items()]


def _proved(path: Path, staged: Staged) -> dict[str, Any]:
    model = LlamaModel(path)
    try:
        distance, perplexity = _compared(model, staged.probes)
    finally:
        model.close()
    row: dict[str, Any] = {"file": path.name, "MB": path.stat().st_size / 1e6, "KL from PyTorch": "–"}
    if path.name in TOLERANCE:
        if not distance <= TOLERANCE[path.name] and path.name != SPARE:
            raise ModelBroken(
                f"llama.cpp computes something else from {path.name} than PyTorch from the trained weights "
                f"({distance:.3f} nats a token apart); nothing was published."
            )
        row["KL from PyTorch"] = distance
    return row | {"held-out perplexity": perplexity}


def _compared(model: LlamaModel, probes: Sequence[Probe]) -> tuple[float, float]:
    """Mean KL from PyTorch's logits and perplexity, both over the tokens of all probes that count."""
    distance, loss, count = 0.0, 0.0, 0
    for probe in probes:
        told = _logits(model, probe.ids[:-1])[probe.start - 1 :]
        chances, wanted = _log_softmax(told.astype(np.float64)), probe.ids[probe.start :]
        distance += divergence(probe.logits, told) * len(wanted)
        loss -= float(chances[np.arange(len(wanted)), wanted].sum())
        count += len(wanted)
    return distance / count, float(np.exp(loss / count))


def without_spare(staged: Staged, measured: list[dict[str, Any]]) -> Staged:
    """Take the four-bit file out if it has drifted too far; its row stays, under a name that says so."""
    for row in measured:
        if row["file"] == SPARE and not row["KL from PyTorch"] <= TOLERANCE[SPARE]:
            row["file"] = f"{SPARE}, left out: four bits lose too much"
            (staged.folder / SPARE).unlink()
            return replace(staged, files=tuple(file for file in staged.files if file != SPARE))
    return staged


def divergence(one: NDArray[np.float32], two: NDArray[np.float32]) -> float:
    """Mean KL(one ‖ two) in nats a token, of logits (tokens, vocabulary)."""
    p, q = (_log_softmax(logits.astype(np.float64)) for logits in (one, two))
    return float((np.exp(p) * (p - q)).sum(-1).mean())


def _log_softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    shifted = logits - logits.max(-1, keepdims=True)
    found: NDArray[np.float64] = shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))
    return found


def _logits(model: LlamaModel, ids: Sequence[int]) -> NDArray[np.float32]:
    context = model.context(1, max(256, len(ids) + 1), 1)
    try:
        found = []
        for place, token in enumerate(ids):
            context.decode([Row(token, place, 0, True)])
            found.append(context.logits(0).copy())
        return np.stack(found)
    finally:
        context.close()


def _speed(path: Path, token: int) -> float:
    model = LlamaModel(path)
    context = model.context(1, 256, 1)
    try:
        context.decode([Row(token, 0, 0, True)])
        began = time.perf_counter()
        for place in range(1, SPEED_TOKENS + 1):
            context.decode([Row(token, place, 0, True)])
        return SPEED_TOKENS / (time.perf_counter() - began)
    finally:
        context.close()
        model.close()
