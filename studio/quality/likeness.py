"""Is an output something new? Its likeness to the other candidates of its brief and to the last outputs before it.

Texts by the phrases they share, pictures by layout and colour of a thumbnail. The last outputs are those of the
same person and kind that this studio made since it was started (`Sample.recent`). Self-BLEU among candidates of a
text is in text_diversity.py. Not covered: speech, which is to say what its script says, and music.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from studio.quality.base import Sample, Withheld, metrics
from studio.quality.decode import read_pixels, read_text
from studio.quality.language import need_words, words
from studio.quality.picture import need_size, on_white
from studio.quality.text_repetition import ngrams
from studio.types import Kind, Score

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

PHRASE = 4
LEAST_WORDS = 20
SIDE = 16
LEAST = 32
NO_EARLIER = "nothing of this kind was made before it since the studio was started"

_thumbnails: OrderedDict[str, Any] = OrderedDict()
KEPT = 256


@metrics.register
class RecentPhrases:
    """Share of a text's four-word phrases that stand in one of the last texts."""

    name: ClassVar[str] = "recent_phrases"
    kinds: ClassVar[tuple[Kind, ...]] = ("text",)
    needs: ClassVar[tuple[str, ...]] = ()

    def score(self, sample: Sample) -> Score:
        said = need_words(sample.text, LEAST_WORDS)
        earlier = [path for path in sample.recent if path.is_file()]
        if not earlier:
            raise Withheld(NO_EARLIER)
        known = frozenset[tuple[str, ...]]().union(*(_phrases(path, sample.media_type) for path in earlier))
        found = ngrams(said, PHRASE)
        value = 100 * sum(phrase in known for phrase in found) / len(found)
        domain = f"beside the last {len(earlier)} texts; word for word, not paraphrase"
        return Score(self.name, value, "%", "lower", domain)


@lru_cache(maxsize=64)
def _phrases(path: Path, media_type: str) -> frozenset[tuple[str, ...]]:
    return frozenset(ngrams([word.lower() for word in words(read_text(path, media_type))], PHRASE))


class _Likeness:
    """The highest correlation of 16 × 16 thumbnails in colour with one of several pictures: 1 is the same."""

    name: ClassVar[str]
    kinds: ClassVar[tuple[Kind, ...]] = ("image",)
    needs: ClassVar[tuple[str, ...]] = ()

    def closest(self, sample: Sample, others: Iterable[Path]) -> float:
        need_size(sample.pixels, LEAST)
        others = [path for path in others if path.suffix != ".mp4"]
        if not others:
            raise Withheld(NO_EARLIER)
        own = _kept(sample.digest.hex(), lambda: sample.pixels)
        if not own.any():
            raise Withheld("the picture is one flat tone")
        return max(
            float((own * _kept(_key(path), lambda path=path: read_pixels(path))).sum()) for path in others
        )

    def told(self, value: float, domain: str) -> Score:
        return Score(self.name, value, "correlation", "lower", f"{domain}; layout and colour, not content")


@metrics.register
class CandidateLikeness(_Likeness):
    name: ClassVar[str] = "candidate_likeness"

    def score(self, sample: Sample) -> Score:
        if not sample.others:
            raise Withheld("needs other candidates of the same brief")
        return self.told(
            self.closest(sample, sample.others), f"beside {len(sample.others)} other of this brief"
        )


@metrics.register
class RecentLikeness(_Likeness):
    name: ClassVar[str] = "recent_likeness"

    def score(self, sample: Sample) -> Score:
        earlier = [path for path in sample.recent if path.is_file()]
        if not earlier:
            raise Withheld(NO_EARLIER)
        return self.told(self.closest(sample, earlier), f"beside the last {len(earlier)} pictures")


def _key(path: Path) -> str:
    """The library names a file by its digest; another file is known by its place."""
    return path.stem if len(path.stem) == 64 else str(path)


def _kept(key: str, pixels: Any) -> NDArray[np.float32]:
    """The thumbnail of a picture, its mean taken away and its length 1; all zero for one flat tone."""
    import numpy as np
    from PIL import Image

    if key not in _thumbnails:
        whole = Image.fromarray(np.round(on_white(pixels())).astype(np.uint8))
        small = np.asarray(whole.resize((SIDE, SIDE), Image.Resampling.BOX), np.float32)
        small = small - small.mean(axis=(0, 1))
        length = float(np.sqrt((small * small).sum()))
        _thumbnails[key] = small / length if length > 1 else np.zeros_like(small)
        while len(_thumbnails) > KEPT:
            _thumbnails.popitem(last=False)
    found: NDArray[np.float32] = _thumbnails[key]
    return found
