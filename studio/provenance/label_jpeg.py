"""Labels in JPEG (ITU-T T.81): one APP1 segment with an XMP packet, after JFIF and Exif.

Read besides: the Exif UserComment that begins like an AIGC label (TC260-PG-20259A, Annex B). Segments of
others, such as APP11 (C2PA's JUMBF) and extended XMP, stay as they are.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from studio.errors import BadInput
from studio.provenance.label_exif import read_user_comment
from studio.provenance.label_fields import MAX_PIECES, Findings, Statement, broken
from studio.provenance.label_xmp import build_xmp, read_xmp

XMP_HEADER = b"http://ns.adobe.com/xap/1.0/\0"
MAX_SEGMENT = 65_533
_FILLING = re.compile(rb"\xff+")
_APP0, _APP1, _SOS, _EOI = 0xE0, 0xE1, 0xDA, 0xD9
_BARE = {0x01, *range(0xD0, 0xD8)}


def read(data: bytes, found: Findings) -> None:
    for marker, start, end in _segments(data):
        if marker == _APP1 and data.startswith(XMP_HEADER, start):
            read_xmp(data[start + len(XMP_HEADER) : end], found)
        elif marker == _APP1 and data.startswith(b"Exif\0\0", start):
            read_user_comment(data[start + 6 : end], found)


def write(data: bytes, statement: Statement) -> bytes:
    head, body = [b"\xff\xd8"], list[bytes]()
    earlier: bytes | None = None
    for marker, start, end in _segments(data):
        last = start - 4
        if marker == _SOS:
            break
        piece = data[start - 4 : end]
        if marker == _APP1 and data.startswith(XMP_HEADER, start):
            earlier = earlier or data[start + len(XMP_HEADER) : end]
        elif not body and (marker == _APP0 or data.startswith(b"Exif\0\0", start)):
            head.append(piece)
        else:
            body.append(piece)
    packet = XMP_HEADER + build_xmp(statement, keep=earlier)
    if len(packet) > MAX_SEGMENT:
        raise BadInput("The picture's own metadata leaves no room for labels; remove it and retry.")
    label = b"\xff\xe1" + (len(packet) + 2).to_bytes(2, "big") + packet
    return b"".join([*head, label, *body, data[last:]])


def _segments(data: bytes) -> Iterator[tuple[int, int, int]]:
    """(marker, start, end) of each segment's payload up to and with the first scan."""
    if not data.startswith(b"\xff\xd8\xff"):
        raise broken("JPEG", "it does not begin like one")
    at = 2
    for _ in range(MAX_PIECES):
        if data[at : at + 1] != b"\xff":
            raise broken("JPEG", "a segment is missing")
        # Any number of 0xFF may stand before a marker as filling.
        if filling := _FILLING.match(data, at + 1):
            at = filling.end() - 1
        if at + 4 > len(data) or data[at + 1] == _EOI:
            raise broken("JPEG", "it ends before the picture")
        marker = data[at + 1]
        if marker in _BARE:
            at += 2
            continue
        length = int.from_bytes(data[at + 2 : at + 4], "big")
        end = at + 2 + length
        if length < 2 or end > len(data):
            raise broken("JPEG", "a segment reaches beyond the end")
        yield marker, at + 4, end
        if marker == _SOS:
            return
        at = end
    raise broken("JPEG", "it has too many segments")
