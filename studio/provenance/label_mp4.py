"""Labels in MP4, MOV and M4A (ISO/IEC 14496-12): keys and ilst in moov.udta.meta, and XMP in a uuid box.

The key `AIGC` with the wrapped label is TC260-PG-20257A's place; the IPTC properties stand as XMP. An iTunes
`meta` (handler mdir) in udta is kept beside ours. Chunk offsets (stco, co64) follow whatever moves. Not
covered: fragmented files and auxiliary offsets (saio), which are refused.
"""

from __future__ import annotations

import struct
from bisect import bisect_right
from collections.abc import Iterator

from studio.errors import BadInput
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

XMP_UUID = bytes.fromhex("BE7ACFCB97A942E89C71999491E3AFAC")
KEYS = {
    AIGC: "AIGC", TITLE: "title", RIGHTS: "copyright", CREATOR_TOOL: "encoder", CREDIT: "publisher", CREATED: "date"
}  # fmt: skip
_NAME_OF = {key: name for name, key in KEYS.items()}
_ITUNES = {b"\xa9nam": TITLE, b"cprt": RIGHTS, b"\xa9too": "Encoder", b"\xa9cmt": "Comment"}
_TEXT, _MOOV_PATH = 1, (b"trak", b"mdia", b"minf", b"stbl")
Box = tuple[bytes, int, int, int]


def read(data: bytes, found: Findings) -> None:
    for kind, _at, start, end in _top(data):
        if kind == b"uuid" and data[start : start + 16] == XMP_UUID:
            read_xmp(data[start + 16 : min(end, start + 17 + MAX_METADATA_BYTES)], found)
        elif kind == b"moov":
            for child, _, inner, stop in _boxes(data, start, end):
                if child == b"meta":
                    _read_meta(data, inner, stop, "moov.meta", found)
                elif child == b"udta":
                    for part, _, here, there in _boxes(data, inner, stop):
                        if part == b"meta":
                            _read_meta(data, here, there, "moov.udta.meta", found)
                        elif part == b"XMP_" and there - here <= MAX_METADATA_BYTES:
                            read_xmp(data[here:there], found)


def write(data: bytes, statement: Statement) -> bytes:
    pieces: list[tuple[int, bytes | bytearray]] = []
    moov: bytearray | None = None
    earlier: bytes | None = None
    for kind, at, start, end in _top(data):
        if kind in (b"moof", b"mfra"):
            raise BadInput("Fragmented MP4 files cannot be labelled; save it as one plain MP4 and retry.")
        if kind == b"uuid" and data[start : start + 16] == XMP_UUID:
            earlier = earlier or data[start + 16 : end]
        elif kind == b"moov" and moov is None:
            moov = bytearray(_box(b"moov", _labelled(data, start, end, statement)))
            pieces.append((at, moov))
        else:
            pieces.append((at, _sized(data, kind, at, start, end)))
    if moov is None:
        raise broken("MP4", "it has no index")
    xmp = {name: text for name, text in statement.items() if name != AIGC}
    pieces.append((len(data), _box(b"uuid", XMP_UUID + build_xmp(xmp, keep=earlier))))
    _move_chunks(moov, *_moves(pieces))
    return b"".join(bytes(piece) for _, piece in pieces)


# --- Boxes --------------------------------------------------------------------------------------


def _top(data: bytes) -> Iterator[Box]:
    if data[4:8] not in (b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide"):
        raise broken("MP4", "it does not begin like one")
    yield from _boxes(data, 0, len(data))


def _boxes(data: bytes | bytearray, at: int, stop: int) -> Iterator[Box]:
    """(type, begin, start of content, end) of the boxes from `at` to `stop`; raises BadInput if they do not fit."""
    for _ in range(MAX_PIECES):
        if at + 8 > stop:
            return
        size, kind, start = int.from_bytes(data[at : at + 4], "big"), bytes(data[at + 4 : at + 8]), at + 8
        if size == 1:
            size, start = int.from_bytes(data[at + 8 : at + 16], "big"), at + 16
        elif size == 0:
            size = stop - at
        end = at + size
        if end > stop or end < start:
            raise broken("MP4", "a box reaches beyond its end")
        yield kind, at, start, end
        at = end
    raise broken("MP4", "it has too many boxes")


def _box(kind: bytes, body: bytes) -> bytes:
    if len(body) + 8 > 0xFFFF_FFFF:
        raise BadInput("The index of this video is too large to be labelled; make the video shorter.")
    return (len(body) + 8).to_bytes(4, "big") + kind + body


def _sized(data: bytes, kind: bytes, at: int, start: int, end: int) -> bytes:
    """The box as it stands; one "to the end of the file" gets its size, since another follows now."""
    if data[at : at + 4] != b"\0\0\0\0":
        return data[at:end]
    return _box(kind, data[start:end])


def _moves(pieces: list[tuple[int, bytes | bytearray]]) -> tuple[list[int], list[int]]:
    """(old begins, by how much what lies there moves) of the top boxes."""
    begins, shifts, now = [], [], 0
    for old, piece in pieces:
        begins.append(old)
        shifts.append(now - old)
        now += len(piece)
    return begins, shifts


def _move_chunks(moov: bytearray, begins: list[int], shifts: list[int]) -> None:
    """Adds to every chunk offset what its box has moved."""
    level = [(8, len(moov))]
    for wanted in _MOOV_PATH:
        level = [
            (start, end)
            for here, there in level
            for kind, _, start, end in _boxes(moov, here, there)
            if kind == wanted
        ]
    for here, there in level:
        for kind, _, start, end in _boxes(moov, here, there):
            if kind == b"saio":
                raise BadInput(
                    "MP4 files with auxiliary offsets cannot be labelled; save a plain MP4 and retry."
                )
            if kind not in (b"stco", b"co64"):
                continue
            count = int.from_bytes(moov[start + 4 : start + 8], "big")
            width, letter = (4, "I") if kind == b"stco" else (8, "Q")
            if start + 8 + count * width > end:
                raise broken("MP4", "its index is cut off")
            old = struct.unpack_from(f">{count}{letter}", moov, start + 8)
            new = [offset + shifts[max(0, bisect_right(begins, offset) - 1)] for offset in old]
            if new and not 0 <= min(new) <= max(new) < 1 << 8 * width:
                raise BadInput("The video is too large for its index; save it with 64-bit offsets and retry.")
            struct.pack_into(f">{count}{letter}", moov, start + 8, *new)


# --- moov.udta.meta -----------------------------------------------------------------------------


def _labelled(data: bytes, start: int, end: int, statement: Statement) -> bytes:
    """The content of moov with our keys in udta.meta."""
    children, inner, items = list[bytes](), list[bytes](), dict[str, bytes]()
    for kind, at, here, there in _boxes(data, start, end):
        if kind == b"mvex":
            raise BadInput("Fragmented MP4 files cannot be labelled; save it as one plain MP4 and retry.")
        if kind != b"udta":
            children.append(data[at:there])
            continue
        for part, begin, body, stop in _boxes(data, here, there):
            if part == b"meta" and (old := _items(data, body, stop)) is not None:
                items |= old
            elif stop > begin + 8 or part.strip(b"\0"):
                inner.append(data[begin:stop])
    for name, key in KEYS.items():
        if text := statement.get(name):
            items[key] = _box(b"data", struct.pack(">II", _TEXT, 0) + text.encode())
    return b"".join(children) + _box(b"udta", _meta(items) + b"".join(inner))


def _meta(items: dict[str, bytes]) -> bytes:
    handler = _box(b"hdlr", bytes(8) + b"mdta" + bytes(13))
    names = [name.encode() for name in items]
    keys = b"".join((len(name) + 8).to_bytes(4, "big") + b"mdta" + name for name in names)
    values = b"".join(_box(number.to_bytes(4, "big"), item) for number, item in enumerate(items.values(), 1))
    listed = _box(b"keys", bytes(4) + len(names).to_bytes(4, "big") + keys)
    return _box(b"meta", bytes(4) + handler + listed + _box(b"ilst", values))


def _meta_parts(data: bytes, start: int, end: int) -> dict[bytes, tuple[int, int]]:
    # QuickTime's meta box has no version field, ISO's has one.
    start += 0 if data[start + 4 : start + 8] == b"hdlr" else 4
    return {kind: (here, there) for kind, _, here, there in _boxes(data, start, end)}


def _items(data: bytes, start: int, end: int) -> dict[str, bytes] | None:
    """key → content of its ilst item for a `meta` box of handler mdta; None for one of another handler."""
    parts = _meta_parts(data, start, end)
    handler = parts.get(b"hdlr", (0, 0))[0]
    if data[handler + 8 : handler + 12] != b"mdta":
        return None
    at, stop = parts.get(b"keys", (0, 0))
    names, at = dict[int, str](), at + 8
    while (
        at + 8 <= stop and (size := int.from_bytes(data[at : at + 4], "big")) >= 8 and len(names) < MAX_PIECES
    ):
        names[len(names) + 1] = decode(data[at + 8 : min(at + size, stop)])
        at += size
    items = {}
    for kind, _, here, there in _boxes(data, *parts.get(b"ilst", (0, 0))):
        if name := names.get(int.from_bytes(kind, "big")):
            items[name] = data[here:there]
    return items


def _read_meta(data: bytes, start: int, end: int, where: str, found: Findings) -> None:
    items = _items(data, start, end)
    if items is not None:
        for key, item in items.items():
            found.add(where, _NAME_OF.get(key, key), _value(item))
        return
    here, there = _meta_parts(data, start, end).get(b"ilst", (0, 0))
    for kind, _, inner, stop in _boxes(data, here, there):
        name, item = _ITUNES.get(kind), data[inner:stop]
        if kind == b"----":
            parts = {part: item[a:b] for part, _, a, b in _boxes(item, 0, len(item))}
            name = decode(parts.get(b"name", b"")[4:])
            name = _NAME_OF.get(name, name)
        if name:
            found.add(f"{where} (iTunes)", name, _value(item))


def _value(item: bytes) -> str:
    """The text of the first `data` box of an ilst item."""
    for kind, _, start, end in _boxes(item, 0, len(item)):
        if kind == b"data":
            return decode(item[start + 8 : end])
    return ""
