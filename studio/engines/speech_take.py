"""Speech as it is made: appended to a file, so that memory stays flat and a killed job goes on where it stood.

A take is a folder with `key` (what is spoken, by which voice and model), `speech.f32` (mono float32
samples) and `marks` (samples after each finished piece). A kill leaves at most one unfinished piece behind
the last mark; it is cut off when the take is opened again with the same key. Another key starts anew.
"""

from __future__ import annotations

import errno
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from studio.errors import BadInput, StorageFull

_BYTES = 4


class Take:
    """Open with `Take.open`; `add` finished pieces in order; `finished` tells how many are there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._speech, self._marks = folder / "speech.f32", folder / "marks"
        self.marks = _read_marks(self._marks)

    @classmethod
    def open(cls, root: Path, job_id: str, key: str) -> Take:
        """The take of a job, with what an earlier attempt left if it has the same `key`."""
        if not re.fullmatch(r"[\w-]{1,80}", job_id):
            raise BadInput("A job id may hold letters, digits, - and _ only.")
        folder = root / job_id
        with _disk():
            if not folder.is_dir() or _text(folder / "key") != key:
                shutil.rmtree(folder, ignore_errors=True)
                folder.mkdir(parents=True)
                (folder / "speech.f32").touch()
                (folder / "key").write_text(key, "utf-8")
            take = cls(folder)
            take._cut()
        return take

    @property
    def finished(self) -> int:
        return len(self.marks)

    @property
    def samples(self) -> int:
        return self.marks[-1] if self.marks else 0

    def add(self, samples: Any) -> None:
        """Append one finished piece: float32 (frames,). Raises StorageFull and leaves the take as it was."""
        import numpy as np

        end = self.samples + len(samples)
        try:
            with _disk():
                with self._speech.open("ab") as file:
                    file.write(np.ascontiguousarray(samples, np.float32).tobytes())
                with self._marks.open("a", encoding="ascii") as file:
                    file.write(f"{end}\n")
        except StorageFull:
            self._cut()
            raise
        self.marks.append(end)

    def piece(self, place: int) -> Any:
        """The samples of one finished piece: float32 (frames,)."""
        import numpy as np

        start = self.marks[place - 1] if place else 0
        return np.fromfile(self._speech, np.float32, self.marks[place] - start, offset=start * _BYTES)

    def copy(self) -> Any:
        """All samples as a writable array over a file of its own, so that the take stays as it was made."""
        import numpy as np

        if not self.samples:
            return np.zeros(0, np.float32)
        with _disk():
            shutil.copyfile(self._speech, self.folder / "final.f32")
        return np.memmap(self.folder / "final.f32", np.float32, "r+")

    def discard(self) -> None:
        """Remove the folder. An array from `copy` stays readable where the system keeps mapped files."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _cut(self) -> None:
        """Cut off what stands behind the last mark; drop marks behind the end of the speech."""
        have = self._speech.stat().st_size // _BYTES
        self.marks = [mark for mark in self.marks if mark <= have]
        with self._speech.open("rb+") as file:
            file.truncate(self.samples * _BYTES)
        self._marks.write_text("".join(f"{mark}\n" for mark in self.marks), "ascii")


def sweep(root: Path, days: int) -> None:
    """Remove takes that nobody has touched for `days`: their jobs were cancelled while nothing ran."""
    oldest = time.time() - days * 86_400
    for folder in root.iterdir() if root.is_dir() else ():
        if (folder / "key").is_file() and (folder / "key").stat().st_mtime < oldest:
            newest = max(path.stat().st_mtime for path in folder.iterdir())
            if newest < oldest:
                shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _disk() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StorageFull(
                "The disk is full: free some space in the studio's home folder and try again."
            ) from error
        raise


def _read_marks(path: Path) -> list[int]:
    """Whole, rising numbers from the start of the file; a torn last line is not one."""
    marks: list[int] = []
    for line in _text(path).splitlines(keepends=True):
        if not re.fullmatch(r"\d{1,15}\n", line) or int(line) < (marks[-1] if marks else 0):
            break
        marks.append(int(line))
    return marks


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8", errors="replace")
    except OSError:
        return ""
