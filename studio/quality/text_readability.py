"""Flesch reading ease: how easily English prose reads, from sentence and word length alone.

206.835 − 1.015 · words/sentences − 84.6 · syllables/words (Flesch 1948). Syllables are counted by
rule (vowel groups with corrections), which needs no dictionary and errs on about one running word in thirty.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import ClassVar

from studio.quality.base import Sample, Withheld, metrics
from studio.quality.language import need_english, need_words, sentences
from studio.types import Kind, Score

LEAST_WORDS = 100

_VOWELS = re.compile(r"[aeiouy]+")
_SILENT_END = re.compile(
    r"(?:[^laeiouy]e|[aeiouy]le|[^aeiouytd]ed|(?<![sxz])(?<!ch)(?<!sh)(?<![cg])es|[^aeiouy]ely$)$"
)
_SILENT_MIDDLE = re.compile(r"(?<=[^aeiouyl])e(?=(?:ly|less|ness|ment|ful)(?:ly|ness|es)?$)")
# Neighbouring vowels that are spoken apart, and vowels that are not spoken at all.
_SPLIT = re.compile(
    r"(?<![ctsg])ia(?!ge)|(?<![ctsgxln])io|^lio|(?<=[aeiouy][^aeiouy])ea$|(?<!p)eo(?!u)(?!n$)|(?<![qgc])ua(?!r[ds])|uel|iu|"
    r"uou|yi|yee|scien|(?<!f)[dlmnpr]ien|iet|uity|creat|being|real"
)
_MERGED = re.compile(r"^ever[yi]|^evening|^busi")


@lru_cache(maxsize=8192)
def syllables(word: str) -> int:
    """Syllables of one English word by rule; digits count one each."""
    word = re.sub(r"[^a-z0-9]", "", word.lower())
    digits = sum(char.isdigit() for char in word)
    stem = _SILENT_MIDDLE.sub("", re.sub(r"\d", "", word))
    if not stem:
        return max(1, digits)
    count = len(_VOWELS.findall(stem)) + len(_SPLIT.findall(stem)) - bool(_SILENT_END.search(stem))
    count -= bool(_MERGED.search(stem))
    count += stem.endswith(("sm", "thm")) and len(stem) > 3
    return max(1, count) + digits


def flesch(text: str) -> float:
    """Flesch reading ease of `text`, 100 (easy) to 0 (hard) and beyond on both sides."""
    spoken = need_words(text, 1)
    said = sentences(text)
    return 206.835 - 1.015 * len(spoken) / len(said) - 84.6 * sum(map(syllables, spoken)) / len(spoken)


@metrics.register
class ReadingEase:
    name: ClassVar[str] = "reading_ease"
    kinds: ClassVar[tuple[Kind, ...]] = ("text",)
    needs: ClassVar[tuple[str, ...]] = ()

    def score(self, sample: Sample) -> Score:
        need_english(sample.text)
        need_words(sample.text, LEAST_WORDS)
        if len(sentences(sample.text)) < 3:
            raise Withheld("needs at least 3 sentences")
        return Score(
            self.name, flesch(sample.text), "Flesch points", "higher",
            f"English prose of {LEAST_WORDS} words and more; says nothing of truth or style", "Flesch 1948",
        )  # fmt: skip
