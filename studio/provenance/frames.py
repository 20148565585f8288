"""Where a manifest store stands in a picture, sound or video file, and how it is framed there.

`find` re-writes the frame from the store and compares, so that a changed length, checksum or header
around the store shows; the C2PA library passes over some of them. Placement: C2PA 2.4, Appendix A.
"""

from __future__ import annotations

import base64
import re
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

# The user type of a C2PA box in MP4 (C2PA 2.4, A.5).
MP4_UUID = bytes.fromhex("d8fec3d61b0e483c92975828877ec481")


@dataclass(frozen=True, slots=True)
class Frame:
    """The store and the bytes data[start:end] that frame it; `exact` if they are framed as we frame."""

    store: bytes
    start: int
    end: int
    exact: bool


def find(data: bytes, media_type: str) -> Frame | None:
    """The first store in the file; None if there is none, or the container is broken before it."""
    finder = FINDERS.get(media_type)
    try:
        return finder(data) if finder else None
    except (IndexError, struct.error):
        return None


def _png(data: bytes) -> Frame | None:
    at = 8
    while at + 12 <= len(data):
        (size,), kind = struct.unpack_from(">I", data, at), data[at + 4 : at + 8]
        end = at + 12 + size
        if kind == b"caBX":
            store = data[at + 8 : at + 8 + size]
            crc = struct.pack(">I", zlib.crc32(kind + store))
            return Frame(store, at, end, data[end - 4 : end] == crc)
        at = end
    return None


def _jpeg(data: bytes) -> Frame | None:
    """APP11 segments (ISO 19566-5, D.2): each repeats the box header; the number Z counts from 1."""
    parts: list[bytes] = []
    start = end = 0
    for marker, at, size in _jpeg_segments(data):
        payload = data[at + 4 : at + 2 + size]
        if marker != 0xEB or payload[:2] != b"JP":
            continue
        start = start or at
        end = at + 2 + size
        parts.append(payload[8:] if not parts else payload[16:])
    if not parts:
        return None
    store = b"".join(parts)
    return Frame(store, start, end, data[start:end] == _jpeg_frame(store, len(parts[0])))


def _jpeg_segments(data: bytes) -> Iterator[tuple[int, int, int]]:
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF and data[at + 1] not in (0xD9, 0xDA):
        (size,) = struct.unpack_from(">H", data, at + 2)
        yield data[at + 1], at, size
        at += 2 + size


def _jpeg_frame(store: bytes, first: int) -> bytes:
    chunks = [store[:first]]
    step = max(first - 8, 1)
    chunks += [store[:8] + store[at : at + step] for at in range(first, len(store), step)]
    head = b"JP\x02\x11"
    return b"".join(
        struct.pack(">2sH", b"\xff\xeb", 10 + len(chunk)) + head + struct.pack(">I", number) + chunk
        for number, chunk in enumerate(chunks, 1)
    )


def _riff(data: bytes) -> Frame | None:
    at = 12
    while at + 8 <= len(data):
        kind, size = struct.unpack_from("<4sI", data, at)
        end = at + 8 + size + size % 2
        if kind == b"C2PA":
            store = data[at + 8 : at + 8 + size]
            return Frame(store, at, end, data[at + 8 + size : end] == b"\0" * (size % 2))
        at = end
    return None


def _id3(data: bytes) -> Frame | None:
    """The GEOB frame of ID3v2 (C2PA 2.4, A.3.5) in front of MP3 and FLAC."""
    at, stop = 10, 10 + _syncsafe(data[6:10])
    while data[:3] == b"ID3" and at + 10 <= stop:
        kind, end = data[at : at + 4], at + 10 + _syncsafe(data[at + 4 : at + 8])
        if kind == b"GEOB" and (head := data.find(b"\0c2pa\0", at, at + 60)) > 0:
            content = data.index(b"\0", head + 6, end) + 1
            frame = b"\0\0\x03application/c2pa\0c2pa\0c2pa manifest store\0"
            return Frame(data[content:end], at, end, data[at + 8 : content] == frame)
        if end <= at + 10 or not kind.strip(b"\0"):
            return None
        at = end
    return None


def _syncsafe(four: bytes) -> int:
    return sum(byte << shift for byte, shift in zip(four, (21, 14, 7, 0), strict=True))


def _mp4(data: bytes) -> Frame | None:
    """The top-level uuid box with purpose "manifest" (C2PA 2.4, A.5.1)."""
    for kind, at, end in _mp4_boxes(data):
        if kind == b"uuid" and data[at + 8 : at + 24] == MP4_UUID:
            head = b"\0\0\0\0manifest\0" + bytes(8)
            store = data[at + 24 + len(head) : end]
            return Frame(store, at, end, data[at + 24 : at + 24 + len(head)] == head)
    return None


def unbound(data: bytes, media_type: str) -> bytes:
    """What C2PA's own hash leaves out beside the store: in MP4 the boxes ftyp and mfra (C2PA 2.4, 18.7)."""
    if media_type not in ("audio/mp4", "video/mp4"):
        return b""
    return b"".join(data[at:end] for kind, at, end in _mp4_boxes(data) if kind in (b"ftyp", b"mfra"))


def _mp4_boxes(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    at = 0
    while at + 8 <= len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        if size == 1 and at + 16 <= len(data):
            (size,) = struct.unpack_from(">Q", data, at + 8)
        end = at + size if size else len(data)
        yield kind, at, end
        if end <= at:
            return
        at = end


_SVG_STORE = re.compile(rb"<c2pa:manifest[^<>]{0,200}>([A-Za-z0-9+/=\s]*)</c2pa:manifest>")


def _svg(data: bytes) -> Frame | None:
    """Base64 in an element `c2pa:manifest` within `metadata` (C2PA 2.4, A.3.7)."""
    found = _SVG_STORE.search(data)
    if found is None:
        return None
    try:
        store = base64.b64decode(found[1], validate=True)
    except ValueError:
        return None
    return Frame(store, found.start(1), found.end(1), base64.b64encode(store) == found[1])


FINDERS: dict[str, Callable[[bytes], Frame | None]] = {
    "image/png": _png,
    "image/jpeg": _jpeg,
    "image/webp": _riff,
    "image/svg+xml": _svg,
    "audio/wav": _riff,
    "audio/mpeg": _id3,
    "audio/flac": _id3,
    "audio/mp4": _mp4,
    "video/mp4": _mp4,
}
