"""What scoring costs beside generating."""

from __future__ import annotations

import time
from dataclasses import replace
from statistics import median

from studio.bench.base import RUNS, Figure, Place, bench
from studio.catalog import Catalog
from studio.quality.base import Sample
from studio.quality.card import make_scorecard
from studio.quality.engine_facts import remembered
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
