"""The text mark as the seal and the checks see it: words whose choice was keyed while they were written.

Nothing is embedded here: the sampler of a language engine chose the tokens (`text_mark.TextMark`). Reading
needs the tokenizer of the model that wrote; all that are here are tried, and the p-value pays for it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from studio.provenance.base import Detection, Means, marks
from studio.types import Kind

if TYPE_CHECKING:
    from studio.provenance.text_mark import TextReading

SHORTEST = 100  # characters: about twenty-five tokens, in which no mark can be told
_STATES = {
    "marked": "found",
    "likely": "likely",
    "part": "part",
    "none": "absent",
    "too_little": "too_little",
}


@marks.register
@dataclass(frozen=True, slots=True)
class WordMark:
    """It tells the key only, not which output a text was."""

    name: ClassVar[str] = "text"
    kinds: ClassVar[tuple[Kind, ...]] = ("text",)
    algorithm: ClassVar[str] = "org.signet.mark.text.1"
    means: Means = Means()

    @classmethod
    def open(cls, means: Means) -> WordMark:
        return cls(means)

    def message(self, produce_id: str) -> bytes:
        return b""

    def names(self, message: bytes) -> str:
        return ""

    def refusal(self, payload: str) -> str | None:
        if len(payload.strip()) < SHORTEST:
            return "The text is too short to carry a watermark in the choice of its words."
        return None

    def embed(self, payload: str, message: bytes, key: bytes) -> str:
        """The text itself: it came with its mark, or has none."""
        return payload

    def confirm(self, payload: str, message: bytes, key: bytes) -> Detection:
        return self.detect(payload, key)

    def detect(self, payload: str, key: bytes) -> Detection:
        """`segments` are whole paragraphs that are marked on their own, in characters."""
        if (reason := self.refusal(payload)) is not None:
            return Detection(False, 1.0, detail=reason, state="too_little")
        tokenizers = self.means.tokenizers()
        if not tokenizers:
            missing = "No language model is here whose tokens could be read; pull one, then check again."
            return Detection(False, 1.0, detail=missing, state="not_checked")
        from studio.provenance.text_mark import MARKED_AT, read_text_mark

        readings = [read_text_mark(payload, one, key, tries=len(tokenizers)) for one in tokenizers]
        best = min(readings, key=lambda reading: (not reading.found, reading.p_value))
        marked = tuple(part for part in best.segments if part[2] * len(best.segments) <= MARKED_AT)
        return Detection(best.found, best.p_value, None, _story(best), marked, _STATES[best.state])

    def stronger(self) -> None:
        return None


def _story(reading: TextReading) -> str:
    told = f"{reading.tokens} tokens read; chance of this in unmarked text: {chance(reading.p_value)}"
    return {
        "marked": f"The choice of words carries this studio's watermark ({told}).",
        "likely": f"The choice of words probably carries this studio's watermark ({told}).",
        "part": f"Parts of this text carry this studio's watermark in the choice of words; the whole does not ({told}).",
        "none": f"No watermark of this studio's key was found in the choice of words ({told}).",
        "too_little": f"There is too little text to tell whether its words carry a watermark ({told}).",
    }[reading.state]


def chance(p_value: float) -> str:
    """ "1 in 25,000", "less than 1 in 1e12", or the share itself where it is no small one."""
    if p_value > 0.01:
        return f"{p_value:.2f}"
    return f"1 in {1 / p_value:,.0f}" if p_value > 1e-9 else "less than 1 in a billion"
