"""The one Exif field that carries labels: UserComment (0x9286), as TC260-PG-20259A Annex B uses it.

UserComment is a field for remarks of any kind: only text that begins like an AIGC label is taken.
"""

from __future__ import annotations

import struct

from studio.provenance.label_fields import AIGC, Findings, decode

_EXIF_IFD, _USER_COMMENT = 0x8769, 0x9286
_MAX_ENTRIES = 512


def read_user_comment(tiff: bytes, found: Findings) -> None:
    """Adds an AIGC label in the UserComment of the TIFF structure `tiff` (without "Exif\\0\\0")."""
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(tiff[:4])
    if order is None or len(tiff) < 8:
        return
    first = _entries(tiff, order, struct.unpack_from(f"{order}I", tiff, 4)[0])
    for directory in (first, _entries(tiff, order, first.get(_EXIF_IFD, (0, 0))[1])):
        count, offset = directory.get(_USER_COMMENT, (0, 0))
        if not 8 < count <= len(tiff) - offset:
            continue
        code, body = tiff[offset : offset + 8], tiff[offset + 8 : offset + count]
        # "UNICODE" is UTF-16 in the file's byte order; everything else met in the wild is UTF-8 or ASCII.
        text = (
            decode(body, "utf-16-le" if order == "<" else "utf-16-be")
            if code == b"UNICODE\0"
            else decode(body)
        )
        if text.lstrip("\0 ").startswith(('{"AIGC"', '{"Label"')):
            found.add("Exif UserComment", AIGC, text.strip("\0 "))


def _entries(tiff: bytes, order: str, at: int) -> dict[int, tuple[int, int]]:
    """tag → (count, value or offset) of the directory at `at`; empty where there is none."""
    if not 8 <= at <= len(tiff) - 2:
        return {}
    number = struct.unpack_from(f"{order}H", tiff, at)[0]
    found = {}
    for index in range(min(number, _MAX_ENTRIES)):
        entry = at + 2 + 12 * index
        if entry + 12 > len(tiff):
            break
        tag, _kind, count, value = struct.unpack_from(f"{order}HHII", tiff, entry)
        found[tag] = (count, value)
    return found
