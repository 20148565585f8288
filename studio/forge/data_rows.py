"""Rows out of files: decoding, and the syntax of JSONL and CSV. A row that cannot be read is a `Problem`."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from studio.errors import BadInput

MAX_CHARS = 1_000_000
CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ufffe\uffff]")
SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Example:
    """One row. `text` is the plain text, the answer or the caption; `where` is "file:line" or the file."""

    where: str
    text: str
    prompt: str = ""
    picture: Path | None = None


@dataclass(frozen=True, slots=True)
class Problem:
    """One row that cannot be taken; `empty` if there is nothing in it at all."""

    where: str
    why: str
    empty: bool = False


def decode(raw: bytes) -> str:
    """Text with line ends as \\n; a byte that is no UTF-8 becomes a lone surrogate, found row by row."""
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        text = raw.decode("utf-16", "surrogatepass")
    else:
        text = raw.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "surrogateescape")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def flaw(*texts: str) -> str:
    """Why these texts cannot be taken, or nothing."""
    for text in texts:
        if wrong := SURROGATE.search(text):
            byte = ord(wrong[0]) - 0xDC00
            return (
                f"is not UTF-8 (byte 0x{byte & 0xFF:02x} at character {wrong.start() + 1}); save it as UTF-8"
            )
        if CONTROL.search(text):
            return "holds control characters"
        if len(text) > MAX_CHARS:
            return f"is longer than {MAX_CHARS:,} characters"
    return ""


def rows_of(file: Path) -> Iterator[tuple[int, dict[str, object] | Problem]]:
    text = decode(file.read_bytes())
    return _json_rows(file, text) if file.suffix.lower() == ".jsonl" else _csv_rows(file, text)


def _json_rows(file: Path, text: str) -> Iterator[tuple[int, dict[str, object] | Problem]]:
    lines = text.split("\n")
    for number, line in enumerate(lines, 1):
        where = f"{file.name}:{number}"
        if not line.strip():
            if number < len(lines):  # the end of the last line is no row
                yield number, Problem(where, "is empty", empty=True)
            continue
        if SURROGATE.search(line):
            yield number, Problem(where, flaw(line))
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            yield number, Problem(where, f"is not JSON ({error})")
            continue
        yield number, row if isinstance(row, dict) and row else Problem(where, "is not a JSON object")


def _csv_rows(file: Path, text: str) -> Iterator[tuple[int, dict[str, object] | Problem]]:
    head = text.split("\n", 1)[0]
    mark = "\t" if file.suffix.lower() == ".tsv" else max(",;\t", key=head.count)
    # The csv module refuses long fields by a limit that holds for the whole process; lift it to ours.
    csv.field_size_limit(MAX_CHARS + 1)
    reader = csv.reader(io.StringIO(text), delimiter=mark, strict=True)
    names: list[str] = []
    while True:
        number = reader.line_num + 1
        where = f"{file.name}:{number}"
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield number, Problem(where, f"is not CSV ({error})")
            continue
        if not names:
            names = [name.strip() for name in row]
            if len(set(names)) != len(names) or not all(names):
                raise BadInput(f"The first line of {file.name} must name each column, each name once.")
        elif not any(field.strip() for field in row):
            yield number, Problem(where, "is empty", empty=True)
        elif len(row) != len(names):
            yield number, Problem(where, f"has {len(row)} fields instead of {len(names)}")
        else:
            yield number, dict(zip(names, row, strict=True))
