"""Phrases that the template or the brand asks for, or rules out."""

from __future__ import annotations

import re
from typing import ClassVar

from studio.quality.base import Sample, Withheld, metrics
from studio.quality.language import need_words
from studio.types import Kind, Score


def holds(text: str, phrase: str) -> bool:
    """Whether `phrase` stands in `text` as whole words, letter case and spacing aside."""
    parts = [re.escape(part) for part in phrase.split()]
    if not parts:
        return False
    start = r"(?<!\w)" if phrase.strip()[0].isascii() else ""
    end = r"(?!\w)" if phrase.strip()[-1].isascii() else ""
    return re.search(start + r"\s+".join(parts) + end, text, re.IGNORECASE) is not None


@metrics.register
class RequiredPhrases:
    name: ClassVar[str] = "required_phrases"
    kinds: ClassVar[tuple[Kind, ...]] = ("text",)
    needs: ClassVar[tuple[str, ...]] = ()

    def score(self, sample: Sample) -> Score:
        need_words(sample.text, 1)
        if not sample.required:
            raise Withheld("neither template nor brand asks for a phrase")
        missing = [phrase for phrase in sample.required if not holds(sample.text, phrase)]
        value = 100 * (1 - len(missing) / len(sample.required))
        detail = "missing: " + ", ".join(f"“{phrase}”" for phrase in missing) if missing else "all there"
        return Score(self.name, value, "%", "higher", "the words themselves, not their sense", detail=detail)


@metrics.register
class ForbiddenPhrases:
    name: ClassVar[str] = "forbidden_phrases"
    kinds: ClassVar[tuple[Kind, ...]] = ("text",)
    needs: ClassVar[tuple[str, ...]] = ()

    def score(self, sample: Sample) -> Score:
        need_words(sample.text, 1)
        if not sample.forbidden:
            raise Withheld("neither template nor brand rules out a phrase")
        there = [phrase for phrase in sample.forbidden if holds(sample.text, phrase)]
        detail = ", ".join(f"“{phrase}”" for phrase in there) or "none of them"
        return Score(
            self.name, len(there), "phrases", "lower", "the words themselves, not their sense", detail=detail
        )
