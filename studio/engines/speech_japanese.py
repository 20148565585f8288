"""Japanese to the phonemes that Kokoro learned: readings by haqumei (Apache-2.0), then kana by kana.

haqumei brings its dictionary along and reads numbers, dates and common Latin words. Pitch accent is not
written: the model learned its alphabet without it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from studio.errors import ModelMissing

# Hepburn-like rows in misaki's alphabet: a, i, u, e, o of each consonant.
_ROWS = (
    "アイウエオ a i ɯ e o", "カキクケコ ka kʲi kɯ ke ko", "ガギグゲゴ ɡa ɡʲi ɡɯ ɡe ɡo",
    "サシスセソ sa ɕi sɨ se so", "ザジズゼゾ ʣa ʥi zɨ ʣe ʣo", "タチツテト ta ʨi ʦɨ te to",
    "ダヂヅデド da ʥi zɨ de do", "ナニヌネノ na ɲi nɯ ne no", "ハヒフヘホ ha çi ɸɯ he ho",
    "バビブベボ ba bʲi bɯ be bo", "パピプペポ pa pʲi pɯ pe po", "マミムメモ ma mʲi mɯ me mo",
    "ラリルレロ ɾa ɾʲi ɾɯ ɾe ɾo", "ヤユヨワヲ ja jɯ jo βa o", "ヰヱヴヮ i e vɯ βa",
)  # fmt: skip
_KANA = {
    kana: sound for row in _ROWS for kana, sound in zip(row.split(" ")[0], row.split(" ")[1:], strict=True)
}
_SMALL = {"ァ": "a", "ィ": "i", "ゥ": "ɯ", "ェ": "e", "ォ": "o", "ャ": "a", "ュ": "ɨ", "ョ": "o"}
_VOWELS = "aiɯɨeo"
_PALATAL = "ɕʥʨɲçʲj"
_MARKS = str.maketrans("。、？！：；「」『』（）《》・，～〜．", ".,?!:;“”“”()“” ,——.")
_LETTER_NAMES = (
    "エー", "ビー", "シー", "ディー", "イー", "エフ", "ジー", "エイチ", "アイ", "ジェー", "ケー", "エル", "エム",
    "エヌ", "オー", "ピー", "キュー", "アール", "エス", "ティー", "ユー", "ブイ", "ダブリュー", "エックス", "ワイ", "ゼット",
)  # fmt: skip
_LETTERS = dict(zip("ABCDEFGHIJKLMNOPQRSTUVWXYZ", _LETTER_NAMES, strict=True))


class Japanese:
    """Callable: Japanese text → phonemes. ModelMissing says how to get the reader if it is not installed."""

    def __init__(self) -> None:
        try:
            import haqumei
        except ImportError:
            raise ModelMissing(
                "Japanese needs the package haqumei; get it with: pip install haqumei"
            ) from None
        self._reader: Any = haqumei.Haqumei()

    def __call__(self, text: str, said: Mapping[str, str] = MappingProxyType({})) -> str:
        """`said` gives the phonemes of marks (private-use characters) in the text."""
        if not said:
            return self._read(text)
        parts = re.split("([" + "".join(said) + "])", text)
        return " ".join(filter(None, (said.get(part) or self._read(part) for part in parts if part.strip())))

    def _read(self, text: str) -> str:
        words = self._reader.g2k_per_word(unicodedata.normalize("NFKC", text))
        out = " ".join(phonemes_of(_kana(word)) for word in words)
        out = re.sub(r"ʔ (?=\w)", "ʔ", out).replace("ʔ ", " ")  # a stop binds two words, or is not heard
        out = re.sub(r" +(?=[.,?!:;”)])|(?<=[“(]) +", "", out)
        return re.sub(r"\s+", " ", out).strip(" ʔ")


def _kana(word: str) -> str:
    word = unicodedata.normalize("NFKC", word).translate(_MARKS)
    return "".join(_LETTERS.get(c.upper(), c) for c in word)


def phonemes_of(kana: str) -> str:
    """Katakana → phonemes; a mark of the model's alphabet passes, anything else is silent."""
    out = ""
    for place, char in enumerate(kana):
        following = kana[place + 1] if place + 1 < len(kana) else ""
        if char in _KANA:
            out += _with_small(_KANA[char], following) if following in _SMALL else _KANA[char]
        elif char == "ー":
            out += "ː" if out[-1:] in _VOWELS else ""
        elif char == "ッ":
            out += "ʔ"
        elif char == "ン":
            out += _nasal(_KANA.get(following, ""))
        elif char in ".,?!:;“”()—… ":
            out += char
    return out


def _with_small(sound: str, small: str) -> str:
    """The digraph of a kana and a small vowel: キ+ャ kʲa, テ+ィ tʲi, フ+ァ ɸa, ウ+ィ βi, ク+ァ kᵝa."""
    vowel = _SMALL[small]
    base = sound.rstrip(_VOWELS)
    if not base:  # ウィ, イェ
        return ("β" if sound == "ɯ" else "j") + vowel
    if small in "ァィェォ" and base in ("k", "ɡ"):
        return base + "ᵝ" + vowel
    if small in "ャュョィ" and base[-1] not in _PALATAL:
        return base + "ʲ" + vowel
    return base + vowel


def _nasal(following: str) -> str:
    """ン takes the place of what follows."""
    first = following[:1]
    if first and first in "mpb":
        return "m"
    if first and first in "kɡ":
        return "ŋ"
    if first and first in "ɲʨʥ":
        return "ɲ"
    return "n" if first and first in "ntdɾzʣʦ" else "ɴ"
