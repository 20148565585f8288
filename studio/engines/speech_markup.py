"""Directions in a script: a subset of SSML 1.1, and dialogue with a voice per speaker.

A script that begins with `<speak` is read as SSML. Known elements:

    <p> <s>                                   paragraph, sentence
    <break time="500ms"/> or strength="weak"  a pause (at most 10 s)
    <prosody rate="slow">, "120%", "0.9"      speed, times the speed of the job
    <emphasis level="strong">                 stress on every word ("reduced" takes it away)
    <say-as interpret-as="characters">        also digits, cardinal, ordinal, date, time, telephone
    <sub alias="World Wide Web">WWW</sub>     say something else
    <phoneme ph="təmˈɑːtoʊ">tomato</phoneme>  say it like this (IPA, or the model's own alphabet)
    <voice name="jm_kumo">                    another voice

Dialogue: with a cast such as "Anna=jf_alpha, Ben=jm_kumo", a line "Anna: Hello." is spoken by jf_alpha
and a line without a name by the voice of the job. Anything else in angle brackets is refused by name.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any, Literal

from studio.engines.speech_numbers import digits, ordinal
from studio.errors import BadInput

LONGEST_PAUSE = 10.0
DEEPEST = 20
_FIRST_MARK, _LAST_MARK = 0xE100, 0xF8FF  # private-use characters stand for what is said differently
_RATES = {"x-slow": 0.6, "slow": 0.8, "medium": 1.0, "default": 1.0, "fast": 1.25, "x-fast": 1.6}
_STRENGTHS = {"none": 0.0, "x-weak": 0.1, "weak": 0.2, "medium": 0.4, "strong": 0.7, "x-strong": 1.2}
_LEVELS = ("strong", "moderate", "none", "reduced")
_ELEMENTS = ("speak", "p", "s", "break", "prosody", "emphasis", "say-as", "sub", "phoneme", "voice")
_SAY_AS = (
    "characters",
    "spell-out",
    "digits",
    "number",
    "cardinal",
    "ordinal",
    "date",
    "time",
    "telephone",
    "fraction",
    "unit",
)


_IPA = {
    "eɪ": "A", "aɪ": "I", "oʊ": "O", "əʊ": "Q", "aʊ": "W", "ɔɪ": "Y", "tʃ": "ʧ", "t͡ʃ": "ʧ", "dʒ": "ʤ", "d͡ʒ": "ʤ",
    "ɚ": "əɹ", "ɝ": "ɜɹ", "r": "ɹ", "g": "ɡ", ".": "", "͡": "", "'": "ˈ",
}  # fmt: skip
ALPHABET = frozenset(
    " AIOQSTWYabcdefhijklmnopqstuvwxyzæçðøŋœɐɑɒɔɕəɛɜɟɡɣɤɥɨɪɯɰɲɳɴɸɹɻɽɾʁʂʃʈʊʋʌʎʒʔʝʣʤʥʦʧʨʰʲˈˌː̃βθχᵊᵝᵻꭧ"
)


def is_mark(character: str) -> bool:
    return _FIRST_MARK <= ord(character) <= _LAST_MARK


@dataclass(frozen=True, slots=True)
class Override:
    """What a mark stands for: given phonemes (IPA), or text whose stress is changed."""

    kind: Literal["phonemes", "strong", "reduced"]
    value: str


@dataclass(frozen=True, slots=True)
class Passage:
    """Text in one voice and speed. `pause`: seconds after it; None leaves that to its punctuation."""

    text: str
    voice: str
    speed: float
    pause: float | None = None
    ends_paragraph: bool = False


@dataclass(slots=True)
class Marked:
    passages: list[Passage] = field(default_factory=list)
    overrides: dict[str, Override] = field(default_factory=dict)


def read_script(script: str, voice: str, speed: float, cast: str, voices: Collection[str]) -> Marked:
    """The passages of a script. Raises BadInput that names the wrong element, value, voice or line."""
    plain = re.sub(f"[\ue000-{chr(_LAST_MARK)}]", " ", script)  # nobody else may use our marks
    if plain.lstrip().startswith("<speak"):
        if cast.strip():
            raise BadInput("Name the speakers in the cast or with <voice>, not both.")
        return _Ssml(voices).read(plain, voice, speed)
    if cast.strip():
        return Marked(_dialogue(plain, voice, speed, _read_cast(cast, voices)))
    return Marked([Passage(plain, voice, speed, ends_paragraph=True)])


# --- Dialogue -----------------------------------------------------------------------------------


def _read_cast(cast: str, voices: Collection[str]) -> dict[str, str]:
    roles: dict[str, str] = {}
    for entry in filter(str.strip, re.split(r"[,;\n]", cast)):
        name, equals, voice = (part.strip() for part in entry.partition("="))
        if not equals or not name:
            raise BadInput(f"Write the cast as Name=voice, Name=voice; {entry.strip()[:40]!r} is not.")
        if voice not in voices:
            raise BadInput(f"There is no voice {voice[:40]!r}; choose one of: {', '.join(voices)}.")
        roles[name.casefold()] = voice
    return roles


def _dialogue(script: str, voice: str, speed: float, roles: dict[str, str]) -> list[Passage]:
    passages: list[Passage] = []
    speaker, spoken = voice, False
    for line in script.splitlines():
        said = re.match(r"\s*([^\s:：][^:：\n]{0,40}?)\s*[:：]\s*(.*)", line)
        if said and said[1].casefold() in roles:
            speaker, spoken, line = roles[said[1].casefold()], True, said[2]
        elif not line.strip():
            speaker = voice
            continue
        if line.strip():
            passages.append(Passage(line.strip(), speaker, speed))
    if not spoken:
        raise BadInput("No line of the script begins with a name of the cast, such as “Anna: Hello.”")
    return passages


# --- SSML ---------------------------------------------------------------------------------------


class _Ssml:
    def __init__(self, voices: Collection[str]) -> None:
        self._voices, self._marked = voices, Marked()
        self._text: list[str] = []

    def read(self, script: str, voice: str, speed: float) -> Marked:
        from defusedxml import DefusedXmlException
        from defusedxml.ElementTree import ParseError, fromstring

        try:
            root = fromstring(script.strip(), forbid_dtd=True)
        except ParseError as error:
            line, column = error.position
            raise BadInput(f"The SSML is not well-formed at line {line}, column {column}.") from error
        except (DefusedXmlException, ValueError) as error:
            raise BadInput("The SSML may not declare entities or a document type.") from error
        self._walk(root, voice, speed, 0)
        self._close(voice, speed)
        return self._marked

    def _walk(self, node: Any, voice: str, speed: float, depth: int) -> None:
        name = re.sub(r"^\{[^}]*\}", "", str(node.tag))
        if name not in _ELEMENTS:
            raise BadInput(f"SSML element <{name[:30]}> is not known; use: {', '.join(_ELEMENTS)}.")
        if depth > DEEPEST:
            raise BadInput(f"The SSML is nested deeper than {DEEPEST} elements.")
        match name:
            case "break":
                self._close(voice, speed, pause=_pause(node))
            case "sub":
                self._text.append(node.get("alias") or "")
            case "phoneme":
                self._mark(Override("phonemes", _known_phonemes(node.get("ph") or "")))
            case "say-as":
                self._text.append(_said_as(_inner_text(node), node.get("interpret-as", "")))
            case "emphasis":
                self._emphasis(node)
            case _:
                self._inside(node, name, voice, speed, depth)

    def _inside(self, node: Any, name: str, voice: str, speed: float, depth: int) -> None:
        inner_voice, inner_speed = voice, speed
        if name == "voice":
            inner_voice = self._voice(node.get("name") or "")
        elif name == "prosody":
            inner_speed = min(2.0, max(0.5, speed * _rate(node.get("rate", "medium"))))
        parted = name in ("p", "s", "voice", "prosody")
        if parted:
            self._close(voice, speed, pause=None if name in ("p", "s") else 0.0)
        self._text.append(node.text or "")
        for child in node:
            self._walk(child, inner_voice, inner_speed, depth + 1)
            self._text.append(child.tail or "")
        if parted:
            after = None if name in ("p", "s", "voice") else 0.0
            self._close(inner_voice, inner_speed, pause=after, ends_paragraph=name == "p")

    def _emphasis(self, node: Any) -> None:
        level = node.get("level", "moderate")
        if level not in _LEVELS:
            raise BadInput(f"Emphasis has no level {level[:20]!r}; choose one of: {', '.join(_LEVELS)}.")
        text = _inner_text(node)
        if level == "none":
            self._text.append(text)
        else:
            self._mark(Override("reduced" if level == "reduced" else "strong", text))

    def _mark(self, override: Override) -> None:
        code = _FIRST_MARK + len(self._marked.overrides)
        if code > _LAST_MARK:
            raise BadInput("The script has too many <phoneme> and <emphasis> elements; part it.")
        self._marked.overrides[chr(code)] = override
        self._text.append(chr(code))

    def _voice(self, name: str) -> str:
        if name not in self._voices:
            raise BadInput(f"There is no voice {name[:40]!r}; choose one of: {', '.join(self._voices)}.")
        return name

    def _close(
        self, voice: str, speed: float, pause: float | None = None, ends_paragraph: bool = False
    ) -> None:
        """End the passage that was being gathered; a pause without text before it lengthens the last one."""
        text = "".join(self._text).strip()
        self._text.clear()
        made = self._marked.passages
        if text:
            made.append(Passage(text, voice, speed, pause, ends_paragraph))
        elif made and (pause or ends_paragraph):
            last = made[-1]
            longer = (last.pause or 0.0) + pause if pause else last.pause
            made[-1] = Passage(
                last.text, last.voice, last.speed, longer, last.ends_paragraph or ends_paragraph
            )


def _inner_text(node: Any) -> str:
    if len(node):
        raise BadInput(f"SSML element <{node.tag}> may hold text only.")
    return node.text or ""


def _known_phonemes(ph: str) -> str:
    """IPA in the model's alphabet: its diphthongs and affricates are single letters."""
    for ipa, letter in _IPA.items():
        ph = ph.replace(ipa, letter)
    wrong = sorted(set(ph) - ALPHABET)
    if wrong or not ph.strip():
        raise BadInput(
            f"<phoneme ph> holds {' '.join(wrong)[:40] or 'nothing'}, which the voice cannot say; write IPA."
        )
    return ph.strip()


def _pause(node: Any) -> float:
    time, strength = node.get("time"), node.get("strength", "medium")
    if time is None:
        if strength not in _STRENGTHS:
            raise BadInput(
                f"A break has no strength {strength[:20]!r}; choose one of: {', '.join(_STRENGTHS)}."
            )
        return _STRENGTHS[strength]
    found = re.fullmatch(r"(\d{1,5}(?:\.\d{1,3})?)(ms|s)", time.strip())
    seconds = float(found[1]) / (1000 if found[2] == "ms" else 1) if found else -1.0
    if not 0 <= seconds <= LONGEST_PAUSE:
        raise BadInput(f"A break lasts 0 to {LONGEST_PAUSE:g} s, written 500ms or 1.5s, not {time[:20]!r}.")
    return seconds


def _rate(rate: str) -> float:
    if rate in _RATES:
        return _RATES[rate]
    found = re.fullmatch(r"([+-]?\d{1,3}(?:\.\d{1,3})?)(%?)", rate.strip())
    if not found:
        raise BadInput(f"A rate is {', '.join(_RATES)}, a per cent or a factor, not {rate[:20]!r}.")
    number = float(found[1])
    factor = (1 + number / 100 if rate.strip()[0] in "+-" else number / 100) if found[2] else number
    if not 0.2 <= factor <= 4:
        raise BadInput(f"A rate of {rate[:20]} is out of range; stay between 20% and 400%.")
    return factor


def _said_as(text: str, way: str) -> str:
    if way not in _SAY_AS:
        raise BadInput(f"say-as has no way {way[:30]!r}; choose one of: {', '.join(_SAY_AS)}.")
    text = text.strip()
    if way in ("characters", "spell-out"):
        return ", ".join(digits(c) if c in "0123456789" else c.upper() for c in text if c.isalnum())
    if way == "digits" or way == "telephone":
        return ", ".join(digits(group) for group in re.findall(r"\d+", text)) or text
    if way == "ordinal" and text.isdecimal() and len(text) < 16:
        return ordinal(int(text))
    return text  # numbers, dates and times are read as such anyway
