"""Phonemes, sentences and pieces: what the voice is given to say."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studio.engines.speech_english import English
from studio.engines.speech_japanese import Japanese, phonemes_of
from studio.engines.speech_numbers import cardinal, ordinal, roman, year
from studio.engines.speech_reader import Reader, Reading
from studio.engines.speech_script import FIRST_PHONEMES, MOST_PHONEMES, first_part, fit, sentences
from studio.engines.speech_spelling import SpelledWord
from studio.errors import BadInput, ModelBroken, ModelMissing
from studio.settings import ROOT

LEXICON = ROOT / "checkpoints" / "english-lexicon"


@pytest.fixture(scope="module")
def english() -> English:
    return English(LEXICON)


# --- English ------------------------------------------------------------------------------------


@pytest.mark.real
@pytest.mark.parametrize(
    ("text", "phonemes"),
    [
        ("the apple", "ði ˈæpᵊl"),
        ("the pear", "ðə pˈɛɹ"),
        ("to record a record", "tə ɹəkˈɔɹd ɐ ɹˈɛkəɹd"),
        ("I refuse the refuse.", "ˌI ɹəfjˈuz ðə ɹˈɛfjˌus."),
        ("They close the door, close to me.", "ðA klˈOz ðə dˈɔɹ, klˈOs tə mˌi."),
        ("he used it", "hi jˈuzd ɪt"),
        ("he used to", "hi jˈust tu"),
        ("Come in.", "kˈʌm ˈɪn."),
        ("buses", "bˈʌsᵻz"),
        ("F-B-I's", "ˌɛfbˌiˈIz"),
        ("Wi-Fi", "wˈIfˌI"),
        ("café", "kæfˈA"),
        ("webpage", "wˈɛbpˌAʤ"),
        ("“Hello,” she said…", "“həlˈO,” ʃi sˈɛd…"),
        ("", ""),
        ("They have lived here.", "ðA hæv lˈɪvd hˈɪɹ."),
        ("Miz", "mˈɪz"),
        ("the eighth", "ði ˈAtθ"),
    ],
)
def test_english(english: English, text: str, phonemes: str) -> None:
    assert english(text) == phonemes


@pytest.mark.real
def test_unknown_words_are_spelled_out(english: English) -> None:
    spoken = english("Kubernetes Qwenlington Zyrtec")
    assert len(spoken.split()) == 3
    assert all("ˈ" in word for word in spoken.split())


@pytest.mark.real
def test_british(english: English) -> None:
    british = English(LEXICON, british=True)
    assert british("water") != english("water")
    assert british("car").endswith("ː")


@pytest.mark.real
@settings(max_examples=150, deadline=None)
@given(st.text(max_size=80))
def test_english_of_anything_is_in_the_models_alphabet(english: English, text: str) -> None:
    import json

    vocabulary = json.loads((ROOT / "checkpoints" / "kokoro-82m" / "vocab.json").read_text("utf-8"))["vocab"]
    assert set(english(text)) <= set(vocabulary)


def test_a_lexicon_that_is_missing_or_broken(tmp_path: Path) -> None:
    with pytest.raises(ModelMissing, match="models pull english-lexicon"):
        English(tmp_path)
    (tmp_path / "us_gold.json").write_text("{ not json")
    with pytest.raises(ModelBroken, match="cannot be read"):
        English(tmp_path)
    (tmp_path / "us_gold.json").write_text("[1, 2]")
    with pytest.raises(ModelBroken, match="not one"):
        English(tmp_path)


def test_a_spelling_network_that_is_missing_or_broken(tmp_path: Path) -> None:
    with pytest.raises(ModelMissing):
        SpelledWord(tmp_path / "spelling.npz")
    np.savez(tmp_path / "spelling.npz", enc_emb=np.zeros(3))
    with pytest.raises(ModelBroken):
        SpelledWord(tmp_path / "spelling.npz")


# --- Japanese -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kana", "phonemes"),
    [
        ("トーキョー", "toːkʲoː"), ("シャシン", "ɕaɕiɴ"), ("コンニチワ", "koɲɲiʨiβa"), ("サンポ", "sampo"),
        ("リンゴ", "ɾʲiŋɡo"), ("パーティー", "paːtʲiː"), ("ファイル", "ɸaiɾɯ"), ("ウィキ", "βikʲi"),
        ("ジェット", "ʥeʔto"), ("クォーター", "kᵝoːtaː"), ("ヴァン", "vaɴ"), ("チェック", "ʨeʔkɯ"), ("", ""),
    ],
)  # fmt: skip
def test_kana(kana: str, phonemes: str) -> None:
    assert phonemes_of(kana) == phonemes


def test_japanese() -> None:
    speak = Japanese()
    assert speak("「こんにちは」と言った（笑）。") == "“koɲɲiʨiβa” to iʔta (βaɾai)."
    assert "ɲiseɴ" in speak("2026年").replace(" ", "")
    assert speak("A社") == "eː ɕa"


# --- Sentences and pieces -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One. Two! Three?", ["One.", "Two!", "Three?"]),
        ("J. Smith came. He left.", ["J. Smith came.", "He left."]),
        ("I like vitamin C. The end.", ["I like vitamin C.", "The end."]),
        ('"Really?" she asked. Yes.', ['"Really?" she asked.', "Yes."]),
        ("Wait… what", ["Wait… what"]),
        ("今日は。元気？はい", ["今日は。", "元気？", "はい"]),
        ("...", []),
        ("A soft wrapped line that is quite long, and goes on and on\nto the next one.", None),
    ],
)
def test_sentences(text: str, expected: list[str] | None) -> None:
    found = [one.text for one in sentences(text)]
    assert found == expected if expected is not None else len(found) == 1


def test_paragraphs_end_with_the_longer_pause() -> None:
    assert [one.ends_paragraph for one in sentences("A one. B two.\n\nC three.")] == [False, True, True]


@given(st.text(alphabet="ab ,.;:—ˈ", max_size=2000))
def test_pieces_fit_and_lose_nothing(phonemes: str) -> None:
    parts = fit(phonemes)
    assert all(0 < len(part) <= MOST_PHONEMES for part in parts)
    assert "".join(parts).replace(" ", "") == phonemes.replace(" ", "")


def test_the_first_part_is_short_where_a_comma_allows() -> None:
    parts = first_part("ðə kwˈɪk bɹˈWn fˈɑks, wˌɪʧ ʤˈʌmps ˌOvəɹ ðə lˈAzi dˈɔɡ, ɪz hˈɪɹ ænd lˈɔŋ.")
    assert len(parts) == 2 and parts[0].endswith(",") and len(parts[0]) <= FIRST_PHONEMES
    assert first_part("x" * 300) == ["x" * 300]
    assert first_part("ʃˈɔɹt, vˈɛɹi.") == ["ʃˈɔɹt, vˈɛɹi."]


# --- Numbers ------------------------------------------------------------------------------------


@given(st.integers(0, 10**21 - 1))
def test_cardinals_and_ordinals_are_words(number: int) -> None:
    assert cardinal(number) and not any(c.isdigit() for c in cardinal(number) + ordinal(number))
    assert ordinal(number).endswith(("st", "nd", "rd", "th"))


@given(st.integers(1000, 9999))
def test_years_are_words(number: int) -> None:
    assert year(number).replace("-", "").replace(" ", "").isalpha()


@pytest.mark.parametrize(
    ("text", "value"), [("XIV", 14), ("MCMXCIV", 1994), ("IIX", None), ("", None), ("IC", None)]
)
def test_roman(text: str, value: int | None) -> None:
    assert roman(text) == value


# --- The reader ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def reader() -> Reader:
    return Reader("en-us", LEXICON)


def read(reader: Reader, script: str, cast: str = "") -> Reading:
    return reader.read(script, "jf_alpha", 1.0, cast, ("jf_alpha", "jm_kumo"))


@pytest.mark.real
@pytest.mark.parametrize("script", ["", "   \n", "😀🎉", "\x00\x01\x02", "…!?", "——", "\ue100\ue101"])
def test_nothing_to_speak(reader: Reader, script: str) -> None:
    with pytest.raises(BadInput, match="nothing to speak"):
        read(reader, script)


@pytest.mark.real
@pytest.mark.parametrize(
    "script", ["Привет, как дела?", "今日は東京へ行きました。", "مرحبا بالعالم and", "你好世界你好世界 hi"]
)
def test_another_script_is_refused_with_the_languages(reader: Reader, script: str) -> None:
    with pytest.raises(BadInput, match=r"English \(US\).*en-us, en-gb, ja|nothing to speak"):
        read(reader, script)


@pytest.mark.real
def test_a_mixed_script_is_spoken_and_the_rest_told(reader: Reader) -> None:
    reading = read(reader, "The word привет means hello in Russian, says everybody here.")
    assert "Russian" in reading.sentences[0].text and "п" in reading.dropped


@pytest.mark.real
def test_an_endless_word_is_left_out_and_told(reader: Reader) -> None:
    reading = read(reader, "Hello " * 100 + "a" * 300 + " world")
    assert "aaaa" not in reading.sentences[0].text and "aaaaaaaaaaaa…" in reading.dropped


@pytest.mark.real
def test_a_megabyte_is_too_much(reader: Reader) -> None:
    with pytest.raises(BadInput, match="chapter by chapter"):
        read(reader, "word " * 200_000)


@pytest.mark.real
@pytest.mark.parametrize("unit", ["word ", "wordy, ", "1", "word-"])
def test_a_sentence_without_an_end_is_spoken_in_parts(reader: Reader, unit: str) -> None:
    reading = read(reader, (unit * 200_000)[:200_000])
    assert len(reading.sentences) == 1
    parts = list(islice(reader.pieces(reading, (0.3, 0.8)), 50))
    assert len(parts) == 50 and max(len(part.phonemes) for part in parts) <= MOST_PHONEMES


def test_an_unknown_language_lists_the_known() -> None:
    with pytest.raises(BadInput, match="en-us, en-gb, ja"):
        Reader("xx", LEXICON)


def test_japanese_reads_japanese(tmp_path: Path) -> None:
    reading = read(Reader("ja", tmp_path), "今日は😀良い天気です。ABCも。")
    assert reading.dropped == ("😀",)
    assert len(reading.sentences) == 2


@pytest.mark.real
def test_one_endless_sentence_becomes_pieces(reader: Reader) -> None:
    pieces = list(reader.pieces(read(reader, "and then the story goes on " * 400), (0.3, 0.8)))
    assert len(pieces) > 20
    assert all(len(piece.phonemes) <= MOST_PHONEMES for piece in pieces)
