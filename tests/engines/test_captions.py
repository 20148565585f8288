"""Captions: readable, in order, valid in both formats, and true to a known script."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio.engines import captions
from studio.engines.captions import LINE, LONGEST, WIDE_LINE, Word, align, cues, paragraphs, srt, vtt
from studio.errors import BadInput


def timed(text: str, rate: float = 0.3, start: float = 0.0) -> list[Word]:
    parts = re.findall(r"\s*\S+", text)
    return [Word(start + rate * i, start + rate * (i + 0.9), part) for i, part in enumerate(parts)]


SPEECH = (
    "Good morning, the museum opens at nine o'clock and the last entry is at half past four. "
    "Please keep your ticket."
)


def test_a_caption_ends_with_its_sentence_and_none_is_a_lonely_word() -> None:
    found = cues(timed(SPEECH))
    assert " ".join(line for cue in found for line in cue.lines) == SPEECH
    assert found[-1].lines == ("Please keep your ticket.",)
    assert min(len(" ".join(cue.lines).split()) for cue in found) >= 3


def test_a_long_silence_ends_a_caption_and_a_paragraph() -> None:
    words = [*timed("one two"), *timed(" three four", start=5.0)]
    assert [cue.lines for cue in cues(words)] == [("one two",), ("three four",)]
    assert paragraphs(words) == "one two\n\nthree four"


def test_a_short_caption_stays_long_enough_to_be_read_but_does_not_run_into_the_next() -> None:
    first, second = cues([Word(0.0, 0.1, "Yes."), Word(0.5, 3.0, " No.")])
    assert first.end == 0.5
    assert cues([Word(0.0, 0.1, "Yes.")])[0].end == pytest.approx(5 / 6)
    assert second.end == 3.0


def test_subrip_and_webvtt_are_as_their_readers_expect() -> None:
    found = cues([Word(3661.25, 3663.0, " a <b> & --> c")])
    assert srt(found) == "1\n01:01:01,250 --> 01:01:03,000\na ‹b› & --› c\n"
    assert vtt(found) == "WEBVTT\n\n01:01:01.250 --> 01:01:03.000\na &lt;b&gt; &amp; --&gt; c\n"


def test_chinese_breaks_without_spaces_into_shorter_lines() -> None:
    text = "博物馆上午九点开门最后入场时间是下午四点半请保留您的门票直到参观结束谢谢"
    found = cues([Word(0.2 * i, 0.2 * i + 0.2, char) for i, char in enumerate(text)])
    assert "".join(line for cue in found for line in cue.lines) == text
    assert all(len(line) <= WIDE_LINE for cue in found for line in cue.lines)


@given(
    st.lists(
        st.tuples(
            st.text("abcdefg,.?!é你好 -", min_size=1, max_size=60).filter(str.strip), st.floats(0.0, 3.0)
        ),
        max_size=60,
    )
)
def test_captions_keep_every_word_in_order_and_never_overlap(given_words: list[tuple[str, float]]) -> None:
    words, at = [], 0.0
    for text, length in given_words:
        words.append(Word(at, at + length, " " + text))
        at += length + (length > 2)
    found = cues(words)
    bare = [
        re.sub(r"\s", "", "".join(part))
        for part in ([w.text for w in words], [x for c in found for x in c.lines])
    ]
    assert bare[0] == bare[1]
    assert all(a.end <= b.start for a, b in zip(found, found[1:], strict=False))
    for cue in found:
        assert all(0 < len(line) <= LINE for line in cue.lines)
        assert cue.end - cue.start <= max(LONGEST, 3.0) + 1e-6


def test_known_words_take_the_times_at_which_they_were_heard() -> None:
    heard = timed("Good mourning the museum open at 9 o'clock.")
    found = align("Good morning. The museum opens at nine o'clock.", heard)
    assert "".join(word.text for word in found) == "Good morning. The museum opens at nine o'clock."
    by_text = {word.text.strip(): word for word in found}
    assert by_text["museum"].start == heard[3].start
    assert heard[0].end <= by_text["morning."].start < by_text["morning."].end <= heard[2].start
    assert all(a.start <= b.start and a.end <= b.end for a, b in zip(found, found[1:], strict=False))


@pytest.mark.parametrize("script", ["Quite another text about something else entirely.", "…", ""])
def test_another_script_is_refused(script: str) -> None:
    with pytest.raises(BadInput, match="not the words of the recording"):
        align(script, timed(SPEECH))


def test_a_word_longer_than_a_line_is_cut() -> None:
    (cue,) = cues([Word(0.0, 2.0, "x" * 60)])
    assert cue.lines == ("x" * LINE, "x" * 18)
    assert captions.cues([]) == []
