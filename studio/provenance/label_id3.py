"""Labels in MP3: an ID3v2.4 tag (id3.org, 2000) in front of the audio, written and read here by hand.

The AIGC label stands in a TXXX frame of that description (TC260-PG-202510A), wrapped; the IPTC properties in
TXXX frames of their IPTC names; the licence note in COMM "Licence", its address in WCOP. Frames of others,
such as C2PA's GEOB, are kept; ID3v2.3 tags become 2.4. Not covered: ID3v2.2, ID3v1, frames that an
ID3v2.3 tag holds compressed or encrypted (they are dropped when writing).
"""

from __future__ import annotations

from dataclasses import dataclass

from studio.errors import BadInput
from studio.provenance.label_fields import (
    AI_PROMPT,
    AI_SYSTEM,
    AI_SYSTEM_VERSION,
    AIGC,
    CREATED,
    CREATOR_TOOL,
    CREDIT,
    DIGITAL_SOURCE_TYPE,
    IDENTIFIER,
    MAX_METADATA_BYTES,
    MAX_PIECES,
    RIGHTS,
    SOURCE,
    TITLE,
    WEB_STATEMENT,
    Findings,
    Statement,
    broken,
    decode,
)
from studio.provenance.label_xmp import read_xmp

DESCRIBED = (
    AIGC, DIGITAL_SOURCE_TYPE, AI_SYSTEM, AI_SYSTEM_VERSION, AI_PROMPT, CREATOR_TOOL, IDENTIFIER, SOURCE,
)  # fmt: skip
TEXT_FRAMES = {TITLE: b"TIT2", CREDIT: b"TPUB", CREATED: b"TDRC"}
LICENCE = "Licence"
_NAME_OF = {key: name for name, key in TEXT_FRAMES.items()}
_OUTDATED = (b"TYER", b"TDAT", b"TIME")
MAX_TAG = (1 << 28) - 1
_ENCODINGS = {0: "latin-1", 1: "utf-16", 2: "utf-16-be", 3: "utf-8"}


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame; `body` is plain unless `flags` says otherwise."""

    id: bytes
    body: bytes
    flags: int = 0


def read(data: bytes, found: Findings) -> None:
    start = read_tag(data, found)
    if not _is_mpeg(data, start):
        raise broken("MP3", "there is no MPEG audio after its tag")


def read_tag(data: bytes, found: Findings) -> int:
    """Adds what the ID3v2 tag at the beginning says, if there is one; returns where the audio begins."""
    frames, start = _split(data)
    for frame in frames:
        if frame.flags:
            continue
        if frame.id == b"PRIV" and frame.body.startswith(b"XMP\0"):
            read_xmp(frame.body[4:], found)
        elif frame.id == b"WCOP":
            found.add("ID3", WEB_STATEMENT, decode(frame.body, "latin-1"))
        elif frame.id[:1] == b"T" or frame.id == b"COMM":
            name, text = _text_frame(frame)
            found.add("ID3", name, text)
    return start


def write(data: bytes, statement: Statement) -> bytes:
    frames, start = _split(data)
    if not _is_mpeg(data, start):
        raise broken("MP3", "there is no MPEG audio after its tag")
    ours = [Frame(b"TXXX", _text(name, statement[name])) for name in DESCRIBED if statement.get(name)]
    ours += [Frame(key, _text(statement[name])) for name, key in TEXT_FRAMES.items() if statement.get(name)]
    if note := statement.get(RIGHTS):
        ours.append(Frame(b"COMM", b"\3eng" + _text(LICENCE, note)[1:]))
    if url := statement.get(WEB_STATEMENT):
        ours.append(Frame(b"WCOP", url.encode("latin-1", "replace")))
    taken = {_slot(frame) for frame in ours}
    kept = [
        frame for frame in frames if frame.id not in _OUTDATED and (frame.flags or _slot(frame) not in taken)
    ]
    body = b"".join(
        frame.id + _syncsafe(len(frame.body)) + frame.flags.to_bytes(2, "big") + frame.body
        for frame in ours + kept
    )
    if len(body) > MAX_TAG:
        raise BadInput("The sound's own tag is too large to be labelled; remove its pictures and retry.")
    return b"ID3\4\0\0" + _syncsafe(len(body)) + body + data[start:]


# --- The tag ------------------------------------------------------------------------------------


def _split(data: bytes) -> tuple[list[Frame], int]:
    """The frames of the tag at the beginning, and where what follows it begins."""
    if data[:3] != b"ID3":
        return [], 0
    if len(data) < 10 or max(data[6:10]) > 0x7F:
        raise broken("ID3", "the tag's header is damaged")
    version, flags, end = data[3], data[5], 10 + _unsyncsafe(data[6:10])
    if end > len(data):
        raise broken("ID3", "the tag reaches beyond the end")
    if version not in (3, 4):
        raise BadInput(f"ID3v2.{version} tags cannot be labelled; save the file with an ID3v2.3 or 2.4 tag.")
    body = data[10:end]
    if version == 3 and flags & 0x80:
        body = body.replace(b"\xff\0", b"\xff")
    at = 0
    if flags & 0x40:
        at = _unsyncsafe(body[:4]) if version == 4 else 4 + int.from_bytes(body[:4], "big")
    footer = 10 if version == 4 and flags & 0x10 else 0
    return _frames(body, at, version, bool(flags & 0x80)), end + footer


def _frames(body: bytes, at: int, version: int, unsynchronised: bool) -> list[Frame]:
    frames: list[Frame] = []
    while at + 10 <= len(body) and body[at] and len(frames) < MAX_PIECES:
        id, flags = body[at : at + 4], int.from_bytes(body[at + 8 : at + 10], "big")
        size = (
            _unsyncsafe(body[at + 4 : at + 8])
            if version == 4
            else int.from_bytes(body[at + 4 : at + 8], "big")
        )
        raw = body[at + 10 : at + 10 + size]
        if len(raw) < size or not (id.isalnum() and id.isascii()):
            raise broken("ID3", "a frame is damaged")
        at += 10 + size
        if version == 3:
            # The low byte says compressed, encrypted or grouped, in another way than 2.4 does.
            frames += [] if flags & 0xE0 else [Frame(id, raw)]
        elif flags & 0x4C:
            frames.append(Frame(id, raw, flags))
        else:
            raw = raw[4:] if flags & 0x01 else raw
            frames.append(
                Frame(id, raw.replace(b"\xff\0", b"\xff") if flags & 0x02 or unsynchronised else raw)
            )
    return frames


def _slot(frame: Frame) -> tuple[bytes, str]:
    """What a frame is the one and only of: its id, and its description where it has one."""
    return frame.id, _text_frame(frame)[0].upper() if frame.id in (b"TXXX", b"COMM") else ""


def _text_frame(frame: Frame) -> tuple[str, str]:
    """(name, text) of a text or comment frame."""
    encoding = _ENCODINGS.get(frame.body[0] if frame.body else 3, "latin-1")
    raw = frame.body[4:] if frame.id == b"COMM" else frame.body[1:]
    text = decode(raw[:MAX_METADATA_BYTES], encoding)
    if frame.id not in (b"TXXX", b"COMM"):
        return _NAME_OF.get(frame.id, decode(frame.id, "latin-1")), text
    description, _, value = text.partition("\0")
    known = {name.upper(): name for name in DESCRIBED} | {LICENCE.upper(): RIGHTS}
    return known.get(description.upper(), description or "Comment"), value.lstrip("\ufeff\ufffe")


def _text(*parts: str) -> bytes:
    return b"\3" + b"\0".join(part.replace("\0", " ").encode() for part in parts)


def _syncsafe(number: int) -> bytes:
    return bytes(number >> shift & 0x7F for shift in (21, 14, 7, 0))


def _unsyncsafe(four: bytes) -> int:
    return sum((byte & 0x7F) << shift for byte, shift in zip(four, (21, 14, 7, 0), strict=False))


def _is_mpeg(data: bytes, start: int) -> bool:
    """Whether a valid MPEG audio header follows, after zero padding of at most 64 KiB."""
    start += len(data[start : start + 65_536]) - len(data[start : start + 65_536].lstrip(b"\0"))
    header = int.from_bytes(data[start : start + 4], "big")
    sync, version, layer = header >> 21, header >> 19 & 3, header >> 17 & 3
    return sync == 0x7FF and version != 1 and layer != 0 and header >> 12 & 15 != 15 and header >> 10 & 3 != 3
