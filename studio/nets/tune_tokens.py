"""Melodies as tokens: what the tune model reads and writes, and the grammar that keeps bars exact.

A tune is a head (metre, mode, style, number of parts) and parts of numbered bars. Pitches count semitones
from the tonic, so a key is an exact transposition at the very end. A duration is written when it changes;
time is counted in ticks, 24 to a quarter. What a pickup takes, the last bar of a part leaves as a rest.

    6/8 major jig parts:2  part:8 pickup 12 +7  bar:1 24 +12 12 +9 24 +7 12 +4 …

`Grammar` is the one place that knows which token may follow: `decode` reads with it, sampling masks with it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b

TICKS = 24  # to a quarter note
METRES = {
    "2/4": 48,
    "3/4": 72,
    "4/4": 96,
    "6/8": 72,
    "9/8": 108,
    "12/8": 144,
    "3/8": 36,
    "3/2": 144,
    "6/4": 144,
}
MODES = {
    "major": (0, 2, 4, 5, 7, 9, 11),
    "minor": (0, 2, 3, 5, 7, 8, 10),
    "dorian": (0, 2, 3, 5, 7, 9, 10),
    "mixolydian": (0, 2, 4, 5, 7, 9, 10),
}
STYLES = ("reel", "jig", "slip jig", "hornpipe", "strathspey", "march", "waltz", "air", "song", "tune")
LOWEST, HIGHEST = -14, 27
TRIPLETS = (4, 8, 16)  # three of these stand together
DURATIONS = (3, 4, 6, 8, 9, 12, 16, 18, 24, 36, 48, 72, 96, 144)
MOST_BARS, MOST_PARTS = 16, 8


@dataclass(frozen=True, slots=True)
class Note:
    """`pitch` in semitones above the tonic, None for a rest; `held` (pitch None) lets the last one sound on."""

    pitch: int | None
    ticks: int
    held: bool = False


Bar = tuple[Note, ...]


@dataclass(frozen=True, slots=True)
class Part:
    """Whole bars, and the notes that lead into the first one (shorter than a bar, mostly none)."""

    bars: tuple[Bar, ...]
    pickup: Bar = ()


@dataclass(frozen=True, slots=True)
class Tune:
    metre: str
    mode: str
    style: str
    parts: tuple[Part, ...]


PAD, BEGIN, END, PICKUP, REST, HOLD = "pad", "begin", "end", "pickup", "rest", "hold"
VOCABULARY: tuple[str, ...] = (
    PAD, BEGIN, END, PICKUP, REST, HOLD,
    *METRES, *MODES, *STYLES,
    *(f"parts:{n}" for n in range(1, MOST_PARTS + 1)),
    *(f"part:{n}" for n in range(1, MOST_BARS + 1)),
    *(f"bar:{n}" for n in range(1, MOST_BARS + 1)),
    *map(str, DURATIONS),
    *(f"{n:+d}" for n in range(LOWEST, HIGHEST + 1)),
)  # fmt: skip
ID = {token: place for place, token in enumerate(VOCABULARY)}
SIZE = len(VOCABULARY)

_PITCHES = {ID[f"{n:+d}"]: n for n in range(LOWEST, HIGHEST + 1)}
_NOTES = (*_PITCHES, ID[REST])
_DURATION = {ID[str(n)]: n for n in DURATIONS}
_BAR = {ID[f"bar:{n}"]: n for n in range(1, MOST_BARS + 1)}
_PART = {ID[f"part:{n}"]: n for n in range(1, MOST_BARS + 1)}
_PARTS = {ID[f"parts:{n}"]: n for n in range(1, MOST_PARTS + 1)}


class NotATune(ValueError):
    """Tokens that no tune is written with; the message says where."""


def encode(tune: Tune) -> list[int]:
    """Raises NotATune for what the vocabulary cannot say."""
    words = [BEGIN, tune.metre, tune.mode, tune.style, f"parts:{len(tune.parts)}"]
    for part in tune.parts:
        words.append(f"part:{len(part.bars)}")
        duration = 0
        for place, bar in enumerate((part.pickup, *part.bars)):
            if place or bar:
                words.append(f"bar:{place}" if place else PICKUP)
            for note in bar:
                if note.ticks != duration:
                    words.append(str(note.ticks))
                    duration = note.ticks
                words.append(HOLD if note.held else REST if note.pitch is None else f"{note.pitch:+d}")
    unknown = next((word for word in (*words, END) if word not in ID), None)
    if unknown is not None:
        raise NotATune(f"no token for {unknown!r}")
    return [ID[word] for word in (*words, END)]


def decode(tokens: Sequence[int]) -> Tune:
    """The tune of a whole token sequence, BEGIN to END. Raises NotATune for anything else."""
    grammar = Grammar()
    for place, token in enumerate(tokens):
        if token not in grammar.allowed():
            word = VOCABULARY[token] if 0 <= token < SIZE else token
            raise NotATune(f"{word!r} cannot stand at place {place}")
        grammar.push(token)
    if not grammar.done:
        raise NotATune("the tune has no end")
    return grammar.tune()


class Grammar:
    """Reads tokens one by one and knows which may come next; every finished sequence is a tune.

    A plan of (bars, with pickup or None for either) per part restricts the form to exactly that.
    """

    def __init__(self, plan: Sequence[tuple[int, bool | None]] | None = None) -> None:
        self.plan = list(plan) if plan is not None else None
        self.done = False
        self.head: list[int] = []
        self.parts: list[tuple[int, list[list[Note]]]] = []  # bars announced; [pickup, bar 1, …]
        self._bar_ticks = 0
        self._left = 0  # ticks until the bar is full
        self._duration = 0
        self._pending = 0  # notes of the triplet still to come
        self._wrote_duration = False
        self._in_pickup = False

    def allowed(self) -> frozenset[int]:
        if self.done:
            return frozenset()
        if len(self.head) < len(_HEAD):
            if len(self.head) == 4 and self.plan is not None:
                return frozenset({ID[f"parts:{len(self.plan)}"]})
            return _HEAD[len(self.head)]
        if not self.parts:
            return self._part()
        if self._pending:
            return frozenset(_NOTES)
        if self._in_pickup or self._left:
            return self._note()
        announced, bars = self.parts[-1]
        if len(bars) == 1 and not bars[0]:  # right after part:n
            forced = self.plan[len(self.parts) - 1][1] if self.plan is not None else None
            tokens = {ID["bar:1"]} if not forced else set()
            return frozenset(tokens | ({ID[PICKUP]} if forced in (None, True) else set()))
        if len(bars) <= announced:
            return frozenset({ID[f"bar:{len(bars)}"]})
        return self._part() if len(self.parts) < _PARTS[self.head[4]] else frozenset({ID[END]})

    def push(self, token: int) -> None:
        """Take one of `allowed()`."""
        if len(self.head) < len(_HEAD):
            self.head.append(token)
            if len(self.head) == 2:
                self._bar_ticks = METRES[VOCABULARY[token]]
        elif token in _PART:
            self.parts.append((_PART[token], [[]]))
            self._duration = 0
        elif token in _BAR:
            self.parts[-1][1].append([])
            self._left, self._in_pickup = self._bar_ticks, False
        elif token == ID[PICKUP]:
            self._left, self._in_pickup = self._bar_ticks, True
        elif token in _DURATION:
            self._duration, self._wrote_duration = _DURATION[token], True
        elif token == ID[END]:
            self.done = True
        else:
            self._add(token)

    def tune(self) -> Tune:
        parts = tuple(Part(tuple(tuple(bar) for bar in bars[1:]), tuple(bars[0])) for _, bars in self.parts)
        metre, mode, style = (VOCABULARY[token] for token in self.head[1:4])
        return Tune(metre, mode, style, parts)

    @property
    def place(self) -> tuple[int, int, int]:
        """(part, bar, ticks left in the bar), parts and bars counted from 1, 0 while there is none."""
        return len(self.parts), len(self.parts[-1][1]) - 1 if self.parts else 0, self._left

    def _add(self, token: int) -> None:
        if self._duration in TRIPLETS:
            self._pending = (self._pending or 3) - 1
        bar = self.parts[-1][1][-1]
        bar.append(Note(_PITCHES.get(token), self._duration, held=token == ID[HOLD]))
        self._left -= self._duration
        self._wrote_duration = False

    def _part(self) -> frozenset[int]:
        if self.plan is not None:
            return frozenset({ID[f"part:{self.plan[len(self.parts)][0]}"]})
        return frozenset(_PART)

    def _note(self) -> frozenset[int]:
        """Inside a bar or pickup with room left, at no unfinished triplet."""
        # A pickup is shorter than a bar, so its last three ticks stay free.
        room = self._left - 3 * self._in_pickup
        notes = self.parts[-1][1][-1]
        tokens: set[int] = set()
        if self._wrote_duration or _fits(self._duration, room):
            tokens.update(_NOTES)
            if self._can_hold():
                tokens.add(ID[HOLD])
        if not self._wrote_duration:
            tokens.update(t for t, d in _DURATION.items() if d != self._duration and _fits(d, room))
            if self._in_pickup and notes:
                tokens.add(ID["bar:1"])
        return frozenset(tokens)

    def _can_hold(self) -> bool:
        if self._duration in TRIPLETS:
            return False
        for bar in reversed(self.parts[-1][1]):
            if bar:
                return bar[-1].pitch is not None or bar[-1].held
        return False


def _fits(duration: int, room: int) -> bool:
    return 0 < duration * (3 if duration in TRIPLETS else 1) <= room


_HEAD: tuple[frozenset[int], ...] = (
    frozenset({ID[BEGIN]}),
    frozenset(ID[name] for name in METRES),
    frozenset(ID[name] for name in MODES),
    frozenset(ID[name] for name in STYLES),
    frozenset(_PARTS),
)


def notes_of(tune: Tune) -> Iterator[tuple[int, int]]:
    """(pitch, ticks) of everything that sounds, held notes joined, rests left out, parts in order."""
    pitch, ticks = None, 0
    for part in tune.parts:
        for note in (*part.pickup, *(note for bar in part.bars for note in bar)):
            if note.held:
                ticks += note.ticks
                continue
            if pitch is not None:
                yield pitch, ticks
            pitch, ticks = note.pitch, note.ticks
    if pitch is not None:
        yield pitch, ticks


RUN = 16  # intervals: the length of a melodic run that counts as copied


def runs(tune: Tune) -> set[int]:
    """32-bit digests of every run of 16 successive intervals: what memory of the training set is told by."""
    pitches = [pitch for pitch, _ in notes_of(tune)]
    steps = [b - a for a, b in zip(pitches, pitches[1:], strict=False)]
    return {
        int.from_bytes(blake2b(bytes(step + 64 for step in steps[i : i + RUN]), digest_size=4).digest())
        for i in range(len(steps) - RUN + 1)
    }
