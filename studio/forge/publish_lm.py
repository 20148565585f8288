"""A trained language model as a catalog entry: files for its engine, model.toml and card.md.

Llama models become GGUF (whole in Q8_0 and Q4_1, the LoRA adapter beside them) for `text_llama`; other
architectures stay in the format of transformers. Everything is staged beside the catalog and appears at once
or not at all. What is *not* here: which licence the result has, and whether llama.cpp computes the same;
`studio.publish` puts both in, since they are the business of other rooms.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from studio.catalog import DataSource
from studio.errors import BadInput
from studio.forge.gguf_round import input_products
from studio.forge.gguf_write import check_gguf, write_gguf, write_lora_gguf
from studio.forge.lm_base import Base, load_base
from studio.forge.lm_record import Lineage, read_lineage
from studio.forge.lm_task import Encoded, collate
from studio.types import LicenceNote

QUANTISED = {"model-q8_0.gguf": "Q8_0", "model-q4_1.gguf": "Q4_1"}
ADAPTER = "adapter.gguf"
PLAIN = "A plain sentence, as anybody might write it on any day of the year."
ADDED_MB = 120  # what llama.cpp needs beside the weights


@dataclass(frozen=True, slots=True)
class Release:
    """What is said about a published model. `data` with all licences; `note` with the computed terms."""

    name: str
    title: str
    summary: str
    note: LicenceNote
    licence_url: str
    data: tuple[DataSource, ...]
    attribution: str = ""
    languages: tuple[str, ...] = ()


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


def stage(run: Path, checkpoints: Path, name: str) -> Staged:
    """Write the files of the model into a hidden folder beside the catalog; `appear` or `discard` follows."""
    model_folder, lineage = trained_model(run)
    folder = checkpoints / ".staging" / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        return _write_files(run, model_folder, lineage, folder, name)
    except BaseException:
        discard(folder)
        raise


def _write_files(run: Path, model_folder: Path, lineage: Lineage, folder: Path, name: str) -> Staged:

    base = load_base(str(model_folder))
    try:
        check_gguf(base.model.config, base.tokenizer)
    except BadInput:  # what has no place in a GGUF is published as it is
        shutil.copytree(model_folder, folder, dirs_exist_ok=True)
        return Staged(folder, model_folder, lineage, ())
    examples = [Encoded(ids, start) for ids, start in _examples(run / "calibration.json")]
    batches = [collate(examples[at : at + 8], "cpu") for at in range(0, len(examples), 8)]
    products = input_products(base.model, batches)
    for file, kind in QUANTISED.items():
        write_gguf(base.model, base.tokenizer, folder / file, kind, name=name, products=products)
    files = tuple(QUANTISED)
    # An adapter is of use only over a model that others have, not over the result of an earlier run.
    alone = len(lineage.steps) == 1 and lineage.steps[0]["recipe"] != "prune"
    if alone and (run / "adapter" / "adapter_config.json").is_file():
        write_lora_gguf(run / "adapter", base.model.config, folder / ADAPTER)
    return Staged(folder, model_folder, lineage, files, _probes(run, base))


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


def appear(staged: Staged, release: Release, measured: Sequence[Mapping[str, Any]]) -> Path:
    """Write card and model.toml, then move the folder into the catalog. Returns the entry's folder."""
    target = staged.folder.parent.parent / release.name
    if target.exists():
        discard(staged.folder)
        raise BadInput(f"There is a model called {release.name} already; choose another name.")
    (staged.folder / "card.md").write_text(card(staged, release, measured), "utf-8")
    staged.lineage.write(staged.folder)
    (staged.folder / "model.toml").write_text(entry(staged, release), "utf-8")
    staged.folder.rename(target)
    discard(staged.folder)
    return target


def discard(folder: Path) -> None:
    """Take a staged folder away."""
    shutil.rmtree(folder, ignore_errors=True)
    if folder.parent.is_dir() and not any(folder.parent.iterdir()):
        folder.parent.rmdir()


def entry(staged: Staged, release: Release) -> str:
    """The text of model.toml. JSON strings and lists are valid TOML, which quotes what people wrote."""
    weights = [
        path
        for path in sorted(staged.folder.rglob("*"), key=lambda path: _order(path, staged.files))
        if path.is_file() and path.name not in ("model.toml", "card.md", "lineage.json")
    ]
    digest = hashlib.sha256(b"".join(hashlib.sha256(path.read_bytes()).digest() for path in weights))
    heaviest = max(path.stat().st_size for path in weights)
    fields = {
        "kind": "text",
        "engine": "text_llama" if staged.files else "text_transformers",
        "title": release.title,
        "summary": release.summary,
        "licence": release.note.id,
        "licence_url": release.licence_url,
        "commercial": release.note.commercial,
        "revision": digest.hexdigest()[:12],
        "memory_mb": heaviest * (1 if staged.files else 2) // 2**20 + ADDED_MB,
        "base": list(staged.lineage.base),
        "languages": list(release.languages),
    }
    if release.attribution:
        fields["attribution"] = release.attribution
    lines = [f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in fields.items()]
    lines += ['source = { type = "local" }', "data = ["]
    for source in release.data:
        url = f", url = {_quote(source.url)}" if source.url else ""
        lines.append(f"  {{ name = {_quote(source.name)}, licence = {_quote(source.licence)}{url} }},")
    lines.append("]")
    for path in weights:
        lines += _file_entry(path, path.relative_to(staged.folder).as_posix())
    return "\n".join(lines) + "\n"


def _file_entry(path: Path, inside: str) -> list[str]:
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    return ["", "[[files]]", f'path = "{inside}"', f"size = {path.stat().st_size}", f'sha256 = "{sha256}"']


def _order(path: Path, first: Sequence[str]) -> tuple[int, str]:
    """The engine takes the first GGUF that is listed."""
    return (first.index(path.name) if path.name in first else len(first), path.as_posix())


def _quote(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def card(staged: Staged, release: Release, measured: Sequence[Mapping[str, Any]]) -> str:
    """What it is made from, how, what was measured, and its terms."""
    lines = [f"# {release.title}", "", release.summary, "", "## Terms", "", release.note.note, ""]
    lines += [
        f"Sources: {'; '.join(release.note.sources)}.",
        "",
        "## Data",
        "",
        "| data | licence |",
        "|---|---|",
    ]
    lines += [f"| {source.name} | {source.licence} |" for source in release.data]
    if measured:
        names = list(measured[0])
        lines += ["", "## Files, measured in llama.cpp when this was published", ""]
        lines += [f"| {' | '.join(names)} |", "|---" * len(names) + "|"]
        lines += [f"| {' | '.join(_cell(row[name]) for name in names)} |" for row in measured]
    for number, step in enumerate(staged.lineage.steps, 1):
        lines += ["", f"## Training {number}: {step['recipe']}", "", f"Data SHA-256 `{step['data']}`", ""]
        lines += ["| measured | value |", "|---|---|"]
        lines += [f"| {name} | {_cell(value)} |" for name, value in step["report"].items() if _plain(value)]
        lines += ["", "| option | value |", "|---|---|"]
        lines += [f"| {name} | {value} |" for name, value in step["options"].items()]
    return "\n".join(lines) + "\n"


def _plain(value: Any) -> bool:
    return isinstance(value, str | int | float)


def _cell(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
