"""The study of voices: its sentences, its sums, and that the guide shows what was measured."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path
from statistics import mean

import pytest

from studio.bench.speech_study import BEGIN, END, VOICES, sentences, show, table
from studio.engines.speech_figures import RESULT, Row, best_first, read, told
from studio.engines.speech_kokoro import VOICES as KOKORO
from studio.engines.speech_kokoro import SpeechOptions
from studio.engines.speech_text import normalise
from studio.settings import ROOT


def test_fifty_sentences_with_what_is_hard_to_read() -> None:
    written = [pair[0] for pair in sentences(50)]
    assert len(set(written)) == 50
    for hard in (
        r"\d{4}-\d\d-\d\d",
        r"[£$€]\d",
        r"\bDr\.|\bProf\.",
        r"\be\.g\.",
        r"\d+/\d+",
        r"[A-Z]{3,}",
        r"@|\.com",
    ):
        assert any(re.search(hard, one) for one in written), hard


@pytest.mark.parametrize(("written", "spoken"), sentences(50))
def test_they_are_read_as_they_should_be(written: str, spoken: str) -> None:
    assert normalise(written) == spoken


def test_a_smaller_study_is_spread_over_all() -> None:
    every, some = sentences(50), sentences(10)
    assert some == every[::5]


def test_every_voice_is_studied() -> None:
    assert {*KOKORO, "joe"} <= set(VOICES)


@pytest.mark.parametrize(
    ("changes", "reached"),
    [
        ({}, True),
        ({"wrong": 6}, False),
        ({"dnsmos": [3.0, 3.3]}, False),
        ({"lufs": [-16.0, -15.4]}, False),
        ({"clipped": 1}, False),
    ],
)
def test_a_row_reaches_its_goals_or_says_so(changes: dict[str, object], reached: bool) -> None:
    good = {"sentences": 2, "words": 100, "wrong": 5, "dnsmos": [3.2, 3.4], "lufs": [-16.1, -15.9]}
    row = Row("x", **(good | changes))  # type: ignore[arg-type]
    assert row.reached is reached
    assert ("**not reached**" in table([row])) is not reached


def test_the_guide_shows_the_study() -> None:
    rows = read(RESULT)
    assert {row.voice for row in rows} >= {"jm_kumo", "joe"}
    assert table(rows) in (ROOT / "docs" / "speech.md").read_text("utf-8")


def test_the_table_is_put_in_its_place(tmp_path: Path) -> None:
    guide = tmp_path / "guide.md"
    guide.write_text(f"Before.\n{BEGIN}old{END}\nAfter.\n", "utf-8")
    rows = [Row("x", 1, 10, 0, 0, [3.3], [-16.0])]
    show(rows, guide)
    assert guide.read_text("utf-8") == f"Before.\n{BEGIN}{table(rows)}{END}\nAfter.\n"


def test_voices_are_offered_best_first_with_their_figures() -> None:
    rows = {row.voice: row for row in read(RESULT)}
    reached = [rows[voice].reached for voice in KOKORO]
    assert reached == sorted(reached, reverse=True) and rows[SpeechOptions().voice].reached
    assert SpeechOptions().voice == KOKORO[0]
    labels = {one.name: one.metadata["labels"] for one in fields(SpeechOptions)}["voice"]
    assert list(labels) == list(KOKORO)
    for voice in KOKORO:
        assert ("recommended" in labels[voice]) is rows[voice].reached
        assert f"{mean(rows[voice].dnsmos):.2f} clean" in labels[voice]


def test_a_voice_that_nobody_measured_comes_last_and_says_so() -> None:
    assert best_first(["nobody", "joe", "jm_kumo"]) == ("jm_kumo", "joe", "nobody")
    assert told({"nobody": "a child"}) == {"nobody": "nobody, a child: not measured"}
