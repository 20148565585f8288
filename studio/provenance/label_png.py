"""Labels in PNG (W3C PNG 3rd ed.): one uncompressed iTXt chunk `XML:com.adobe.xmp` before the image data.

Read besides: tEXt, zTXt and iTXt with the keyword `AIGC` (TC260-PG-20259A, Annex B). Chunks of others,
such as `caBX` (C2PA), stay as they are.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator

from studio.provenance.label_fields import (
    AIGC,
    MAX_METADATA_BYTES,
    MAX_PIECES,
    Findings,
    Statement,
    broken,
    decode,
)
from studio.provenance.label_xmp import build_xmp, read_xmp

SIGNATURE = b"\x89PNG\r\n\x1a\n"
XMP_KEYWORD = b"XML:com.adobe.xmp"
_TEXT = (b"tEXt", b"zTXt", b"iTXt")


def read(data: bytes, found: Findings) -> None:
    for kind, start, end in _chunks(data):
        if kind not in _TEXT or end - start > MAX_METADATA_BYTES:
            continue
        if zlib.crc32(data[start - 4 : end]).to_bytes(4, "big") != data[end : end + 4]:
            found.problem("A text chunk of the PNG fails its checksum.")
        keyword, text = _text_chunk(kind, data[start:end])
        if keyword == XMP_KEYWORD:
            read_xmp(text, found)
        elif keyword.upper() == b"AIGC":
            found.add(f"PNG {kind.decode()} chunk", AIGC, decode(text))


def write(data: bytes, statement: Statement) -> bytes:
    pieces, earlier = [], None
    for kind, start, end in _chunks(data):
        if kind in _TEXT and end - start <= MAX_METADATA_BYTES:
            keyword, text = _text_chunk(kind, data[start:end])
            if keyword == XMP_KEYWORD:
                earlier = earlier or text
                continue
            if keyword.upper() == b"AIGC" and AIGC in statement:
                continue
        pieces.append(data[start - 8 : end + 4])
        last = end + 4
    label = XMP_KEYWORD + b"\0\0\0\0\0" + build_xmp(statement, keep=earlier)
    pieces.insert(1, _chunk(b"iTXt", label))
    return SIGNATURE + b"".join(pieces) + data[last:]


def _chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """(type, start, end) of each chunk's data up to IEND; raises BadInput where the chain breaks."""
    if not data.startswith(SIGNATURE):
        raise broken("PNG", "it does not begin like one")
    at = len(SIGNATURE)
    for number in range(MAX_PIECES):
        if at + 12 > len(data):
            raise broken("PNG", "it ends early")
        length, kind = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8]
        end = at + 8 + length
        if end + 4 > len(data):
            raise broken("PNG", "a chunk reaches beyond the end")
        if number == 0 and (kind, length) != (b"IHDR", 13):
            raise broken("PNG", "it has no header chunk")
        yield kind, at + 8, end
        if kind == b"IEND":
            return
        at = end + 4
    raise broken("PNG", "it has too many chunks")


def _text_chunk(kind: bytes, body: bytes) -> tuple[bytes, bytes]:
    """(keyword, text) of a textual chunk; a text that does not unpack is empty."""
    keyword, _, rest = body.partition(b"\0")
    if kind == b"tEXt":
        return keyword, rest
    if kind == b"zTXt":
        return keyword, _unpacked(rest[1:])
    packed, (_language, _, rest) = rest[:1] == b"\1", rest[2:].partition(b"\0")
    text = rest.partition(b"\0")[2]
    return keyword, _unpacked(text) if packed else text


def _unpacked(packed: bytes) -> bytes:
    try:
        return zlib.decompressobj().decompress(packed, MAX_METADATA_BYTES)
    except zlib.error:
        return b""


def _chunk(kind: bytes, body: bytes) -> bytes:
    return len(body).to_bytes(4, "big") + kind + body + zlib.crc32(kind + body).to_bytes(4, "big")
