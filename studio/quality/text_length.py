"""How long a text is."""

from __future__ import annotations

from typing import ClassVar

from studio.quality.base import Sample, metrics
from studio.quality.language import need_words
from studio.types import Kind, Score


@metrics.register
class Words:
    """Words; each Chinese, Japanese or Korean character counts as one."""

    name: ClassVar[str] = "words"
    kinds: ClassVar[tuple[Kind, ...]] = ("text",)
    needs: ClassVar[tuple[str, ...]] = ()

    def score(self, sample: Sample) -> Score:
        count = len(need_words(sample.text, 1))
        return Score(self.name, count, "words", "neither", "languages that part words by spaces, and CJK")


@metrics.register
class Characters:
    """Characters, spaces included: what platforms limit."""

    name: ClassVar[str] = "characters"
    kinds: ClassVar[tuple[Kind, ...]] = ("text",)
    needs: ClassVar[tuple[str, ...]] = ()

    def score(self, sample: Sample) -> Score:
        need_words(sample.text, 1)
        return Score(self.name, len(sample.text), "characters", "neither", "any language")
