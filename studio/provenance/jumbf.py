"""A strict reader of C2PA manifest stores (JUMBF, ISO 19566-5; COSE_Sign1, RFC 9052).

Why it exists: the signature covers claims and assertions, but neither the padding of the signature box
nor the descriptions of the outer boxes, and the C2PA library lets changes there pass. `loose` finds them,
so that "unchanged" may be said of every byte. It judges stores this studio wrote; a valid store of another
tool may look different in places.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

TAIL = bytes.fromhex("0011001080000 0aa00389b71".replace(" ", ""))  # shared end of all JUMBF type UUIDs
MAX_BOXES, MAX_DEPTH = 20_000, 12
# Headers that may stand beside a signature unsigned (C2PA 2.4, 13.2): room, time-stamps, revocation.
PADS = (b"pad", b"pad2")
UNSIGNED = (*PADS, b"sigTst", b"sigTst2", b"rVals")


class Malformed(Exception):
    """What is wrong with the store, in a few words."""


@dataclass(frozen=True, slots=True)
class Box:
    """One box: its type, where it starts and ends, and where its content starts."""

    type: bytes
    start: int
    content: int
    end: int


def boxes(data: bytes, start: int, end: int) -> Iterator[Box]:
    """The boxes side by side in data[start:end]; raises Malformed unless they fill it exactly."""
    while start < end:
        if end - start < 8:
            raise Malformed("a box is cut short")
        size, kind = struct.unpack_from(">I4s", data, start)
        content = start + 8
        if size == 1 and end - start >= 16:
            (size,) = struct.unpack_from(">Q", data, content)
            content += 8
        if size < content - start or size > end - start:
            raise Malformed("a box is longer than the box around it")
        yield Box(kind, start, content, start + size)
        start += size


def loose(store: bytes) -> str | None:
    """What in the store is not as this studio's signer writes it although no signature covers it."""
    try:
        count = _check(store, _one(store, 0, len(store)), b"c2pa", 0)
    except (Malformed, IndexError, struct.error) as problem:
        return str(problem) or "it is cut short"
    return None if count <= MAX_BOXES else "it has too many boxes"


def soiled(store: bytes) -> bool:
    """Whether the padding of the active signature, of whatever tool, holds anything; False if it cannot be found."""
    try:
        _, first, last = _unprotected(store, _signature(store)[-1])
        return any(key in PADS and _holds_something(key, pair) for key, pair in _pairs(store, first, last))
    except (Malformed, IndexError, struct.error):
        return False


def without_padding(store: bytes) -> bytes:
    """The same store without the unsigned padding of its active signature, for text, where bytes are dear.

    Raises Malformed if the store is not as the library writes it.
    """
    path = _signature(store)
    start, first, last = _unprotected(store, path[-1])
    kept = [pair for key, pair in _pairs(store, first, last) if key not in PADS]
    head = bytes([0xA0 | len(kept)])
    replaced = head + b"".join(kept)
    out = bytearray(store[:start] + replaced + store[last:])
    for box in path:
        struct.pack_into(">I", out, box.start, box.end - box.start - (last - start - len(replaced)))
    return bytes(out)


# --- Boxes --------------------------------------------------------------------------------------


def _one(store: bytes, start: int, end: int) -> Box:
    found = list(boxes(store, start, end))
    if len(found) != 1 or found[0].type != b"jumb":
        raise Malformed("it is not one box")
    return found[0]


def _check(store: bytes, box: Box, expected: bytes | None, depth: int) -> int:
    """Walk one superbox; `expected` is its type. Returns the number of boxes in it."""
    if depth > MAX_DEPTH:
        raise Malformed("its boxes are nested too deeply")
    children = list(boxes(store, box.content, box.end))
    if not children or children[0].type != b"jumd":
        raise Malformed("a box has no description")
    kind, label = _description(store, children[0])
    if expected is not None and kind != expected:
        raise Malformed("a box is not of the type its place calls for")
    if kind == b"c2cs":
        _check_padding(store, children[1])
    nested = [child for child in children[1:] if child.type == b"jumb"]
    if kind != b"c2pa":
        return len(children) + sum(_check(store, child, None, depth + 1) for child in nested)
    if label != b"c2pa" or not nested:
        raise Malformed("it is not a store of manifests")
    # The last manifest is the active one; those before it are ingredients, perhaps by other tools.
    return len(children) + _check(store, nested[-1], b"c2ma", depth + 1)


def _description(store: bytes, box: Box) -> tuple[bytes, bytes]:
    """(type, label) of a description box that is written in the one way our signer writes it."""
    kind, tail = store[box.content : box.content + 4], store[box.content + 4 : box.content + 16]
    toggles, rest = store[box.content + 16], store[box.content + 17 : box.end]
    label, _, after = rest.partition(b"\0")
    salt = toggles == 0x13 and after[4:8] == b"c2sh" and int.from_bytes(after[:4], "big") == len(after)
    plain = toggles == 0x03 and not after
    if kind.isalnum() and tail == TAIL and (salt or plain) and label.isascii():
        return kind, label
    if kind == b"\x40\xcb\x0c\x32" and toggles in (0x03, 0x13):  # embedded file (ISO 19566-5, B.?)
        return kind, label
    raise Malformed("the description of a box was changed")


def _signature(store: bytes) -> list[Box]:
    """The boxes from the store down to the content of the active manifest's signature."""
    top = _one(store, 0, len(store))
    manifests = [box for box in boxes(store, top.content, top.end) if box.type == b"jumb"]
    if not manifests:
        raise Malformed("it holds no manifest")
    for box in boxes(store, manifests[-1].content, manifests[-1].end):
        if box.type == b"jumb":
            inside = list(boxes(store, box.content, box.end))
            if store[inside[0].content : inside[0].content + 4] == b"c2cs":
                return [top, manifests[-1], box, inside[1]]
    raise Malformed("it holds no signature")


# --- The signature's CBOR -----------------------------------------------------------------------


def _check_padding(store: bytes, box: Box) -> None:
    _, first, last = _unprotected(store, box)
    for key, pair in _pairs(store, first, last):
        if key not in UNSIGNED:
            raise Malformed("the signature has an unknown header")
        if key in PADS and _holds_something(key, pair):
            raise Malformed("the padding of the signature was changed")
    if store[last] != 0xF6 or _skip(store, last + 1) != box.end:  # no payload, then the signature itself
        raise Malformed("the signature is not detached")


def _holds_something(key: bytes, pair: bytes) -> bool:
    """Whether padding is anything but a byte string of zeros (C2PA 2.4, 13.2)."""
    major, _, content = _head(pair, 1 + len(key))
    return major != 2 or bool(pair[content:].strip(b"\0"))


def _unprotected(store: bytes, box: Box) -> tuple[int, int, int]:
    """(start, first key, end) of the unprotected header in a COSE_Sign1."""
    at = box.content + (1 if store[box.content] == 0xD2 else 0)
    if store[at] != 0x84:
        raise Malformed("its signature is not COSE_Sign1")
    start = _skip(store, at + 1)
    major, count, first = _head(store, start)
    if major != 5:
        raise Malformed("its signature has no header")
    end = first
    for _ in range(2 * count):
        end = _skip(store, end)
    return start, first, end


def _pairs(store: bytes, at: int, end: int) -> Iterator[tuple[bytes, bytes]]:
    """(key, key and value as they stand) of a CBOR map's content; a key that is no text reads as b""."""
    while at < end:
        major, size, text = _head(store, at)
        after_key = _skip(store, at)
        after = _skip(store, after_key)
        yield (store[text : text + size] if major == 3 else b""), store[at:after]
        at = after


def _head(data: bytes, at: int) -> tuple[int, int, int]:
    """(major type, argument, next offset) of the CBOR item at `at` (RFC 8949, 3)."""
    major, info = data[at] >> 5, data[at] & 0x1F
    if info < 24:
        return major, info, at + 1
    if info > 27:
        raise Malformed("its CBOR is of indefinite length")
    width = 1 << (info - 24)
    if at + 1 + width > len(data):
        raise Malformed("its CBOR is cut short")
    return major, int.from_bytes(data[at + 1 : at + 1 + width], "big"), at + 1 + width


def _skip(data: bytes, at: int, depth: int = 0) -> int:
    """The offset after the CBOR item at `at`."""
    if depth > MAX_DEPTH or at >= len(data):
        raise Malformed("its CBOR is cut short or too deep")
    major, argument, at = _head(data, at)
    if major in (2, 3):
        at += argument
    elif major in (4, 5, 6):
        items = {4: argument, 5: 2 * argument, 6: 1}[major]
        if items > len(data):
            raise Malformed("its CBOR is cut short")
        for _ in range(items):
            at = _skip(data, at, depth + 1)
    if at > len(data):
        raise Malformed("its CBOR is cut short")
    return at
