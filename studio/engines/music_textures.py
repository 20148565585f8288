"""How chords are played.

held     chords as long as they last        broken   chord tones one after the other
step     bass on the beat, chord after it   strum    chords in a guitar's rhythm
pulse    repeated chords, driving           drone    tonic and fifth, as pipes have it
none     the melody alone
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from studio.engines.music_harmony import QUALITIES
from studio.engines.music_players import Player
from studio.engines.music_score import Chord

TEXTURES = ("held", "broken", "step", "strum", "pulse", "drone", "none")


def voicing(chord: Chord, player: Player, near: int) -> list[int]:
    """Three or four tones, the whole moved as little as possible from the chord before."""
    steps = QUALITIES[chord.quality]
    best: list[int] = []
    for turn in range(len(steps)):
        tones = [chord.root + step + 12 * (place < turn) for place, step in enumerate(steps)]
        tones.sort()
        for octave in range(2, 8):
            moved = [tone + 12 * octave for tone in tones]
            if moved[0] < player.low - 4 or moved[-1] > player.high + 4:
                continue
            if not best or abs(sum(moved) / len(moved) - near) < abs(sum(best) / len(best) - near):
                best = moved
    return best or [60 + step for step in steps]


Figure = Iterator[tuple[int, int, Sequence[int], int]]


def figure(texture: str, chord: Chord, beat: int, full: int, tones: list[int]) -> Figure:
    """(start, ticks, pitches, louder by) of one chord in one texture."""
    start, ticks = chord.start, chord.ticks
    division = beat // 3 if beat % 36 == 0 else beat // 2
    steps = range(start, start + ticks, division)
    per_beat = beat // division
    if texture in ("held", "drone"):
        yield start, ticks, tones, 0
    elif texture == "broken":
        order = [*range(len(tones)), *range(len(tones) - 2, 0, -1)]
        for place, at in enumerate(steps):
            yield at, division + 4, [tones[order[place % len(order)]]], 4 if at % beat == 0 else 0
    elif texture == "pulse":
        for at in steps:
            yield at, division - 2, tones, 4 if at % beat == 0 else -8
    elif texture == "strum":
        for place, at in enumerate(steps):
            if place % per_beat == 0:
                yield (
                    at,
                    beat - 3 if place % (2 * per_beat) else division + 2,
                    tones,
                    6 if at % full == 0 else 0,
                )
            elif place % per_beat == per_beat - 1:
                yield at, division - 1, tones[1:], -10
    elif texture == "step":
        waltz = full // beat == 3 and per_beat == 2
        for place, at in enumerate(steps):
            on_beat = place % per_beat == 0
            after = (on_beat and at % full != 0) if waltz else place % per_beat == per_beat - 1
            if after:
                yield at, (beat if waltz else division) - 2, tones, 0


def joined(chords: Sequence[Chord]) -> Iterator[Chord]:
    """Equal neighbours as one long chord."""
    run: Chord | None = None
    for chord in chords:
        if run is not None and (run.root, run.quality) == (chord.root, chord.quality):
            run = run._replace(ticks=run.ticks + chord.ticks)
            continue
        if run is not None:
            yield run
        run = chord
    if run is not None:
        yield run
