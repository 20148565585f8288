"""What the embedding model sees: does a text keep to its brief, and does it keep to one thread?

all-MiniLM-L6-v2 compares topics, not truth or tone, so the values mean something only beside those of
other outputs: these scores are shown with their percentile or not at all. English only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from studio.embedding import MODEL, embed
from studio.quality.base import Sample, Withheld, metrics
from studio.quality.language import need_english, need_words, sentences, words
from studio.types import Kind, Score

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

CHUNK_WORDS = 120  # well under the 256 word pieces that the model reads
MAX_SENTENCES = 200

_EMPTY_WORDS = (
    "the and that this with from your you our for are was were has have had will can not but they them "
    "their its his her she him who what when where which there here then than into onto over more most "
    "some any all each every such only also very just about been being does did done would could should "
    "may might must"
)
_EMPTY = frozenset(_EMPTY_WORDS.split())


def chunks(text: str) -> list[str]:
    """Whole sentences joined into stretches that the model can read in one piece."""
    found: list[list[str]] = []
    length = 0
    for sentence in sentences(text):
        count = len(words(sentence))
        if not found or length + count > CHUNK_WORDS:
            found.append([])
            length = 0
        found[-1].append(sentence)
        length += count
    return [" ".join(part) for part in found]


def topic(text: str, sample: Sample) -> NDArray[np.float32]:
    """The unit-length mean direction of a text's sentences, longer ones weighing more, (384,).

    Coherence looks at the same sentences, so the model reads a text once for both.
    """
    import numpy as np

    said = sentences(text)[:MAX_SENTENCES] or [text]
    weights = np.array([max(len(words(sentence)), 1) for sentence in said], np.float32)
    mean = weights @ embed(said, sample.models[MODEL])
    result: NDArray[np.float32] = mean / np.linalg.norm(mean)
    return result


@metrics.register
class Relevance:
    """Cosine between brief and text."""

    name: ClassVar[str] = "relevance"
    kinds: ClassVar[tuple[Kind, ...]] = ("text",)
    needs: ClassVar[tuple[str, ...]] = (MODEL,)
    relative = True

    def score(self, sample: Sample) -> Score:
        need_words(sample.text, 3)
        need_english(sample.text)
        if not words(sample.brief.prompt):
            raise Withheld("the brief has no words")
        need_english(sample.brief.prompt)
        value = float(topic(sample.brief.prompt, sample) @ topic(sample.text, sample))
        return Score(self.name, value, "cosine", "higher", "English; topic, not truth or tone", MODEL, "2")


@metrics.register
class Coherence:
    """Mean cosine between each sentence and the next."""

    name: ClassVar[str] = "coherence"
    kinds: ClassVar[tuple[Kind, ...]] = ("text",)
    needs: ClassVar[tuple[str, ...]] = (MODEL,)
    relative = True

    def score(self, sample: Sample) -> Score:
        need_english(sample.text)
        said = sentences(sample.text)[:MAX_SENTENCES]
        if len(said) < 4:
            raise Withheld(f"needs at least 4 sentences; this text has {len(said)}")
        vectors = embed(said, sample.models[MODEL])
        value = float((vectors[1:] * vectors[:-1]).sum(axis=1).mean())
        domain = "English of 4 sentences and more; a text that repeats itself also scores high"
        return Score(self.name, value, "cosine", "higher", domain, MODEL)


@metrics.register
class ThreadContinuity:
    """Share of neighbouring sentences that share a content word (entity grid, Barzilay & Lapata 2008)."""

    name: ClassVar[str] = "thread_continuity"
    kinds: ClassVar[tuple[Kind, ...]] = ("text",)
    needs: ClassVar[tuple[str, ...]] = ()

    def score(self, sample: Sample) -> Score:
        need_english(sample.text)
        said = [_content(sentence) for sentence in sentences(sample.text)]
        if len(said) < 4:
            raise Withheld(f"needs at least 4 sentences; this text has {len(said)}")
        shared = sum(bool(a & b) for a, b in zip(said, said[1:], strict=False))
        value = 100 * shared / (len(said) - 1)
        return Score(
            self.name, value, "%", "higher", "English of 4 sentences and more; word forms, not meaning"
        )


def _content(sentence: str) -> frozenset[str]:
    """Longer words without their plural s, less those that carry no topic."""
    found = (word.lower().removesuffix("'s").removesuffix("’s") for word in words(sentence))
    return frozenset(word.removesuffix("s") for word in found if len(word) > 3 and word not in _EMPTY)
