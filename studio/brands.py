"""Brands: phrases that each text for a brand should hold, or must not, read from `NAME.toml` in a brands folder.

    title = "Lumen Outdoor"
    required = ["Lumen"]
    forbidden = ["cheap", "world's best"]

They are scored beside the template's own (`required_phrases`, `forbidden_phrases`) and order candidates with them.
"""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from studio.errors import BadInput, NotFound
from studio.settings import Settings

MOST_PHRASES = 50
MOST_CHARS = 200
MOST_BYTES = 100_000


@dataclass(frozen=True, slots=True)
class Brand:
    """`name` is the file's stem, `title` what people read."""

    name: str
    title: str
    required: tuple[str, ...] = ()
    forbidden: tuple[str, ...] = ()


def brand_folders(settings: Settings) -> tuple[Path, ...]:
    """Where brands are read from: a person's own before those that came with the studio."""
    return settings.home / "brands", settings.assets / "brands"


def brand_names(folders: Sequence[Path]) -> list[str]:
    return sorted({path.stem for folder in folders for path in folder.glob("*.toml")})


def read_brand(name: str, folders: Sequence[Path]) -> Brand:
    """Raises NotFound with the names there are, and BadInput naming the file and what is wrong in it."""
    if name not in brand_names(folders):
        known = ", ".join(brand_names(folders)) or "none yet"
        raise NotFound(
            f"There is no brand {name[:80]!r}; choose one of: {known}. A brand is a file NAME.toml in {folders[0]}."
        )
    path = next(file for folder in folders if (file := folder / f"{name}.toml").exists())
    try:
        if path.stat().st_size > MOST_BYTES:
            raise BadInput(f"The brand {path.name} is larger than {MOST_BYTES:,} bytes.")
        raw = tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise BadInput(f"The brand {path.name} cannot be read: {error}.") from None
    if unknown := sorted(set(raw) - {"title", "required", "forbidden"}):
        raise BadInput(
            f"The brand {path.name} has an unknown field {unknown[0]!r}: title, required, forbidden."
        )
    title = raw.get("title", name)
    if not isinstance(title, str) or not 0 < len(title.strip()) <= MOST_CHARS:
        raise BadInput(f"The brand {path.name} needs words as its title, at most {MOST_CHARS} signs.")
    return Brand(
        name, title, *(_phrases(path.name, field, raw.get(field, [])) for field in ("required", "forbidden"))
    )


def _phrases(file: str, field: str, given: Any) -> tuple[str, ...]:
    if not isinstance(given, list) or len(given) > MOST_PHRASES:
        raise BadInput(f"The brand {file} needs a list of at most {MOST_PHRASES} phrases as {field}.")
    for phrase in given:
        if not isinstance(phrase, str) or not 0 < len(phrase.strip()) <= MOST_CHARS:
            raise BadInput(
                f"In the brand {file} each phrase of {field} is words of at most {MOST_CHARS} signs."
            )
    return tuple(phrase.strip() for phrase in given)
