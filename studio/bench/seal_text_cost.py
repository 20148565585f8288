"""Whether the text mark costs quality: the same briefs and seeds written with the mark and without, compared pairwise.

Covered: perplexity under the writing model and every score of the scorecard that text has. A score counts as
unharmed if Wilcoxon's signed-rank test, corrected for the number of scores (Holm 1979), sees no difference at
5 %; beside it stands the mean difference in standard deviations with its 95 % interval, since a test alone
cannot tell "equal" from "too few". Time is told by the processor's, of both sides in turn. Not covered: what readers think, and models other than the default.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from studio.bench.base import Figure, Place, bench
from studio.bench.score import SUBJECTS
from studio.catalog import Catalog
from studio.engines.base import Device
from studio.engines.text_llama import TextLlama
from studio.provenance.text_mark import TextMark
from studio.quality.base import Sample, metrics
from studio.quality.bootstrap import holm
from studio.quality.card import make_scorecard
from studio.settings import Settings
from studio.types import Brief, Draft, Job

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

PAIRS, WRITERS, ROUNDS = 216, 8, 6
TOKENS = 100
KEY = b"seal.text.cost key of the day".ljust(32, b".")
FORMS = (
    "Write a product description for {}.",
    "Write a short newsletter paragraph about {}.",
    "Write a social media post about {}.",
    "Describe {} to somebody who has never heard of it.",
    "Write the opening of a short story about {}.",
    "Write a radio advertisement for {}.",
    "Explain why people like {}.",
    "Write a friendly e-mail that recommends {}.",
    "Write a review of {}.",
)
# Told by the brief or by the mark itself, not by the writing.
LEFT_OUT = ("mark_psnr", "mark_ssim", "mark_snr")


@bench("seal.text.cost")
def cost(place: Place) -> list[Figure]:
    """Each score and the time of a token, marked against unmarked; the least of the scores' corrected p-values."""
    return measure(place, PAIRS)


def measure(place: Place, pairs: int) -> list[Figure]:
    import numpy as np

    settings = Settings.read(home=place.folder, device="cpu")
    catalog = Catalog.read(settings)
    list(metrics)  # all loaded now: nothing may fail once the texts are written
    briefs = [
        Brief(
            "text",
            FORMS[n // len(SUBJECTS) % len(FORMS)].format(SUBJECTS[n % len(SUBJECTS)]),
            options={"max_tokens": TOKENS},
            seed=n,
        )
        for n in range(pairs)
    ]
    engine = TextLlama(catalog.require("smollm2-135m"), Device("cpu", "", 0, 0), settings)
    engine.load()
    sides, seconds = _sides(engine, briefs)
    engine.close()
    judged = [
        [
            _scores(draft, brief, place.folder, catalog, settings)
            for draft, brief in zip(side, briefs, strict=True)
        ]
        for side in sides
    ]
    names = sorted({name for side in judged for scores in side for name in scores})
    compared = []
    for name in names:
        both = [(a[name], b[name]) for a, b in zip(*judged, strict=True) if name in a and name in b]
        if len(both) >= pairs / 2:
            compared.append((name, np.array(both, np.float64)))
    tested = [(name, values, _wilcoxon(values)) for name, values in compared]
    figures = [_figure(name, values, p) for name, values, p in tested]
    least = min(holm([p for _, _, p in tested]))
    note = f"of {len(tested)} scores; Wilcoxon signed rank, two-sided, corrected after Holm"
    return [
        *figures,
        Figure("seal.text.cost.least_p", least, "p", pairs, "> 0.05", least > 0.05, note=note),
        _time(seconds),
    ]


def _sides(engine: TextLlama, briefs: Sequence[Brief]) -> tuple[list[list[Draft]], list[list[float]]]:
    """Marked and unmarked drafts, a few briefs of each in turn, and the processor's milliseconds a token of each turn."""
    sides: list[list[Draft]] = [[], []]
    seconds: list[list[float]] = [[], []]
    for turn in range(ROUNDS):
        some = briefs[turn * len(briefs) // ROUNDS : (turn + 1) * len(briefs) // ROUNDS]
        for at, mark in enumerate((TextMark(KEY), None)):
            began = time.process_time()
            drafts = _written(engine, some, mark)
            spent = time.process_time() - began
            seconds[at].append(1000 * spent / sum(draft.facts["tokens"] for draft in drafts))
            sides[at] += drafts
    return sides, seconds


def _written(engine: TextLlama, briefs: Sequence[Brief], mark: TextMark | None) -> list[Draft]:
    """One draft a brief, in their order, a few at once."""
    drafts: dict[int, Draft] = {}

    def write(numbers: Sequence[int]) -> None:
        for n in numbers:
            job = Job("bench", briefs[n], "bench", "running", datetime.now(UTC), token_mark=mark)
            (drafts[n],) = (step for step in engine.generate(job) if isinstance(step, Draft))

    threads = [
        threading.Thread(target=write, args=(range(first, len(briefs), WRITERS),)) for first in range(WRITERS)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [drafts[n] for n in range(len(briefs))]


def _scores(
    draft: Draft, brief: Brief, folder: Path, catalog: Catalog, settings: Settings
) -> dict[str, float]:
    """Every score of one text by name; those that do not apply to it are missing."""
    path = folder / "text.txt"
    path.write_text(draft.payload, "utf-8")
    card = make_scorecard(Sample(path, "text", "text/plain", brief, dict(draft.facts)), catalog, settings)
    return {score.name: score.value for score in card.scores if score.name not in LEFT_OUT}


def _wilcoxon(values: Floats) -> float:
    """The two-sided p-value of pairs (n, 2); 1 where no pair differs."""
    from scipy.stats import wilcoxon

    gaps = values[:, 0] - values[:, 1]
    return float(wilcoxon(gaps).pvalue) if gaps.any() else 1.0


def _figure(name: str, values: Floats, p: float) -> Figure:
    """Means of both sides, and how far they lie apart."""
    import numpy as np

    marked, plain = values.T
    gaps = marked - plain
    spread = max(float(np.sqrt((marked.var(ddof=1) + plain.var(ddof=1)) / 2)), 1e-12)
    apart, half = gaps.mean() / spread, 1.96 * gaps.std(ddof=1) / spread / len(gaps) ** 0.5
    return Figure(
        f"seal.text.cost.{name}",
        float(marked.mean()),
        "mean, marked",
        len(values),
        "no difference",
        None,
        baseline=float(plain.mean()),
        note=f"{apart:+.2f} standard deviations (95 %: {apart - half:+.2f} to {apart + half:+.2f}), p = {p:.3f}",
    )


def _time(seconds: list[list[float]]) -> Figure:
    """What a token costs with the mark, beside one without; the median of the turns' ratios."""
    marked, plain = (median(side) for side in seconds)
    ratio = median(a / b for a, b in zip(*seconds, strict=True))
    return Figure(
        "seal.text.cost.time",
        marked,
        "ms a token (CPU)",
        len(seconds[0]),
        "ratio ≤ 1.10",
        ratio <= 1.1,
        plain,
        ratio,
    )
