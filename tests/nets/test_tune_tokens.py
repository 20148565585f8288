"""Tune tokens, their grammar and ABC: what is written is read back, and nothing else is read."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studio.nets.tune_abc import Unreadable, read_book, read_tune
from studio.nets.tune_tokens import (
    ID,
    METRES,
    MODES,
    SIZE,
    STYLES,
    Grammar,
    NotATune,
    decode,
    encode,
    notes_of,
    runs,
)
from studio.nets.tune_write import key_name, spell, write_tune

RAKES = """X:85
T:Rakes of Mallow, The
R:reel
M:2/4
L:1/8
K:G
(3d/e/f/|:gBgB|gB"A7"c/B/A/G/|FA{g}FA|FA d>c|BGBG|BGB/c/d|
[1 e/d/c/B/ A/G/F/A/|G2G2:|[2 e/d/c/B/ A/G/F/A/|G2 [G2B2]|]
"""


def walk(seed: int, plan: list[tuple[int, bool | None]]) -> list[int]:
    """Random tokens under the grammar: the worst that a model could do."""
    rng = random.Random(seed)
    grammar, tokens = Grammar(plan), []
    while not grammar.done:
        token = rng.choice(sorted(grammar.allowed()))
        grammar.push(token)
        tokens.append(token)
    return tokens


plans = st.lists(st.tuples(st.integers(1, 6), st.sampled_from([None, True, False])), min_size=1, max_size=4)


@given(seed=st.integers(0, 10**9), plan=plans)
@settings(max_examples=60, deadline=None)
def test_whatever_the_grammar_allows_is_a_tune_with_exact_bars(
    seed: int, plan: list[tuple[int, bool | None]]
) -> None:
    tokens = walk(seed, plan)
    tune = decode(tokens)
    assert encode(tune) == tokens
    full = METRES[tune.metre]
    for part, (bars, pickup) in zip(tune.parts, plan, strict=True):
        assert len(part.bars) == bars
        assert all(sum(note.ticks for note in bar) == full for bar in part.bars)
        assert sum(note.ticks for note in part.pickup) < full
        assert pickup in (None, bool(part.pickup))


@given(seed=st.integers(0, 10**9), plan=plans, tonic=st.integers(60, 71))
@settings(max_examples=60, deadline=None)
def test_abc_that_is_written_is_read_back_as_the_same_tune(
    seed: int, plan: list[tuple[int, bool | None]], tonic: int
) -> None:
    tune = decode(walk(seed, plan))
    text = write_tune(tune, tonic, {"T": 'A "title"\nof % two lines'}, {(0, 0, 0): "Am"})
    again = read_tune(text)
    if not tune.parts[-1].pickup and all(part.pickup == () for part in tune.parts):
        assert again == tune
    assert list(notes_of(again)) == list(notes_of(tune))


@given(st.lists(st.integers(-2, SIZE + 2), max_size=30))
@settings(deadline=None)
def test_other_tokens_are_refused(tokens: list[int]) -> None:
    with pytest.raises(NotATune):
        decode(tokens)


@given(st.text(alphabet="ABCdefgz|:[](){}123/>-^_= \n\"'KMLX%", max_size=200))
@settings(deadline=None)
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        tune = read_tune("X:1\nM:6/8\nK:D\n" + text)
    except (Unreadable, NotATune):
        return
    assert all(sum(n.ticks for n in bar) == 72 for part in tune.parts for bar in part.bars)


def test_a_tune_of_a_book_is_read_with_its_last_ending() -> None:
    ((title, source),) = read_book("% a book\n\n" + RAKES)
    assert title == "Rakes of Mallow, The"
    tune = read_tune(source)
    assert (tune.metre, tune.mode, tune.style) == ("2/4", "major", "reel")
    (part,) = tune.parts
    assert len(part.bars) == 8 and [note.ticks for note in part.pickup] == [4, 4, 4]
    assert [note.pitch for note in part.bars[0]] == [12, 4, 12, 4]
    assert [note.ticks for note in part.bars[3]] == [12, 12, 18, 6]
    assert [note.pitch for note in part.bars[7]] == [0, 4]  # the second ending, the chord's highest note


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (("M:2/4", "M:5/4"), "metre"),
        (("K:G", "K:Hp"), "key"),
        (("gBgB", "gBgBg"), "a bar of 60 ticks"),
        (("FA d>c", "(5FAdcF"), "tuplet of 5"),
        (("BGBG", "[K:D]BGBG"), "inline"),
        (("FA d>c", "F99999999999999999999999999A"), "ticks"),
        (("FA d>c", "FA/0 d>c"), "length"),
    ],
)
def test_what_cannot_be_read_is_said(change: tuple[str, str], why: str) -> None:
    with pytest.raises(Unreadable, match=why):
        read_tune(RAKES.replace(*change))


def test_runs_know_a_melody_in_any_key_and_rhythm() -> None:
    tune = read_tune(RAKES)
    head, body = RAKES.replace("K:G", "K:A").split("K:A")
    higher = read_tune(f"{head}K:A{body.translate(str.maketrans('ABCDEFGcdefg', 'BcDEFGAdefga'))}")
    assert runs(tune) and not runs(tune) - runs(read_tune(RAKES.replace("T:", "T:x")))
    assert len(runs(tune) & runs(higher)) > 10
    assert not runs(tune) & runs(decode(walk(3, [(8, False)])))


@pytest.mark.parametrize("mode", MODES)
def test_every_pitch_is_spelled_in_every_key(mode: str) -> None:
    for tonic in range(60, 72):
        assert read_tune(f"X:1\nM:2/4\nL:1/8\nK:{key_name(tonic, mode)}\nCDEF|").mode == mode
        letters = {spell(tonic + step, tonic, mode)[0] for step in MODES[mode]}
        assert len(letters) == 7  # a scale uses each letter once
        for pitch in range(48, 96):
            letter, shift, octave = spell(pitch, tonic, mode)
            steps = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
            assert 12 * (octave + 1) + steps[letter] + shift == pitch and abs(shift) <= 1


def test_the_vocabulary_is_what_trained_weights_were_trained_on() -> None:
    assert len(ID) == SIZE == 125
    assert [*ID][:6] == ["pad", "begin", "end", "pickup", "rest", "hold"]
    assert tuple([*ID][6:15]) == tuple(METRES) and set(STYLES) < set(ID)
