"""Two sets against each other: two models, or two dates of one, with significance.

Where both sets answer the same briefs (the same names or the same references) the tests are paired.
p-values are Holm-corrected over all figures of the comparison.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from studio.quality.base import Withheld
from studio.quality.batch import Evaluation, Tell, measure, silent
from studio.quality.batch_items import paired, read_items
from studio.quality.batch_text import Overlap, need_sentences
from studio.quality.bootstrap import LEAST, holm, paired_p, unpaired_p
from studio.settings import Settings
from studio.types import Better, Kind

ALPHA = 0.05
NO_DIFFERENCE = "no difference shown"


@dataclass(frozen=True)
class Difference:
    """One figure of both sets. `p` is two-sided, `p_holm` corrected; `verdict` says it in words."""

    name: str
    unit: str
    better: Better
    first: float
    second: float
    n: tuple[int, int]
    test: str
    p: float
    p_holm: float = 1.0
    verdict: str = ""


@dataclass(frozen=True)
class Comparison:
    kind: Kind
    first: Evaluation
    second: Evaluation
    differences: list[Difference]
    withheld: dict[str, str]


def compare(
    kind: Kind,
    first: Path,
    second: Path,
    references: Path | None = None,
    report: Path | None = None,
    *,
    settings: Settings | None = None,
    tell: Tell = silent,
) -> dict[str, Any]:
    """Both sets' figures and their differences as plain data; with `report`, also files in that folder."""
    settings = settings or Settings.read()
    a = measure(kind, first, references, settings, lambda f, m: tell(0.45 * f, m))
    b = measure(kind, second, references, settings, lambda f, m: tell(0.45 + 0.45 * f, m))
    withheld: dict[str, str] = {}
    found = list(_by_output(a, b, withheld))
    if kind == "text":
        found += _by_overlap(first, second, references, withheld)
    corrected = holm([one.p for one in found])
    judged = [
        replace(one, p_holm=p, verdict=_verdict(one, p)) for one, p in zip(found, corrected, strict=True)
    ]
    comparison = Comparison(kind, a, b, judged, withheld)
    if report is not None:
        from studio.quality.report import write_comparison

        write_comparison(comparison, report)
    tell(1.0, "done")
    return asdict(comparison)


def _by_output(a: Evaluation, b: Evaluation, withheld: dict[str, str]) -> Iterator[Difference]:
    import numpy as np

    second = {one.name: one for one in b.distributions}
    for one in a.distributions:
        other = second.get(one.name)
        if other is None or one.unit != other.unit:
            continue
        if min(one.n, other.n) < LEAST:
            withheld[one.name] = f"needs N ≥ {LEAST} on each side; these have {one.n} and {other.n}"
            continue
        shared = [n for n in a.items if one.name in a.items[n] and one.name in b.items.get(n, {})]
        if len(shared) == one.n == other.n:
            rows = [np.array([[s.items[n][one.name], 1.0] for n in shared]) for s in (a, b)]
            p, test = (
                paired_p(rows[0], rows[1], lambda total: float(total[0] / total[1])),
                "paired randomisation",
            )
        else:
            p, test = unpaired_p(one.values, other.values), "permutation of both sets"
        yield Difference(one.name, one.unit, one.better, one.mean, other.mean, (one.n, other.n), test, p)


def _by_overlap(
    first: Path, second: Path, references: Path | None, withheld: dict[str, str]
) -> Iterator[Difference]:
    others = read_items("text", references) if references else None
    sides = [read_items("text", path) for path in (first, second)]
    for name in ("BLEU", "chrF", "TER"):
        try:
            rows = [paired(side, others) for side in sides]
            if not rows[0] or rows[0] != rows[1]:
                raise Withheld("needs the same references for both sets")
            if len(rows[0]) < LEAST:
                raise Withheld(f"needs N ≥ {LEAST} on each side; these have {len(rows[0])}")
            need_sentences(name, [item.sample.text for side in sides for item in side])
            a, b = (Overlap(name, [i.sample.text for i in side], rows[0]) for side in sides)
        except Withheld as reason:
            withheld[name] = str(reason)
            continue
        yield Difference(
            name, "0–100", "lower" if name == "TER" else "higher", a.value(a.stats.sum(axis=0)),
            b.value(b.stats.sum(axis=0)), (len(a.stats), len(b.stats)), "paired randomisation",
            paired_p(a.stats, b.stats, a.value),
        )  # fmt: skip


def _verdict(one: Difference, p: float) -> str:
    if p >= ALPHA:
        return NO_DIFFERENCE
    up = one.second > one.first
    if one.better == "neither":
        return "the second is higher" if up else "the second is lower"
    return "the second is better" if up == (one.better == "higher") else "the first is better"
