"""The models the studio knows: source, files, hashes, licence, data lineage; pull and verify."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, cast

from studio.errors import ModelBroken, ModelMissing, NotFound
from studio.formats import PICKLE_SUFFIXES, check_weights
from studio.settings import Settings
from studio.types import Commercial

Purpose = Literal[
    "text", "image", "speech", "music", "video", "embedding", "listen", "safety", "quality", "data", "edit"
]


@dataclass(frozen=True, slots=True)
class ModelFile:
    """One file of a model: its final `path` inside the model's folder, size in bytes, SHA-256.

    `parts` are the members of the source's packages that, joined in this order, make the file.
    """

    path: str
    size: int
    sha256: str
    parts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DataSource:
    """One body of training data: what it is, its licence id and where that is written."""

    name: str
    licence: str
    url: str = ""


@dataclass(frozen=True, slots=True)
class Model:
    """One catalog entry. `folder` is where its files lie (or will lie after a pull).

    `licence` is an SPDX id or `LicenseRef-…`; `revision` the pinned commit or package version;
    `memory_mb` what it needs resident; `base` the catalog names it was made from. `setup` says whether
    `make run` pulls it. `pinned` is false for a hub entry whose revision and hashes are recorded in
    `lock.json` at its first pull (then `files` and `revision` come from there).
    """

    name: str
    kind: Purpose
    engine: str | None
    title: str
    summary: str
    licence: str
    licence_url: str
    commercial: Commercial
    revision: str
    memory_mb: int
    folder: Path
    files: tuple[ModelFile, ...] = ()
    data: tuple[DataSource, ...] = ()
    base: tuple[str, ...] = ()
    attribution: str = ""
    languages: tuple[str, ...] = ()
    default: bool = False
    source: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    setup: bool = False
    pinned: bool = True


@dataclass(frozen=True, slots=True)
class Catalog:
    """The models of `checkpoints/catalog.toml` and of every `checkpoints/*/model.toml`, by name."""

    settings: Settings
    models: Mapping[str, Model]

    @classmethod
    def read(cls, settings: Settings) -> Catalog:
        """Raises BadInput naming file, entry and field of the first thing that is wrong."""
        from studio.catalog_file import read_models

        return cls(settings, {model.name: model for model in read_models(settings.checkpoints)})

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self.models)

    def __iter__(self) -> Iterator[Model]:
        return iter(self.models.values())

    def get(self, name: str) -> Model:
        """Raises NotFound that lists the valid names. A model published meanwhile is found too."""
        if name not in self.models and (found := self._read_again().get(name)):
            cast(dict[str, Model], self.models)[name] = found
        if name not in self.models:
            raise NotFound(f"There is no model called {name[:80]!r}; choose one of: {', '.join(self.names)}.")
        return self.models[name]

    def refresh(self) -> None:
        """Read the entries again, in place: every holder of this catalog sees what was published since."""
        known, fresh = cast(dict[str, Model], self.models), self._read_again()
        known.update(fresh)
        for gone in known.keys() - fresh.keys():
            del known[gone]

    def _read_again(self) -> dict[str, Model]:
        from studio.catalog_file import read_models

        return {model.name: model for model in read_models(self.settings.checkpoints)}

    def of_kind(self, kind: str) -> tuple[Model, ...]:
        return tuple(model for model in self if model.kind == kind)

    def default(self, kind: str) -> Model:
        """The model taken when a brief names none. Raises NotFound if the catalog marks none."""
        for model in self.of_kind(kind):
            if model.default:
                return model
        others = ", ".join(model.name for model in self.of_kind(kind))
        if not others:
            raise NotFound(f"The catalog has no model that makes {kind} yet; choose another kind.")
        raise NotFound(f"There is no default {kind} model; name one of: {others}.")

    def ready(self, name: str) -> bool:
        """Whether the files are there in their right sizes: cheap, for lists and headers."""
        try:
            self.require(name)
        except (ModelMissing, ModelBroken):
            return False
        return True

    def require(self, name: str) -> Model:
        """The model, its files there in their right sizes (`verify` reads them whole).

        Raises ModelMissing with the command that gets it, ModelBroken if a file has another size.
        """
        model = self.get(name)
        if model.source["type"] == "builtin":
            return model
        if not model.files and not (model.source["type"] == "local" and _has_files(model.folder)):
            raise _missing(model, model.folder.name)
        for file in model.files:
            try:
                size = os.path.getsize(os.path.join(model.folder, file.path))  # asked for every job: no Path
            except OSError:
                raise _missing(model, file.path) from None
            if size != file.size:
                raise _broken(model, f"{file.path} has {size:,} bytes instead of {file.size:,}")
        return model

    def verify(self, name: str) -> Model:
        """As `require`, then every file's SHA-256 and structure. Reads all bytes.

        Raises ModelBroken also for a pickle that lies beside the listed files: a loader might take it.
        """
        model = self.require(name)
        for file in model.files:
            if sha256_of(model.folder / file.path) != file.sha256:
                raise _broken(
                    model, f"{file.path} is not the file that the catalog names (its SHA-256 differs)"
                )
        listed = {file.path for file in model.files}
        for path in sorted(p for p in model.folder.rglob("*") if p.is_file()):
            name_inside = path.relative_to(model.folder).as_posix()
            risky = path.suffix.lower() in PICKLE_SUFFIXES | {".bin", ".safetensors", ".gguf", ".onnx"}
            if name_inside in listed or risky:
                check_weights(path)
        return model

    def prove(self, name: str) -> Model:
        """As `verify`, but files that were proved before and have not been touched since are not read again.

        What a model makes is signed with its name, so its weights are proved whenever it is loaded. The
        record in `settings.home` holds size and time of change: it is against mix-ups and damage, not against
        somebody who can write there.
        """
        model = self.require(name)
        paths = [path for path in sorted(model.folder.rglob("*")) if path.is_file()]
        stats = {str(path): path.stat() for path in paths} if model.source["type"] != "builtin" else {}
        now: dict[str, Any] = {path: [stat.st_size, stat.st_mtime_ns] for path, stat in stats.items()}
        now |= {f"{name}/{file.path}": file.sha256 for file in model.files}
        record = self.settings.home / "proved" / f"{name}.json"
        try:
            known = json.loads(record.read_text("utf-8"))
        except (OSError, ValueError):
            known = None
        if now and known != now:
            self.verify(name)
            record.parent.mkdir(parents=True, exist_ok=True)
            partial = record.with_suffix(f".{os.getpid()}")
            partial.write_text(json.dumps(now), "utf-8")
            partial.replace(record)
        return model


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def pull_command(model: Model) -> str:
    return f"python -m studio models pull {model.name}"


def _has_files(folder: Path) -> bool:
    return folder.is_dir() and any(p.is_file() for p in folder.rglob("*"))


def _missing(model: Model, what: str) -> ModelMissing:
    if model.source["type"] == "local":
        return ModelMissing(f"{model.title} is not here: {what} is missing in {model.folder}.")
    return ModelMissing(
        f"{model.title} is not here yet ({what} is missing); get it with: {pull_command(model)}"
    )


def _broken(model: Model, what: str) -> ModelBroken:
    if model.source["type"] == "local":
        return ModelBroken(f"{model.title} cannot be used: {what}; put the right file back.")
    return ModelBroken(f"{model.title} cannot be used: {what}; get it again with: {pull_command(model)}")
