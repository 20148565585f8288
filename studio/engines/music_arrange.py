"""A melody becomes a piece: form, chords, bass, accompaniment, drums, an intro and an ending, all by rules."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from studio.engines.music_form import Form
from studio.engines.music_harmony import QUALITIES, beats, harmonise, span
from studio.engines.music_players import BACKINGS, BASSES, CRASH, KITS, LEADS, Player
from studio.engines.music_score import Chord, Hit, Score, Section, Voice
from studio.engines.music_textures import figure, joined, voicing
from studio.nets.tune_tokens import METRES, MODES, Note, Tune

_LOVED_KEYS = {
    2: 0.0,
    7: 0.0,
    9: 0.4,
    0: 0.4,
    5: 0.8,
    4: 1.0,
    10: 1.0,
    3: 1.6,
    11: 2.0,
    8: 2.2,
    1: 2.6,
    6: 3.0,
}


@dataclass(frozen=True, slots=True)
class Setting:
    """Everything an arrangement is told besides its melody. `key` is a pitch class or None."""

    title: str
    lead: str
    second: str
    backing: str
    bass: str
    texture: str
    contrast: str
    drums: str
    key: int | None
    loop: bool


def arrange(tune: Tune, form: Form, setting: Setting, seed: int) -> Score:
    """The finished score; the same arguments give the same one."""
    return _Arranger(tune, form, setting, random.Random(seed)).score()


class _Arranger:
    def __init__(self, tune: Tune, form: Form, setting: Setting, rng: random.Random) -> None:
        self.tune, self.form, self.setting, self.rng = tune, form, setting, rng
        self.full = METRES[tune.metre]
        self.beat, self.count = beats(tune.metre)
        self.parts = tune.parts
        last = len(form.pattern) - 1
        self.harmony = [
            harmonise(part, tune.metre, tune.mode, form.pattern[last] == letter)
            for part, letter in zip(self.parts, form.letters, strict=True)
        ]
        self.tonic = _tonic(tune, LEADS[setting.lead], setting.key)
        self.sections = list(self._sections())
        self.chords = list(self._chords())

    def score(self) -> Score:
        setting, form = self.setting, self.form
        melody = self._melody()
        lead = LEADS[setting.lead]
        voices = [Voice("Melody", lead.program, tuple(melody), 58, lead.volume)]
        if second := self._second(melody):
            other = LEADS[setting.second]
            voices.append(Voice("Second voice", other.program, second, 82, round(other.volume * 0.72)))
        backing, bass = BACKINGS[setting.backing], BASSES[setting.bass]
        if hits := tuple(self._backing(backing)):
            voices.append(Voice("Accompaniment", backing.program, hits, 76, backing.volume))
        if bass.volume and setting.texture != "none":
            voices.append(Voice("Bass", bass.program, tuple(self._bass(bass)), 64, bass.volume))
        if setting.drums != "none":
            voices.append(Voice("Drums", 0, tuple(self._drums()), 64, 92, drums=True))
        return Score(
            title=setting.title,
            metre=self.tune.metre,
            mode=self.tune.mode,
            tonic=self.tonic,
            bars=form.bars,
            tempi=self._tempi(),
            voices=tuple(voices),
            chords=tuple(self.chords),
            sections=tuple(section for section, _ in self.sections),
        )

    # --- the plan ---

    def _sections(self) -> Iterator[tuple[Section, int]]:
        """Each section and the number of its part, −1 for intro and ending."""
        bar = 0
        if self.form.intro:
            yield Section("intro", 0, self.form.intro), -1
            bar = self.form.intro
        for letter in self.form.pattern:
            part = self.form.letters.index(letter)
            bars = len(self.parts[part].bars)
            yield Section(letter, bar, bars), part
            bar += bars
        if self.form.ending:
            yield Section("ending", bar, self.form.ending), -1

    def _chords(self) -> Iterator[Chord]:
        size = span(self.tune.metre)
        for section, part in self.sections:
            start, spans = section.first_bar * self.full, section.bars * self.full // size
            if section.name == "intro":  # the way the first section closes leads into it
                chosen = (self.harmony[0] * spans)[-spans:]
            elif section.name == "ending":
                chosen = [(0, self._home())] * spans
            else:
                chosen = self.harmony[part][:spans]
            for place, (root, quality) in enumerate(chosen):
                yield Chord(start + place * size, size, (self.tonic + root) % 12, quality)

    def _home(self) -> str:
        return "" if MODES[self.tune.mode][2] == 4 else "m"

    def _tempi(self) -> tuple[tuple[int, float], ...]:
        bpm = self.form.bpm
        if self.setting.loop or not self.form.ending or self.form.bars < 4:
            return ((0, bpm),)
        end = (self.form.bars - self.form.ending) * self.full
        return ((0, bpm), (end - self.full, bpm * 0.96), (end - self.beat, bpm * 0.86), (end, bpm * 0.8))

    # --- the melody ---

    def _melody(self) -> list[Hit]:
        hits: list[Hit] = []
        for section, number in self.sections:
            start = section.first_bar * self.full
            if number < 0:
                continue
            part = self.parts[number]
            lift = round(6 * section.first_bar / self.form.bars)
            if part.pickup and start:
                hits = self._lead_in(hits, part.pickup, start, lift)
            notes = (note for bar in part.bars for note in bar)
            hits += self._sung(notes, start, 80 + lift)
        first = self.parts[0].pickup
        if self.setting.loop and first:  # what leads into the beginning stands at the end
            hits = self._lead_in(hits, first, self.form.bars * self.full, 6)
        if self.form.ending and hits:
            hits.append(self._last_note(hits[-1]))
        return hits

    def _lead_in(self, hits: list[Hit], pickup: Sequence[Note], start: int, lift: int) -> list[Hit]:
        ticks = sum(note.ticks for note in pickup)
        begin = start - ticks
        kept = [hit._replace(ticks=min(hit.ticks, begin - hit.start)) for hit in hits if hit.start < begin]
        return kept + self._sung(iter(pickup), begin, 74 + lift)

    def _sung(self, notes: Iterator[Note], start: int, velocity: int) -> list[Hit]:
        hits: list[Hit] = []
        tick = start
        for note in notes:
            if note.held and hits:
                hits[-1] = hits[-1]._replace(ticks=hits[-1].ticks + note.ticks)
            elif note.pitch is not None:
                accent = 10 if tick % self.full == 0 else 4 if tick % self.beat == 0 else -4
                loud = velocity + accent + self.rng.randint(-4, 4)
                hits.append(Hit(tick, note.ticks, self.tonic + note.pitch, loud))
            tick += note.ticks
        return hits

    def _last_note(self, last: Hit) -> Hit:
        tonics = [self.tonic + 12 * octave for octave in (-1, 0, 1)]
        pitch = min(tonics, key=lambda tonic: abs(tonic - last.pitch))
        return Hit((self.form.bars - self.form.ending) * self.full, self.form.ending * self.full, pitch, 84)

    def _second(self, melody: Sequence[Hit]) -> tuple[Hit, ...]:
        """A voice below the melody on its longer notes, from the last quarter of the form on."""
        sung = [section for section, part in self.sections if part >= 0]
        if len(sung) < 3 or self.setting.second == "none":
            return ()
        begin = sung[-1].first_bar * self.full
        hits = []
        for hit in melody:
            if hit.start < begin or hit.ticks < 12 or hit.start % 12:
                continue
            tones = self._tones(hit.start)
            below = [p for p in range(hit.pitch - 9, hit.pitch - 2) if p % 12 in tones]
            if below:
                hits.append(hit._replace(pitch=below[-1], velocity=hit.velocity - 14))
        return tuple(hits)

    def _tones(self, tick: int) -> set[int]:
        chord = self.chords[min(tick // span(self.tune.metre), len(self.chords) - 1)]
        return {(chord.root + step) % 12 for step in QUALITIES[chord.quality]}

    # --- the others ---

    def _backing(self, player: Player) -> Iterator[Hit]:
        before = (player.low + player.high) // 2 - 3
        for chord, texture, loud in self._told():
            tones = voicing(chord, player, before)
            before = sum(tones) // len(tones)
            for start, ticks, places, accent in figure(texture, chord, self.beat, self.full, tones):
                for late, pitch in enumerate(places):
                    # A strummed chord is not struck at once.
                    shift = late if texture == "strum" and ticks > 2 * len(places) else 0
                    velocity = max(20, loud + accent + self.rng.randint(-3, 3))
                    yield Hit(start + shift, max(1, ticks - shift), pitch, velocity)

    def _told(self) -> Iterator[tuple[Chord, str, int]]:
        """Each chord with its texture and loudness: the middle sections contrast, the ending is held."""
        for section, part in self.sections:
            first, last = section.first_bar * self.full, (section.first_bar + section.bars) * self.full
            chords = [chord for chord in self.chords if first <= chord.start < last]
            texture = self.setting.contrast if part > 0 else self.setting.texture
            if section.name == "ending" and texture not in ("none", "drone"):
                yield chords[0]._replace(ticks=last - first), "held", 70
                continue
            grown = 4 * (part >= 0) + round(6 * section.first_bar / self.form.bars)
            if texture == "drone":
                chords = [chord._replace(root=self.tonic % 12, quality="5") for chord in chords]
            for chord in joined(chords) if texture in ("held", "drone") else chords:
                yield chord, texture, 58 + grown

    def _bass(self, player: Player) -> Iterator[Hit]:
        for chord, texture, loud in self._told():
            root = player.low + (chord.root - player.low) % 12
            fifth = root + 7 if root + 7 <= player.high else root - 5
            if texture in ("held", "broken", "drone"):
                pitch = root if texture != "drone" else player.low + (self.tonic - player.low) % 12
                yield Hit(chord.start, chord.ticks, pitch, loud + 12)
            elif texture == "pulse":
                for start in range(chord.start, chord.start + chord.ticks, self.beat // 2 or 12):
                    yield Hit(start, self.beat // 2 - 1, root, loud + (14 if start % self.beat == 0 else 4))
            else:
                for place in range(chord.ticks // self.beat):
                    start = chord.start + place * self.beat
                    strong = (start // self.beat) % self.count % 2 == 0
                    if strong or self.count == 2:
                        yield Hit(start, self.beat - 2, root if place % 2 == 0 else fifth, loud + 14)

    def _drums(self) -> Iterator[Hit]:
        kit = KITS[self.setting.drums]
        sung = [place for place, (_, part) in enumerate(self.sections) if part >= 0]
        for place, (section, _) in enumerate(self.sections):
            begin, end = section.first_bar * self.full, (section.first_bar + section.bars) * self.full
            if section.name == "ending":
                yield Hit(begin, self.beat, CRASH if self.setting.drums in ("kit", "heavy") else 41, 84)
                continue
            if section.name == "intro" or (place == sung[0] and len(sung) > 2 and not self.setting.loop):
                soft = -16  # the first time through is lighter
            else:
                soft = 0
            division = self.beat // 3 if self.beat % 36 == 0 else self.beat // 2
            for start in range(begin, end, division):
                on_beat = (start - begin) % self.beat == 0
                strong = on_beat and (start - begin) // self.beat % self.count % 2 == 0
                for drum, velocity in kit.strong if strong else kit.weak if on_beat else kit.between:
                    yield Hit(start, division, drum, max(1, velocity + soft + self.rng.randint(-5, 5)))


def _tonic(tune: Tune, lead: Player, key: int | None) -> int:
    """The tonic that puts the melody where the lead sounds best, in a key that is easy to read."""
    pitches = [
        n.pitch
        for part in tune.parts
        for bar in (part.pickup, *part.bars)
        for n in bar
        if n.pitch is not None
    ]
    low, high = min(pitches, default=0), max(pitches, default=12)

    def cost(tonic: int) -> float:
        outside = max(0, lead.low - tonic - low) + max(0, tonic + high - lead.high)
        middle = tonic + (low + high) / 2
        wished = (lead.low + lead.high) / 2
        return 4 * outside + abs(middle - wished) + (_LOVED_KEYS[tonic % 12] if key is None else 0)

    choices = range(max(lead.low - 12, -low), min(lead.high + 12, 127 - high))
    return min((t for t in choices if key is None or t % 12 == key), key=cost)
