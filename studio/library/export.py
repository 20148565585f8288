"""Sealed files out of the library, under names a person can read. The bytes are copied exactly."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import unicodedata
from collections.abc import Sequence
from contextlib import suppress
from io import BufferedWriter
from itertools import count
from pathlib import Path

from studio.errors import BadInput, NotFound
from studio.library.files import disk_error
from studio.types import Asset

LONGEST_SLUG = 80
"""Bytes of the prompt in a file name; file systems allow 255 for the whole."""


def export(assets: Sequence[Asset], to: Path) -> list[Path]:
    """One new file per asset in the folder `to`, which is made if need be. Nothing is overwritten.

    Raises NotFound if a file is missing, BadInput if one was altered since it was sealed or if `to`
    cannot be written, StorageFull; then nothing of this call is left in `to`.
    """
    written: list[Path] = []
    try:
        to.mkdir(parents=True, exist_ok=True)
        if not os.access(to, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        for asset in assets:
            _copy(asset, to, written)
    except BaseException as error:
        for path in written:
            path.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise disk_error(error, to) from error
        raise
    return written


def add_text(to: Path, name: str, text: str) -> Path:
    """A new text file beside exported ones; nothing is overwritten. Raises BadInput or StorageFull."""
    written: list[Path] = []
    try:
        with _new(to, name, written) as file:
            file.write(text.encode("utf-8"))
    except OSError as error:
        for path in written:
            path.unlink(missing_ok=True)
        raise disk_error(error, to) from error
    return written[0]


def safe_name(asset: Asset) -> str:
    """ "image-a-red-teapot-1a2b3c4d.png": letters and digits of any script, nothing a shell or disk minds."""
    prompt = unicodedata.normalize("NFC", asset.brief.prompt[:400]).lower()
    slug = re.sub(
        r"[^\w]+|_+", "-", "".join(c for c in prompt if unicodedata.category(c)[0] != "C" or c.isspace())
    )
    slug = slug.strip("-").encode("utf-8", "ignore")[:LONGEST_SLUG].decode("utf-8", "ignore").strip("-")
    return "-".join(part for part in (asset.kind, slug, asset.id[:8]) if part) + asset.path.suffix


def _copy(asset: Asset, to: Path, written: list[Path]) -> None:
    try:
        source = asset.path.open("rb")
    except OSError:
        raise NotFound(
            f"The file of asset {asset.id[:12]} is missing from the library, so nothing was exported; "
            "restore it from a backup, or replay or delete the asset."
        ) from None
    digest = hashlib.sha256()
    with source, _new(to, safe_name(asset), written) as target:
        while block := source.read(1 << 20):
            digest.update(block)
            target.write(block)
        target.flush()
        os.fsync(target.fileno())
    if digest.hexdigest() != asset.id:
        raise BadInput(
            f"The file of asset {asset.id[:12]} was altered since it was sealed, so nothing was exported; "
            "restore it from a backup."
        )


def _new(to: Path, name: str, written: list[Path]) -> BufferedWriter:
    """A file that was not there before: `name`, or `name` with -2, -3, … before its suffix."""
    stem, suffix = os.path.splitext(name)
    for number in count(1):
        path = to / (name if number == 1 else f"{stem}-{number}{suffix}")
        with suppress(FileExistsError):
            file = path.open("xb")
            written.append(path)
            return file
    raise AssertionError("count never ends")
