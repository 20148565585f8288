"""A script as the stretches that are spoken one after another: sentences, pauses, and what fits the model.

`sentences` splits normalised text; `fit` cuts a sentence's phonemes to what the model takes, at the best
place there is: after punctuation, else between words.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from studio.engines.speech_markup import is_mark
from studio.engines.speech_units import words

# Kokoro takes 510 symbols; long ones blur at their end, so pieces stay well below.
MOST_PHONEMES = 220
# About three seconds of speech: what two processor cores make within a second.
FIRST_PHONEMES = 48


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence of normalised text. `ends_paragraph` asks for the longer pause after it, and `pause`,
    in seconds, for its own; voice and speed are those of its passage."""

    text: str
    ends_paragraph: bool = False
    voice: str = ""
    speed: float = 1.0
    pause: float | None = None


@dataclass(frozen=True, slots=True)
class Piece:
    """One call of the model: `phonemes`, and the silence in seconds that follows."""

    phonemes: str
    voice: str
    speed: float
    pause: float


_END = re.compile(r"(?<=[.!?…。！？])[\"”’')\]」』）]*(?:\s+|(?<=[。！？」』）]))")
_NAME_BEFORE = re.compile(r"(?:^|[\s(“\"])(?:[A-Z][a-z]* )*[A-Z]\.$")
_OPENERS = words(
    """
    The A An It We He She They You I This That These Those In On At But And So If When My Our
    """
)


def sentences(text: str) -> list[Sentence]:
    """Split at full stops, question and exclamation marks, and at paragraphs; initials do not end one."""
    found: list[Sentence] = []
    for paragraph in re.split(r"\n\s*\n", text):
        parts = [part for line in _lines(paragraph) for part in _split_line(line)]
        found += [Sentence(part, ends_paragraph=place == len(parts) - 1) for place, part in enumerate(parts)]
    return found


def _lines(paragraph: str) -> list[str]:
    """The lines of a list or poem each by itself; a soft-wrapped text as one."""
    lines = [line.strip() for line in paragraph.split("\n") if line.strip()]
    joined: list[str] = []
    for line in lines:
        wrapped = (
            joined
            and not re.search(r"[.!?…:;。！？]$", joined[-1])
            and (len(joined[-1]) > 55 or line[0].islower())
        )
        joined[-1:] = [f"{joined[-1]} {line}"] if wrapped else [*joined[-1:], line]
    return joined


def _split_line(line: str) -> list[str]:
    parts, start = [], 0
    for match in _END.finditer(line):
        after = line[match.end() : match.end() + 1]
        head = line[start : match.start()]
        if after.islower() or (
            _NAME_BEFORE.search(head[-40:]) and _first_word(line, match.end()) not in _OPENERS
        ):
            continue
        parts.append(line[start : match.end()].strip())
        start = match.end()
    parts.append(line[start:].strip())
    return [part for part in parts if any(c.isalnum() or is_mark(c) for c in part)]


def _first_word(line: str, start: int) -> str:
    match = re.match(r"\w+", line[start : start + 20])
    return match[0] if match else ""


def fit(phonemes: str, limit: int = MOST_PHONEMES) -> list[str]:
    """`phonemes` in parts of at most `limit` symbols. A single longer word is cut where it must be."""
    parts: list[str] = []
    while len(phonemes) > limit:
        cut = _best_cut(phonemes, limit)
        parts.append(phonemes[:cut].strip())
        phonemes = phonemes[cut:].strip()
    return [part for part in [*parts, phonemes] if part]


def first_part(phonemes: str, limit: int = FIRST_PHONEMES) -> list[str]:
    """The phonemes of the opening sentence, parted so that its beginning is spoken soon.

    It is parted at its last comma, semicolon or dash within `limit`, else at its first one within twice
    that, else not at all: a break without a mark would be heard as a mistake.
    """
    if len(phonemes) <= limit * 5 // 4:
        return [phonemes]
    marks = [m.end() for m in re.finditer(r"[,;:—]\s", phonemes[: 2 * limit]) if m.end() > 8]
    early = [cut for cut in marks if cut <= limit]
    if not marks:
        return [phonemes]
    cut = early[-1] if early else marks[0]
    return [phonemes[:cut].strip(), phonemes[cut:].strip()]


def _best_cut(phonemes: str, limit: int) -> int:
    head = phonemes[:limit]
    for marks in (r"[.!?…]\s", r"[;:—]\s", r",\s", r"\s"):
        cuts = [m.end() for m in re.finditer(marks, head) if m.end() > limit // 3]
        if cuts:
            return cuts[-1]
    return limit
