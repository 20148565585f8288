"""What a person should check before publishing: numbers, superlatives and promises in the text.

A flag says nothing on whether the claim is true. Superlatives and promises are found in English and
Chinese; numbers in every language.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar

from studio.quality.base import Sample, metrics
from studio.quality.language import need_words
from studio.types import Kind, Score

SHOWN = 12
_PLAIN_WORDS = (
    "arrest behest bequest breast chest conquest contest crest digest earnest feast forest guest harvest "
    "honest inquest interest invest jest manifest modest nest priest protest quest request rest suggest "
    "tempest test unrest vest west zest northwest southwest lest pest fest midwest disinterest everest "
    "ernest attest detest divest infest ingest molest reinvest blest wrest"
)
_NOT_SUPERLATIVE = frozenset(_PLAIN_WORDS.split())
_NUMBER = re.compile(
    r"(?:[$€£¥]\s?)?(?<![\w.])\d[\d.,]*(?:\s?(?:%|percent\b|per cent\b|x\b|times\b|[kKmMgG]?[gWVBm]\b|hours?\b|days?\b|"
    r"minutes?\b|years?\b|people\b|customers\b|kg\b|km\b|mph\b|°[CF]\b))?"
)
_SPELLED = re.compile(
    r"\b(?:two|three|four|five|six|seven|eight|nine|ten|twelve|dozens?|hundreds?|thousands?|millions?|billions?|"
    r"twice|double[sd]?|triple[sd]?|half)\b",
    re.IGNORECASE,
)
_PROMISE = re.compile(
    r"\b(?:guarantee[ds]?|(?:clinically|scientifically) (?:proven|tested)|proven|risk[- ]free|always|never|"
    r"everyone|no side effects|cures?|world[- ]class|unmatched|unrivalled|unparalleled|number one|no\. ?1|"
    r"award[- ]winning|the only|the first|first ever|perfect|100% (?:safe|natural|secure))\b|#1\b",
    re.IGNORECASE,
)
_SUPERLATIVE = re.compile(r"\b(?:(?:the )?(?:most|least) \w+|best|worst|[a-z]{2,}est)\b", re.IGNORECASE)
_CHINESE = re.compile(r"最[\u4e00-\u9fff]|第一|唯一|首个|首款|绝对|永不|百分之百|国家级|世界级")


@dataclass(frozen=True, slots=True)
class Claim:
    """`start` and `end` are character places in the text; `what` is number, superlative or promise."""

    text: str
    start: int
    end: int
    what: str


def find_claims(text: str) -> list[Claim]:
    """In order of place; where two overlap the longer stays."""
    found = [
        Claim(hit.group().strip(" .,"), hit.start(), hit.end(), what)
        for what, pattern in (
            ("promise", _PROMISE),
            ("superlative", _SUPERLATIVE),
            ("superlative", _CHINESE),
            ("number", _NUMBER),
            ("number", _SPELLED),
        )  # fmt: skip
        for hit in pattern.finditer(text)
        if hit.group().lower() not in _NOT_SUPERLATIVE
        and not re.match(r"(?i)most (?:of|people)\b", hit.group())
    ]
    kept: list[Claim] = []
    for claim in sorted(found, key=lambda c: (c.start - c.end, c.start)):
        if all(claim.end <= other.start or claim.start >= other.end for other in kept):
            kept.append(claim)
    return sorted(kept, key=lambda c: c.start)


@metrics.register
class ClaimsToCheck:
    """Numbers, superlatives and promises; `detail` lists the first of them."""

    name: ClassVar[str] = "claims_to_check"
    kinds: ClassVar[tuple[Kind, ...]] = ("text",)
    needs: ClassVar[tuple[str, ...]] = ()

    def score(self, sample: Sample) -> Score:
        need_words(sample.text, 1)
        claims = find_claims(sample.text)
        shown = ", ".join(dict.fromkeys(f"“{claim.text}”" for claim in claims[:SHOWN]))
        more = f" and {len(claims) - SHOWN} more" if len(claims) > SHOWN else ""
        domain = "flags to check, not errors; words in English and Chinese, numbers in any language"
        return Score(self.name, len(claims), "flags", "neither", domain, detail=shown + more)
