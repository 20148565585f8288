"""Tokens: what folds together, what stands apart, what is only a gap."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio.library import words


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A Red-hot TEAPOT!", ["a", "red", "hot", "teapot"]),
        ("Crème brûlée, Straße", ["creme", "brulee", "strasse"]),
        ("Ёлка", ["елка"]),
        ("红色的茶壶", ["红", "色", "的", "茶", "壶"]),
        ("AI生成", ["ai", "生", "成"]),
        ("カフェ ｶﾌｪ が", ["カ", "フ", "ェ", "カ", "フ", "ェ", "が"]),
        ("한국어 광고", ["한국어", "광고"]),
        ("ابريقُ شايٍ أحمر", ["ابريق", "شاي", "احمر"]),
        ("קוּמְקוּם", ["קומקום"]),
        ("हिन्दी विज्ञापन", ["हिन्दी", "विज्ञापन"]),
        ("ชา", ["ช", "า"]),
        ("fire🔥 👩‍🚀", ["fire", "🔥", "👩", "🚀"]),
        ("tea\u200bpot soft\u00adhyphen w\ufe01\U000e0100ord", ["teapot", "softhyphen", "word"]),
        ("a\x00b \ud800 \x07", ["a", "b"]),
        ("\"'*(){}[]^:;+-/\\%_~`|&<>", []),
    ],
)
def test_tokens(text: str, expected: list[str]) -> None:
    assert words.tokens(text) == expected


def test_direction_marks_do_not_part_words() -> None:
    assert words.tokens("\u202bשלום\u202c \u200fעולם") == ["שלום", "עולם"]


def test_long_text_and_long_words_are_cut() -> None:
    assert words.tokens("x" * 1_000_000) == ["x" * words.LONGEST_TOKEN]
    assert len(words.tokens("ab " * 1_000_000)) <= words.LONGEST_TEXT
    assert len(words.terms("ab " * 1_000_000)) == words.MOST_TERMS


@given(st.text(st.characters(exclude_categories=()), max_size=60))
def test_tokens_hold_nothing_that_the_index_could_take_as_syntax(text: str) -> None:
    for token in words.tokens(text):
        assert token and not set(token) & set(" \"'*=%\\\x00")
        token.encode("utf-8")


def test_a_tag_cannot_be_written_by_hand() -> None:
    assert words.tag("owner", "ann") != words.tag("owner", "bob")
    assert words.tag("owner", "ann") not in words.tokens(words.tag("owner", "ann"))
