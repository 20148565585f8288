"""A finished arrangement: who plays what and when; kept with the asset, written as a MIDI file.

Times are ticks, 24 to a quarter note, from the first bar on. A record (`pack`, `unpack`) is what an asset
keeps, so that MIDI, notation and picture can be made again at any time, note for note.
"""

from __future__ import annotations

import base64
import json
import struct
import zlib
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import NamedTuple

from studio.errors import BadInput
from studio.nets.tune_tokens import METRES, MODES, TICKS

DRUM_CHANNEL = 9
_FINE = 20  # MIDI files count 480 to a quarter
_MOST_BYTES = 4_000_000  # of an unpacked record


class Hit(NamedTuple):
    """One note: `pitch` as MIDI number (a drum's on a drum voice), `velocity` 1–127."""

    start: int
    ticks: int
    pitch: int
    velocity: int


class Chord(NamedTuple):
    """`root` is a pitch class 0–11, `quality` one of music_harmony.QUALITIES."""

    start: int
    ticks: int
    root: int
    quality: str


class Section(NamedTuple):
    """A stretch of the form: "intro", "A", "B", "C" or "ending"."""

    name: str
    first_bar: int
    bars: int


@dataclass(frozen=True, slots=True)
class Voice:
    """One player. `program` is General MIDI (0–127); `pan` and `volume` are MIDI's 0–127."""

    name: str
    program: int
    notes: tuple[Hit, ...]
    pan: int = 64
    volume: int = 100
    drums: bool = False


@dataclass(frozen=True, slots=True)
class Score:
    """`tonic` is the MIDI pitch of the melody's tonic; `tempi` are (tick, quarters a minute), the first at 0.

    The first voice is the melody. `bars` are whole; what rings on after them is not counted.
    """

    title: str
    metre: str
    mode: str
    tonic: int
    bars: int
    tempi: tuple[tuple[int, float], ...]
    voices: tuple[Voice, ...]
    chords: tuple[Chord, ...]
    sections: tuple[Section, ...]

    @property
    def ticks(self) -> int:
        return self.bars * METRES[self.metre]

    def seconds(self, tick: int) -> float:
        """When `tick` sounds."""
        total, at, bpm = 0.0, 0, self.tempi[0][1]
        for place, next_bpm in self.tempi[1:]:
            if place >= tick:
                break
            total, at, bpm = total + (place - at) / TICKS * 60 / bpm, place, next_bpm
        return total + (tick - at) / TICKS * 60 / bpm


# --- The record kept with an asset --------------------------------------------------------------


def pack(score: Score) -> str:
    """The whole score as text: JSON, deflated, base64."""
    data = json.dumps(asdict(score), ensure_ascii=False, separators=(",", ":")).encode()
    return base64.b64encode(zlib.compress(data, 9)).decode("ascii")


def unpack(record: str) -> Score:
    """Raises BadInput for anything that `pack` does not write."""
    try:
        inflate = zlib.decompressobj()
        data = inflate.decompress(base64.b64decode(record, validate=True), _MOST_BYTES)
        if not inflate.eof:
            raise ValueError("it is cut short or too long")
        raw = json.loads(data)
        voices = tuple(
            Voice(**voice | {"notes": tuple(_hit(*note) for note in voice["notes"])})
            for voice in raw["voices"]
        )
        score = Score(
            **raw
            | {
                "voices": voices,
                "tempi": tuple((int(tick), float(bpm)) for tick, bpm in raw["tempi"]),
                "chords": tuple(Chord(*chord) for chord in raw["chords"]),
                "sections": tuple(Section(*section) for section in raw["sections"]),
            }
        )
        if score.metre not in METRES or score.mode not in MODES or not voices or not score.tempi:
            raise ValueError("it misses something")
    except (ValueError, TypeError, KeyError, zlib.error, RecursionError) as error:
        raise BadInput(f"The recorded score cannot be read ({error}); make the piece again.") from None
    return score


def _hit(start: int, ticks: int, pitch: int, velocity: int) -> Hit:
    if not (0 <= start < 1_000_000 and 0 < ticks < 100_000 and 0 <= pitch < 128 and 0 < velocity < 128):
        raise ValueError("a note is out of range")
    return Hit(start, ticks, pitch, velocity)


# --- MIDI ---------------------------------------------------------------------------------------


def midi(score: Score, note: str = "", repeats: int = 1) -> bytes:
    """A Standard MIDI File (format 1, 480 ticks to a quarter); `note` stands in it as a text event.

    `repeats` plays the bars so many times without a gap, what loops are rendered from.
    """
    tracks = [_conductor(score, note, repeats)]
    channels = (channel for channel in range(16) if channel != DRUM_CHANNEL)
    for voice in score.voices:
        channel = DRUM_CHANNEL if voice.drums else next(channels)
        tracks.append(_track(voice, channel, score.ticks, repeats))
    head = b"MThd" + struct.pack(">IHHH", 6, 1, len(tracks), TICKS * _FINE)
    return head + b"".join(b"MTrk" + struct.pack(">I", len(track)) + track for track in tracks)


def _conductor(score: Score, note: str, repeats: int) -> bytes:
    top, bottom = map(int, score.metre.split("/"))
    events = [
        (0, b"\xff\x58\x04" + bytes([top, bottom.bit_length() - 1, 24, 8])),
        *((0, _text(kind, text)) for kind, text in ((3, score.title), (1, note)) if text),
    ]
    for turn in range(repeats):
        for tick, bpm in score.tempi:
            events.append((turn * score.ticks + tick, b"\xff\x51\x03" + round(60e6 / bpm).to_bytes(3, "big")))
    return _stream(events, repeats * score.ticks)


def _track(voice: Voice, channel: int, ticks: int, repeats: int) -> bytes:
    events = [
        (0, _text(3, voice.name)),
        (0, bytes([0xC0 | channel, voice.program])),
        (0, bytes([0xB0 | channel, 7, voice.volume])),
        (0, bytes([0xB0 | channel, 10, voice.pan])),
    ]
    for turn in range(repeats):
        for hit in voice.notes:
            start = turn * ticks + hit.start
            events.append((start, bytes([0x90 | channel, hit.pitch, hit.velocity])))
            events.append((start + hit.ticks, bytes([0x80 | channel, hit.pitch, 0])))
    return _stream(events, repeats * ticks)


def _stream(events: Iterable[tuple[int, bytes]], least: int) -> bytes:
    """Events in order with their distances; at one moment notes end before others begin."""
    out, at = bytearray(), 0
    for tick, data in sorted(events, key=lambda event: (event[0], event[1][0] & 0xF0 == 0x90)):
        out += _length((tick - at) * _FINE) + data
        at = tick
    return bytes(out + _length(max(0, least - at) * _FINE) + b"\xff\x2f\x00")


def _text(kind: int, text: str) -> bytes:
    data = text.encode()[:1000]
    return bytes([0xFF, kind]) + _length(len(data)) + data


def _length(number: int) -> bytes:
    """A variable-length quantity."""
    parts = [number & 0x7F]
    while number := number >> 7:
        parts.append(number & 0x7F | 0x80)
    return bytes(reversed(parts))
