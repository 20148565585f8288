"""Who can play: General MIDI programs with the range in which each sounds like itself, and drum patterns."""

from __future__ import annotations

from typing import NamedTuple


class Player(NamedTuple):
    """`program` counts from 0; `low`–`high` is the good range as MIDI pitches; `volume` evens out their
    measured loudness in FluidR3 Mono (melodies −31.5, chords −38.5, basses −36 LUFS on one figure)."""

    program: int
    low: int
    high: int
    volume: int = 100


LEADS: dict[str, Player] = {
    "piano": Player(0, 57, 88, 127), "music box": Player(10, 67, 96, 86), "celesta": Player(8, 65, 96, 101),
    "vibraphone": Player(11, 57, 86, 105), "marimba": Player(12, 55, 86, 105), "kalimba": Player(108, 58, 84, 118),
    "dulcimer": Player(15, 55, 84, 127), "harp": Player(46, 55, 88, 111), "guitar": Player(24, 52, 79, 123),
    "banjo": Player(105, 55, 81, 98), "accordion": Player(21, 57, 84, 122), "fiddle": Player(110, 57, 86, 120),
    "violin": Player(40, 57, 88, 119), "cello": Player(42, 40, 69, 127), "strings": Player(48, 52, 84, 101),
    "choir": Player(52, 52, 77, 111), "flute": Player(73, 62, 91, 84), "whistle": Player(78, 67, 93, 64),
    "recorder": Player(74, 65, 91, 68), "pan flute": Player(75, 62, 88, 92), "oboe": Player(68, 60, 86, 93),
    "clarinet": Player(71, 53, 84, 76), "trumpet": Player(56, 57, 82, 87), "horn": Player(60, 46, 74, 99),
    "brass": Player(61, 50, 79, 89), "bagpipe": Player(109, 62, 86, 77), "square lead": Player(80, 57, 91, 72),
}  # fmt: skip
BACKINGS: dict[str, Player] = {
    "piano": Player(0, 50, 72, 92), "guitar": Player(24, 47, 70, 80), "steel guitar": Player(25, 47, 70, 90),
    "harp": Player(46, 48, 76, 75), "strings": Player(48, 48, 72, 77), "warm pad": Player(89, 48, 72, 127),
    "choir": Player(52, 50, 72, 90), "brass": Player(61, 48, 70, 73), "accordion": Player(21, 50, 72, 94),
    "vibraphone": Player(11, 53, 76, 91), "music box": Player(10, 60, 84, 68), "pizzicato": Player(45, 48, 74, 82),
    "organ": Player(19, 48, 72, 78), "synth": Player(81, 48, 72, 55),
}  # fmt: skip
BASSES: dict[str, Player] = {
    "double bass": Player(32, 28, 50, 90), "cello": Player(42, 36, 55, 92), "fingered bass": Player(33, 28, 50, 88),
    "tuba": Player(58, 29, 50, 83), "synth bass": Player(38, 28, 50, 110), "low strings": Player(48, 31, 52, 115),
    "none": Player(32, 28, 50, 0),
}  # fmt: skip

DRUM_BANK, DRUM_PROGRAM = 128, 0
KICK, RIM, SNARE, LOW_TOM, HAT, MID_TOM, CRASH, TAMBOURINE, SHAKER = 36, 37, 38, 41, 42, 45, 49, 54, 70


class Drums(NamedTuple):
    """Patterns on strong beats (1st, 3rd …), on weak ones, and between; velocities 1–127."""

    strong: tuple[tuple[int, int], ...]
    weak: tuple[tuple[int, int], ...]
    between: tuple[tuple[int, int], ...]


KITS: dict[str, Drums] = {
    "hand drum": Drums(((LOW_TOM, 78), (SHAKER, 46)), ((MID_TOM, 58), (SHAKER, 40)), ((SHAKER, 34), (RIM, 26))),
    "march": Drums(((KICK, 84), (SNARE, 62)), ((SNARE, 74),), ((SNARE, 38),)),
    "kit": Drums(((KICK, 88), (HAT, 58)), ((SNARE, 74), (HAT, 52)), ((HAT, 44),)),
    "shaker": Drums(((SHAKER, 84), (TAMBOURINE, 56)), ((SHAKER, 70),), ((SHAKER, 52),)),
    "heavy": Drums(((KICK, 84), (LOW_TOM, 74)), ((KICK, 62), (SNARE, 68)), ((LOW_TOM, 44), (HAT, 36))),
}  # fmt: skip


def presets() -> list[tuple[int, int]]:
    """(bank, program) of everything that can be asked for: what is unpacked from the SoundFont."""
    programs = {player.program for table in (LEADS, BACKINGS, BASSES) for player in table.values()}
    return [*((0, program) for program in sorted(programs)), (DRUM_BANK, DRUM_PROGRAM)]
