"""Recipe: go on training a language model on your own texts, whole or by LoRA (Hu et al. 2021).

    python -m studio train finetune_lm --data assets/training/blurbs.jsonl --out runs/blurbs

The loss is taken on answers only. Left behind are `model/` (merged, for transformers and for `publish`),
`adapter/` (in the format of peft) and `report.json` with held-out perplexity before and after.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from studio.errors import BadInput
from studio.forge.base import recipes
from studio.forge.data import Data, read_data
from studio.forge.lm_base import load_base, save_model
from studio.forge.lm_record import Lineage
from studio.forge.lm_task import Encoded, LanguageTask, encode_all, perplexity
from studio.forge.loop import LoopOptions, Rows, train
from studio.forge.track import Track
from studio.options import option, options_dict

CALIBRATION = 24  # training examples kept as tokens: four-bit rounding keeps what the model computes on them
HELD_OUT = 8  # test examples kept as tokens, so that published files can be measured


@dataclass(frozen=True)
class LanguageOptions(LoopOptions):
    """What all recipes for existing language models share."""

    base: str = option("smollm2-135m", "Base model", hint="A catalog name, a run, or a local folder")
    columns: str = option("", "Columns", hint="prompt=NAME,answer=NAME or text=NAME; empty: as named so")
    skip_bad_rows: bool = option(False, "Skip bad rows", hint="They are listed either way")
    max_tokens: int = option(256, "Longest example", low=8, high=32_768, hint="In tokens", advanced=True)
    method: str = option("lora", "Method", choices=("lora", "full"), hint="LoRA needs less memory")
    rank: int = option(8, "LoRA rank", low=1, high=512, advanced=True)
    alpha: float = option(16.0, "LoRA alpha", low=0.1, high=4096, advanced=True)
    dropout: float = option(0.0, "LoRA dropout", low=0.0, high=0.9, advanced=True)
    epochs: int = option(3, "Epochs", low=1, high=1_000_000, hint="Times the data is gone through")
    batch_size: int = option(8, "Batch size", low=1, high=4096)
    learning_rate: float = option(1e-3, "Learning rate", low=0.0, high=1.0, hint="LoRA 1e-3, full 1e-4")
    warmup_steps: int = option(5, "Warm-up steps", low=0, high=1_000_000)
    log_every: int = option(1, "Log every (steps)", low=1, high=100_000, advanced=True)


@recipes.register
class FinetuneLm:
    name: ClassVar[str] = "finetune_lm"
    summary: ClassVar[str] = (
        "Teaches a language model your voice from examples: prompts with answers, or plain texts."
    )
    Options: ClassVar[type] = LanguageOptions

    def run(self, data: Path, options: LanguageOptions, track: Track) -> Path:
        work = prepare(data, options, track)
        held_out = work.part("test")
        before = kept_numbers(track, "before", lambda: {"perplexity": perplexity(work.model, held_out)})[
            "perplexity"
        ]
        track.say(f"Held-out perplexity before: {before:.2f}")
        net = trainable(work.model, options)
        if not train(LanguageTask(net, work.encoded, work.rows), options, track).finished:
            return track.folder
        model = finished(net, track.folder, options.base)
        after = perplexity(model, held_out)
        track.say(f"Held-out perplexity: {before:.2f} → {after:.2f} ({after / before - 1:+.1%})")
        report = {
            "perplexity_before": before,
            "perplexity_after": after,
            "test_examples": len(held_out),
        }
        return keep(self.name, model, work, options, report, track)


# --- What the recipes for existing models share -------------------------------------------------


@dataclass(frozen=True)
class Work:
    """A base model and data as its tokens, split."""

    data: Data
    model: Any
    tokenizer: Any
    lineage: Lineage
    encoded: list[Encoded]
    rows: dict[str, Rows]

    def part(self, name: str) -> list[Encoded]:
        return [self.encoded[row] for row in self.rows[name]]


def prepare(path: Path, options: LanguageOptions, track: Track) -> Work:
    """Read, check and split the data, then load the base: what is wrong is told before anything is loaded."""
    check_begin(options, track)
    data = read_data(path, options.columns, skip_bad_rows=options.skip_bad_rows)
    for problem in data.problems:
        track.say(f"Skipped {problem.where}: {problem.why}")
    if data.duplicates:
        track.say(
            f"{len(data.duplicates)} examples repeat an earlier one; each stays in the split of its first."
        )
    rows = data.split(options.seed)
    base = load_base(options.base)
    encoded = encode_all(base.tokenizer, data, options.max_tokens, track)
    return Work(data, base.model, base.tokenizer, base.lineage, encoded, rows)


def check_begin(options: LoopOptions, track: Track) -> None:
    """Raises BadInput as the loop would, but before the minutes that a base model and its measuring take."""
    from studio.forge.loop import checkpoint

    found = checkpoint.newest(track.folder)
    if found is None:
        return
    if not track.resume:
        raise BadInput(f"{track.folder} holds a run already; resume it or choose another name.")
    try:
        told = json.loads((found / "state.json").read_text("utf-8"))["options"]
    except (OSError, ValueError, KeyError):
        return  # the loop says what is broken
    checkpoint.refuse_changes(told, options_dict(options))


def trainable(model: Any, options: LanguageOptions) -> Any:
    """The net that the loop trains: the model itself, or an adapter on it, begun the same way by seed."""
    import torch

    from studio.nets.lora import LoraNet

    torch.manual_seed(options.seed)
    if options.method == "full":
        return model
    return LoraNet(model, options.rank, options.alpha, options.dropout)


def finished(net: Any, folder: Path, base: str) -> Any:
    """The trained model in one piece, its best weights by validation; an adapter is saved beside it first."""
    from safetensors.torch import load_model

    from studio.nets.lora import LoraNet

    load_model(net, str(folder / "best.safetensors"))
    net.eval()
    if not isinstance(net, LoraNet):
        return net
    net.save_adapter(folder / "adapter", base)
    return net.merged()


def kept_numbers(track: Track, name: str, measure: Callable[[], dict[str, float]]) -> dict[str, float]:
    """Numbers measured once a run: on resume they are read back, since the start is then gone."""
    file = track.folder / f"{name}.json"
    if not (track.resume and file.exists()):
        file.write_text(json.dumps(measure()), "utf-8")
    found: dict[str, float] = json.loads(file.read_text("utf-8"))
    return found


def keep(recipe: str, model: Any, work: Work, options: Any, report: Mapping[str, Any], track: Track) -> Path:
    """Write report.json, held-out tokens and `model/` with its lineage; the folder of the model."""
    held_out = [(one.ids, one.start) for one in work.part("test")[:HELD_OUT]]
    (track.folder / "held_out.json").write_text(json.dumps(held_out) + "\n", "utf-8")
    examples = [(one.ids, one.start) for one in work.part("train")[:CALIBRATION]]
    (track.folder / "calibration.json").write_text(json.dumps(examples) + "\n", "utf-8")
    (track.folder / "report.json").write_text(json.dumps(report, indent=1) + "\n", "utf-8")
    lineage = work.lineage.after(recipe, work.data, options_dict(options), report)
    save_model(model, work.tokenizer, lineage, track.folder / "model")
    return track.folder / "model"
