"""SSML and dialogue: what is understood, and one clear sentence for what is not."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studio.engines.speech_english import stressed
from studio.engines.speech_markup import Passage, read_script
from studio.engines.speech_reader import Reader
from studio.errors import BadInput
from studio.settings import ROOT

VOICES = ("jf_alpha", "jm_kumo")


def passages(script: str, cast: str = "", speed: float = 1.0) -> list[Passage]:
    return read_script(script, "jf_alpha", speed, cast, VOICES).passages


def test_a_plain_script_is_one_passage() -> None:
    assert passages("a < b & c") == [Passage("a < b & c", "jf_alpha", 1.0, None, True)]


def test_breaks_are_pauses() -> None:
    found = passages(
        '<speak>One<break time="1.5s"/>two<break time="250ms"/><break strength="weak"/>three</speak>'
    )
    assert [(one.text, one.pause) for one in found] == [("One", 1.5), ("two", 0.45), ("three", None)]


def test_voice_and_rate_apply_inside_only() -> None:
    found = passages(
        '<speak>A <voice name="jm_kumo">B <prosody rate="slow">C</prosody></voice> D <prosody rate="+50%">E</prosody></speak>'
    )
    assert [(one.text, one.voice, one.speed) for one in found] == [
        ("A", "jf_alpha", 1.0), ("B", "jm_kumo", 1.0), ("C", "jm_kumo", 0.8), ("D", "jf_alpha", 1.0), ("E", "jf_alpha", 1.5),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("rate", "speed"),
    [("120%", 1.2), ("0.9", 0.9), ("-20%", 0.8), ("x-fast", 1.6), ("400%", 2.0), ("20%", 0.5)],
)
def test_rates(rate: str, speed: float) -> None:
    assert passages(f'<speak><prosody rate="{rate}">x</prosody></speak>')[0].speed == pytest.approx(speed)


def test_paragraphs_and_sentences() -> None:
    found = passages("<speak><p><s>One</s><s>Two</s></p><p>Three</p></speak>")
    assert [(one.text, one.ends_paragraph) for one in found] == [
        ("One", False),
        ("Two", True),
        ("Three", True),
    ]


@pytest.mark.parametrize(
    ("inner", "text"),
    [
        ('<sub alias="World Wide Web">WWW</sub>', "World Wide Web"),
        ('<say-as interpret-as="characters">ab1</say-as>', "A, B, one"),
        ('<say-as interpret-as="digits">2026</say-as>', "two zero two six"),
        ('<say-as interpret-as="ordinal">3</say-as>', "third"),
        ('<say-as interpret-as="date">2026-11-24</say-as>', "2026-11-24"),
        ('<emphasis level="none">so</emphasis>', "so"),
    ],
)
def test_said_differently(inner: str, text: str) -> None:
    assert passages(f"<speak>{inner}</speak>")[0].text == text


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("<speak>open", "not well-formed at line 1"),
        ("<speak><audio src='x'/></speak>", "<audio> is not known; use: speak, p, s"),
        ('<speak><break time="11s"/></speak>', "0 to 10 s"),
        ('<speak><break time="soon"/></speak>', "written 500ms"),
        ('<speak><break strength="huge"/></speak>', "x-strong"),
        ('<speak><prosody rate="quick">x</prosody></speak>', "x-slow, slow"),
        ('<speak><prosody rate="0">x</prosody></speak>', "out of range"),
        ('<speak><voice name="nobody">x</voice></speak>', "jf_alpha, jm_kumo"),
        ('<speak><emphasis level="very">x</emphasis></speak>', "strong, moderate"),
        ('<speak><say-as interpret-as="song">x</say-as></speak>', "characters, spell-out"),
        ('<speak><phoneme ph="字">x</phoneme></speak>', "which the voice cannot say"),
        ('<speak><phoneme ph="">x</phoneme></speak>', "nothing"),
        ("<speak><sub alias='x'><b>x</b></sub><b/></speak>", "<b> is not known"),
        ("<speak><emphasis><s>x</s></emphasis></speak>", "may hold text only"),
        ('<speak><!DOCTYPE x [<!ENTITY a "b">]>&a;</speak>', "not well-formed|may not declare"),
        ("<speak>" + "<p>" * 30 + "x" + "</p>" * 30 + "</speak>", "nested deeper"),
        ("<speak>\x00</speak>", "not well-formed"),
    ],
)
def test_what_is_wrong_is_named(script: str, words: str) -> None:
    with pytest.raises(BadInput, match=words):
        passages(script)


def test_entity_bombs_do_not_go_off() -> None:
    bomb = '<!DOCTYPE s [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]><speak>&b;</speak>'
    assert passages(bomb) == [Passage(bomb, "jf_alpha", 1.0, None, True)]  # not SSML: it does not begin so


@settings(max_examples=150, deadline=None)
@given(st.text(alphabet='<>/="speakbrtim0123 &;\n', max_size=80))
def test_any_mess_is_read_or_refused(text: str) -> None:
    try:
        passages("<speak>" + text + "</speak>")
    except BadInput as error:
        assert str(error).endswith(".") and "\n" not in str(error)


# --- Dialogue -----------------------------------------------------------------------------------

CAST = "Anna=jf_alpha, Ben = jm_kumo"


def test_a_voice_per_speaker() -> None:
    found = passages(
        "Anna: Hello, Ben.\nBEN: Hi: how are you?\nStill Ben.\n\nThe narrator: speaks.\nanna：Bye.", CAST
    )
    assert [(one.text, one.voice) for one in found] == [
        ("Hello, Ben.", "jf_alpha"), ("Hi: how are you?", "jm_kumo"), ("Still Ben.", "jm_kumo"),
        ("The narrator: speaks.", "jf_alpha"), ("Bye.", "jf_alpha"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("script", "cast", "words"),
    [
        ("Anna: Hi.", "Anna", "Name=voice"),
        ("Anna: Hi.", "Anna=nobody", "jf_alpha, jm_kumo"),
        ("Hello there.", CAST, "No line of the script"),
        ("<speak>Hi</speak>", CAST, "not both"),
    ],
)
def test_a_cast_that_is_wrong(script: str, cast: str, words: str) -> None:
    with pytest.raises(BadInput, match=words):
        passages(script, cast)


# --- As it is spoken ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def reader() -> Reader:
    return Reader("en-us", ROOT / "checkpoints" / "english-lexicon")


def pieces(reader: Reader, script: str) -> list[tuple[str, str, float]]:
    reading = reader.read(script, "jf_alpha", 1.0, "", VOICES)
    return [(piece.phonemes, piece.voice, piece.pause) for piece in reader.pieces(reading, (0.3, 0.8))]


@pytest.mark.real
def test_phonemes_and_emphasis_reach_the_voice(reader: Reader) -> None:
    ((plain, _, _),) = pieces(reader, "<speak>It is the tomato.</speak>")
    ((said, _, _),) = pieces(
        reader, '<speak>It <emphasis>is</emphasis> the <phoneme ph="təmˈɑːtoʊ">tomato</phoneme>.</speak>'
    )
    assert "təmˈɑːtO" in said and "təmˈɑːtO" not in plain
    assert "ˈɪz" in said and "ˈɪz" not in plain


@pytest.mark.real
def test_pauses_reach_the_voice(reader: Reader) -> None:
    found = pieces(
        reader, '<speak><p>One. Two.</p><p>Three<break time="2s"/>four.</p><s>Five.</s><s>Six.</s></speak>'
    )
    assert [pause for _, _, pause in found] == [0.3, 0.8, 2.0, 0.8, 0.3, 0.0]


@pytest.mark.parametrize(
    ("plain", "stress"), [("ɪz", "ˈɪz"), ("wˌɛl", "wˈɛl"), ("wˈɛl ænd", "wˈɛl ˈænd"), ("m", "m"), ("", "")]
)
def test_stress(plain: str, stress: str) -> None:
    assert stressed(plain) == stress
