"""Who can play: General MIDI programs with the range in which each sounds like itself, and drum patterns."""

from __future__ import annotations

from typing import NamedTuple


class Player(NamedTuple):
    """`program` counts from 0; `low`–`high` is the good range as MIDI pitches; `volume` evens them out."""

    program: int
    low: int
    high: int
    volume: int = 100


LEADS: dict[str, Player] = {
    "piano": Player(0, 57, 88), "music box": Player(10, 67, 96), "celesta": Player(8, 65, 96),
    "vibraphone": Player(11, 57, 86), "marimba": Player(12, 55, 86), "kalimba": Player(108, 58, 84),
    "dulcimer": Player(15, 55, 84), "harp": Player(46, 55, 88), "guitar": Player(24, 52, 79, 110),
    "banjo": Player(105, 55, 81), "accordion": Player(21, 57, 84, 88), "fiddle": Player(110, 57, 86, 92),
    "violin": Player(40, 57, 88, 92), "cello": Player(42, 40, 69, 100), "strings": Player(48, 52, 84, 96),
    "choir": Player(52, 52, 77, 100), "flute": Player(73, 62, 91, 100), "whistle": Player(78, 67, 93, 84),
    "recorder": Player(74, 65, 91, 92), "pan flute": Player(75, 62, 88, 96), "oboe": Player(68, 60, 86, 92),
    "clarinet": Player(71, 53, 84, 96), "trumpet": Player(56, 57, 82, 92), "horn": Player(60, 46, 74, 104),
    "brass": Player(61, 50, 79, 92), "bagpipe": Player(109, 62, 86, 80), "square lead": Player(80, 57, 91, 72),
}  # fmt: skip
BACKINGS: dict[str, Player] = {
    "piano": Player(0, 50, 72, 84), "guitar": Player(24, 47, 70, 100), "steel guitar": Player(25, 47, 70, 88),
    "harp": Player(46, 48, 76, 90), "strings": Player(48, 48, 72, 80), "warm pad": Player(89, 48, 72, 80),
    "choir": Player(52, 50, 72, 80), "brass": Player(61, 48, 70, 76), "accordion": Player(21, 50, 72, 66),
    "vibraphone": Player(11, 53, 76, 84), "music box": Player(10, 60, 84, 80), "pizzicato": Player(45, 48, 74, 96),
    "organ": Player(19, 48, 72, 64), "synth": Player(81, 48, 72, 50),
}  # fmt: skip
BASSES: dict[str, Player] = {
    "double bass": Player(32, 28, 50, 108), "cello": Player(42, 36, 55, 92), "fingered bass": Player(33, 28, 50, 100),
    "tuba": Player(58, 29, 50, 92), "synth bass": Player(38, 28, 50, 84), "low strings": Player(48, 31, 52, 96),
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
    "shaker": Drums(((SHAKER, 56), (TAMBOURINE, 36)), ((SHAKER, 46),), ((SHAKER, 34),)),
    "heavy": Drums(((KICK, 108), (LOW_TOM, 96)), ((KICK, 80), (SNARE, 88)), ((LOW_TOM, 52), (HAT, 40))),
}  # fmt: skip


def presets() -> list[tuple[int, int]]:
    """(bank, program) of everything that can be asked for: what is unpacked from the SoundFont."""
    programs = {player.program for table in (LEADS, BACKINGS, BASSES) for player in table.values()}
    return [*((0, program) for program in sorted(programs)), (DRUM_BANK, DRUM_PROGRAM)]
