"""A trained result as a catalog entry: model.toml and card.md, written in one place for every recipe.

Files are staged in a hidden folder beside the catalog and appear at once or not at all. What is *not* here: which
licence the result has, and whether its engine computes what was trained; `studio.publish` puts both in, since
they are the business of other rooms.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from studio.catalog import DataSource
from studio.errors import BadInput
from studio.forge.lm_record import Lineage
from studio.types import LicenceNote

ABOUT = ("model.toml", "card.md", "lineage.json")  # what speaks of the files, and is none of them


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


@dataclass(frozen=True, slots=True)
class Content:
    """What lies in a staged folder: for which engine, and which files it is to see first.

    `engine` "" is for what is loaded beside another model; `memory_mb` what the engine needs to hold it; `options`
    are those of the engine that suit it better than the engine's own.
    """

    kind: str
    engine: str
    memory_mb: int
    first: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)


def stage_in(checkpoints: Path, name: str) -> Path:
    """An empty hidden folder for the files of `name`."""
    folder = checkpoints / ".staging" / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def appear(
    staged: Path, release: Release, content: Content, lineage: Lineage, measured: Sequence[Mapping[str, Any]]
) -> Path:
    """Write card and model.toml, then move the folder into the catalog. Returns the entry's folder."""
    target = staged.parent.parent / release.name
    if target.exists():
        discard(staged)
        raise BadInput(f"There is a model called {release.name} already; choose another name.")
    (staged / "card.md").write_text(card(release, lineage, measured), "utf-8")
    lineage.write(staged)
    (staged / "model.toml").write_text(entry(staged, release, content, lineage.base), "utf-8")
    staged.rename(target)
    discard(staged)
    return target


def discard(folder: Path) -> None:
    """Take a staged folder away."""
    shutil.rmtree(folder, ignore_errors=True)
    if folder.parent.is_dir() and not any(folder.parent.iterdir()):
        folder.parent.rmdir()


# --- model.toml -----------------------------------------------------------------------------------


def entry(staged: Path, release: Release, content: Content, base: Sequence[str]) -> str:
    """The text of model.toml for everything in a staged folder."""

    def place(path: Path) -> tuple[int, str]:
        at = path.relative_to(staged).as_posix()
        return (content.first.index(at) if at in content.first else len(content.first), at)

    files = sorted((p for p in staged.rglob("*") if p.is_file() and p.name not in ABOUT), key=place)
    fields = {
        "kind": content.kind,
        "engine": content.engine,
        "title": release.title,
        "summary": release.summary,
        "licence": release.note.id,
        "licence_url": release.licence_url,
        "commercial": release.note.commercial,
        "revision": digest(files),
        "memory_mb": content.memory_mb,
        "attribution": release.attribution,
        "languages": list(release.languages or content.languages),
        "base": list(base),
        "options": dict(content.options),
    }
    return model_toml({key: value for key, value in fields.items() if value}, release.data, staged, files)


def model_toml(
    fields: Mapping[str, Any], data: Sequence[DataSource], folder: Path, files: Sequence[Path]
) -> str:
    """An entry of its own in the catalog: `fields` as they are, the data learnt from, size and hash of each file.

    JSON strings, numbers and lists are valid TOML, and quote whatever people wrote.
    """
    lines = [f"{key} = {_quoted(value)}" for key, value in fields.items()]
    lines += ['source = { type = "local" }', "data = ["]
    for source in data:
        url = f", url = {_quoted(source.url)}" if source.url else ""
        lines.append(f"  {{ name = {_quoted(source.name)}, licence = {_quoted(source.licence)}{url} }},")
    lines.append("]")
    for path in files:
        with path.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        inside = path.relative_to(folder).as_posix()
        lines += ["", "[[files]]", f"path = {_quoted(inside)}", f"size = {path.stat().st_size}"]
        lines.append(f'sha256 = "{sha256}"')
    return "\n".join([*lines, ""])


def digest(files: Sequence[Path]) -> str:
    """First 12 hex digits over what the files hold: the revision of what is published."""
    return hashlib.sha256(b"".join(hashlib.sha256(path.read_bytes()).digest() for path in files)).hexdigest()[
        :12
    ]


def _quoted(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{key} = {_quoted(one)}" for key, one in value.items()) + " }"
    return json.dumps(value, ensure_ascii=False)


# --- card.md --------------------------------------------------------------------------------------


def card(release: Release, lineage: Lineage, measured: Sequence[Mapping[str, Any]]) -> str:
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
    for number, step in enumerate(lineage.steps, 1):
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
