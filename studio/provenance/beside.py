"""What was given, decoded for showing, and how it differs from the original that was recovered.

Foreign files are decoded under the bounds of `content`; one that cannot be decoded simply shows nothing.
"""

from __future__ import annotations

import difflib
import io
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from studio.errors import BadInput
from studio.provenance import armour
from studio.provenance.content import content, kinds_of
from studio.provenance.encode import sniff
from studio.types import Sound

MOST_PIXELS, MOST_SECONDS = 4_000_000, 3600
THUMB, WAVE = 480, 160
MOST_WORDS = 1_500
"""Words of each text that are compared; beyond, comparing takes too long."""
Piece = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Given:
    """What can be shown of a file: its words, its length in seconds and its loudest moments, or a small JPEG (of a film its first frame).

    `wave` are peaks from 0 to 1, evenly over the recording; `facts` are (name, value)."""

    text: str | None = None
    seconds: float | None = None
    thumb: bytes | None = None
    wave: tuple[float, ...] = ()
    facts: tuple[tuple[str, str], ...] = ()


def look(path: Path, most_bytes: int) -> Given:
    """What can be shown of a file; empty if it cannot be read."""
    try:
        with path.open("rb") as file:
            data = file.read(most_bytes + 1)
    except (OSError, ValueError):
        return Given()
    return _look(data, sniff(data)) if len(data) <= most_bytes else Given()


def look_at_text(text: str) -> Given:
    """The same for pasted text, read as `Verifier.verify_text` reads it."""
    data = text.encode("utf-8", "replace")
    found = sniff(data)
    return _look(data, found if found in armour.TEXT_TYPES else "text/plain")


def _look(data: bytes, media_type: str | None) -> Given:
    if media_type is None or not kinds_of(media_type):
        return Given(facts=_facts(data, media_type))
    try:
        shown = content(data, media_type, most_pixels=MOST_PIXELS, most_seconds=MOST_SECONDS)
    except BadInput:
        return Given(facts=_facts(data, media_type))
    if isinstance(shown, str):
        return Given(text=shown, facts=_facts(data, media_type, ("Words", f"{len(shown.split()):,}")))
    if isinstance(shown, Sound):
        seconds = len(shown.samples) / shown.sample_rate
        channels = {1: "mono", 2: "stereo"}.get(shown.samples.shape[1], f"{shown.samples.shape[1]} channels")
        length = ("Length", f"{seconds:.2f} s"), ("Sound", f"{shown.sample_rate:,} Hz, {channels}")
        return Given(seconds=seconds, wave=_wave(shown), facts=_facts(data, media_type, *length))
    if isinstance(shown, list):
        height, width = shown[0].shape[:2]
        pixels = ("Pixels", f"{width} × {height}")
        return Given(thumb=_thumb(shown[0]), facts=_facts(data, media_type, pixels))
    return Given(thumb=_thumb(shown), facts=_facts(data, media_type, *_size(data)))


def _facts(data: bytes, media_type: str | None, *more: tuple[str, str]) -> tuple[tuple[str, str], ...]:
    return (("Type", media_type or "unknown"), ("Size", f"{len(data):,} bytes"), *more)


def _size(data: bytes) -> tuple[tuple[str, str], ...]:
    from PIL import Image

    with Image.open(io.BytesIO(data)) as picture:
        return (("Pixels", f"{picture.width} × {picture.height}"),)


def _wave(sound: Sound) -> tuple[float, ...]:
    import numpy as np

    loudest = np.abs(sound.samples).max(axis=1)
    pieces = np.array_split(loudest, min(WAVE, max(1, len(loudest))))
    return tuple(float(min(1.0, piece.max())) if len(piece) else 0.0 for piece in pieces)


def _thumb(pixels: Any) -> bytes:
    from PIL import Image

    picture = Image.fromarray(pixels)
    picture.thumbnail((THUMB, THUMB))
    if picture.mode == "RGBA":
        picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)
    out = io.BytesIO()
    picture.convert("RGB").save(out, "JPEG", quality=80)
    return out.getvalue()


def differences(original: Given, given: Given) -> tuple[tuple[str, str, str], ...]:
    """(name, original, given) of every fact that is not the same in both."""
    before, after = dict(original.facts), dict(given.facts)
    names = [name for name, _ in original.facts if name in after]
    return tuple((name, before[name], after[name]) for name in names if before[name] != after[name])


def words_changed(original: str, given: str) -> tuple[Piece, ...]:
    """The given text in pieces: ("same" | "added" | "removed", words); what was removed stands in its place."""
    before, after = (re.findall(r"\s+|\S+", text)[: 2 * MOST_WORDS] for text in (original, given))
    pieces: list[Piece] = []
    matcher = difflib.SequenceMatcher(None, before, after, autojunk=True)
    for kind, a, b, c, d in matcher.get_opcodes():
        if kind == "equal":
            pieces.append(("same", "".join(after[c:d])))
            continue
        pieces += [
            (name, "".join(part)) for name, part in (("removed", before[a:b]), ("added", after[c:d])) if part
        ]
    return tuple(pieces)
