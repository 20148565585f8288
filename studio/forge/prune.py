"""Recipe: make a language model smaller and faster, and see at which step it stops paying.

    python -m studio train prune --data assets/training/blurbs.jsonl --out runs/small --set base=runs/blurbs \\
        --set layers=3 --set channels=0.2

Layers, groups of heads and MLP channels leave first (prune_structure.py), then the rest is trained on to
recover, if wanted while ever more weights become zero (prune_gradual.py), then it is quantised: to int8 in
PyTorch for comparison, to GGUF for use. `table.txt`, `pareto.json` and `pareto.svg` tell each step; speeds of
GGUF files are taken in llama.cpp when the result is published.
"""

from __future__ import annotations

import copy
import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, ClassVar

from studio.errors import BadInput
from studio.forge.base import recipes
from studio.forge.finetune_lm import LanguageOptions, Work, finished, keep, prepare, trainable
from studio.forge.gguf_read import GgufModel
from studio.forge.gguf_round import input_products
from studio.forge.gguf_write import check_architecture, write_gguf
from studio.forge.lm_task import Encoded, LanguageTask, collate, perplexity
from studio.forge.loop import Rows, train
from studio.forge.prune_gradual import add_masks, apply_masks, sparsity_at, take_masks_off, update_masks
from studio.forge.prune_report import Row, table, verdict, write_report
from studio.forge.prune_structure import (
    Importance,
    importance,
    without_channels,
    without_heads,
    without_layers,
)
from studio.forge.track import Track
from studio.options import option

if TYPE_CHECKING:
    import torch

CALIBRATION = 16  # training examples that tell what matters
TIMED = 5  # forward passes, in turn with the start


@dataclass(frozen=True)
class PruneOptions(LanguageOptions):
    base: str = option("smollm2-135m", "Base model", hint="Best a run that knows the data already")
    heads: int = option(0, "Groups of heads", low=0, high=64, hint="To leave every layer")
    channels: float = option(0.2, "MLP channels", low=0.0, high=0.95, hint="Share to leave")
    layers: int = option(2, "Layers", low=0, high=200, hint="To leave")
    sparsity: float = option(0.0, "Zeros", low=0.0, high=0.99, hint="Share at the end; needs method full")
    allowed: float = option(0.1, "Allowed cost", low=0.0, high=10.0, hint="Of perplexity, to still pay")
    sweep: bool = option(True, "Try other shares", hint="Measures steps that are not taken", advanced=True)
    rank: int = option(16, "LoRA rank", low=1, high=512, advanced=True)
    alpha: float = option(32.0, "LoRA alpha", low=0.1, high=4096, advanced=True)
    epochs: int = option(1, "Epochs", low=1, high=1_000_000, hint="Of recovery")


@recipes.register
class Prune:
    name: ClassVar[str] = "prune"
    summary: ClassVar[str] = "Makes a language model smaller and faster, and tells what each step costs."
    Options: ClassVar[type] = PruneOptions

    def run(self, data: Path, options: PruneOptions, track: Track) -> Path:
        if options.sparsity and options.method != "full":
            raise BadInput("Zeros (sparsity) are made while all weights are trained; set method to full.")
        work = prepare(data, options, track)
        check_architecture(work.model.config)
        steps = Steps(work, track)
        steps.add("start, half precision", work.model)
        smaller = cut(work, options, steps)
        net = trainable(smaller, options)
        task = PruneTask(net, work.encoded, work.rows, options)
        if not train(task, options, track).finished:
            return track.folder
        model = finished(net, track.folder, options.base)
        zeros = take_masks_off(model) if options.sparsity else 0.0
        steps.add("recovered" + (f", {zeros:.0%} zeros" if zeros else ""), model)
        quantise(model, work, steps, track)
        write_report(track.folder, steps.rows, options.allowed)
        track.say(table(steps.rows))
        track.say(verdict(steps.rows, options.allowed))
        write_gguf(work.model, work.tokenizer, track.folder / "start.gguf", "F16", name="start")
        report = {row.step: f"{row.megabytes:.1f} MB, perplexity {row.perplexity:.2f}" for row in steps.rows}
        return keep(self.name, model, work, options, report, track)


class PruneTask(LanguageTask):
    """Recovery by maximum likelihood, under masks that grow with the step if zeros are wanted."""

    def __init__(
        self, net: Any, encoded: Sequence[Encoded], rows: dict[str, Rows], options: PruneOptions
    ) -> None:
        super().__init__(net, encoded, rows)
        self.final = options.sparsity
        epoch = -(-len(rows["train"]) // (options.batch_size * options.accumulate))
        self.total = min(epoch * options.epochs, options.steps or epoch * options.epochs)
        if self.final:
            add_masks(net)

    def loss(self, net: str, rows: Rows, rng: torch.Generator, step: int) -> torch.Tensor | None:
        if self.final:
            update_masks(self.nets[net], sparsity_at(step, self.total - 1, self.final))
        return super().loss(net, rows, rng, step)

    def measure(self, model: Any, rows: Rows, rng: torch.Generator) -> torch.Tensor:
        if self.final:
            apply_masks(model)
        return super().measure(model, rows, rng)


class Steps:
    """The rows of the table, each measured on the held-out part and timed in turn with the start."""

    def __init__(self, work: Work, track: Track) -> None:
        self.work, self.track = work, track
        self.part = work.part("test")
        self.start = work.model
        self.rows: list[Row] = []

    def add(
        self, name: str, model: Any, megabytes: float = 0.0, timed: bool = True, tried: bool = False
    ) -> None:
        speed = self._speed(model) if timed else None
        size = megabytes or half_megabytes(model)
        self.rows.append(Row(name, size, perplexity(model, self.part), speed, tried))
        row = self.rows[-1]
        self.track.say(f"{name}: {row.megabytes:.1f} MB, perplexity {row.perplexity:.2f}")

    def _speed(self, model: Any) -> float:
        """Times the start's speed: the median of single passes, each beside one of the start."""
        batch = collate(self.part[:2], "cpu")
        if model is self.start:
            return 1.0
        ratios = []
        for _ in range(TIMED):
            ratios.append(_seconds(self.start, batch.ids) / _seconds(model, batch.ids))
        return float(median(ratios))


def cut(work: Work, options: PruneOptions, steps: Steps) -> Any:
    """The smaller model, one kind of part after the other, each step measured before anything recovers."""
    model = work.model
    rows = work.rows["train"][:CALIBRATION]
    batches = [
        collate([work.encoded[row] for row in rows[at : at + 4]], "cpu") for at in range(0, len(rows), 4)
    ]
    found = importance(model, batches)
    if options.sweep:
        try_out(model, found, options, steps)
    if options.layers:
        model, found = without_layers(model, found, options.layers)
        steps.add(f"{options.layers} layers less", model)
    if options.heads:
        model = without_heads(model, found, options.heads)
        steps.add(f"{options.heads} head groups less", model)
    if options.channels:
        model = without_channels(model, found, options.channels)
        steps.add(f"{options.channels:.0%} channels less", model)
    return copy.deepcopy(model) if model is work.model else model


def try_out(model: Any, found: Importance, options: PruneOptions, steps: Steps) -> None:
    """One kind of step alone, in growing shares, without recovery: which kind gives way last."""
    for share in (0.1, 0.3, 0.5):
        steps.add(
            f"only {share:.0%} channels", without_channels(model, found, share), timed=False, tried=True
        )
    total = model.config.num_hidden_layers
    for count in sorted({max(1, total // 10), max(1, total // 5)}):
        if count <= total - 2:
            steps.add(f"only {count} layers", without_layers(model, found, count)[0], timed=False, tried=True)


def quantise(model: Any, work: Work, steps: Steps, track: Track) -> None:
    """int8 in PyTorch for comparison; the GGUF files by what their weights are after reading them back."""
    eight = int8(model)
    matrices = sum(
        p.numel() for layer in model.get_decoder().layers for p in layer.parameters() if p.ndim > 1
    )
    steps.add("int8 in PyTorch", eight, megabytes=half_megabytes(model) - matrices / 1e6)
    examples = work.part("train")[:CALIBRATION]
    products = input_products(
        model, [collate(examples[at : at + 8], "cpu") for at in range(0, len(examples), 8)]
    )
    whole = steps.start, "start as GGUF Q8_0", "Q8_0"
    for source, name, kind in (whole, (model, "GGUF Q8_0", "Q8_0"), (model, "GGUF Q4_1", "Q4_1")):
        file = track.folder / "step.gguf"
        write_gguf(source, work.tokenizer, file, kind, name="step", products=products)
        steps.add(name, GgufModel(file).model(), file.stat().st_size / 1e6, timed=False)
        file.unlink()  # publishing writes it anew


def int8(model: Any) -> Any:
    """A copy whose matrices inside the layers are int8, with activations quantised as they come."""
    import torch

    copied = copy.deepcopy(model)
    with warnings.catch_warnings():
        # Called deprecated in favour of a package that is not among ours; here it only measures.
        warnings.simplefilter("ignore")
        each = {torch.nn.Linear: torch.ao.quantization.per_channel_dynamic_qconfig}
        for layer in copied.get_decoder().layers:
            torch.ao.quantization.quantize_dynamic(layer, each, torch.qint8, inplace=True)
    return copied


def half_megabytes(model: Any) -> float:
    """What the parameters take in half precision, tied ones once, in 10⁶ bytes."""
    return float(sum(parameter.numel() for parameter in model.parameters()) * 2 / 1e6)


def _seconds(model: Any, ids: torch.Tensor) -> float:
    import torch

    with torch.no_grad():
        began = time.perf_counter()
        model.get_decoder()(ids, use_cache=False)
    return time.perf_counter() - began
