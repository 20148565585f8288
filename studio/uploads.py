"""Files that people hand in, checked by content and kept for a while under the digest of their bytes.

A staged file is named `upload-<SHA-256>`; the name it came with is never used for a path.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import time
import uuid
from pathlib import Path

from studio.errors import BadInput
from studio.library.files import disk_error
from studio.safety.uploads import check_picture, check_sound
from studio.settings import Settings
from studio.types import Kind

_KEY = re.compile(r"upload-[0-9a-f]{64}")


class Uploads:
    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._folder = settings.home / "uploads"

    def stage(self, path: Path, kind: Kind) -> str:
        """Check a picture or a recording and keep a copy; returns its key for `Brief.inputs`."""
        if kind == "image":
            check_picture(path, self._settings)
        elif kind in ("speech", "music", "text"):  # a text is made from what is said
            check_sound(path, self._settings)
        else:
            raise BadInput(f"Files cannot be given to {kind}.")
        part = self._folder / f"{uuid.uuid4().hex}.part"
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            shutil.copyfile(path, part)
            with part.open("rb") as file:
                key = f"upload-{hashlib.file_digest(file, 'sha256').hexdigest()}"
            part.replace(self._folder / key)
        except OSError as error:
            raise disk_error(error, self._folder) from error
        finally:
            part.unlink(missing_ok=True)
        return key

    def find(self, key: str) -> Path | None:
        """The staged file of that key; None when the key names something else or is swept away."""
        path = self._folder / key
        return path if _KEY.fullmatch(key) and path.is_file() else None

    def sweep(self) -> None:
        """Remove what is older than the setting `keep_temporary_days`."""
        if not self._folder.is_dir():
            return
        oldest = time.time() - 86_400 * self._settings.keep_temporary_days
        for path in self._folder.iterdir():
            if path.stat().st_mtime < oldest:
                path.unlink(missing_ok=True)
