"""RIFF containers: the chunk walker, and labels in WebP and WAV.

WebP: an `XMP ` chunk, announced in the `VP8X` header, which a simple file gets for it.
WAV: the chunk `AIGC` (TC260-PG-202510A) with the wrapped label, LIST/INFO for what players show, and XMP in
`_PMX` for the IPTC properties. The AIGC label stands once (GB 45438-2025, 6.1 c); one in LIST/INFO or in
XMP is read too. Not covered: RF64 and files whose chunks reach beyond their end.
"""

from __future__ import annotations

from collections.abc import Iterator

from studio.errors import BadInput
from studio.provenance.label_exif import read_user_comment
from studio.provenance.label_fields import (
    AIGC,
    CREATED,
    CREATOR_TOOL,
    CREDIT,
    MAX_METADATA_BYTES,
    MAX_PIECES,
    RIGHTS,
    TITLE,
    Findings,
    Statement,
    broken,
    decode,
)
from studio.provenance.label_xmp import build_xmp, read_xmp

INFO = {TITLE: b"INAM", RIGHTS: b"ICOP", CREATED: b"ICRD", CREATOR_TOOL: b"ISFT", CREDIT: b"IPRO"}
_NAME_OF_INFO = {key: name for name, key in INFO.items()} | {b"AIGC": AIGC}
_XMP_FLAG, _ALPHA_FLAG = 0x04, 0x10
MAX_RIFF = 0xFFFF_FFFF


def read_webp(data: bytes, found: Findings) -> None:
    for id, start, end in _chunks(data, b"WEBP"):
        if id == b"XMP " and end - start <= MAX_METADATA_BYTES:
            read_xmp(data[start:end], found)
        elif id == b"EXIF" and end - start <= MAX_METADATA_BYTES:
            read_user_comment(data[start:end].removeprefix(b"Exif\0\0"), found)


def write_webp(data: bytes, statement: Statement) -> bytes:
    pieces: list[bytes] = []
    earlier: bytes | None = None
    for id, start, end in _chunks(data, b"WEBP"):
        if id == b"XMP ":
            earlier = earlier or data[start:end]
        elif id == b"VP8X" and end - start >= 10:
            pieces.append(_chunk(id, bytes([data[start] | _XMP_FLAG]) + data[start + 1 : end]))
        else:
            if not pieces:
                pieces.append(_extended_header(id, data[start:end]))
            pieces.append(_chunk(id, data[start:end]))
    if len(pieces) < 2:
        raise broken("WebP", "it holds no picture")
    pieces.append(_chunk(b"XMP ", build_xmp(statement, keep=earlier)))
    return _riff(b"WEBP", pieces)


def read_wav(data: bytes, found: Findings) -> None:
    for id, start, end in _chunks(data, b"WAVE"):
        if end - start > MAX_METADATA_BYTES:
            continue
        if id == b"AIGC":
            found.add("RIFF AIGC chunk", AIGC, decode(data[start:end]))
        elif id == b"_PMX":
            read_xmp(data[start:end], found)
        elif id == b"LIST" and data[start : start + 4] == b"INFO":
            for key, text in _info(data[start + 4 : end], found):
                found.add("LIST/INFO", _NAME_OF_INFO.get(key, decode(key, "latin-1")), decode(text))


def write_wav(data: bytes, statement: Statement) -> bytes:
    pieces: list[bytes] = []
    info: dict[bytes, bytes] = {}
    earlier: bytes | None = None
    ids = set()
    for id, start, end in _chunks(data, b"WAVE"):
        body = data[start:end]
        ids.add(id)
        if id == b"LIST" and body[:4] == b"INFO":
            info |= dict(_info(body[4:], Findings()))
        elif id == b"_PMX":
            earlier = earlier or body
        elif id != b"AIGC" or AIGC not in statement:
            pieces.append(_chunk(id, body))
    if not {b"fmt ", b"data"} <= ids:
        raise broken("WAV", "it holds no sound")
    ours = {INFO[name]: text.encode() + b"\0" for name, text in statement.items() if name in INFO and text}
    info = ours | {key: text for key, text in info.items() if key not in ours}
    if label := statement.get(AIGC):
        info.pop(b"AIGC", None)
        pieces.append(_chunk(b"AIGC", label.encode()))
    xmp = {name: text for name, text in statement.items() if name != AIGC}
    pieces.append(_chunk(b"LIST", b"INFO" + b"".join(_chunk(key, text) for key, text in info.items())))
    pieces.append(_chunk(b"_PMX", build_xmp(xmp, keep=earlier)))
    return _riff(b"WAVE", pieces)


def _chunks(data: bytes, form: bytes) -> Iterator[tuple[bytes, int, int]]:
    """(id, start, end) of each chunk's data; raises BadInput where the chain breaks."""
    what = {b"WEBP": "WebP", b"WAVE": "WAV"}[form]
    if data[:4] != b"RIFF" or data[8:12] != form:
        raise broken(what, "it does not begin like one")
    stop = 8 + int.from_bytes(data[4:8], "little")
    if stop > len(data):
        raise broken(what, "it ends early")
    yield from _walk(data, 12, stop, what)


def _walk(data: bytes, at: int, stop: int, what: str) -> Iterator[tuple[bytes, int, int]]:
    for _ in range(MAX_PIECES):
        if at + 8 > stop:
            return
        end = at + 8 + int.from_bytes(data[at + 4 : at + 8], "little")
        if end > stop:
            raise broken(what, "a chunk reaches beyond the end")
        yield data[at : at + 4], at + 8, end
        at = end + end % 2
    raise broken(what, "it has too many chunks")


def _info(body: bytes, found: Findings) -> list[tuple[bytes, bytes]]:
    """(id, text) of the items of a LIST/INFO body, as far as they can be read."""
    items = []
    try:
        for id, start, end in _walk(body, 0, len(body), "LIST/INFO"):
            items.append((id, body[start:end]))
    except BadInput:
        found.problem("The LIST/INFO chunk is cut off.")
    return items


def _chunk(id: bytes, body: bytes) -> bytes:
    return id + len(body).to_bytes(4, "little") + body + b"\0" * (len(body) % 2)


def _riff(form: bytes, pieces: list[bytes]) -> bytes:
    size = 4 + sum(map(len, pieces))
    if size > MAX_RIFF:
        raise BadInput("The file would grow beyond 4 GiB; make it shorter.")
    return b"RIFF" + size.to_bytes(4, "little") + form + b"".join(pieces)


def _extended_header(id: bytes, body: bytes) -> bytes:
    """The VP8X chunk that a simple WebP file needs before it can carry XMP (RFC 9649, 2.7)."""
    if id == b"VP8 " and len(body) >= 10 and body[3:6] == b"\x9d\x01\x2a":
        width = int.from_bytes(body[6:8], "little") & 0x3FFF
        height = int.from_bytes(body[8:10], "little") & 0x3FFF
        flags = _XMP_FLAG
    elif id == b"VP8L" and len(body) >= 5 and body[0] == 0x2F:
        bits = int.from_bytes(body[1:5], "little")
        width, height = (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
        flags = _XMP_FLAG | (_ALPHA_FLAG if bits >> 28 & 1 else 0)
    else:
        raise broken("WebP", "it holds no picture")
    if not width or not height:
        raise broken("WebP", "its picture has no size")
    size = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    return _chunk(b"VP8X", bytes([flags, 0, 0, 0]) + size)
