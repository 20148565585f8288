"""Names that a client supplies: taken as they are or refused, never repaired into something else."""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path

from studio.errors import BadInput

MAX_BYTES = 200
# Not allowed on some system, or read as a path, a drive, a stream or a pattern.
FORBIDDEN = set('/\\:*?"<>|')
RESERVED = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9¹²³])(\..*)?", re.IGNORECASE)
JOINERS = "\u200c\u200d"  # part of Persian words and of many emoji


def safe_name(name: str) -> str:
    """`name` itself, if it is the plain name of a file on every system; otherwise raises BadInput."""
    why = _fault(name)
    if why:
        shown = name[:60].encode("unicode_escape", "replace").decode("ascii")
        raise BadInput(f"The file name '{shown}' cannot be used: it {why}; give it a plain name.")
    return name


def safe_join(folder: Path, name: str) -> Path:
    """`folder / name`; `name` may have parts between '/', each a safe name.

    Raises BadInput if it would lead out of `folder`, be it by its parts or by a link that lies in the way.
    """
    path = folder.joinpath(*(safe_name(part) for part in name.split("/")))
    if not path.resolve().is_relative_to(folder.resolve()):
        raise BadInput(f"The file name {name[:60]!r} cannot be used: it leads out of its folder.")
    return path


def _fault(name: str) -> str | None:
    if not name.strip():
        return "is empty"
    if len(name.encode("utf-8", "replace")) > MAX_BYTES:
        return f"is longer than {MAX_BYTES} bytes"
    if name.startswith(".") or set(name) <= {".", " "}:
        return "begins with a dot"
    if name[-1] in " ." or name[0].isspace():
        return "begins or ends with a space or a dot"
    if found := FORBIDDEN.intersection(name):
        return f"holds {min(found)!r}"
    if RESERVED.fullmatch(name):
        return "is reserved by Windows"
    for character in name:
        category = unicodedata.category(character)
        if category in ("Cc", "Cs", "Cn", "Zl", "Zp") or (category == "Cf" and character not in JOINERS):
            return f"holds the invisible character U+{ord(character):04X}"
    return None
