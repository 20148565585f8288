"""Reading training data row by row: text folders, JSONL, CSV/TSV, pictures with captions.

Nothing is repaired silently. A row that cannot be taken becomes a `Problem` with its file and line; who
asks decides whether to go on without it. What is *not* here: splits, duplicates, statistics (data.py).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal

from studio.errors import BadInput
from studio.forge.data_rows import Example, Problem, decode, flaw, rows_of

Shape = Literal["text", "pairs", "pictures"]

TABLES = {".jsonl": "\n", ".csv": ",", ".tsv": "\t"}
TEXTS = (".txt", ".md")
PICTURES = (".png", ".jpg", ".jpeg", ".webp")
MAX_BYTES = 512 * 2**20
MAX_PIXELS = 40_000_000
ROLES = ("text", "prompt", "answer", "image")


Item = Example | Problem


def read_items(path: Path, columns: Mapping[str, str]) -> tuple[Shape, list[Item]]:
    """Every row of a file or folder in a fixed order, and what shape they have.

    Raises BadInput if there is nothing to read, if it is too large, or if the columns do not fit.
    """
    files = _files(path)
    total = sum(file.stat().st_size for file in files if file.suffix.lower() not in PICTURES)
    if total > MAX_BYTES:
        raise BadInput(
            f"{path.name} holds {total / 2**20:,.0f} MB of text, more than {MAX_BYTES // 2**20} MB; "
            "train on a part of it."
        )
    pictures = [file for file in files if file.suffix.lower() in PICTURES]
    tables = [file for file in files if file.suffix.lower() in TABLES]
    if pictures:
        return "pictures", list(_pictures(path, pictures, tables, columns))
    if tables:
        return _tables(tables, columns)
    if columns:
        raise BadInput(f"{path.name} is plain text and has no columns; leave the option columns empty.")
    return "text", [item for file in files for item in _texts(file, whole=path.is_dir())]


def read_columns(wish: str) -> dict[str, str]:
    """ "prompt=question, answer=reply" as a mapping from role to column. Raises BadInput."""
    pairs = [part.partition("=") for part in wish.split(",") if part.strip()]
    columns = {role.strip(): name.strip() for role, _, name in pairs}
    wrong = sorted(set(columns) - set(ROLES))
    if wrong or not all(columns.values()) or len(columns) != len(pairs):
        raise BadInput(
            f"Columns are written as role=column with the roles {', '.join(ROLES)}, for example "
            f"prompt=question,answer=reply; {wish[:80]!r} is not."
        )
    return columns


# --- What there is ------------------------------------------------------------------------------


def _files(path: Path) -> list[Path]:
    known = (*TABLES, *TEXTS, *PICTURES)
    if path.is_file():
        if path.suffix.lower() not in (*TABLES, *TEXTS):
            raise BadInput(
                f"{path.name} is not a kind of data that is read; give a folder or one of: {', '.join((*TABLES, *TEXTS))}."
            )
        return [path]
    if not path.is_dir():
        raise BadInput(f"There is no data at {path}.")
    # Links are left out: what they point at was not given.
    inside = [p for p in sorted(path.rglob("*")) if p.is_file() and not p.is_symlink()]
    files = [
        p
        for p in inside
        if p.suffix.lower() in known and not any(part.startswith(".") for part in p.relative_to(path).parts)
    ]
    if not files:
        raise BadInput(f"{path.name} holds no data; put files in it of one of: {', '.join(known)}.")
    return files


# --- One reader a shape -------------------------------------------------------------------------


def _texts(file: Path, whole: bool) -> Iterator[Item]:
    """A file of a folder is one text; a single file is one text a paragraph."""
    text = decode(file.read_bytes())
    line = 1
    for part in [text] if whole else re.split(r"(\n[ \t]*\n\s*)", text):
        where = file.name if whole else f"{file.name}:{line}"
        line += part.count("\n")
        if part.strip():
            why = flaw(part)
            yield Problem(where, why) if why else Example(where, part.strip())
        elif whole:
            yield Problem(where, "is empty", empty=True)


def _tables(files: Sequence[Path], columns: Mapping[str, str]) -> tuple[Shape, list[Item]]:
    items: list[Item] = []
    shapes: set[Shape] = set()
    for file in files:
        rows = list(rows_of(file))
        named = next((row for _, row in rows if isinstance(row, dict)), None)
        if named is None:
            items += [row for _, row in rows if isinstance(row, Problem)]
            continue
        roles = _roles(file, list(named), columns)
        shapes.add("pairs" if "prompt" in roles else "text")
        items += [
            row if isinstance(row, Problem) else _example(f"{file.name}:{line}", row, roles)
            for line, row in rows
        ]
    if len(shapes) > 1:
        raise BadInput("Some files hold pairs of prompt and answer and others plain text; train on one kind.")
    return next(iter(shapes), "text"), items


def _roles(file: Path, names: Sequence[str], columns: Mapping[str, str]) -> dict[str, str]:
    """Which column holds what. Raises BadInput that names the columns there are."""
    wanted = dict(columns) or next(
        ({role: role for role in roles} for roles in (("prompt", "answer"), ("text",)) if set(roles) <= set(names)),
        {},
    )  # fmt: skip
    lacking = sorted(set(wanted.values()) - set(names))
    if set(wanted) not in ({"text"}, {"prompt", "answer"}) or lacking:
        shown = ", ".join(str(name)[:40] for name in names[:12])
        why = f"has no column {lacking[0]!r}" if lacking else "does not say which column holds what"
        raise BadInput(
            f"{file.name} {why}; it has: {shown}. Set columns to text=NAME, or to prompt=NAME,answer=NAME."
        )
    return wanted


def _example(where: str, row: Mapping[str, object], roles: Mapping[str, str]) -> Item:
    found: dict[str, str] = {}
    for role, name in roles.items():
        value = row.get(name)
        if value is None or (isinstance(value, str) and not value.strip()):
            nothing = not any(str(row.get(other) or "").strip() for other in roles.values())
            return Problem(where, "is empty" if nothing else f"has nothing in {name!r}", empty=nothing)
        if not isinstance(value, str):
            return Problem(where, f"has no text in {name!r}")
        found[role] = value.strip()
    if why := flaw(*found.values()):
        return Problem(where, why)
    return Example(where, found.get("text") or found["answer"], found.get("prompt", ""))


def _pictures(
    folder: Path, pictures: Sequence[Path], tables: Sequence[Path], columns: Mapping[str, str]
) -> Iterator[Item]:
    """A caption stands in NAME.txt beside NAME.png, or in a table with a column for the file's name."""
    captions: dict[Path, str] = {}
    roles = dict(columns) or {"image": "file_name", "text": "text"}
    for table in tables:
        for line, row in rows_of(table):
            where = f"{table.name}:{line}"
            if isinstance(row, Problem):
                yield row
                continue
            name, caption = row.get(roles.get("image", "")), row.get(roles.get("text", ""))
            if not isinstance(name, str) or not isinstance(caption, str):
                yield Problem(where, f"has no text in {roles.get('image')!r} and {roles.get('text')!r}")
                continue
            captions[table.parent / name] = caption
            if table.parent / name not in pictures:
                yield Problem(where, f"names {name[:80]!r}, which is not in the folder")
    for picture in pictures:
        where = picture.relative_to(folder).as_posix()
        beside = picture.with_suffix(".txt")
        caption = captions.get(picture, decode(beside.read_bytes()) if beside.is_file() else "")
        why = flaw(caption) or _picture_flaw(picture)
        if why or not caption.strip():
            yield Problem(where, why or f"has no caption; write it into {beside.name}")
        else:
            yield Example(where, caption.strip(), picture=picture)


def _picture_flaw(picture: Path) -> str:
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(picture) as opened:
            width, height = opened.size
            opened.verify()
    except (OSError, SyntaxError, ValueError, UnidentifiedImageError, Image.DecompressionBombError):
        return "is not a picture that can be read"
    return f"is larger than {MAX_PIXELS // 10**6} megapixels" if width * height > MAX_PIXELS else ""
