"""From words and a melody to a score: brief, form, harmony, arrangement, and what is written from it."""

from __future__ import annotations

import json
import random
import struct
import xml.etree.ElementTree as ET
import zlib
from base64 import b64encode
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studio.engines.music_arrange import Setting, arrange
from studio.engines.music_brief import read_brief
from studio.engines.music_form import TAIL, plan_form
from studio.engines.music_harmony import harmonise, span
from studio.engines.music_options import METRES as OFFERED
from studio.engines.music_options import MOODS, MusicOptions
from studio.engines.music_players import BACKINGS, BASSES, KITS, LEADS
from studio.engines.music_score import Score, midi, pack, unpack
from studio.engines.music_sheet import abc, musicxml, roll
from studio.engines.music_textures import TEXTURES
from studio.errors import BadInput
from studio.nets.tune_abc import read_tune
from studio.nets.tune_tokens import METRES, MODES, TICKS, Grammar, Tune

REEL = """X:1
T:Test
R:reel
M:4/4
L:1/8
K:G
D | G2 BG dGBG | c2 ec dBGB | A2 cA FAcA | G2 BG d3 d | g2 bg dgbg | c2 ec dBGB | A2 cA FADF | G2 G2 G3 z ||
d | g2 fg eagf | e2 de cedc | B2 dB cBAG | A2 GA FAde | g2 fg eagf | e2 de cedc | BGdB cAFA | G2 G2 G4 |]
"""


def random_tune(seed: int, plan: list[tuple[int, bool | None]]) -> Tune:
    rng, grammar = random.Random(seed), Grammar(plan)
    while not grammar.done:
        grammar.push(rng.choice(sorted(grammar.allowed())))
    return grammar.tune()


def setting(**changes: object) -> Setting:
    usual = Setting(
        title="A <test> & more", lead="fiddle", second="whistle", backing="guitar", bass="double bass",
        texture="strum", contrast="step", drums="kit", key=None, loop=False,
    )  # fmt: skip
    return replace(usual, **changes)  # type: ignore[arg-type]


def reel(**changes: object) -> tuple[Score, Tune]:
    tune, told = read_tune(REEL), setting(**changes)
    form = plan_form(60, tune.metre, 180, told.loop, (8, 8))
    return arrange(tune, form, told, 1), tune


# --- Brief --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("a slip jig for two flutes", {"style": "slip jig", "metre": "9/8", "lead": "flute"}),
        ("Solemn march in D major with brass", {"style": "march", "mood": "solemn", "lead": "brass", "key": "D"}),
        ("sad cello music in F# minor", {"mood": "sad", "lead": "cello", "mode": "minor", "key": "F♯"}),
        ("hornpipe at 96 bpm, 45 seconds", {"style": "hornpipe", "tempo": 96, "seconds": 45.0, "lead": "fiddle"}),
        ("boss fight, seamless loop, no drums", {"mood": "tense", "loop": True, "drums": "none"}),
        ("梦幻的圆舞曲，八音盒，20秒", {"mood": "dreamy", "style": "waltz", "lead": "music box", "seconds": 20.0}),
        ("ein trauriger Walzer für Klavier", {"mood": "sad", "style": "waltz", "lead": "piano"}),
        ("🎉🎈🎉", {"mood": "cheerful"}),
        ("in a minor key", {"mode": "minor", "key": "auto"}),
    ],
)  # fmt: skip
def test_words_decide_what_they_name(prompt: str, expected: dict[str, object]) -> None:
    chosen = read_brief(prompt, MusicOptions(), None, 0).options
    assert {name: getattr(chosen, name) for name in expected} == expected


def test_what_a_person_sets_stands_against_the_brief() -> None:
    given = MusicOptions(mood="calm", style="air", mode="dorian", tempo=60, lead="oboe", key="A", seconds=40)
    chosen = read_brief("a happy jig on the banjo at 150 bpm in C major, 10 s", given, None, 0).options
    kept = ("mood", "style", "mode", "tempo", "lead", "key", "seconds")
    assert all(getattr(chosen, name) == getattr(given, name) for name in kept)


def test_meaning_decides_the_mood_where_no_word_does() -> None:
    asked: list[str] = []

    def near(text: str, sentences: object) -> list[float]:
        asked.append(text)
        return [0.1 if mood != "solemn" else 0.6 for mood in MOODS]

    controls = read_brief("music for a coronation", MusicOptions(), near, 0)
    assert controls.options.mood == "solemn" and asked == ["music for a coronation"]
    assert any("closest in meaning" in why for why in controls.because)
    assert read_brief("加冕典礼", MusicOptions(), near, 0).options.mood == "cheerful"
    assert len(asked) == 1  # the embedding reads English only, so it was not asked


@given(st.text(max_size=400))
@settings(deadline=None)
def test_any_brief_gives_controls_that_can_be_played(prompt: str) -> None:
    chosen = read_brief(prompt, MusicOptions(), None, 3).options
    assert "auto" not in (chosen.mood, chosen.style, chosen.mode, chosen.metre, chosen.lead, chosen.texture)
    assert 2 <= chosen.seconds <= 180 and chosen.metre in METRES and chosen.tempo > 0


# --- Form ---------------------------------------------------------------------------------------


@given(seconds=st.floats(2, 180), metre=st.sampled_from(OFFERED), bpm=st.floats(60, 220), loop=st.booleans())
@settings(deadline=None)
def test_a_form_is_about_as_long_as_wished(seconds: float, metre: str, bpm: float, loop: bool) -> None:
    form = plan_form(seconds, metre, bpm, loop)
    length = form.bars * METRES[metre] / TICKS * 60 / form.bpm + (0 if loop else TAIL)
    bar = METRES[metre] / TICKS * 60 / bpm
    if seconds > 2 * bar + TAIL:  # shorter than two bars and what rings on is not to be had
        assert abs(length - seconds) <= max(
            (0.2 if loop else 0.1) * seconds, 0.8 * bar
        )  # a loop is whole phrases
    assert 0.89 * bpm < form.bpm < (1.61 if form.cut else 1.11) * bpm
    assert (form.intro == form.ending == 0) if loop else form.ending > 0
    assert len(form.lengths) == len(form.letters)


def test_half_a_minute_is_a_a_b_a() -> None:
    assert plan_form(30, "4/4", 176, False).pattern == "AABA"


# --- Harmony and arrangement --------------------------------------------------------------------


def test_a_melody_gets_the_chords_that_hold_it() -> None:
    tune = read_tune(REEL)
    chords = harmonise(tune.parts[0], tune.metre, tune.mode, last=True)
    assert len(chords) == 8 * METRES["4/4"] // span("4/4")
    assert chords[0] == (0, "") and chords[-1] == (0, "")
    assert chords[2] == (5, "")  # c e c over C
    assert {root for root, _ in chords} >= {0, 5, 7}


@given(seed=st.integers(0, 10**6), texture=st.sampled_from(TEXTURES), drums=st.sampled_from(("none", *KITS)),
       lead=st.sampled_from(sorted(LEADS)), backing=st.sampled_from(sorted(BACKINGS)),
       bass=st.sampled_from(sorted(BASSES)), loop=st.booleans(), seconds=st.sampled_from([12, 40]))  # fmt: skip
@settings(max_examples=40, deadline=None)
def test_any_melody_is_arranged_within_its_bars(
    seed: int, texture: str, drums: str, lead: str, backing: str, bass: str, loop: bool, seconds: int
) -> None:
    form = plan_form(seconds, "6/8", 150, loop)
    tune = random_tune(seed, [(bars, None) for bars in form.lengths])
    form = plan_form(seconds, tune.metre, 150, loop, form.lengths)
    told = setting(
        texture=texture, contrast="broken", drums=drums, lead=lead, backing=backing, bass=bass, loop=loop
    )
    score = arrange(tune, form, told, seed)
    assert score == arrange(tune, form, told, seed)
    assert unpack(pack(score)) == score
    for voice in score.voices:
        assert all(hit.start >= 0 and hit.start + hit.ticks <= score.ticks + 8 for hit in voice.notes)
        assert all(0 <= hit.pitch < 128 and 0 < hit.velocity < 128 for hit in voice.notes)
    melody = sorted(score.voices[0].notes)
    assert all(a.start + a.ticks <= b.start for a, b in zip(melody, melody[1:], strict=False))
    assert sum(chord.ticks for chord in score.chords) == score.ticks
    bars = ET.fromstring(musicxml(score, "x")).findall("part/measure")
    assert len(bars) == score.bars
    for bar in bars:
        assert sum(int(d.text or 0) for d in bar.findall("note/duration")) == METRES[score.metre]


def test_a_piece_ends_on_a_long_tonic_and_a_loop_does_not_end() -> None:
    score, tune = reel()
    last = max(score.voices[0].notes)
    assert last.pitch % 12 == score.tonic % 12 == 7 and last.ticks >= METRES[tune.metre]
    assert score.sections[-1].name == "ending" and score.tempi[-1][1] < score.tempi[0][1]
    looped, _ = reel(loop=True)
    assert {section.name for section in looped.sections} <= {"A", "B", "C"} and len(looped.tempi) == 1
    pickup = max(looped.voices[0].notes)
    assert (
        pickup.start == looped.ticks - 12 and pickup.pitch % 12 == 2
    )  # the lead-in stands at the loop's end


def test_textures_really_differ() -> None:
    played = {texture: reel(texture=texture, contrast=texture)[0] for texture in TEXTURES}
    backings = {
        texture: next((voice.notes for voice in score.voices if voice.name == "Accompaniment"), ())
        for texture, score in played.items()
    }
    assert backings["none"] == () and len(set(backings.values())) == len(TEXTURES)


def test_a_key_that_is_wished_is_kept() -> None:
    for key in range(12):
        assert reel(key=key)[0].tonic % 12 == key


# --- What is written ----------------------------------------------------------------------------


def test_abc_beside_a_piece_is_its_very_tune() -> None:
    score, tune = reel()
    text = abc(score, tune)
    assert read_tune(text) == tune
    assert '"C"' in text and "P:" in text and "T:A <test> & more" in text


def test_midi_is_well_formed_and_repeats_without_a_gap() -> None:
    score, _ = reel(loop=True)
    once, thrice = midi(score, "made for a test"), midi(score, repeats=3)
    for data, turns in ((once, 1), (thrice, 3)):
        kind, tracks, division = struct.unpack_from(">HHH", data, 8)
        assert (kind, tracks, division) == (1, len(score.voices) + 1, 480)
        at, on, ends = 14, 0, set()
        for _ in range(tracks):
            assert data[at : at + 4] == b"MTrk"
            size = struct.unpack_from(">I", data, at + 4)[0]
            notes, end = _walk(data[at + 8 : at + 8 + size])
            on, at = on + notes, at + 8 + size
            ends.add(end)
        assert at == len(data)
        assert on == turns * sum(len(voice.notes) for voice in score.voices)
        assert max(ends) <= turns * score.ticks * 20 + 200 and min(ends) == turns * score.ticks * 20
    assert b"made for a test" in once


def _walk(track: bytes) -> tuple[int, int]:
    """(notes switched on, ticks) of a track; every note that is switched on is switched off."""
    at = tick = on = 0
    open_notes: list[tuple[int, int]] = []
    while at < len(track):
        delta = 0
        while True:
            delta = delta << 7 | track[at] & 0x7F
            at += 1
            if not track[at - 1] & 0x80:
                break
        tick += delta
        status = track[at]
        if status == 0xFF:
            size, at = 0, at + 2
            while True:
                size = size << 7 | track[at] & 0x7F
                at += 1
                if not track[at - 1] & 0x80:
                    break
            at += size
        elif status & 0xF0 == 0xC0:
            at += 2
        else:
            note = (status & 0x0F, track[at + 1])
            if status & 0xF0 == 0x90:
                on += 1
                open_notes.append(note)
            elif status & 0xF0 == 0x80:
                open_notes.remove(note)
            at += 3
    assert not open_notes
    return on, tick


def test_paper_escapes_what_a_person_typed() -> None:
    score, _ = reel(title='<script>alert(1)</script> & "x" \x00\ud800')
    for text in (roll(score), musicxml(score, "a & b <c>")):
        root = ET.fromstring(text.encode("utf-8", "replace"))
        assert root is not None and "<script" not in text


@pytest.mark.parametrize(
    "record",
    ["", "no base64!", b64encode(b"no deflate").decode(), b64encode(zlib.compress(b"[]")).decode(),
     b64encode(zlib.compress(b"0" * 5_000_000)).decode(), b64encode(zlib.compress(json.dumps({"voices": []}).encode())).decode()],
)  # fmt: skip
def test_a_damaged_record_is_refused(record: str) -> None:
    with pytest.raises(BadInput, match="recorded score"):
        unpack(record)


def test_every_mood_names_players_that_exist() -> None:
    for mood in MOODS:
        chosen = read_brief("x", MusicOptions(mood=mood), None, 0).options
        assert chosen.lead in LEADS and chosen.backing in BACKINGS and chosen.bass in BASSES
        assert chosen.texture in TEXTURES and chosen.drums in ("none", *KITS) and chosen.mode in MODES
