"""Reads tunes in ABC notation (standard 2.1) as far as old single-voice tune books use it.

Kept: metre, key and mode, pitches, lengths, broken rhythm, tuplets, ties, repeats (their last time).
Left out: graces, ornaments, words, bowings, chord symbols; of a chord the highest note is kept. What cannot
be read so that every bar is full is refused: `read_tune` raises `Unreadable` with the reason.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction

from studio.nets.tune_tokens import DURATIONS, METRES, MOST_BARS, MOST_PARTS, STYLES, TICKS, Note, Part, Tune

STEPS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
_SHARPS, _FLATS = "FCGDAEB", "BEADGCF"
_MODES = {"": "major", "maj": "major", "ion": "major", "m": "minor", "min": "minor", "aeo": "minor",
          "dor": "dorian", "mix": "mixolydian"}  # fmt: skip
DEGREE = {"major": 0, "minor": 9, "dorian": 2, "mixolydian": 7}
_BARLINE = re.compile(r":+\||\|:+|::+|\|\||\|\]|\[\||\|")
_NOTE = re.compile(r"(\^\^|\^|__|_|=)?([A-Ga-g])([,']*)(\d*/*\d*)")
_LENGTH = re.compile(r"(\d*)(/*)(\d*)")


class Unreadable(ValueError):
    """A tune that is left out of the data; the message says why."""


@dataclass
class _Reading:
    """State of one pass over a tune's body. `bars` belong to the running part, `bar` to the running bar."""

    unit: Fraction
    bar_ticks: int
    signature: dict[str, int]
    tonic: int
    parts: list[list[list[Note]]] = field(default_factory=list)
    bars: list[list[Note]] = field(default_factory=list)
    bar: list[Note] = field(default_factory=list)
    accidentals: dict[tuple[str, str], int] = field(default_factory=dict)
    tuplet: list[Fraction] = field(default_factory=list)
    broken: Fraction = Fraction(1)
    tied: bool = False
    volta_at: int | None = None
    first_time: bool = False


def read_book(text: str) -> Iterator[tuple[str, str]]:
    """(title, source) of each tune in an ABC file."""
    for block in re.split(r"(?m)^(?=X: *\d)", text.replace("\r\n", "\n").replace("\r", "\n")):
        title = re.search(r"(?m)^T: *(.+)$", block)
        if block.startswith("X:") and title:
            yield title[1].strip(), block


def read_tune(source: str) -> Tune:
    fields, body = _split(source)
    metre = {"C": "4/4", "C|": "4/4"}.get(fields.get("M", ""), fields.get("M", ""))
    if metre not in METRES:
        raise Unreadable(f"metre {metre!r}")
    tonic, mode, signature = read_key(fields.get("K", ""))
    top, bottom = map(int, metre.split("/"))
    unit = Fraction(fields["L"]) if re.fullmatch(r"1/[1-9]\d{0,2}", fields.get("L", "")) else Fraction(1, 8)
    if "L" not in fields and Fraction(top, bottom) < Fraction(3, 4):
        unit = Fraction(1, 16)
    reading = _Reading(unit, METRES[metre], signature, tonic)
    _read_body(reading, body)
    parts = [part for bars in reading.parts for part in _parts(bars, METRES[metre])]
    if not parts:
        raise Unreadable("no bar of notes")
    return Tune(metre, mode, _style(fields, metre), tuple(parts[:MOST_PARTS]))


# --- Head ---------------------------------------------------------------------------------------


def _split(source: str) -> tuple[dict[str, str], str]:
    fields: dict[str, str] = {}
    body: list[str] = []
    for line in source.split("\n"):
        line = re.sub(r"%.*", "", line).rstrip()
        if re.match(r"[A-Za-z]:", line) and not line.startswith("|:"):
            name, value = line[0], line[2:].strip()
            if body and name in "MKLV":
                raise Unreadable("changes key, metre or voice on the way")
            if not body:
                fields[name] = f"{fields[name]} {value}" if name in "TNRG" and name in fields else value
        elif line.strip() and "K" in fields:
            body.append(line.strip().rstrip("\\"))
    return fields, " ".join(body)


def read_key(text: str) -> tuple[int, str, dict[str, int]]:
    """(tonic as MIDI pitch 60–71, mode, accidental of each letter)."""
    match = re.fullmatch(r"([A-G])([#b]?) *([A-Za-z]*)(.*)", text)
    mode = _MODES.get(
        match[3].lower() if match and match[3] == "m" else match[3].lower()[:3] if match else "?"
    )
    if not match or mode is None or match[4].strip():
        raise Unreadable(f"key {text!r}")
    tonic = (STEPS[match[1]] + {"#": 1, "b": -1, "": 0}[match[2]]) % 12
    major = (tonic - DEGREE[mode]) % 12
    count = major * 7 % 12  # fifths above C
    signature = dict.fromkeys("CDEFGAB", 0)
    if count <= 6:
        signature.update(dict.fromkeys(_SHARPS[:count], 1))
    else:
        signature.update(dict.fromkeys(_FLATS[: 12 - count], -1))
    return 60 + tonic, mode, signature


_WORDS = (
    ("slip jig", r"slip ?jig"), ("jig", r"jig|slide"), ("strathspey", r"strathspey|fling|schott"),
    ("hornpipe", r"hornpipe|clog|dance"), ("reel", r"reel|breakdown"), ("march", r"march|quick ?step|troop|gathering"),
    ("waltz", r"waltz|minuet|mazurka"), ("air", r"air|slow|moderate|tender|plaintive|lament|lullaby|andant|largo|pathetic"),
)  # fmt: skip


def _style(fields: dict[str, str], metre: str) -> str:
    if fields.get("R") in STYLES:
        return fields["R"]
    for text in (
        fields.get("R", ""),
        fields.get("G", ""),
        fields.get("T", ""),
        fields.get("N", ""),
        fields.get("Q", ""),
    ):
        for style, words in _WORDS:
            if re.search(rf"\b({words})", text.lower()):
                return style
    if "Minstrelsy" in fields.get("S", ""):
        return "song"
    return {"9/8": "slip jig", "6/8": "jig"}.get(metre, "tune")


# --- Body ---------------------------------------------------------------------------------------


def _read_body(state: _Reading, body: str) -> None:
    body = re.sub(r'"[^"]*"|![^!]*!|\+[^+ ]*\+|\{[^}]*\}|\[P:[^]]*\]|[`y]', "", body)
    if "&" in body or re.search(r"\[[A-Z]:|Z", body):
        raise Unreadable("several voices or inline changes")
    at = 0
    while at < len(body):
        at = _read_one(state, body, at)
    _close_part(state)


def _read_one(state: _Reading, body: str, at: int) -> int:
    """Take what stands at `at`; the place after it."""
    if match := re.compile(r"\[([12])|(?<=[|:]) *([12])(?=[^/\d])").match(body, at):
        _volta(state, int(match[1] or match[2]))
    elif match := _BARLINE.match(body, at):
        _barline(state, match[0], body[match.end() :].lstrip()[:2])
    elif match := re.compile(r"\((\d)(?::(\d?))?(?::(\d?))?").match(body, at):
        _tuplet(state, *(int(n) if n else 0 for n in match.groups()))
    elif match := re.compile(r"\[([^\]|:]+)\](\d*/*\d*)").match(body, at):
        notes = list(_NOTE.finditer(match[1]))
        if not notes:
            raise Unreadable(f"chord {match[0]!r}")
        top = max(notes, key=lambda note: _pitch(state, note))
        _add(state, _pitch(state, top), _length(top[4]) * _length(match[2]))
    elif match := _NOTE.match(body, at):
        _add(state, _pitch(state, match), _length(match[4]))
    elif match := re.compile(r"[zx](\d*/*\d*)").match(body, at):
        _add(state, None, _length(match[1]))
    elif match := re.compile(r">+|<+").match(body, at):
        _break_rhythm(state, match[0])
    elif body[at] == "-":
        state.tied = True
        return at + 1
    elif match := re.compile(r"[\s().~*\\]|[H-Wh-w]|[#$:+\]0-9/]").match(body, at):
        if body[at] in "0123456789/#$:+":
            raise Unreadable(f"stray {body[at]!r}")
    else:
        raise Unreadable(f"sign {body[at]!r}")
    return match.end()


def _length(text: str) -> Fraction:
    match = _LENGTH.fullmatch(text)
    if match is None:
        raise Unreadable(f"length {text!r}")
    number, slashes, divisor = match.groups()
    below = int(divisor) if divisor else 2 ** len(slashes)
    if not below:
        raise Unreadable(f"length {text!r}")
    return Fraction(int(number or 1), below)


def _pitch(state: _Reading, note: re.Match[str]) -> int:
    accidental, letter, octave = note[1], note[2], note[3]
    key = (letter, octave)
    if accidental:
        state.accidentals[key] = {"^": 1, "_": -1, "=": 0, "^^": 2, "__": -2}[accidental]
    shift = state.accidentals.get(key, state.signature[letter.upper()])
    midi = 60 + STEPS[letter.upper()] + 12 * letter.islower() + 12 * (octave.count("'") - octave.count(","))
    return midi + shift - state.tonic


def _tuplet(state: _Reading, notes: int, time: int, reach: int) -> None:
    usual = {2: 3, 3: 2, 4: 3, 6: 2}
    if not time and notes not in usual:
        raise Unreadable(f"tuplet of {notes}")
    state.tuplet = [Fraction(time or usual[notes], notes)] * (reach or notes)


def _add(state: _Reading, pitch: int | None, length: Fraction) -> None:
    if state.tuplet:
        length *= state.tuplet.pop()
    ticks = length * state.unit * 4 * TICKS * state.broken
    state.broken = Fraction(1)
    if ticks.denominator != 1:
        raise Unreadable("a length between the ticks")
    before = next((note for bar in (state.bar, *state.bars[::-1]) for note in bar[::-1]), None)
    held = state.tied and before is not None and before.pitch == pitch
    state.tied = False
    state.bar.append(Note(pitch, int(ticks), held))


def _break_rhythm(state: _Reading, sign: str) -> None:
    if not state.bar:
        raise Unreadable("broken rhythm without a note before it")
    short = Fraction(1, 2 ** len(sign))
    before, after = (2 - short, short) if sign[0] == ">" else (short, 2 - short)
    ticks = state.bar[-1].ticks * before
    if ticks.denominator != 1:
        raise Unreadable("a length between the ticks")
    state.bar[-1] = Note(state.bar[-1].pitch, int(ticks), state.bar[-1].held)
    state.broken = after


# --- Bars and parts -----------------------------------------------------------------------------


def _barline(state: _Reading, sign: str, after: str) -> None:
    _close_bar(state)
    second = after[:1] == "2" or after == "[2"
    if sign != "|" and not (second and state.first_time):
        _close_part(state)


def _volta(state: _Reading, number: int) -> None:
    _close_bar(state)
    if number == 1:
        state.volta_at, state.first_time = len(state.bars), True
    elif state.volta_at is not None:
        # Of the two endings the last one stays: it is the one that closes.
        del state.bars[state.volta_at :]
        state.volta_at, state.first_time = None, False


def _close_bar(state: _Reading) -> None:
    if state.bar:
        state.bars.append(state.bar)
    state.bar, state.accidentals = [], {}


def _close_part(state: _Reading) -> None:
    _close_bar(state)
    if sum(map(_ticks, state.bars)) < state.bar_ticks:
        return  # a pickup before a repeat sign belongs to what comes
    state.parts.append(state.bars)
    state.bars, state.volta_at, state.first_time = [], None, False


def _parts(bars: list[list[Note]], full: int) -> Iterator[Part]:
    """One part, or several of eight bars if it is long. Raises Unreadable if a bar inside is not full."""
    pickup: list[Note] = []
    if _ticks(bars[0]) < full and len(bars) > 1:
        pickup, bars = bars[0], bars[1:]
    joined: list[list[Note]] = []
    for bar in bars:  # a bar may be cut by a double bar or a line's end
        if joined and _ticks(joined[-1]) < full and _ticks(joined[-1]) + _ticks(bar) <= full:
            joined[-1] = joined[-1] + bar
        else:
            joined.append(list(bar))
    missing = full - _ticks(joined[-1])
    if missing > 0:
        joined[-1].append(Note(None, missing))
    if wrong := [bar for bar in joined if _ticks(bar) != full]:
        raise Unreadable(f"a bar of {_ticks(wrong[0])} ticks instead of {full}")
    whole = [tuple(_plain(bar)) for bar in joined]
    step = len(whole) if len(whole) < MOST_BARS else 8
    if len(whole) % step:
        raise Unreadable(f"a part of {len(whole)} bars")
    for start in range(0, len(whole), step):
        yield Part(tuple(whole[start : start + step]), tuple(_plain(pickup)) if not start else ())


def _plain(notes: list[Note]) -> Iterator[Note]:
    """Lengths that have no sign of their own become a note and its continuation."""
    for note in notes:
        ticks, held = note.ticks, note.held
        while ticks:
            size = (
                ticks
                if ticks in DURATIONS
                else max((d for d in DURATIONS if d < ticks and d % 3 == 0), default=0)
            )
            if not size:
                raise Unreadable(f"a note of {ticks} ticks")
            held = held and note.pitch is not None
            yield Note(None if held else note.pitch, size, held)
            ticks, held = ticks - size, True


def _ticks(notes: list[Note]) -> int:
    return sum(note.ticks for note in notes)
