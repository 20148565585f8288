"""Whole sets judged: each output's scores as distributions, the set against references, set against set.

    evaluate("text", Path("mine.jsonl"), Path("references.txt"), Path("report/"))

A figure below its minimum N is withheld with the N it needs. There is no total.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from studio.catalog import Catalog
from studio.errors import StudioError
from studio.quality import batch_sets, batch_text
from studio.quality.base import Metric, Sample, Withheld, metrics
from studio.quality.batch_items import Item, drawn, read_items
from studio.quality.bootstrap import mean_interval
from studio.quality.cache import ScoreCache, cache_of
from studio.quality.card import score_one, with_models
from studio.quality.features import features
from studio.settings import Settings
from studio.types import Better, Kind, Score

log = logging.getLogger(__name__)

# So many outputs of a set, drawn at random, are scored one by one.
MAX_SCORED: dict[Kind, int] = {"text": 1000, "image": 1000, "speech": 200, "music": 200, "video": 0}

Tell = Callable[[float, str], None]


def silent(fraction: float, message: str) -> None: ...


@dataclass(frozen=True)
class Distribution:
    """One score over the outputs of a set; `missing` counts those that withheld it, by reason."""

    name: str
    unit: str
    better: Better
    n: int
    mean: float
    sd: float
    quartiles: tuple[float, float, float]
    interval: tuple[float, float] | None
    values: list[float]
    model: str
    domain: str
    missing: dict[str, int]


@dataclass
class Evaluation:
    """All that is known of one set. `items` maps an output's name to its scores by name."""

    kind: Kind
    candidates: str
    n: int
    references: str | None
    n_references: int | None
    created_at: str
    scores: list[Score] = field(default_factory=list)
    distributions: list[Distribution] = field(default_factory=list)
    withheld: dict[str, str] = field(default_factory=dict)
    items: dict[str, dict[str, float]] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def evaluate(
    kind: Kind,
    candidates: Path,
    references: Path | None = None,
    report: Path | None = None,
    *,
    settings: Settings | None = None,
    tell: Tell = silent,
) -> dict[str, Any]:
    """The figures of a set as plain data; with `report`, also report.html, .json and .csv in that folder.

    Raises BadInput for what cannot be read at all; what cannot be judged stands in `withheld`.
    """
    found = measure(kind, candidates, references, settings or Settings.read(), tell)
    if report is not None:
        from studio.quality.report import write_report

        write_report(found, report)
    return found.to_dict()


def measure(
    kind: Kind, candidates: Path, references: Path | None, settings: Settings, tell: Tell = silent
) -> Evaluation:
    """As `evaluate`, kept as objects."""
    catalog = Catalog.read(settings)
    items = read_items(kind, candidates)
    others = read_items(kind, references) if references else None
    found = Evaluation(
        kind, candidates.name, len(items), references.name if references else None,
        len(others) if others is not None else None, datetime.now(UTC).isoformat(timespec="seconds"),
    )  # fmt: skip
    _score_items(found, items, catalog, cache_of(settings.home), tell)
    steps = batch_text.steps(items, others) if kind == "text" else []
    for family in features.values():
        if kind in family.kinds:
            steps += batch_sets.steps(family, items, others, catalog)
    for i, (name, step) in enumerate(steps):
        tell(0.6 + 0.4 * i / len(steps), name)
        _try(found, name, step)
    tell(1.0, "done")
    return found


def _try(found: Evaluation, name: str, step: Callable[[], Iterator[Score]]) -> None:
    try:
        found.scores += step()
    except (Withheld, StudioError) as reason:
        found.withheld[name] = str(reason)
    except Exception as error:
        log.exception("%s failed on %s", name, found.candidates)
        found.withheld[name] = f"could not be computed ({type(error).__name__}: {str(error)[:120]})"


# --- Output by output -----------------------------------------------------------------------------


def _score_items(
    found: Evaluation, items: Sequence[Item], catalog: Catalog, cache: ScoreCache, tell: Tell
) -> None:
    chosen = [metric for metric in metrics.values() if found.kind in metric.kinds]
    values: dict[str, list[Score]] = {metric.name: [] for metric in chosen}
    missing: dict[str, Counter[str]] = {metric.name: Counter() for metric in chosen}
    some = drawn(items, MAX_SCORED[found.kind])
    for i, item in enumerate(some):
        tell(0.6 * i / len(some), f"scoring {item.name}")
        sample = with_models(item.sample, chosen, catalog)
        for metric in chosen:
            score, reason = _one(metric, sample, catalog, cache)
            if score is None:
                missing[metric.name][reason] += 1
            else:
                values[metric.name].append(score)
                found.items.setdefault(item.name, {})[metric.name] = score.value
    for name, scores in values.items():
        if scores:
            found.distributions.append(_distribution(name, scores, missing[name]))
        elif missing[name]:
            found.withheld[name] = missing[name].most_common(1)[0][0]


def _one(
    metric: type[Metric], sample: Sample, catalog: Catalog, cache: ScoreCache
) -> tuple[Score | None, str]:
    try:
        return score_one(metric, sample, catalog, cache), ""
    except (Withheld, StudioError) as reason:
        return None, str(reason)
    except Exception as error:
        log.exception("metric %s failed on %s", metric.name, sample.path.name)
        return None, f"could not be computed ({type(error).__name__})"


def _distribution(name: str, scores: Sequence[Score], missing: Counter[str]) -> Distribution:
    import numpy as np

    values = [score.value for score in scores]
    low, middle, high = (float(q) for q in np.quantile(values, (0.25, 0.5, 0.75)))
    first = scores[0]
    spread = float(np.std(values, ddof=1)) if len(values) > 1 else 0.0
    return Distribution(
        name, first.unit, first.better, len(values), float(np.mean(values)), spread, (low, middle, high),
        mean_interval(values), values, first.model, first.domain, dict(missing),
    )  # fmt: skip
