"""The first guard: every fault of form is one sentence, every script of the world passes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio.errors import BadInput, Refused, StudioError
from studio.safety.base import guards
from studio.safety.limits import MAX_SEED, Limits, bad_character
from studio.settings import Settings
from studio.types import Brief, Draft

GOOD = Brief("text", "A slogan for a bakery")
GUARD = Limits(Settings.read({}, home="/nowhere"))


def test_it_is_found_like_any_guard() -> None:
    assert guards.lookup("limits") is Limits


@pytest.mark.parametrize(
    "prompt",
    [
        "Guten Tag",
        "مرحبا بالعالم \u202bيمين\u202c",
        "שלום \u200fעולם",
        "一句口号，给面包店。",
        "👩‍👩‍👧 🏴󠁧󠁢󠁥󠁮󠁧󠁿 🎉",
        "two\nlines\tand a tab",
        "x",
        "x" * 20_000,
    ],
)
def test_text_of_all_the_world_passes(prompt: str) -> None:
    GUARD.check(replace(GOOD, prompt=prompt))


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"prompt": ""}, "The brief is empty"),
        ({"prompt": " \n\t\u200b\u2060 "}, "The brief is empty"),
        ({"prompt": "x" * 100_000}, "100,000 characters and the studio takes 20,000"),
        ({"prompt": "a\0b"}, r"U\+0000 at position 2"),
        ({"prompt": "a\x1b[31m"}, r"U\+001B"),
        ({"prompt": "a\ud800"}, r"U\+D800"),
        ({"prompt": "a\x9b"}, r"U\+009B"),
        ({"prompt": "a\uffff"}, r"U\+FFFF"),
        ({"count": 0}, "between 1 and 16, not 0"),
        ({"count": 17}, "between 1 and 16, not 17"),
        ({"seed": -1}, "seed must be"),
        ({"seed": MAX_SEED + 1}, "seed must be"),
        ({"author": "two\nlines"}, r"The author holds .*U\+000A"),
        ({"author": "x" * 201}, "The author has 201 characters"),
        ({"options": {"negative": "a\0"}}, "The option 'negative'"),
        ({"inputs": ("x",) * 17}, "16 files, not 17"),
    ],
)
def test_a_fault_of_form_is_one_sentence(change: dict[str, Any], why: str) -> None:
    with pytest.raises(BadInput, match=why) as refusal:
        GUARD.check(replace(GOOD, **change))
    message = str(refusal.value)
    assert message.isprintable() and message.isascii() and message.endswith(".")


def test_a_picture_may_start_from_a_picture_alone() -> None:
    GUARD.check(Brief("image", "", inputs=("upload-1",)))
    with pytest.raises(BadInput, match="empty"):
        GUARD.check(Brief("image", ""))


def test_the_limits_are_the_operator_s() -> None:
    guard = Limits(Settings.read({}, home="/nowhere", max_prompt_chars=5, max_count=1))
    guard.check(Brief("text", "12345"))
    with pytest.raises(BadInput, match="6 characters and the studio takes 5"):
        guard.check(Brief("text", "123456"))
    with pytest.raises(BadInput, match="between 1 and 1"):
        guard.check(Brief("text", "1", count=2))


def test_a_model_that_wrote_nothing_is_refused() -> None:
    draft = Draft("text", "A line.", "m", "1", 0, "cpu", "q4", 0.1)
    GUARD.check(draft)
    GUARD.check(replace(draft, kind="image", payload=b""))
    with pytest.raises(Refused, match="wrote nothing"):
        GUARD.check(replace(draft, payload=" \n\u200b"))


@given(st.text(alphabet=st.characters(), max_size=40))
def test_whatever_passes_can_be_stored(text: str) -> None:
    try:
        GUARD.check(replace(GOOD, prompt=text))
    except StudioError:
        return
    assert "\0" not in text and text.encode("utf-8").decode("utf-8") == text


@given(st.text(), st.sampled_from(["\0", "\x07", "\x7f", "\x85", "\udfff", "\ufffe"]), st.text())
def test_the_first_bad_character_is_found(before: str, bad: str, after: str) -> None:
    place = bad_character(before + bad + after)
    assert place is not None and place <= len(before)
