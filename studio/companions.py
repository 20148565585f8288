"""Files that belong beside a sealed one, made again from its record: notes beside music, for instance.

An engine offers them by a static method `companions(settings, note) -> {suffix: bytes}`. They are not
sealed (most of their formats cannot carry a seal), so each says in itself what it belongs to.
"""

from __future__ import annotations

from itertools import count
from pathlib import Path

from studio.engines.base import engines
from studio.errors import NotFound
from studio.library.files import disk_error
from studio.types import Asset


def companions(asset: Asset) -> dict[str, bytes]:
    """Contents by suffix (".mid"); empty for most kinds. Raises BadInput if the record was damaged."""
    try:
        offer = getattr(engines.lookup(asset.model.engine), "companions", None)
    except NotFound:  # made by an engine that is not installed here
        return {}
    if offer is None:
        return {}
    note = (
        f"Made with artificial intelligence in Signet Studio ({asset.model.id}); belongs to the sealed "
        f"recording {asset.credential.produce_id}. {asset.credential.licence.note}"
    )
    found: dict[str, bytes] = offer(asset.model.settings, note)
    return found


def write_beside(asset: Asset, path: Path) -> list[Path]:
    """Companions of `asset` next to its exported copy, under the same name; nothing is overwritten."""
    written: list[Path] = []
    try:
        for suffix, content in companions(asset).items():
            for number in count(1):
                place = path.with_name(f"{path.stem}{'' if number == 1 else f'-{number}'}{suffix}")
                try:
                    with place.open("xb") as file:
                        written.append(place)
                        file.write(content)
                    break
                except FileExistsError:
                    continue
    except OSError as error:
        for place in written:
            place.unlink(missing_ok=True)
        raise disk_error(error, path.parent) from error
    return written
