"""Writes tunes in ABC notation, and spells pitches in a key: the way back from `tune_abc`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from fractions import Fraction

from studio.nets.tune_abc import DEGREE, STEPS, read_key
from studio.nets.tune_tokens import TICKS, Note, Tune

_LETTERS = "CDEFGAB"
_KEY_MODE = {"major": "", "minor": "m", "dorian": "dor", "mixolydian": "mix"}
_SIGNS = {-2: "__", -1: "_", 0: "=", 1: "^", 2: "^^"}


def key_name(tonic: int, mode: str) -> str:
    """ "Bb" or "F#m": the tonic (any MIDI pitch of its class) spelled so that few accidentals are needed."""
    return _spelled_tonic(tonic, mode) + _KEY_MODE[mode]


def spell(pitch: int, tonic: int, mode: str) -> tuple[str, int, int]:
    """(letter, accidental −2…2, octave with C4 = 60) of a MIDI pitch in a key."""
    _, _, signature = read_key(key_name(tonic, mode))
    spelled = {(STEPS[letter] + shift) % 12: (letter, shift) for letter, shift in signature.items()}
    if pitch % 12 in spelled:
        letter, shift = spelled[pitch % 12]
    else:  # raised in sharp keys and for leading tones, lowered in flat keys
        raised = sum(signature.values()) >= 0 or (pitch - tonic) % 12 in (6, 11)
        step = 1 if raised else -1
        # C with a raised F exists, a raised E does not: then the plain letter is the right one.
        letter = next(name for add in (step, 0) for name in _LETTERS if (STEPS[name] + add - pitch) % 12 == 0)
        shift = (pitch - STEPS[letter] + 6) % 12 - 6
    return letter, shift, (pitch - shift - STEPS[letter]) // 12 - 1


def write_tune(tune: Tune, tonic: int, head: dict[str, str], chords: dict[tuple[int, int, int], str]) -> str:
    """ABC text that `read_tune` reads back as the same tune, if `tonic` is the MIDI pitch 60–71 of its key.

    `head` are further fields ("T": a title); `chords` names over (part, bar, tick), counted from 0.
    """
    lines = ["X:1", *(f"{name}:{_one_line(text)}" for name, text in head.items())]
    lines += [f"R:{tune.style}", f"M:{tune.metre}", "L:1/8", f"K:{key_name(tonic, tune.mode)}"]
    last: int | None = None
    for number, part in enumerate(tune.parts):
        bars = []
        if part.pickup:
            text, last = _bar(part.pickup, tonic, tune.mode, last, {})
            bars.append(text)
        for place, bar in enumerate(part.bars):
            names = {tick: name for (a, b, tick), name in chords.items() if (a, b) == (number, place)}
            text, last = _bar(bar, tonic, tune.mode, last, names)
            if bar[0].held and bars:
                bars[-1] += "-"
            bars.append(text)
        end = "|]" if number == len(tune.parts) - 1 else "||"
        for start in range(0, len(bars), 4):
            lines.append(" | ".join(bars[start : start + 4]) + (" |" if start + 4 < len(bars) else f" {end}"))
    return "\n".join([*lines, ""])


def _bar(
    bar: Sequence[Note], tonic: int, mode: str, last: int | None, chords: dict[int, str]
) -> tuple[str, int | None]:
    """One bar's text, and the pitch that is sounding at its end."""
    _, _, signature = read_key(key_name(tonic, mode))
    accidentals: dict[tuple[str, int], int] = {}
    words: list[str] = []
    tick = 0
    for place, note in enumerate(bar):
        pitch = last if note.held else note.pitch
        text = f'"{chords[tick]}"' if tick in chords else ""
        unit = {8: 12, 4: 6, 16: 24}.get(note.ticks, note.ticks)
        if unit != note.ticks and _triplets_before(bar, place) % 3 == 0:
            text += "(3"
        if pitch is None:
            text += "z"
        else:
            letter, shift, octave = spell(pitch + tonic, tonic, mode)
            if accidentals.get((letter, octave), signature[letter]) != shift:
                text += _SIGNS[shift]
                accidentals[letter, octave] = shift
            text += letter + "," * (4 - octave) if octave <= 4 else letter.lower() + "'" * (octave - 5)
        length = Fraction(unit, 12)
        text += ("" if length.numerator == 1 else str(length.numerator)) + (
            "" if length.denominator == 1 else f"/{length.denominator}"
        )
        if place + 1 < len(bar) and bar[place + 1].held:
            text += "-"
        words.append(text + (" " if (tick + note.ticks) % TICKS == 0 else ""))
        tick, last = tick + note.ticks, pitch
    return "".join(words).strip(), last


def _triplets_before(bar: Sequence[Note], place: int) -> int:
    """How many notes of the same length stand straight before: every third begins a triplet."""
    count = 0
    while place - count > 0 and bar[place - count - 1].ticks == bar[place].ticks:
        count += 1
    return count


def _spelled_tonic(tonic: int, mode: str) -> str:
    major = (tonic - DEGREE[mode]) % 12
    flat = major * 7 % 12 > 6
    letter = next((name for name in _LETTERS if STEPS[name] == tonic % 12), None)
    if letter:
        return letter
    return next(
        name + ("b" if flat else "#")
        for name in _LETTERS
        if (STEPS[name] + (-1 if flat else 1)) % 12 == tonic % 12
    )


def _one_line(text: str) -> str:
    return " ".join(re.sub(r"[%\\\x00-\x1f\x7f]", " ", text).split())[:200]
