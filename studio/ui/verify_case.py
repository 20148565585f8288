"""One thing to verify: its report, what can be shown of it, and the original where the library has it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from studio.errors import BadInput, NotFound
from studio.provenance.beside import look, look_at_text
from studio.service import Studio
from studio.types import Report
from studio.ui.verify_view import Shown

# Where the original is not the very file that was given, it stands beside it.
COMPARED = ("recovered", "altered")


def examine(
    studio: Studio, given: Path | str, *, name: str = "", original: bool = True
) -> tuple[Report, Shown]:
    """The report on a file or a text. `name` is what a file is called in the report; `original` may be left
    out where strangers look, since the library is not theirs."""
    found = studio.verify_text(given) if isinstance(given, str) else studio.verify(given)
    return replace(found, path=name or found.path), shown_beside(studio, found, given, original=original)


def shown_beside(studio: Studio, found: Report, given: Path | str, *, original: bool = True) -> Shown:
    """What can be shown beside a report."""
    if not found.sha256:
        return Shown()
    most = studio.settings.max_upload_mb * 2**20
    here = look_at_text(given) if isinstance(given, str) else look(given, most)
    if not original or found.verdict not in COMPARED or found.asset_id is None:
        return Shown(here)
    try:
        path = studio.library.file(found.asset_id)
    except (NotFound, BadInput):
        return Shown(here)
    return Shown(here, look(path, path.stat().st_size))
