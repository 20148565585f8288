"""Reading the two sides of an evaluation: a file of texts, or a folder of texts, pictures or sounds."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from studio.errors import BadInput
from studio.quality.base import Sample, Withheld
from studio.quality.decode import MAX_TEXT_BYTES, read_text
from studio.types import Brief, Kind

MEDIA: dict[str, tuple[str, str]] = {
    ".txt": ("text", "text/plain"), ".md": ("text", "text/markdown"), ".html": ("text", "text/html"),
    ".png": ("image", "image/png"), ".jpg": ("image", "image/jpeg"), ".jpeg": ("image", "image/jpeg"),
    ".webp": ("image", "image/webp"), ".svg": ("image", "image/svg+xml"), ".wav": ("sound", "audio/wav"), ".flac": ("sound", "audio/flac"),
    ".mp3": ("sound", "audio/mpeg"), ".ogg": ("sound", "audio/ogg"), ".m4a": ("sound", "audio/mp4"),
}  # fmt: skip
MAX_ITEMS = 50_000


@dataclass(frozen=True)
class Line(Sample):
    """A text that came as a line of a file rather than as a file of its own."""

    given: str = ""

    @cached_property
    def digest(self) -> bytes:
        return hashlib.sha256(self.given.encode("utf-8", "surrogatepass")).digest()

    @cached_property
    def text(self) -> str:
        return self.given


@dataclass(frozen=True)
class Item:
    """One output by name, with the references it came with, if any."""

    name: str
    sample: Sample
    references: tuple[str, ...] = ()


def read_items(kind: Kind, path: Path) -> list[Item]:
    """The outputs at `path`, in order of name or line. Raises BadInput if there are none.

    Texts: a folder of .txt, .md or .html; a .txt with a text on each line; or a .jsonl with objects
    {"text", "prompt"?, "reference"? or "references"?}. Pictures and sounds: a folder. A script or brief
    may stand beside FILE as FILE's name with `.prompt.txt`, and what its engine told (see `Sample.facts`) with
    `.facts.json`.
    """
    if not path.exists():
        raise BadInput(f"There is nothing at {path}; give a folder or a file of texts.")
    items = _folder(kind, path) if path.is_dir() else _file(kind, path)
    if not items:
        raise BadInput(f"There is no {kind} in {path.name}; give a folder or file that holds some.")
    if len(items) > MAX_ITEMS:
        raise BadInput(f"{path.name} holds {len(items):,} outputs; evaluate at most {MAX_ITEMS:,} at once.")
    return items


def _folder(kind: Kind, folder: Path) -> list[Item]:
    wanted = kind if kind in {"text", "image"} else "sound"
    items = []
    for path in sorted(folder.iterdir()):
        of, media_type = MEDIA.get(path.suffix.lower(), ("", ""))
        if of != wanted or path.name.endswith(".prompt.txt") or not path.is_file():
            continue
        beside = path.with_name(f"{path.stem}.prompt.txt")
        prompt = read_text(beside, "text/plain") if beside.exists() else ""
        facts = _facts(path.with_name(f"{path.stem}.facts.json"))
        items.append(Item(path.stem, Sample(path, kind, media_type, Brief(kind, prompt), facts)))
    return items


def _facts(path: Path) -> dict[str, float]:
    """What the engine told of an output, {name: number}; nothing if the file is not there."""
    try:
        if not path.is_file():
            return {}
        told = json.loads(path.read_text("utf-8"))
        return {str(name): float(value) for name, value in told.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        raise BadInput(f"{path.name} is not {{name: number}}; mend it or take it away.") from None


def _file(kind: Kind, path: Path) -> list[Item]:
    if kind != "text":
        raise BadInput(f"{path.name} is one file; give the folder that holds the {kind} outputs.")
    if path.stat().st_size > 10 * MAX_TEXT_BYTES:
        raise BadInput(f"{path.name} is larger than {10 * MAX_TEXT_BYTES // 1_000_000} MB; split it.")
    try:
        lines = path.read_text("utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise BadInput(f"{path.name} is not UTF-8 text; save it as UTF-8.") from None
    if path.suffix.lower() in {".jsonl", ".ndjson"}:
        return [_record(path, i, line) for i, line in enumerate(lines, 1) if line.strip()]
    return [Item(str(i), _line(path, line, "")) for i, line in enumerate(lines, 1)]


def _record(path: Path, number: int, line: str) -> Item:
    try:
        record: Any = json.loads(line)
        text, prompt = record["text"], record.get("prompt", "")
        references = record.get("references", [record["reference"]] if "reference" in record else [])
        if not all(isinstance(part, str) for part in (text, prompt, *references)) or isinstance(
            references, str
        ):
            raise TypeError
    except (ValueError, TypeError, KeyError, AttributeError):
        raise BadInput(
            f'Line {number} of {path.name} is not {{"text": …, "prompt"?: …, "references"?: […]}}; mend it.'
        ) from None
    return Item(str(record.get("id", number)), _line(path, text, prompt), tuple(references))


def _line(path: Path, text: str, prompt: str) -> Line:
    return Line(path, "text", "text/plain", Brief("text", prompt), given=text.strip())


def drawn(items: Sequence[Item], most: int) -> list[Item]:
    """At most `most` of the items: a draw that is the same every time, in the order they stood."""
    import numpy as np

    if len(items) <= most:
        return list(items)
    return [items[i] for i in sorted(np.random.default_rng(0).choice(len(items), most, replace=False))]


def paired(candidates: Sequence[Item], references: Sequence[Item] | None) -> list[tuple[str, ...]]:
    """The reference texts of each candidate; an empty list if there are none.

    By line where both are files, by name where both are folders. Raises Withheld if they do not match.
    """
    if references is None:
        have = [item.references for item in candidates]
        if any(have) and not all(have):
            raise Withheld(
                f"{have.count(()):,} of {len(have):,} candidates have no reference; give all of them one."
            )
        return have if all(have) else []
    if len(candidates) != len(references):
        raise Withheld(
            f"there are {len(candidates):,} candidates but {len(references):,} references; "
            "each candidate needs its own reference"
        )
    lines = any(isinstance(item.sample, Line) for item in (*candidates, *references))
    for one, other in zip(candidates, references, strict=True):
        if not lines and one.name != other.name:
            raise Withheld(
                f"candidate {one.name} has no reference of the same name; name both folders' files alike."
            )
    return [(item.sample.text,) for item in references]
