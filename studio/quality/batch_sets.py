"""A whole set against another: distances between their features, under honest names.

FD, KD, MMD and MAUVE take the features in brackets; FID, KID, CMMD and FAD are names of their own networks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from studio.catalog import Catalog
from studio.quality import distances
from studio.quality.base import Withheld
from studio.quality.batch_items import Item, drawn
from studio.quality.batch_text import need
from studio.quality.features import Features
from studio.types import Score

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

LEAST_FRECHET = 1000
LEAST_KERNEL = 500
LEAST_MAUVE = 1000
MAX_VECTORS = 10_000


def steps(
    family: type[Features], items: Sequence[Item], others: Sequence[Item] | None, catalog: Catalog
) -> list[tuple[str, Callable[[], Iterator[Score]]]]:
    cache: list[tuple[NDArray[np.float64], NDArray[np.float64]]] = []

    def sides(least: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        if others is None:
            raise Withheld("needs a second set to compare with")
        need(min(len(items), len(others)), least, "on each side")
        if not cache:
            cache.append((vectors(family, items, catalog), vectors(family, others, catalog)))
        return cache[0]

    def frechet() -> Iterator[Score]:
        a, b = sides(LEAST_FRECHET)
        domain = f"{len(a):,} against {len(b):,}; biased upwards below 10,000; only for these features"
        yield Score(fd, distances.frechet_distance(a, b), "distance²", "lower", domain, family.name)

    def kernel() -> Iterator[Score]:
        a, b = sides(LEAST_KERNEL)
        value, error = distances.kernel_distance(a, b)
        domain = f"{len(a):,} against {len(b):,}; standard error {error:.2g}; only for these features"
        yield Score(
            kd,
            value,
            "MMD²",
            "lower",
            domain,
            family.name,
            interval=(value - 1.96 * error, value + 1.96 * error),
        )

    def gaussian() -> Iterator[Score]:
        a, b = sides(LEAST_KERNEL)
        width = distances.median_distance(b)
        value = distances.gaussian_mmd(a, b, width)
        domain = f"{len(a):,} against {len(b):,}; σ = {width:.3g}, the references' median distance"
        yield Score(mmd, value, "1000 · MMD²", "lower", domain, family.name)

    def mauve() -> Iterator[Score]:
        a, b = sides(LEAST_MAUVE)
        domain = f"{len(a):,} against {len(b):,}; 1 is alike; only for these features"
        yield Score(area, distances.mauve(a, b), "0–1", "higher", domain, family.name)

    fd, kd, mmd, area = (f"{what} ({family.name})" for what in ("FD", "KD", "MMD", "MAUVE"))
    found = [(fd, frechet), (kd, kernel), (mmd, gaussian)]
    return [*found, (area, mauve)] if "text" in family.kinds else found


def vectors(family: type[Features], items: Sequence[Item], catalog: Catalog) -> NDArray[np.float64]:
    """Feature rows of at most MAX_VECTORS outputs.

    Raises Withheld or ModelMissing without the network, BadInput for a broken file.
    """
    import numpy as np

    for name in family.needs:
        if name not in catalog.names:
            raise Withheld(f"needs the network {name}, which is yours to bring (docs/scores.md says how)")
    folders = {name: catalog.require(name).folder for name in family.needs}
    samples = [replace(item.sample, models=folders) for item in drawn(items, MAX_VECTORS)]
    return np.concatenate([family().vectors(samples[i : i + 64]) for i in range(0, len(samples), 64)])
