"""Labels in FLAC (RFC 9639): Vorbis comments, the AIGC label under the key `AIGC` (TC260-PG-202510A), wrapped.

COPYRIGHT holds the licence note and LICENSE its address. An ID3 tag in front of the stream, where some
tools (and C2PA) put one, is read and kept. Ogg files (Vorbis, Opus) hold the same comments and are read.
"""

from __future__ import annotations

from collections.abc import Iterator

from studio.errors import BadInput
from studio.provenance.label_fields import (
    CREATED,
    CREATOR_TOOL,
    CREDIT,
    MAX_METADATA_BYTES,
    MAX_PIECES,
    NAMES,
    RIGHTS,
    WEB_STATEMENT,
    Findings,
    Statement,
    broken,
    decode,
)
from studio.provenance.label_id3 import read_tag

KEYS = {name: name.upper() for name in NAMES} | {
    RIGHTS: "COPYRIGHT", WEB_STATEMENT: "LICENSE", CREATOR_TOOL: "ENCODER", CREDIT: "ORGANIZATION", CREATED: "DATE"
}  # fmt: skip
_NAME_OF = {key: name for name, key in KEYS.items()}
_STREAMINFO, _COMMENT = 0, 4
_MAX_BLOCK = (1 << 24) - 1


def read(data: bytes, found: Findings) -> None:
    for kind, start, end in _blocks(data, read_tag(data, found)):
        if kind == _COMMENT:
            read_comments(data[start:end], found)


def write(data: bytes, statement: Statement) -> bytes:
    begin = read_tag(data, Findings())
    pieces: list[tuple[int, bytes]] = []
    vendor, kept = b"Signet", list[bytes]()
    audio = begin
    for kind, start, end in _blocks(data, begin):
        audio = end
        if kind == _COMMENT:
            vendor, kept = _comments(data[start:end])
        else:
            pieces.append((kind, data[start:end]))
    ours = {KEYS[name]: text for name, text in statement.items() if text}
    kept = [one for one in kept if decode(one.partition(b"=")[0]).upper() not in ours]
    said = [f"{key}={text}".encode() for key, text in ours.items()]
    pieces.insert(1, (_COMMENT, _packed(vendor, said + kept)))
    if len(pieces[1][1]) > _MAX_BLOCK:
        raise BadInput("The sound's own comments are too large to be labelled; shorten them and retry.")
    headers = [
        bytes([kind | (0x80 if number == len(pieces) - 1 else 0)]) + len(body).to_bytes(3, "big") + body
        for number, (kind, body) in enumerate(pieces)
    ]
    return data[: begin + 4] + b"".join(headers) + data[audio:]


def read_ogg(data: bytes, found: Findings) -> None:
    """The comment header is the second packet of the first stream (RFC 3533, RFC 7845)."""
    packets: list[bytes] = [b""]
    at = 0
    for _ in range(MAX_PIECES):
        if len(packets) > 2 or len(packets[-1]) > MAX_METADATA_BYTES:
            break
        if data[at : at + 4] != b"OggS" or at + 27 > len(data):
            raise broken("Ogg", "a page is missing")
        lacing = data[at + 27 : at + 27 + data[at + 26]]
        at += 27 + len(lacing)
        for size in lacing:
            packets[-1] += data[at : at + size]
            at += size
            if size < 255:
                packets.append(b"")
    for head in (b"OpusTags", b"\x03vorbis"):
        if len(packets) > 1 and packets[1].startswith(head):
            read_comments(packets[1][len(head) :], found)


def read_comments(block: bytes, found: Findings) -> None:
    try:
        _vendor, entries = _comments(block)
    except BadInput as error:
        found.problem(str(error))
        return
    for entry in entries:
        key, _, value = entry.partition(b"=")
        name = decode(key[:200]).upper()
        found.add("Vorbis comment", _NAME_OF.get(name, name), decode(value))


def _blocks(data: bytes, at: int) -> Iterator[tuple[int, int, int]]:
    """(type, start, end) of each metadata block's body; raises BadInput where the chain breaks."""
    if data[at : at + 4] != b"fLaC":
        raise broken("FLAC", "it does not begin like one")
    at += 4
    for number in range(MAX_PIECES):
        kind, length = data[at] if at < len(data) else 0xFF, int.from_bytes(data[at + 1 : at + 4], "big")
        start, end = at + 4, at + 4 + length
        if end > len(data) or (number == 0 and (kind & 0x7F, length) != (_STREAMINFO, 34)):
            raise broken("FLAC", "a metadata block is damaged")
        yield kind & 0x7F, start, end
        if kind & 0x80:
            return
        at = end
    raise broken("FLAC", "it has too many blocks")


def _comments(block: bytes) -> tuple[bytes, list[bytes]]:
    """(vendor, entries) of a Vorbis comment; raises BadInput if the lengths do not fit."""

    def piece(at: int) -> tuple[bytes, int]:
        size = int.from_bytes(block[at : at + 4], "little")
        if at + 4 + size > len(block):
            raise broken("FLAC", "its comments are damaged")
        return block[at + 4 : at + 4 + size], at + 4 + size

    vendor, at = piece(0)
    count = int.from_bytes(block[at : at + 4], "little")
    entries, at = list[bytes](), at + 4
    if count > min(MAX_PIECES, len(block)):
        raise broken("FLAC", "it says that it has too many comments")
    for _ in range(count):
        entry, at = piece(at)
        entries.append(entry)
    return vendor, entries


def _packed(vendor: bytes, entries: list[bytes]) -> bytes:
    parts = [vendor, *entries]
    lengths = [len(part).to_bytes(4, "little") + part for part in parts]
    return lengths[0] + len(entries).to_bytes(4, "little") + b"".join(lengths[1:])
