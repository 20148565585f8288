"""The scorecard of one sealed file: every metric of its kind, each with a number or with a reason.

There is no total. A metric that fails never loses the output: its place says what went wrong.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable
from dataclasses import replace

from studio.catalog import Catalog
from studio.errors import StudioError
from studio.quality.base import Metric, Sample, Withheld, metrics
from studio.quality.cache import ScoreCache, cache_of
from studio.quality.language import language
from studio.quality.reference import ReferenceSet, reference_for
from studio.settings import Settings
from studio.types import Score, Scorecard

log = logging.getLogger(__name__)


def make_scorecard(sample: Sample, catalog: Catalog, settings: Settings, costly: bool = False) -> Scorecard:
    """Scores and withheld reasons of `sample`. `costly` runs also what takes seconds, as Evaluate does.

    A metric with `relative = True` appears only with its percentile in the local reference set of the
    kind; the others appear without one too, and `withheld["percentiles"]` says why there is none.
    """
    chosen = [metric for metric in metrics.values() if sample.kind in metric.kinds]
    if not chosen:
        return Scorecard(withheld={sample.kind: f"no score judges {sample.kind} yet"})
    sample = with_models(sample, chosen, catalog)
    withheld: dict[str, str] = {}
    reference: ReferenceSet | None = None
    try:
        reference = _reference(sample, settings)
    except (Withheld, StudioError) as reason:
        withheld["percentiles"] = str(reason)
    scores, cache = [], cache_of(settings.home)
    with cache.together(sample):
        for metric in chosen:
            try:
                if getattr(metric, "costly", False) and not costly:
                    raise Withheld("takes seconds; run it from Evaluate")
                scores.append(_place(metric, score_one(metric, sample, catalog, cache), reference, withheld))
            except (Withheld, StudioError) as reason:
                withheld[metric.name] = str(reason)
            except Exception as error:
                log.exception("metric %s failed on %s", metric.name, sample.path.name)
                withheld[metric.name] = f"could not be computed ({type(error).__name__}: {str(error)[:120]})"
    return Scorecard(tuple(scores), withheld)


def with_models(sample: Sample, chosen: Iterable[type[Metric]], catalog: Catalog) -> Sample:
    """`sample` with the folders of those needed models that are here."""
    needs = {name for metric in chosen for name in metric.needs}
    return replace(
        sample, models={n: catalog.get(n).folder for n in needs if n in catalog.names and catalog.ready(n)}
    )


def score_one(
    metric: type[Metric], sample: Sample, catalog: Catalog, cache: ScoreCache | None = None
) -> Score:
    """Without percentile. Raises Withheld, or ModelMissing with the command that gets the model."""
    for name in metric.needs:
        if name not in sample.models:
            if name not in catalog.names:
                raise Withheld(f"needs the model {name}, which this studio does not have yet")
            catalog.require(name)
    if cache is None:
        score = metric().score(sample)
    else:
        score = cache.score(metric, sample, {name: catalog.get(name).revision for name in metric.needs})
    if not math.isfinite(score.value):
        raise Withheld("gave no finite number")
    return score


def _reference(sample: Sample, settings: Settings) -> ReferenceSet:
    reference = reference_for(sample.kind, settings.assets / "reference")
    if sample.kind == "text" and language(sample.text) != reference.language:
        raise Withheld(f"the reference set {reference.name} is in another language than this text")
    return reference


def _place(
    metric: type[Metric], score: Score, reference: ReferenceSet | None, withheld: dict[str, str]
) -> Score:
    percentile = reference.percentile(score) if reference else None
    if reference and percentile is not None:
        return replace(score, percentile=percentile, reference=reference.label(score.name))
    if getattr(metric, "relative", False):
        why = (
            withheld.get("percentiles")
            or f"the reference set {reference and reference.name} lacks this score"
        )
        raise Withheld(f"means something only beside other outputs, and {why}")
    return score
