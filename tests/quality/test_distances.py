"""Distances and resampling against closed forms and plain definitions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from quality_material import rng
from scipy import linalg, stats

from studio.quality.bootstrap import holm, interval, mean_interval, paired_p, unpaired_p
from studio.quality.distances import (
    _k_means,
    divergence_area,
    frechet,
    frechet_distance,
    gaussian_mmd,
    kernel_distance,
    mauve,
    median_distance,
)


def test_frechet_of_diagonal_gaussians() -> None:
    """Closed form: |μa − μb|² + Σ (σa − σb)²."""
    a, b = np.array([1.0, 2.0, 0.5]), np.array([3.0, 1.0, 0.5])
    shift = np.array([2.0, -1.0, 0.0])
    expected = (shift**2).sum() + ((a - b) ** 2).sum()
    assert frechet(np.zeros(3), np.diag(a**2), shift, np.diag(b**2)) == pytest.approx(expected, abs=1e-9)


def test_frechet_of_any_gaussians() -> None:
    """Against the textbook formula with scipy's matrix root."""
    factors = [rng(i).standard_normal((8, 8)) for i in (1, 2)]
    one, two = (f @ f.T for f in factors)
    expected = 5.0 * 8 + np.trace(one + two - 2 * np.real(linalg.sqrtm(one @ two)))
    assert frechet(np.zeros(8), one, np.full(8, np.sqrt(5)), two) == pytest.approx(expected, rel=1e-6)


def test_frechet_of_samples() -> None:
    a, b = rng(0).standard_normal((20_000, 4)), 2 * rng(1).standard_normal((20_000, 4)) + 1
    assert frechet_distance(a, b) == pytest.approx(4 * (1 + 1), rel=0.03)
    assert frechet_distance(a, a) == pytest.approx(0, abs=1e-9)


def test_frechet_with_fewer_rows_than_columns_is_real() -> None:
    a, b = rng(0).standard_normal((20, 64)), rng(1).standard_normal((20, 64))
    assert np.isfinite(frechet_distance(a, b)) and frechet_distance(a, b) > 0


def full_kid(a: Any, b: Any) -> float:
    """The unbiased estimate over the whole sets, straight from its definition."""
    xx, yy, xy = ((u @ v.T / u.shape[1] + 1) ** 3 for u, v in ((a, a), (b, b), (a, b)))
    n, m = len(a), len(b)
    return float(
        (xx.sum() - np.trace(xx)) / n / (n - 1) + (yy.sum() - np.trace(yy)) / m / (m - 1) - 2 * xy.mean()
    )


def test_kernel_distance_against_the_whole_sets() -> None:
    a, b = rng(0).standard_normal((1500, 16)), 1.2 * rng(1).standard_normal((1500, 16)) + 0.1
    value, error = kernel_distance(a, b)
    assert abs(value - full_kid(a, b)) < error
    assert value > 10 * error
    alike, error = kernel_distance(a, rng(2).standard_normal((1500, 16)))
    assert abs(alike) < 0.02 * value


@pytest.mark.parametrize("seed", range(4))
def test_kernel_distance_as_the_published_tool_takes_it(seed: int) -> None:
    """KID of torch-fidelity 0.3: the mean over 100 subsets of the unbiased estimate, written out pair by pair."""
    a = rng(10 + seed).standard_normal((700, 8)) ** 2
    b = 0.9 * rng(20 + seed).standard_normal((900, 8)) ** 2 + 0.05
    value, error = kernel_distance(a, b, seed)
    random = np.random.RandomState(2020 + seed)
    published = []
    for _ in range(100):
        x, y = a[random.choice(700, 500, replace=False)], b[random.choice(900, 500, replace=False)]
        xx, yy, xy = ((np.einsum("ik,jk->ij", u, v) / 8 + 1) ** 3 for u, v in ((x, x), (y, y), (x, y)))
        off = ~np.eye(500, dtype=bool)
        published.append(xx[off].mean() + yy[off].mean() - 2 * xy.mean())
    # Two draws of subsets differ by their own errors; the error that the tool reports is that of one subset.
    assert abs(value - np.mean(published)) < 3 * np.hypot(error, np.std(published) / 10)
    assert abs(value - np.mean(published)) < np.std(published)
    assert error == pytest.approx(np.std(published) / 10, rel=0.35)


def test_kernel_distance_of_sets_no_larger_than_a_subset() -> None:
    a, b = rng(0).standard_normal((500, 8)), rng(1).standard_normal((500, 8)) + 0.2
    assert kernel_distance(a, b)[0] == pytest.approx(full_kid(a, b), rel=1e-9)


def test_gaussian_mmd_of_known_points() -> None:
    a, b = np.array([[0.0], [0.0]]), np.array([[1.0], [1.0]])
    assert gaussian_mmd(a, b, 1.0) == pytest.approx(1000 * (2 - 2 * np.exp(-0.5)))
    many = rng(0).standard_normal((2300, 3))
    assert gaussian_mmd(many, many, 1.0) == pytest.approx(0, abs=1e-9)
    assert median_distance(np.array([[0.0], [3.0], [3.0], [0.0]])) in (0.0, 1e-9, 3.0)


def test_distances_grow_with_the_fault() -> None:
    base = rng(0).standard_normal((400, 8))
    for measure in (frechet_distance, lambda a, b: kernel_distance(a, b)[0], lambda a, b: 1 - mauve(a, b)):
        found = [measure(base, rng(1).standard_normal((400, 8)) + 0.3 * level) for level in range(5)]
        assert stats.spearmanr(range(5), found).statistic >= 0.9


def test_mauve_ends() -> None:
    p, q = np.array([0.5, 0.5, 0.0, 0.0]), np.array([0.0, 0.0, 0.5, 0.5])
    assert divergence_area(p, p) == pytest.approx(1, abs=1e-6)
    assert divergence_area(p, q) < 0.05
    assert divergence_area(p, np.array([0.3, 0.7, 0, 0])) == pytest.approx(
        divergence_area(np.array([0.3, 0.7, 0, 0]), p), abs=1e-6
    )


def test_clusters_are_found() -> None:
    centres = np.array([[0.0, 0.0], [10.0, 0.0], [0.0, 10.0]])
    points = np.concatenate([c + rng(i).standard_normal((50, 2)) for i, c in enumerate(centres)])
    labels = _k_means(points, 3, seed=0)
    assert all(len(set(labels[i : i + 50])) == 1 for i in (0, 50, 100)) and len(set(labels)) == 3


# --- Resampling -----------------------------------------------------------------------------------


def test_interval_covers_and_shrinks() -> None:
    hits = 0
    for seed in range(40):
        low, high = mean_interval(list(rng(seed).normal(5, 2, 60)))  # type: ignore[misc]
        hits += low <= 5 <= high
    assert hits >= 34
    wide, narrow = (mean_interval(list(rng(0).normal(0, 1, n))) for n in (30, 3000))
    assert wide and narrow and narrow[1] - narrow[0] < 0.3 * (wide[1] - wide[0])
    assert mean_interval([1.0] * 19) is None
    assert interval(np.ones((25, 1)), lambda total: float(total[0])) == (25.0, 25.0)


def test_p_values_tell_a_difference() -> None:
    def rows(values: Any) -> Any:
        return np.stack([values, np.ones_like(values)], axis=1)

    def mean(total: Any) -> float:
        return float(total[0] / total[1])

    base, noise = rng(0).normal(0, 3, 80), rng(1).normal(0, 0.3, 80)
    assert paired_p(rows(base), rows(base + noise + 0.3), mean) < 0.01
    assert paired_p(rows(base), rows(base + noise), mean) > 0.05
    assert unpaired_p(list(base), list(base + 0.3)) > 0.05
    assert unpaired_p(list(base), list(base + 3)) < 0.01


def test_p_values_are_even_where_nothing_differs() -> None:
    found = [unpaired_p(list(rng(s).normal(size=25)), list(rng(900 + s).normal(size=25))) for s in range(60)]
    assert 0 <= sum(p < 0.1 for p in found) <= 14
    assert min(found) > 0


def test_holm() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([]) == [] and holm([0.9, 0.8]) == [1.0, 1.0]
