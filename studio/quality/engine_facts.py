"""Numbers that only engine or seal could measure, passed on: perplexity, and what a mark cost.

The keys are those of `Sample.facts`; a fact that is not there is withheld.
"""

from __future__ import annotations

from typing import ClassVar

from studio.quality.base import Sample, Withheld, metrics
from studio.quality.picture import DRAWN
from studio.types import Kind, Score, Scorecard

PASSED_ON = ("perplexity", "mark_psnr", "mark_ssim", "mark_snr")


def remembered(card: Scorecard) -> dict[str, float]:
    """The facts that a kept scorecard was made with, as far as it tells them: for scoring that output again."""
    facts = {score.name: score.value for score in card.scores if score.name in PASSED_ON}
    return facts | ({"drawing": 1.0} if DRAWN in card.withheld.values() else {})


@metrics.register
class Perplexity:
    """exp of the mean negative log-likelihood of the chosen tokens under the model that wrote them."""

    name: ClassVar[str] = "perplexity"
    kinds: ClassVar[tuple[Kind, ...]] = ("text",)
    needs: ClassVar[tuple[str, ...]] = ()

    def score(self, sample: Sample) -> Score:
        if "perplexity" not in sample.facts:
            raise Withheld("the engine reports no perplexity")
        domain = "this model's own view; not comparable across models, and repetition scores low"
        return Score(
            self.name, sample.facts["perplexity"], "per token", "neither", domain, "the writing model"
        )


class _MarkCost:
    """What the imperceptible mark changed, measured before and after it was set."""

    name: ClassVar[str]
    unit: str
    needs: ClassVar[tuple[str, ...]] = ()

    def score(self, sample: Sample) -> Score:
        if self.name not in sample.facts:
            raise Withheld("this output carries no imperceptible mark, or its cost was not measured")
        return Score(self.name, sample.facts[self.name], self.unit, "higher", "marked against unmarked")


@metrics.register
class MarkPsnr(_MarkCost):
    name: ClassVar[str] = "mark_psnr"
    unit = "dB"
    kinds: ClassVar[tuple[Kind, ...]] = ("image",)


@metrics.register
class MarkSsim(_MarkCost):
    name: ClassVar[str] = "mark_ssim"
    unit = "SSIM"
    kinds: ClassVar[tuple[Kind, ...]] = ("image",)


@metrics.register
class MarkSnr(_MarkCost):
    name: ClassVar[str] = "mark_snr"
    unit = "dB"
    kinds: ClassVar[tuple[Kind, ...]] = ("speech", "music")
