"""Whether every file is still what its id says it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from studio.library.files import Shelf, digest_of


@dataclass(frozen=True, slots=True)
class Health:
    """Asset ids whose file was altered or is missing, and names of files that no row knows."""

    checked: int
    altered: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    strays: tuple[str, ...] = ()

    @property
    def sound(self) -> bool:
        return not (self.altered or self.missing or self.strays)


def examine(shelf: Shelf, rows: Mapping[str, str]) -> Health:
    """Reads every file; `rows` maps asset ids to the names of their files."""
    altered, missing = [], []
    for asset_id, name in rows.items():
        try:
            if digest_of(shelf.path(name)) != asset_id:
                altered.append(asset_id)
        except OSError:
            missing.append(asset_id)
    strays = set(shelf.names()) - set(rows.values())
    return Health(len(rows), tuple(altered), tuple(missing), tuple(sorted(strays)))
