"""Timed words to captions: where a caption ends, how it breaks into lines, SubRip and WebVTT.

A word keeps the white space it was written with, so that joining works in every script. The measures are
those of broadcast subtitling (Netflix Timed Text Style Guide; BBC Subtitle Guidelines): two lines of 42
characters (half of that in Chinese, Japanese and Korean), 7 seconds at most, 5/6 of a second at least.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher

from studio.errors import BadInput

LINE = 42
WIDE_LINE = 21
LONGEST, SHORTEST = 7.0, 5 / 6  # seconds
PAUSE = 0.7  # a silence this long ends a caption
PARAGRAPH = 1.2  # and this one a paragraph
LEAST_ALIKE = 0.5

_WIDE = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af"
_WORD = re.compile(rf"\s*(?:[{_WIDE}][^\w\s]*|[^\s{_WIDE}]+)")
_SENTENCE_END = re.compile(r"[.!?…。！？][\"'”’)\]」』]*$")
_CLAUSE_END = re.compile(r"[,;:、，；：–—][\"'”’)\]」』]*$")


@dataclass(frozen=True, slots=True)
class Word:
    """`text` as written, with the white space before it; `start` and `end` in seconds."""

    start: float
    end: float
    text: str


@dataclass(frozen=True, slots=True)
class Cue:
    start: float
    end: float
    lines: tuple[str, ...]


def cues(words: Sequence[Word]) -> list[Cue]:
    """Captions in order that do not overlap; a caption ends at a sentence, a pause, or when it is full."""
    found: list[Cue] = []
    for group in _groups(words):
        text = _joined(group)
        found.append(Cue(group[0].start, group[-1].end, _lines(text)))
    for place, cue in enumerate(found):  # a short one stays long enough to be read, if there is room
        room = found[place + 1].start if place + 1 < len(found) else float("inf")
        found[place] = replace(cue, end=min(max(cue.end, cue.start + SHORTEST), max(room, cue.end)))
    return found


def srt(captions: Sequence[Cue]) -> str:
    """SubRip. It knows no escapes, and players take `<…>` for tags, so those signs are replaced."""
    signs = str.maketrans("<>", "‹›")
    blocks = (
        f"{number}\n{_stamp(cue.start, ',')} --> {_stamp(cue.end, ',')}\n"
        + "\n".join(line.translate(signs) for line in cue.lines)
        for number, cue in enumerate(captions, 1)
    )
    return "\n\n".join(blocks) + "\n"


def vtt(captions: Sequence[Cue]) -> str:
    """WebVTT (W3C, 2019)."""
    escapes = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})
    blocks = (
        f"{_stamp(cue.start, '.')} --> {_stamp(cue.end, '.')}\n"
        + "\n".join(line.translate(escapes) for line in cue.lines)
        for cue in captions
    )
    return "\n\n".join(["WEBVTT", *blocks]) + "\n"


def paragraphs(words: Sequence[Word]) -> str:
    """Running text; a long silence begins a new paragraph."""
    parts: list[list[Word]] = []
    for word in words:
        if not parts or word.start - parts[-1][-1].end >= PARAGRAPH:
            parts.append([])
        parts[-1].append(word)
    return "\n\n".join(_joined(part) for part in parts)


def align(script: str, heard: Sequence[Word]) -> list[Word]:
    """The words of `script` with the times at which `heard` has them; between, time is shared by length.

    Raises BadInput if fewer than LEAST_ALIKE of the script's words were heard: it is another text.
    """
    written = [match.group() for match in _WORD.finditer(script) if _bare(match.group())]
    said = [Word(word.start, word.end, part) for word in heard for part in _WORD.findall(word.text)]
    blocks = SequenceMatcher(
        None, [_bare(word) for word in written], [_bare(word.text) for word in said], autojunk=False
    ).get_matching_blocks()
    if not written or sum(block.size for block in blocks) < LEAST_ALIKE * len(written):
        raise BadInput(
            "These are not the words of the recording; leave the script empty or give the right one."
        )
    timed: list[Word] = []
    at = 0
    for block in blocks:
        after = said[block.b].start if block.b < len(said) else said[-1].end
        timed += _spread(written[at : block.a], timed[-1].end if timed else min(said[0].start, after), after)
        for offset in range(block.size):
            word = said[block.b + offset]
            timed.append(Word(word.start, word.end, written[block.a + offset]))
        at = block.a + block.size
    return timed


def _spread(texts: Sequence[str], start: float, end: float) -> Iterator[Word]:
    """Words between two known times."""
    total = sum(len(text) for text in texts)
    for text in texts:
        own = (end - start) * len(text) / total if end > start else 0.0
        total -= len(text)
        yield Word(start, start + own, text)
        start += own


def _groups(words: Sequence[Word]) -> Iterator[Sequence[Word]]:
    """Sentences and what stands between silences, each in as few captions as it fits in."""
    start = 0
    for place, word in enumerate(words):
        last = place + 1 == len(words)
        if last or _SENTENCE_END.search(word.text) or words[place + 1].start - word.end >= PAUSE:
            yield from _fitting(words[start : place + 1])
            start = place + 1


def _fitting(group: Sequence[Word]) -> Iterator[Sequence[Word]]:
    """Halves of a stretch that is too much for one caption, and halves of those; rather at a comma."""
    text = _joined(group)
    fits = len(_lines(text)) <= 2 and group[-1].end - group[0].start <= LONGEST
    if fits or len(group) == 1:
        yield group
        return
    length, done, costs = sum(len(word.text) for word in group), 0, []
    for place, word in enumerate(group[:-1], 1):
        done += len(word.text)
        lopsided = abs(2 * done - length) / length
        costs.append((lopsided * (0.4 if _CLAUSE_END.search(word.text) else 1.0), place))
    cut = min(costs)[1]
    yield from _fitting(group[:cut])
    yield from _fitting(group[cut:])


def _joined(words: Sequence[Word]) -> str:
    return " ".join("".join(word.text for word in words).split())


def _lines(text: str) -> tuple[str, ...]:
    """`text` in lines of nearly the same length, each within what a line holds."""
    wide = sum(unicodedata.east_asian_width(char) in "WF" for char in text) > len(text) / 2
    most = WIDE_LINE if wide else LINE
    if len(text) <= most:
        return (text,)
    count = -(-len(text) // most)
    while True:
        lines = _fill(text, max(most if count > 2 else -(-len(text) // count), 1), most)
        if len(lines) <= count or count > len(text):
            return tuple(lines)
        count += 1


def _fill(text: str, wanted: int, most: int) -> list[str]:
    """Greedy lines of about `wanted` characters and at most `most`; a longer word is cut."""
    lines = [""]
    for part in _WORD.findall(text):
        grown = (lines[-1] + part).strip()
        if lines[-1] and (len(grown) > most or len(lines[-1]) >= wanted):
            lines.append("")
            grown = part.strip()
        while len(grown) > most:
            lines[-1], grown = grown[:most], grown[most:]
            lines.append("")
        lines[-1] = grown
    return lines


def _bare(word: str) -> str:
    """What is compared: letters and digits, without case and accents."""
    plain = unicodedata.normalize("NFKD", word.casefold())
    return "".join(char for char in plain if char.isalnum())


def _stamp(seconds: float, mark: str) -> str:
    whole = round(1000 * max(seconds, 0.0))
    minutes, milliseconds = divmod(whole, 60_000)
    return f"{minutes // 60:02}:{minutes % 60:02}:{milliseconds // 1000:02}{mark}{milliseconds % 1000:03}"
