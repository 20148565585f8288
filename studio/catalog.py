"""The models the studio knows: source, files, hashes, licence, data lineage; pull and verify."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from studio.types import Commercial

Purpose = Literal["text", "image", "speech", "music", "video", "embedding", "listen", "safety", "quality", "data"]


@dataclass(frozen=True, slots=True)
class ModelFile:
    """One file of a model: its final `path` inside the model's folder, size in bytes, SHA-256."""

    path: str
    size: int
    sha256: str


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
    `memory_mb` what it needs resident; `base` the catalog names it was made from.
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
