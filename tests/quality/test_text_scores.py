"""Single text scores against values worked out by hand."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from quality_material import copy, text_sample

from studio.catalog import Catalog
from studio.quality.base import Withheld, metrics
from studio.quality.language import language, sentences, words
from studio.quality.text_claims import find_claims
from studio.quality.text_phrases import holds
from studio.quality.text_readability import flesch, syllables
from studio.quality.text_repetition import distinct, ngrams
from studio.settings import Settings

SYLLABLES = [
    "a",
    "1",
    "the",
    "1",
    "cat",
    "1",
    "table",
    "2",
    "little",
    "2",
    "people",
    "2",
    "make",
    "1",
    "makes",
    "1",
    "making",
    "2",
    "created",
    "3",
    "creation",
    "3",
    "idea",
    "3",
    "area",
    "3",
    "being",
    "2",
    "science",
    "2",
    "quiet",
    "2",
    "piano",
    "3",
    "radio",
    "3",
    "video",
    "3",
    "lion",
    "2",
    "million",
    "2",
    "station",
    "2",
    "special",
    "2",
    "ocean",
    "2",
    "serious",
    "3",
    "curious",
    "3",
    "wanted",
    "2",
    "needed",
    "2",
    "walked",
    "1",
    "played",
    "1",
    "boxes",
    "2",
    "houses",
    "2",
    "watches",
    "2",
    "names",
    "1",
    "rhythm",
    "2",
    "organism",
    "4",
    "beautiful",
    "3",
    "business",
    "2",
    "every",
    "2",
    "evening",
    "2",
    "family",
    "3",
    "camera",
    "3",
    "chocolate",
    "3",
    "interesting",
    "4",
    "comfortable",
    "4",
    "vegetable",
    "4",
    "lantern",
    "2",
    "solar",
    "2",
    "charges",
    "2",
    "hours",
    "1",
    "charging",
    "2",
    "adventure",
    "3",
    "outdoors",
    "2",
    "portable",
    "3",
    "rechargeable",
    "4",
    "lightweight",
    "2",
    "battery",
    "3",
    "technology",
    "4",
    "electricity",
    "5",
    "university",
    "5",
    "communication",
    "5",
    "information",
    "4",
    "quality",
    "3",
    "queen",
    "1",
    "question",
    "2",
    "language",
    "2",
    "usual",
    "3",
    "actual",
    "3",
    "fuel",
    "2",
    "dual",
    "2",
    "safely",
    "2",
    "lovely",
    "2",
    "homeless",
    "2",
    "movement",
    "2",
    "careful",
    "2",
    "agreement",
    "3",
    "employee",
    "3",
    "coffee",
    "2",
    "free",
    "1",
    "eye",
    "1",
    "you",
    "1",
    "year",
    "1",
    "fire",
    "1",
    "community",
    "4",
    "opportunity",
    "5",
    "environment",
    "4",
    "sustainable",
    "4",
    "eco",
    "2",
    "design",
    "2",
    "product",
    "2",
    "customer",
    "3",
    "experience",
    "4",
    "material",
    "4",
]


def test_syllables_by_rule() -> None:
    known = dict(zip(SYLLABLES[::2], map(int, SYLLABLES[1::2]), strict=True))
    wrong = {word: (syllables(word), count) for word, count in known.items() if syllables(word) != count}
    assert len(wrong) <= 0.1 * len(known), wrong
    assert abs(sum(map(syllables, known)) / sum(known.values()) - 1) < 0.02


def test_flesch_by_hand() -> None:
    # 13 words, 2 sentences, 14 syllables
    text = "The cat sat on the mat. The dogs ran to the old garden."
    assert flesch(text) == pytest.approx(206.835 - 1.015 * 13 / 2 - 84.6 * 14 / 13)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("It's a co-op, isn't it? 3.5 kg", ["It's", "a", "co-op", "isn't", "it", "3.5", "kg"]),
        ("你好 world", ["你", "好", "world"]),
        ("한국어", ["한", "국", "어"]),
        ("שלום עולם", ["שלום", "עולם"]),
        ("🎉 — !", []),
    ],
)
def test_words(text: str, expected: list[str]) -> None:
    assert list(words(text)) == expected


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("One. Two! Three?", 3),
        ("Dr. Smith met Mr. Jones. They talked.", 2),
        ("你好。再见！", 2),
        ("A line\nAnother line", 2),
        ("It costs 3.50 today.", 1),
        ("“Really?” she said. Yes.", 3),
        ("", 0),
        ("...", 0),
    ],
)
def test_sentences(text: str, count: int) -> None:
    assert len(sentences(text)) == count


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("This is the best lantern for your nights.", "en"),
        ("Glow more. Pack less.", "en"),
        ("Das ist eine Lampe für die Nacht.", "de"),
        ("La lampe est dans le sac pour vous.", "fr"),
        ("Привет, мир", "cyrillic"),
        ("你好，世界", "cjk"),
        ("hello 你好世界 there 世界", "mixed"),
        ("123 !", "unknown"),
    ],
)
def test_language(text: str, code: str) -> None:
    assert language(text) == code


def test_claims() -> None:
    text = "The lightest lantern glows 20 hours, is 100% safe and our guests call it the best in the forest."
    assert [(c.text, c.what) for c in find_claims(text)] == [
        ("lightest", "superlative"), ("20 hours", "number"), ("100% safe", "promise"), ("best", "superlative"),
    ]  # fmt: skip
    assert [c.what for c in find_claims("这是最好的灯，排名第一")] == ["superlative", "superlative"]
    assert find_claims("We invite every guest to the forest; most of the rest is of interest.") == []


@given(st.text(max_size=200))
def test_claims_lie_in_the_text(text: str) -> None:
    claims = find_claims(text)
    assert all(text[c.start : c.end].strip(" .,") == c.text for c in claims)
    assert all(a.end <= b.start for a, b in zip(claims, claims[1:], strict=False))


@pytest.mark.parametrize(
    ("text", "phrase", "there"),
    [
        ("Order today.", "order today", True),
        ("Order\n today.", "order  today", True),
        ("Reorder today", "order today", False),
        ("这是最好的", "最好", True),
        ("anything", "", False),
        ("C++ (new)", "(new)", True),
    ],
)
def test_phrases(text: str, phrase: str, there: bool) -> None:
    assert holds(text, phrase) is there


def test_distinct_equals_its_definition() -> None:
    tokens = ["a", "b", "a", "b", "c", "a", "b", "d", "a", "a", "b", "c", "c", "d", "a", "b"]
    windows = [tokens[i : i + 6] for i in range(len(tokens) - 5)]
    expected = sum(len(set(ngrams(w, 2))) / 5 for w in windows) / len(windows)
    assert distinct(tokens, 2, 6) == pytest.approx(expected)


def test_self_bleu_is_sacrebleu(tmp_path: Path) -> None:
    import sacrebleu

    text, other = "The lantern is light and bright at night.", "The lantern is bright and light by night."
    sample = text_sample(tmp_path, text, others=(text_sample(tmp_path, other).path,))
    score = metrics.lookup("self_bleu")().score(sample)
    assert score.value == pytest.approx(sacrebleu.sentence_bleu(text, [other]).score)
    assert score.version.startswith("nrefs:1|case:mixed|eff:yes|tok:13a")


def test_other_candidates_that_are_empty_do_not_count(tmp_path: Path) -> None:
    sample = text_sample(
        tmp_path, "one two three four five six seven eight", others=(text_sample(tmp_path, "").path,)
    )
    with pytest.raises(Withheld, match="other candidates"):
        metrics.lookup("self_bleu")().score(sample)


@pytest.mark.real
def test_syllables_against_the_lexicon(settings: Settings) -> None:
    """Over the running words of the shipped copy: 95 % right, and no bias worth a Flesch point."""
    folder = Catalog.read(settings).require("english-lexicon").folder
    spoken = json.loads((folder / "us_gold.json").read_text("utf-8"))
    right = counted = expected = total = 0
    for record in copy():
        for word in map(str.lower, words(record["text"])):
            sounds = spoken.get(word)
            if isinstance(sounds, str) and word.isalpha() and len(word) > 1:
                vowels = max(1, sum(sound in "AIOWYQaɑæɛeəɜɪiɔoʊuʌɐᵻɚɝᵊ" for sound in sounds))
                total, right = total + 1, right + (syllables(word) == vowels)
                counted, expected = counted + syllables(word), expected + vowels
    assert total > 5000
    assert right / total > 0.95
    assert abs(counted / expected - 1) < 0.01
