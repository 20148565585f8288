"""What a weight file may be: recognised by content and structure, never by its name alone.

Accepted: GGUF, safetensors, ONNX, npy/npz without objects, CTranslate2, SoundFont, JSON and plain text.
Everything else is refused, above all pickle (`.pt`, `.ckpt`, `pytorch_model.bin`), which runs code when
loaded. A file that passes has a sane header and every tensor lies within it; whether its numbers are the
right ones is the business of the SHA-256 in the catalog.
"""

from __future__ import annotations

import math
import os
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from studio import layouts
from studio.bounded import ARCHIVE_ERRORS, Bounded, Malformed
from studio.errors import ModelBroken

MAX_TEXT = 256 * 2**20
PICKLE_SUFFIXES = {".pt", ".pth", ".ckpt", ".pkl", ".pickle", ".joblib", ".h5", ".msgpack"}
MAX_NPY_HEADER = 10_000
NPY_HEADER = re.compile(
    r"\{'descr': '[<>|=]?[biufc](?P<bytes>\d{1,2})', 'fortran_order': (True|False), "
    r"'shape': \((?P<shape>[0-9]{0,18}(, ?[0-9]{1,18}){0,31},?)\), *\} *\n"
)
TEXT_SUFFIXES = {".txt", ".md", ".toml", ".jinja", ".csv", ""}


def check_weights(path: Path, name: str | None = None) -> str:
    """The format of the file ("gguf", "safetensors", "onnx", "npz", "json", …).

    `name` is what it will be called, if it has a temporary name now.

    Raises ModelBroken with one sentence for a file that is missing, damaged, of another format than its
    name says, or of a format that can carry code.
    """
    name = name or path.name
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            found = _recognise(Path(name), file.read(64))
            file.seek(0)
            CHECKS[found](Bounded(file, size))
    except Malformed as problem:
        raise ModelBroken(f"{name} is not safe to load: {problem}; pull the model again.") from None
    except (OSError, *ARCHIVE_ERRORS) as error:
        raise ModelBroken(f"{name} cannot be read ({error}); pull the model again.") from None
    return found


def _recognise(path: Path, head: bytes) -> str:
    suffix = path.suffix.lower()
    if not head:
        raise Malformed("it is empty")
    # A safetensors file begins with a length, which may by chance look like the start of these two.
    by_content = suffix != ".safetensors"
    if suffix in PICKLE_SUFFIXES or (by_content and _is_pickle(head)):
        raise Malformed(
            "it is a pickle, which can run code when loaded; use safetensors, GGUF or ONNX instead"
        )
    if by_content and head.startswith(b"PK\x03\x04") and suffix != ".npz":
        raise Malformed(
            "it is a zip archive, as pickled checkpoints are; use safetensors, GGUF or ONNX instead"
        )
    for name, (start, magic) in MAGIC.items():
        if head[start : start + len(magic)] == magic:
            if SUFFIXES.get(suffix, name) != name:
                raise Malformed(f"its name says {suffix[1:]} but its content is {name}")
            return name
    if suffix in SUFFIXES and SUFFIXES[suffix] not in MAGIC:
        return SUFFIXES[suffix]
    if suffix in SUFFIXES:
        raise Malformed(f"its content is not {SUFFIXES[suffix]}")
    if suffix == ".bin":
        return "ctranslate2"
    if suffix in TEXT_SUFFIXES:
        return "text"
    raise Malformed(f"files of type {suffix} are not taken; use safetensors, GGUF, ONNX, npz, JSON or text")


def _is_pickle(head: bytes) -> bool:
    """Protocols 2–5 begin with 0x80 and their number. Older ones have no mark; only their name tells."""
    return len(head) > 1 and head[0] == 0x80 and 2 <= head[1] <= 5


# --- one check a format -------------------------------------------------------------------------


def _npy(file: Bounded) -> None:
    _npy_array(file.file, file.size)


def _npz(file: Bounded) -> None:
    with zipfile.ZipFile(file.file) as archive:
        for info in archive.infolist():
            if not info.filename.endswith(".npy") or info.file_size > 2**33:
                raise Malformed("it holds something else than arrays")
            with archive.open(info) as member:
                _npy_array(member, info.file_size)


def _npy_array(file: Any, size: int) -> None:
    """NEP 1: magic, version, length, then a dictionary as text. Only plain numbers are taken."""
    start = file.read(8)
    width = {b"\x01\x00": 2, b"\x02\x00": 4, b"\x03\x00": 4}.get(start[6:8])
    length = int.from_bytes(file.read(width), "little") if width else 0
    if not start.startswith(b"\x93NUMPY") or not 0 < length < MAX_NPY_HEADER:
        raise Malformed("the header of an array is damaged")
    header = file.read(length).decode("latin-1")
    if "'descr': '|O'" in header:
        raise Malformed("an array holds pickled objects, which can run code when loaded")
    match = NPY_HEADER.fullmatch(header)
    if match is None:
        raise Malformed("an array in it is not of plain numbers")
    shape = [int(number) for number in match["shape"].split(",") if number.strip()]
    if math.prod(shape) * int(match["bytes"]) != size - 8 - (width or 0) - length:
        raise Malformed("an array in it is longer or shorter than its header says")


def _soundfont(file: Bounded) -> None:
    file.skip(4)
    if file.number("I") + 8 not in (file.size, file.size - 1):
        raise Malformed("it is truncated")


def _json(file: Bounded) -> None:
    if file.size > MAX_TEXT:
        raise Malformed("it is too large for JSON")
    layouts.json_value(file.read(file.size))


def _text(file: Bounded) -> None:
    if file.size > MAX_TEXT:
        raise Malformed("it is too large for text")
    try:
        text = file.read(file.size).decode("utf-8")
    except UnicodeDecodeError:
        raise Malformed("it is not text") from None
    if "\0" in text:
        raise Malformed("it is not text")


CHECKS: dict[str, Callable[[Bounded], None]] = {
    "safetensors": layouts.safetensors,
    "gguf": layouts.gguf,
    "onnx": layouts.onnx,
    "npy": _npy,
    "npz": _npz,
    "ctranslate2": layouts.ctranslate2,
    "soundfont": _soundfont,
    "json": _json,
    "text": _text,
}
# Where a format's magic bytes stand. The others have none and are known by name, then by structure.
MAGIC = {"gguf": (0, b"GGUF"), "npy": (0, b"\x93NUMPY"), "npz": (0, b"PK\x03\x04"), "soundfont": (8, b"sfbk")}
SUFFIXES = {
    ".gguf": "gguf",
    ".npy": "npy",
    ".npz": "npz",
    ".sf2": "soundfont",
    ".sf3": "soundfont",
    ".safetensors": "safetensors",
    ".onnx": "onnx",
    ".json": "json",
}
