"""A score on paper: the melody in ABC, a lead sheet in MusicXML 4.0, a piano roll in SVG."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from xml.sax.saxutils import escape, quoteattr

from studio.engines.music_score import Chord, Hit, Score
from studio.nets.tune_tokens import METRES, MODES, TICKS, Tune
from studio.nets.tune_write import key_name, spell, write_tune

_TYPES = {
    144: ("whole", 1), 96: ("whole", 0), 72: ("half", 1), 48: ("half", 0), 36: ("quarter", 1), 24: ("quarter", 0),
    18: ("eighth", 1), 12: ("eighth", 0), 9: ("16th", 1), 6: ("16th", 0), 3: ("32nd", 0),
}  # fmt: skip
_TRIPLET = {16: "quarter", 8: "eighth", 4: "16th"}
_KINDS = {"": "major", "m": "minor", "7": "dominant", "5": "power"}
_UNPRINTABLE = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_COLOURS = ("#1f5fbf", "#b5482a", "#5b7f2b", "#7a4fa3", "#8a6d1f")


def abc(score: Score, tune: Tune) -> str:
    """The melody of each section with its chords; `read_tune` reads it back as `tune`."""
    chords: dict[tuple[int, int, int], str] = {}
    full = METRES[score.metre]
    letters = sorted({section.name for section in score.sections if len(section.name) == 1})
    for number, letter in enumerate(letters[: len(tune.parts)]):
        section = next(section for section in score.sections if section.name == letter)
        first = section.first_bar * full
        for chord in score.chords:
            at = chord.start - first
            if 0 <= at < section.bars * full:
                chords[number, at // full, at % full] = chord_name(chord, score)
    form = " ".join(section.name for section in score.sections if len(section.name) == 1)
    head = {"T": score.title, "C": "Signet", "P": form, "Q": f"1/4={score.tempi[0][1]:.0f}"}
    return write_tune(tune, 60 + score.tonic % 12, head, chords)


def chord_name(chord: Chord, score: Score) -> str:
    letter, alter, _ = spell(60 + chord.root, score.tonic, score.mode)
    return letter + {-1: "b", 0: "", 1: "#"}.get(alter, "") + chord.quality


# --- MusicXML -----------------------------------------------------------------------------------


def musicxml(score: Score, note: str) -> str:
    """Melody and chord symbols, bar by bar as they sound; `note` goes into the rights element."""
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        '<!DOCTYPE score-partwise PUBLIC "-//Recordare//DTD MusicXML 4.0 Partwise//EN" '
        '"http://www.musicxml.org/dtds/partwise.dtd">',
        '<score-partwise version="4.0">',
        f"<work><work-title>{_xml(score.title)}</work-title></work>",
        '<identification><creator type="composer">Signet</creator>'
        f"<rights>{_xml(note)}</rights></identification>",
        '<part-list><score-part id="P1"><part-name>Melody</part-name></score-part></part-list>',
        '<part id="P1">',
    ]
    top, bottom = score.metre.split("/")
    for bar in range(score.bars):
        lines.append(f'<measure number="{bar + 1}">')
        if bar == 0:
            lines.append(
                f"<attributes><divisions>{TICKS}</divisions><key><fifths>{_fifths(score)}</fifths></key>"
                f"<time><beats>{top}</beats><beat-type>{bottom}</beat-type></time>"
                "<clef><sign>G</sign><line>2</line></clef></attributes>"
                f'<direction placement="above"><direction-type><metronome><beat-unit>quarter</beat-unit><per-minute>'
                f"{score.tempi[0][1]:.0f}</per-minute></metronome></direction-type></direction>"
            )
        named = next((section.name for section in score.sections if section.first_bar == bar), None)
        if named:
            lines.append(
                f"<direction><direction-type><rehearsal>{named}</rehearsal></direction-type></direction>"
            )
        lines += _measure(score, bar)
        lines.append("</measure>")
    return "\n".join([*lines, "</part>", "</score-partwise>", ""])


def _measure(score: Score, bar: int) -> Iterator[str]:
    full = METRES[score.metre]
    start, end = bar * full, (bar + 1) * full
    chords = [
        chord
        for chord, before in zip(score.chords, (None, *score.chords), strict=False)
        if start <= chord.start < end and (before is None or (before.root, before.quality) != chord[2:])
    ]
    at = start
    for hit in sorted(score.voices[0].notes):
        first, last = max(hit.start, at), min(hit.start + hit.ticks, end)
        if first >= last:
            continue
        if first > at:
            yield from _note(None, at, first, score, chords, (False, False))
        yield from _note(hit, first, last, score, chords, (hit.start < start, hit.start + hit.ticks > end))
        at = last
    if at < end:
        yield from _note(None, at, end, score, chords, (False, False))


def _note(
    hit: Hit | None, first: int, last: int, score: Score, chords: Sequence[Chord], tied: tuple[bool, bool]
) -> Iterator[str]:
    """One note or rest as one or more written values, tied (from before, onwards)."""
    pieces = list(_values(last - first))
    for chord in chords:
        if first <= chord.start < last:
            yield _harmony(chord, chord.start - first, score)
    for place, ticks in enumerate(pieces):
        stop = tied[0] or place > 0
        go_on = tied[1] or place < len(pieces) - 1
        what, ties, notations = "<rest/>", "", ""
        if hit is not None:
            letter, alter, octave = spell(hit.pitch, score.tonic, score.mode)
            sign = f"<alter>{alter}</alter>" if alter else ""
            what = f"<pitch><step>{letter}</step>{sign}<octave>{octave}</octave></pitch>"
            kinds = [kind for kind, here in (("stop", stop), ("start", go_on)) if here]
            ties = "".join(f'<tie type="{kind}"/>' for kind in kinds)
            tied_marks = "".join(f'<tied type="{kind}"/>' for kind in kinds)
            notations = f"<notations>{tied_marks}</notations>" if kinds else ""
        yield f"<note>{what}<duration>{ticks}</duration>{ties}{_written(ticks)}{notations}</note>"


def _values(ticks: int) -> Iterator[int]:
    known = sorted({*_TYPES, *_TRIPLET}, reverse=True)
    while ticks:
        size = ticks if ticks in known else next((k for k in known if k <= ticks and k in _TYPES), ticks)
        yield size
        ticks -= size


def _written(ticks: int) -> str:
    if ticks in _TRIPLET:
        change = "<actual-notes>3</actual-notes><normal-notes>2</normal-notes>"
        return f"<type>{_TRIPLET[ticks]}</type><time-modification>{change}</time-modification>"
    if ticks not in _TYPES:
        return ""
    name, dots = _TYPES[ticks]
    return f"<type>{name}</type>" + "<dot/>" * dots


def _harmony(chord: Chord, offset: int, score: Score) -> str:
    letter, alter, _ = spell(60 + chord.root, score.tonic, score.mode)
    sign = f"<root-alter>{alter}</root-alter>" if alter else ""
    shift = f"<offset>{offset}</offset>" if offset else ""
    return (
        f"<harmony><root><root-step>{letter}</root-step>{sign}</root>"
        f"<kind>{_KINDS[chord.quality]}</kind>{shift}</harmony>"
    )


def _fifths(score: Score) -> int:
    """Sharps (positive) or flats of the key signature."""
    return sum(spell(score.tonic + step, score.tonic, score.mode)[1] for step in MODES[score.mode])


# --- Piano roll ---------------------------------------------------------------------------------


def roll(score: Score, width: int = 960, height: int = 260) -> str:
    """Time to the right, pitch upwards, a colour and a legend entry for each voice, sections above."""
    total = max(score.seconds(score.ticks), 0.1)
    pitched = [voice for voice in score.voices if not voice.drums]
    pitches = [hit.pitch for voice in pitched for hit in voice.notes] or [60]
    low, high = min(pitches) - 2, max(pitches) + 2
    left, top, bottom = 8, 40, height - 30
    step = (bottom - top) / (high - low)

    def x(tick: int) -> float:
        return left + (width - 2 * left) * score.seconds(tick) / total

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" '
        f'font-family="sans-serif" font-size="11" aria-label={quoteattr(_describe(score))}>',
        f'<rect width="{width}" height="{height}" fill="#fbfaf7"/>',
    ]
    for place, section in enumerate(score.sections):
        begin, end = (
            x(bar * METRES[score.metre]) for bar in (section.first_bar, section.first_bar + section.bars)
        )
        shade = "#f0ece2" if place % 2 else "#f7f4ec"
        parts.append(
            f'<rect x="{begin:.1f}" y="20" width="{end - begin:.1f}" height="{bottom - 14}" fill="{shade}"/>'
            f'<text x="{begin + 4:.1f}" y="33" fill="#444">{section.name}</text>'
        )
    for number, voice in reversed(list(enumerate(score.voices))):
        colour = _COLOURS[number % len(_COLOURS)]
        for hit in voice.notes:
            begin, end = x(hit.start), x(min(hit.start + hit.ticks, score.ticks))
            if voice.drums:
                y, thick = bottom + 2.0, 4.0
                end = begin + 2
            else:
                y, thick = bottom - (hit.pitch - low + 1) * step, max(step * 0.86, 2)
            parts.append(
                f'<rect x="{begin:.1f}" y="{y:.1f}" width="{max(end - begin - 0.6, 1):.1f}" height="{thick:.1f}" '
                f'rx="1" fill="{colour}" opacity="{0.95 if number == 0 else 0.62}"/>'
            )
    for number, voice in enumerate(score.voices):
        at, colour = left + 130 * number, _COLOURS[number % len(_COLOURS)]
        parts.append(
            f'<rect x="{at}" y="{height - 16}" width="10" height="10" fill="{colour}"/>'
            f'<text x="{at + 15}" y="{height - 7}" fill="#333">{_xml(voice.name)}</text>'
        )
    parts.append(f'<text x="{width - 60}" y="{height - 7}" fill="#666">{total:.1f} s</text></svg>')
    return "".join(parts) + "\n"


def _describe(score: Score) -> str:
    names = ", ".join(voice.name for voice in score.voices)
    form = " ".join(section.name for section in score.sections)
    return _plain(
        f"Piano roll of “{score.title}”: {score.bars} bars in {score.metre}, {key_name(score.tonic, score.mode)}; "
        f"form {form}; voices: {names}."
    )


def _xml(text: str) -> str:
    return escape(_plain(text))


def _plain(text: str) -> str:
    return _UNPRINTABLE.sub("", text)
