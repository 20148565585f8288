"""What scoring costs beside generating, and whether the best of four is better than one."""

from __future__ import annotations

import time
from dataclasses import replace
from statistics import fmean, median

from studio.bench.base import RUNS, Figure, Place, bench
from studio.catalog import Catalog
from studio.quality.base import Sample
from studio.quality.card import make_scorecard
from studio.quality.engine_facts import remembered
from studio.quality.rank import WEIGHTS, rank
from studio.service import Studio
from studio.settings import Settings
from studio.types import Asset, Brief, Kind

SUBJECTS = (
    "a solar camping lantern", "a neighbourhood bakery", "an electric cargo bike", "a reusable coffee cup",
    "a museum night for families", "a ceramic teapot", "a folding kayak", "a coding course for teenagers",
    "a dog walking service", "a standing desk", "a vegan cookbook", "a home weather station",
    "a repair café", "a jazz concert in the park", "a smart bicycle helmet", "a herb growing kit",
    "a mountain guesthouse", "a portable projector", "a children's science kit", "a local theatre festival",
    "a meal planning app", "a handmade leather wallet", "a robot vacuum cleaner", "a community garden",
)  # fmt: skip
PROMPTS: dict[Kind, str] = {
    "text": "Write a product description for {}.",
    "speech": "Today we would like to tell you about {}. Come and see for yourself, and bring your friends.",
    "image": "{}",
    "music": "a short tune for {}",
}
# Left out of the ranking here, so that they can judge it.
HELD_OUT = ("coherence", "thread_continuity")
CANDIDATES = 4


@bench("score.cost")
def cost(place: Place) -> list[Figure]:
    """Seconds of scoring as a share of the seconds of generating, on the default models."""
    settings = Settings.read(home=place.folder)
    catalog = Catalog.read(settings)
    figures = []
    with Studio(settings) as studio:
        for kind, prompt in PROMPTS.items():
            if not any(model.default and catalog.ready(model.name) for model in catalog.of_kind(kind)):
                continue
            shares = []
            for i, subject in enumerate(SUBJECTS[: RUNS + 1]):
                (asset,) = studio.make(Brief(kind, prompt.format(subject), seed=i))
                # A home of its own: the line has kept this file's scores already.
                alone = replace(settings, home=place.folder / "alone")
                shares.append(_scoring(asset, catalog, alone) / asset.model.seconds)
            share = 100 * median(shares[1:])
            figures.append(Figure(f"score.cost.{kind}", share, "% of generating", RUNS, "≤ 15", share <= 15))
    return figures


def _scoring(asset: Asset, catalog: Catalog, settings: Settings) -> float:
    sample = Sample(
        asset.path, asset.kind, asset.media_type, asset.brief, remembered(asset.scorecard)
    )  # fmt: skip
    began = time.perf_counter()
    make_scorecard(sample, catalog, settings)
    return time.perf_counter() - began


@bench("score.best_of_four")
def best_of_four(place: Place) -> list[Figure]:
    """Held-out scores of the best of four, ranked without them, against the mean of all four."""
    weights = {name: weight for name, weight in WEIGHTS["text"].items() if name not in HELD_OUT}
    best: dict[str, list[float]] = {name: [] for name in HELD_OUT}
    single: dict[str, list[float]] = {name: [] for name in HELD_OUT}
    with Studio(Settings.read(home=place.folder)) as studio:
        for i, subject in enumerate(SUBJECTS):
            brief = Brief("text", PROMPTS["text"].format(subject), count=CANDIDATES, seed=100 * i)
            cards = [asset.scorecard for asset in studio.make(brief)]
            first = cards[rank(cards, "text", weights)[0]]
            for name in HELD_OUT:
                values = [score.value for card in cards if (score := card.get(name))]
                chosen = first.get(name)
                if chosen and len(values) > 1:
                    best[name].append(chosen.value)
                    single[name].append(fmean(values))
    return [_gain(name, best[name], single[name]) for name in HELD_OUT]


def _gain(name: str, best: list[float], single: list[float]) -> Figure:
    import numpy as np

    from studio.quality.bootstrap import paired_p

    rows = [np.array([[value, 1.0] for value in side]) for side in (single, best)]
    p = paired_p(rows[0], rows[1], lambda total: float(total[0] / total[1]))
    figure, baseline = fmean(best), fmean(single)
    return Figure(
        f"score.best_of_four.{name}", figure, "mean of the best", len(best), "> 1, p < 0.05",
        figure > baseline and p < 0.05, baseline, figure / baseline, note=f"paired p = {p:.3f}",
    )  # fmt: skip
