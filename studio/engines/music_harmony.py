"""Chords to a melody: the best path through the chords of its mode, by rules.

Every half bar (a bar where it has an odd number of beats or two) takes one chord; a chord is liked for the
melody's long and accented notes that it holds, and for following its predecessor as such chords do.
Dynamic programming finds the sequence liked best (Viterbi 1967).
"""

from __future__ import annotations

from studio.nets.tune_tokens import METRES, Part

QUALITIES = {"": (0, 4, 7), "m": (0, 3, 7), "7": (0, 4, 7, 10), "5": (0, 7)}

# Chords by mode: (semitones above the tonic, quality) and how willingly each is used at all.
_CHORDS: dict[str, dict[tuple[int, str], float]] = {
    "major": {(0, ""): 0.6, (7, ""): 0.3, (5, ""): 0.3, (9, "m"): 0.0, (2, "m"): -0.1, (4, "m"): -0.5},
    "minor": {
        (0, "m"): 0.6,
        (7, ""): 0.1,
        (5, "m"): 0.2,
        (8, ""): 0.1,
        (10, ""): 0.1,
        (3, ""): 0.0,
        (7, "m"): 0.0,
    },
    "dorian": {(0, "m"): 0.6, (10, ""): 0.4, (5, ""): 0.1, (7, "m"): 0.0, (3, ""): 0.1},
    "mixolydian": {(0, ""): 0.6, (10, ""): 0.4, (5, ""): 0.2, (7, "m"): -0.2, (2, "m"): -0.2},
}
# From a root to the next, in semitones upwards: falling fifths and plagal steps are at home.
_STEPS = {5: 0.35, 7: 0.2, 2: 0.2, 10: 0.15, 9: 0.1, 3: 0.0, 8: 0.0, 4: -0.1, 0: 0.1}

Chosen = tuple[int, str]


def beats(metre: str) -> tuple[int, int]:
    """(ticks of a beat, beats in a bar): three eighths to a beat in 6/8, 9/8 and 12/8."""
    top, bottom = map(int, metre.split("/"))
    full = METRES[metre]
    ticks = full * 3 // top if bottom == 8 and top % 3 == 0 else full // top
    return ticks, full // ticks


def span(metre: str) -> int:
    """Ticks that one chord lasts at least."""
    ticks, count = beats(metre)
    return ticks * 2 if count == 4 else METRES[metre]


def harmonise(part: Part, metre: str, mode: str, last: bool) -> list[Chosen]:
    """One chord for every `span` of the part; the `last` part closes on the tonic."""
    options = list(_CHORDS[mode])
    likes = _CHORDS[mode]
    heard = _weights(part, metre)
    home = options[0]
    best = {chord: _fit(chord, heard[0], mode) + likes[chord] + 0.8 * (chord == home) for chord in options}
    back: list[dict[Chosen, Chosen]] = []
    for place, classes in enumerate(heard[1:], start=1):
        came: dict[Chosen, Chosen] = {}
        now = {}
        closing = place == len(heard) - 1
        for chord in options:
            before = max(options, key=lambda old: best[old] + _follow(old, chord))
            came[chord] = before
            now[chord] = best[before] + _follow(before, chord) + _fit(chord, classes, mode) + likes[chord]
            if closing:
                now[chord] += (3.0 if last else 1.0) * (chord == home) + 0.5 * (not last and chord[0] == 7)
        back.append(came)
        best = now
    path = [max(options, key=lambda chord: best[chord])]
    for came in reversed(back):
        path.append(came[path[-1]])
    return path[::-1]


def _weights(part: Part, metre: str) -> list[dict[int, float]]:
    """For each span, how much each pitch class is heard: beats, and those on the beat count more."""
    size, (beat, _) = span(metre), beats(metre)
    found: list[dict[int, float]] = [{} for _ in range(len(part.bars) * METRES[metre] // size)]
    tick, pitch = 0, None
    for note in (note for bar in part.bars for note in bar):
        pitch = pitch if note.held else note.pitch
        if pitch is not None:
            accent = 1.6 if tick % size == 0 else 1.2 if tick % beat == 0 else 0.8
            classes = found[tick // size]
            classes[pitch % 12] = classes.get(pitch % 12, 0.0) + accent * note.ticks / beat
        tick += note.ticks
    return found


def _fit(chord: Chosen, classes: dict[int, float], mode: str) -> float:
    tones = {(chord[0] + step) % 12 for step in QUALITIES[chord[1]]}
    leading = mode == "minor" and chord == (7, "") and classes.get(10, 0.0) > 0
    return sum(w if c in tones else -0.7 * w for c, w in classes.items()) - 2.0 * leading


def _follow(old: Chosen, new: Chosen) -> float:
    return _STEPS.get((new[0] - old[0]) % 12, -0.2)
