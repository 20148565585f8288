"""How far two sets of feature vectors lie apart: Fréchet distance, kernel distances, MAUVE.

The names are honest only with the features: "FD (minilm-l6-v2)" is not FID, and values under different
features are not comparable. All functions take float arrays (n, d) and (m, d).
Sources: Heusel et al. 2017 (Fréchet), Bińkowski et al. 2018 (KID), Jayasumana et al. 2024 (CMMD),
Pillutla et al. 2021 (MAUVE).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from threadpoolctl import threadpool_limits

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

P = ParamSpec("P")
R = TypeVar("R")

SUBSETS = 100
SUBSET_SIZE = 500
BLOCK = 1000
MAUVE_SCALE = 5.0
MAUVE_POINTS = 25


def one_thread(function: Callable[P, R]) -> Callable[P, R]:
    """BLAS threads spin: for many small products beside a busy model, two are far slower than one."""
    limited: Callable[P, R] = threadpool_limits.wrap(limits=1, user_api="blas")(function)
    return limited


def frechet(mean_a: Floats, cov_a: Floats, mean_b: Floats, cov_b: Floats) -> float:
    """|μa − μb|² + tr(Σa + Σb − 2 (Σa Σb)^½) of two Gaussians.

    The trace of the root is the sum of the roots of the eigenvalues of Σa^½ Σb Σa^½, which is symmetric
    and needs no complex arithmetic.
    """
    import numpy as np

    values, vectors = np.linalg.eigh(cov_a)
    root = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
    mixed = np.linalg.eigvalsh(root @ cov_b @ root)
    cross = np.sqrt(np.maximum(mixed, 0)).sum()
    return float(((mean_a - mean_b) ** 2).sum() + np.trace(cov_a) + np.trace(cov_b) - 2 * cross)


def frechet_distance(a: Floats, b: Floats) -> float:
    """Fréchet distance between Gaussians fitted to the two sets (unbiased covariances)."""
    import numpy as np

    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    return frechet(
        a.mean(axis=0),
        np.atleast_2d(np.cov(a, rowvar=False)),
        b.mean(axis=0),
        np.atleast_2d(np.cov(b, rowvar=False)),
    )


@one_thread
def kernel_distance(a: Floats, b: Floats, seed: int = 0) -> tuple[float, float]:
    """KID: the unbiased squared MMD under (x·y/d + 1)³, and its standard error over the subsets.

    SUBSETS random subsets of at most SUBSET_SIZE from each side, as the published tools take them.
    """
    import numpy as np

    rng = np.random.default_rng(seed)
    size = min(SUBSET_SIZE, len(a), len(b))
    found = []
    for _ in range(SUBSETS):
        x = np.asarray(a[rng.choice(len(a), size, replace=False)], np.float64)
        y = np.asarray(b[rng.choice(len(b), size, replace=False)], np.float64)
        xx, yy, xy = (_cubed(u @ v.T / x.shape[1] + 1) for u, v in ((x, x), (y, y), (x, y)))
        within = (xx.sum() - np.trace(xx) + yy.sum() - np.trace(yy)) / (size * (size - 1))
        found.append(within - 2 * xy.mean())
    return float(np.mean(found)), float(np.std(found, ddof=1) / np.sqrt(SUBSETS))


def _cubed(x: Floats) -> Floats:
    return x * x * x  # `x**3` calls pow, ten times slower


@one_thread
def gaussian_mmd(a: Floats, b: Floats, bandwidth: float) -> float:
    """CMMD's distance: the biased squared MMD under exp(−|x − y|²/2σ²), times 1000."""
    import numpy as np

    def mean_kernel(x: Floats, y: Floats) -> float:
        total = 0.0
        for i in range(0, len(x), BLOCK):
            part = x[i : i + BLOCK]
            square = (part**2).sum(1)[:, None] + (y**2).sum(1)[None] - 2 * part @ y.T
            total += float(np.exp(-np.maximum(square, 0) / (2 * bandwidth**2)).sum())
        return total / len(x) / len(y)

    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    return 1000 * (mean_kernel(a, a) + mean_kernel(b, b) - 2 * mean_kernel(a, b))


def median_distance(points: Floats, most: int = 1000) -> float:
    """The median distance between two points of a set: a bandwidth that needs no choosing."""
    import numpy as np

    some = np.asarray(points[:: max(1, len(points) // most)][:most], np.float64)
    square = (some**2).sum(1)[:, None] + (some**2).sum(1)[None] - 2 * some @ some.T
    return max(1e-9, float(np.sqrt(np.median(np.maximum(square[~np.eye(len(some), dtype=bool)], 0)))))


# --- MAUVE ----------------------------------------------------------------------------------------


@one_thread
def mauve(a: Floats, b: Floats, seed: int = 0) -> float:
    """Area under the divergence curve of the two sets after joint quantisation: 1 alike, 0 apart."""
    import numpy as np

    both = np.concatenate([a, b]).astype(np.float64)
    both -= both.mean(axis=0)
    _, strength, axes = np.linalg.svd(both, full_matrices=False)
    kept = int(np.searchsorted(np.cumsum(strength**2) / (strength**2).sum(), 0.9)) + 1
    both = both @ axes[:kept].T
    clusters = max(2, round(min(len(a), len(b)) / 10))
    labels = _k_means(both, clusters, seed)
    p, q = (
        np.bincount(part, minlength=clusters) / len(part) for part in (labels[: len(a)], labels[len(a) :])
    )
    return divergence_area(p, q)


def divergence_area(p: Floats, q: Floats) -> float:
    """Area under (exp(−c KL(q|r)), exp(−c KL(p|r))) for mixtures r of the histograms p and q."""
    import numpy as np

    points = [(0.0, 1.0), (1.0, 0.0)]
    for weight in np.linspace(1e-6, 1 - 1e-6, MAUVE_POINTS):
        r = weight * p + (1 - weight) * q
        points.append((float(np.exp(-MAUVE_SCALE * _kl(q, r))), float(np.exp(-MAUVE_SCALE * _kl(p, r)))))
    x, y = np.array(sorted(points, key=lambda xy: (xy[0], -xy[1]))).T
    return float(np.trapezoid(y, x))


def _kl(p: Floats, q: Floats) -> float:
    import numpy as np

    there = p > 0
    return float((p[there] * np.log(p[there] / q[there])).sum())


def _k_means(points: Floats, clusters: int, seed: int, rounds: int = 50) -> NDArray[np.int64]:
    """Lloyd's algorithm from a k-means++ start; a cluster that empties takes the farthest point."""
    import numpy as np

    rng = np.random.default_rng(seed)
    centres = [points[rng.integers(len(points))]]
    nearest = ((points - centres[0]) ** 2).sum(axis=1)
    for _ in range(clusters - 1):
        centres.append(points[rng.choice(len(points), p=nearest / nearest.sum())])
        nearest = np.minimum(nearest, ((points - centres[-1]) ** 2).sum(axis=1))
    middle = np.stack(centres)
    labels = np.full(len(points), -1)
    for _ in range(rounds):
        square = (points**2).sum(1)[:, None] + (middle**2).sum(1)[None] - 2 * points @ middle.T
        new = square.argmin(axis=1)
        if (new == labels).all():
            break
        labels = new
        counts = np.bincount(labels, minlength=clusters)
        sums = np.zeros_like(middle)
        np.add.at(sums, labels, points)
        middle = np.where(
            counts[:, None] > 0, sums / np.maximum(counts, 1)[:, None], points[square.min(1).argmax()]
        )
    return labels
