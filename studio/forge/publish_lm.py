"""A trained language model's files for its engine, staged (release.py says how they appear in the catalog).

Llama models become GGUF (whole in Q8_0 and Q4_1, the LoRA adapter beside them) for `text_llama`; other
architectures stay in the format of transformers.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from studio.errors import BadInput
from studio.forge.gguf_round import input_products
from studio.forge.gguf_write import check_gguf, write_gguf, write_lora_gguf
from studio.forge.lm_base import Base, load_base
from studio.forge.lm_record import Lineage, read_lineage
from studio.forge.lm_task import Encoded, collate
from studio.forge.release import Content, discard, stage_in

QUANTISED = {"model-q8_0.gguf": "Q8_0", "model-q4_1.gguf": "Q4_1"}
ADAPTER = "adapter.gguf"
PLAIN = "A plain sentence, as anybody might write it on any day of the year."
ADDED_MB = 120  # what llama.cpp needs beside the weights


@dataclass(frozen=True)
class Probe:
    """A text as token numbers, the first that counts, and PyTorch's logits for all that count: float32 (tokens,
    vocabulary). What stands before is the same in every conversation, and nobody samples from it."""

    ids: list[int]
    start: int
    logits: Any


@dataclass(frozen=True)
class Staged:
    """A model on its way; `probes` are what its files are compared on."""

    folder: Path
    model: Path
    lineage: Lineage
    files: tuple[str, ...]
    probes: tuple[Probe, ...] = ()


def trained_model(run: Path) -> tuple[Path, Lineage]:
    """The finished model of a run and its lineage. Raises BadInput if the folder is not a finished run."""
    folder = run / "model" if (run / "model" / "config.json").is_file() else run
    lineage = read_lineage(folder) if folder.is_dir() else None
    if lineage is None or not lineage.steps:
        raise BadInput(f"{run} holds no finished language model of the forge; train it to its end first.")
    return folder, lineage


def stage(run: Path, checkpoints: Path, name: str, *, four_bits: bool = True) -> Staged:
    """Write the files of the model into a hidden folder beside the catalog; `appear` or `discard` follows.

    Without `four_bits` only the 8-bit file is written, in a tenth of the time.
    """
    model_folder, lineage = trained_model(run)
    folder = stage_in(checkpoints, name)
    try:
        return _write_files(run, model_folder, lineage, folder, four_bits)
    except BaseException:
        discard(folder)
        raise


def _write_files(run: Path, model_folder: Path, lineage: Lineage, folder: Path, four_bits: bool) -> Staged:
    base = load_base(str(model_folder))
    try:
        check_gguf(base.model.config, base.tokenizer)
    except BadInput:  # what has no place in a GGUF is published as it is
        shutil.copytree(model_folder, folder, dirs_exist_ok=True)
        return Staged(folder, model_folder, lineage, ())
    files = tuple(file for file, kind in QUANTISED.items() if four_bits or kind != "Q4_1")
    products = _products(run, base.model) if four_bits else {}
    for file in files:
        write_gguf(
            base.model, base.tokenizer, folder / file, QUANTISED[file], name=folder.name, products=products
        )
    # An adapter is of use only over a model that others have, not over the result of an earlier run.
    alone = len(lineage.steps) == 1 and lineage.steps[0]["recipe"] != "prune"
    if alone and (run / "adapter" / "adapter_config.json").is_file():
        write_lora_gguf(run / "adapter", base.model.config, folder / ADAPTER)
    return Staged(folder, model_folder, lineage, files, _probes(run, base))


def _products(run: Path, model: Any) -> dict[str, Any]:
    """What the layers see on training examples of the run, for rounding to four bits."""
    examples = [Encoded(ids, start) for ids, start in _examples(run / "calibration.json")]
    return input_products(model, [collate(examples[at : at + 8], "cpu") for at in range(0, len(examples), 8)])


def _probes(run: Path, base: Base) -> tuple[Probe, ...]:
    """The held-out texts of the run where it kept some, else a plain sentence."""
    import torch

    texts = read_held_out(run) or [(list(base.tokenizer(PLAIN)["input_ids"]), 1)]
    found = []
    for ids, start in texts:
        first = max(start, 1)
        with torch.no_grad():
            logits = base.model(torch.tensor([ids[:-1]])).logits[0, first - 1 :]
        found.append(Probe(ids, first, logits.float().numpy()))
    return tuple(found)


def read_held_out(run: Path) -> list[tuple[list[int], int]]:
    """(token numbers, first that counts) of the held-out examples that a run kept for measuring."""
    return _examples(run / "held_out.json")


def _examples(file: Path) -> list[tuple[list[int], int]]:
    if not file.exists():
        return []
    return [(list(ids), int(start)) for ids, start in json.loads(file.read_text("utf-8"))]


def content(staged: Staged) -> Content:
    """The engine takes the first GGUF that is listed."""
    files = [path for path in staged.folder.rglob("*") if path.is_file()]
    heaviest = max(path.stat().st_size for path in files)
    memory = heaviest * (1 if staged.files else 2) // 2**20 + ADDED_MB
    return Content("text", "text_llama" if staged.files else "text_transformers", memory, staged.files)
