"""Does a text repeat itself? Share of repeated phrases and sentences, and variety at a fixed length.

Sources: Welleck et al. 2020 (seq-rep-n); Li et al. 2016 (distinct-n); Covington & McFall 2010 (moving
windows, which make variety comparable between texts of different length).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from studio.quality.base import Sample, Withheld, metrics
from studio.quality.language import need_words, sentences, words
from studio.types import Kind, Score

PHRASE = 4
WINDOW = 50


def ngrams(tokens: Sequence[str], n: int) -> list[tuple[str, ...]]:
    return [tuple(tokens[i : i + n]) for i in range(len(tokens) - n + 1)]


def distinct(tokens: Sequence[str], n: int, window: int) -> float:
    """Mean share of different n-grams over all windows of `window` tokens."""
    grams = ngrams(tokens, n)
    width = window - n + 1
    counts: dict[tuple[str, ...], int] = {}
    total = 0
    for i, gram in enumerate(grams):
        counts[gram] = counts.get(gram, 0) + 1
        if i >= width:
            old = grams[i - width]
            counts[old] -= 1
            if not counts[old]:
                del counts[old]
        if i >= width - 1:
            total += len(counts)
    return total / (len(grams) - width + 1) / width


@metrics.register
class PhraseRepetition:
    """Share of four-word phrases that stood in the text before."""

    name: ClassVar[str] = "phrase_repetition"
    kinds: ClassVar[tuple[Kind, ...]] = ("text",)
    needs: ClassVar[tuple[str, ...]] = ()

    def score(self, sample: Sample) -> Score:
        grams = ngrams(need_words(sample.text, 20), PHRASE)
        value = 100 * (1 - len(set(grams)) / len(grams))
        return Score(self.name, value, "%", "lower", "texts of 20 words and more; grows with length")


@metrics.register
class SentenceRepetition:
    """Share of sentences that stood in the text before, word for word."""

    name: ClassVar[str] = "sentence_repetition"
    kinds: ClassVar[tuple[Kind, ...]] = ("text",)
    needs: ClassVar[tuple[str, ...]] = ()

    def score(self, sample: Sample) -> Score:
        said = [tuple(word.lower() for word in words(sentence)) for sentence in sentences(sample.text)]
        if len(said) < 2:
            raise Withheld("needs at least 2 sentences")
        value = 100 * (1 - len(set(said)) / len(said))
        return Score(self.name, value, "%", "lower", "texts of two sentences and more")


@metrics.register
class DistinctPairs:
    """Different word pairs in 50 words, averaged over all such stretches."""

    name: ClassVar[str] = "distinct_2"
    kinds: ClassVar[tuple[Kind, ...]] = ("text",)
    needs: ClassVar[tuple[str, ...]] = ()

    def score(self, sample: Sample) -> Score:
        value = 100 * distinct(need_words(sample.text, WINDOW), 2, WINDOW)
        return Score(self.name, value, "%", "higher", f"per {WINDOW} words; comparable across lengths")
