"""Is the thing that was asked for recognised? A second opinion, by a judge that shares no artwork with the makers.

signet-judge likens a picture on white to drawings of 1,624 things by three other artists. It never orders
candidates, so that it can tell whether the order is any good (`studio bench score.best_of_four`).
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from studio.quality.base import Sample, Withheld, metrics
from studio.quality.image_alignment import need_sticker, small
from studio.quality.language import need_english, words
from studio.types import Kind, Score

if TYPE_CHECKING:
    from studio.nets.recognise import Recogniser

MODEL = "signet-judge"
GUESSES = 3


@lru_cache(maxsize=1)
def _recogniser(folder: Path) -> Recogniser:
    from studio.nets.recognise import Recogniser

    return Recogniser.load(folder)


@lru_cache(maxsize=1)
def _spelled(names: tuple[str, ...]) -> dict[tuple[str, ...], int]:
    """Names by their words; of two with the same words the first."""
    spelled: dict[tuple[str, ...], int] = {}
    for place, name in enumerate(names):
        spelled.setdefault(tuple(word.lower() for word in words(name)), place)
    return spelled


def asked_for(prompt: str, names: tuple[str, ...]) -> int:
    """The place of the longest name that stands in the prompt, the first of several. Raises Withheld."""
    said, spelled = [word.lower() for word in words(prompt)], _spelled(names)
    for length in range(min(len(said), max(map(len, spelled))), 0, -1):
        for start in range(len(said) - length + 1):
            place = spelled.get(tuple(said[start : start + length]))
            if place is not None:
                return place
    raise Withheld(f"the brief names none of the {len(names):,} things that {MODEL} knows")


@metrics.register
class Recognition:
    name: ClassVar[str] = "recognition"
    kinds: ClassVar[tuple[Kind, ...]] = ("image",)
    needs: ClassVar[tuple[str, ...]] = (MODEL,)

    def score(self, sample: Sample) -> Score:
        need_sticker(sample)
        if not words(sample.brief.prompt):
            raise Withheld("the brief has no words")
        need_english(sample.brief.prompt)
        judge = _recogniser(sample.models[MODEL])
        asked = asked_for(sample.brief.prompt, judge.names)
        chances = judge.chances(judge.closeness(judge.vectors(_pixels(sample.pixels))))[0]
        best = chances.argsort()[::-1]
        guesses = ", ".join(f"{judge.names[i]} {100 * chances[i]:.0f} %" for i in best[:GUESSES])
        place = int((best == asked).nonzero()[0][0]) + 1
        return Score(
            self.name, 100 * float(chances[asked]), "% chance", "higher",
            f"one of {len(judge.names):,} things on white, by outline and colour; 51 % of real drawings in styles new to it are named right",
            MODEL, detail=f"asked: {judge.names[asked]}, place {place}; looks like {guesses}",
        )  # fmt: skip


def _pixels(pixels: Any) -> Any:
    """uint8 (1, 64, 64, 3) on white."""
    import numpy as np

    return np.round((small(pixels).transpose(1, 2, 0) + 1) * 127.5).astype(np.uint8)[None]
