"""Sealed files under their own digest: `files/ab/cd/<sha256>.<ext>`.

A file arrives by an atomic rename after its bytes are on the disk; a marker in `files/pending` stands
from before the rename until its row is committed. Whatever a crash leaves between is swept by the marker
at the next opening, without walking the whole shelf.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
import shutil
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from studio.errors import BadInput, StorageFull

SETTLED_SECONDS = 60.0
"""A marker younger than this may belong to another studio that is saving right now."""
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_BLOCK = 1 << 20


class Shelf:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.pending = folder / "pending"
        try:
            self.pending.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise disk_error(error, folder) from error

    def path(self, name: str) -> Path:
        """Where the file called `name` ("ab/cd/<sha256>.png") lies."""
        return self.folder / name

    def holds(self, digest: str) -> bool:
        """Whether the bytes of that digest are here, under whatever suffix."""
        folder = self.folder / digest[:2] / digest[2:4]
        try:
            return any(name.startswith(digest) for name in os.listdir(folder))
        except FileNotFoundError:
            return False

    def rename(self, name: str, wanted: str) -> None:
        if name != wanted:
            _move(self.path(name), self.path(wanted))

    @contextlib.contextmanager
    def placing(self, source: Path, name: str) -> Iterator[None]:
        """Move `source` to its place; if the block (which writes the row) fails, the file moves back."""
        target, marker = self.path(name), self.pending / Path(name).stem
        known = target.exists()
        try:
            marker.write_text(name, "utf-8")
            target.parent.mkdir(parents=True, exist_ok=True)
            _move(source, target)
        except OSError as error:
            marker.unlink(missing_ok=True)
            raise disk_error(error, self.folder) from error
        try:
            yield
        except BaseException:
            if not known:
                _move(target, source)
            raise
        finally:
            marker.unlink(missing_ok=True)

    @contextlib.contextmanager
    def removing(self, name: str) -> Iterator[None]:
        """After the block (which removes the row) the file goes; a crash between leaves it to the sweep."""
        marker = self.pending / Path(name).stem
        try:
            marker.write_text(name, "utf-8")
        except OSError as error:
            if error.errno not in _FULL:  # a full disk must not stop anyone from making room
                raise disk_error(error, self.folder) from error
        yield
        self.path(name).unlink(missing_ok=True)
        marker.unlink(missing_ok=True)

    def sweep(self, wanted: Callable[[str], bool], settled: float = SETTLED_SECONDS) -> list[str]:
        """Remove files whose saving was cut short; `wanted(digest)` says whether a row is there."""
        swept = []
        for marker in self.pending.iterdir():
            with contextlib.suppress(FileNotFoundError):  # another studio may sweep or finish just now
                if time.time() - marker.stat().st_mtime < settled:
                    continue
                name = marker.read_text("utf-8")
                if _NAME.fullmatch(name) and not wanted(marker.name):
                    self.path(name).unlink(missing_ok=True)
                    swept.append(name)
                marker.unlink()
        return swept

    def names(self) -> Iterator[str]:
        """Every file on the shelf."""
        for folder, _, files in os.walk(self.folder):
            if Path(folder) != self.pending:
                yield from (str((Path(folder) / file).relative_to(self.folder).as_posix()) for file in files)


def disk_error(error: OSError, where: Path) -> StorageFull | BadInput:
    """The sentence for a disk that takes nothing more, or nothing at all."""
    if error.errno in _FULL:
        return StorageFull(
            f"The disk of {where} is full; free some space and try again, nothing was left half-written."
        )
    return BadInput(
        f"Nothing can be written in {where} ({error.strerror or error}); give this user the right to."
    )


def name_of(digest: str, source: Path) -> str:
    """The name on the shelf: the digest and, if it is a plain one, the suffix of `source`."""
    suffix = source.suffix.lower()
    return f"{digest[:2]}/{digest[2:4]}/{digest}{suffix if _SUFFIX.fullmatch(suffix) else ''}"


def digest_of(path: Path) -> str:
    """SHA-256 (hex) of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sealed_digest(path: Path) -> str:
    """The digest of a finished file whose bytes are on the disk. Raises BadInput for anything else."""
    try:
        if not stat.S_ISREG(path.lstat().st_mode):
            raise BadInput(f"{path.name} is no regular file, so it was not saved.")
        with path.open("rb+") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            if not file.tell():
                raise BadInput(f"{path.name} is empty, so it was not saved.")
            os.fsync(file.fileno())
    except FileNotFoundError:
        raise BadInput(f"There is no file {path} to save.") from None
    except OSError as error:
        raise disk_error(error, path.parent) from error
    return digest


def _move(source: Path, target: Path) -> None:
    try:
        os.replace(source, target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        part = target.with_name(target.name + ".part")
        try:
            _copy(source, part)
            os.replace(part, target)
        finally:
            part.unlink(missing_ok=True)
        source.unlink()
    _settle_folder(target.parent)


def _copy(source: Path, target: Path) -> None:
    with source.open("rb") as given, target.open("wb") as taken:
        shutil.copyfileobj(given, taken, _BLOCK)
        taken.flush()
        os.fsync(taken.fileno())


def _settle_folder(folder: Path) -> None:
    if os.name != "posix":  # a folder cannot be opened elsewhere, nor need it be
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


_SUFFIX = re.compile(r"\.[a-z0-9]{1,8}")
_NAME = re.compile(r"[0-9a-f]{2}/[0-9a-f]{2}/[0-9a-f]{64}(\.[a-z0-9]{1,8})?")
