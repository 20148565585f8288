"""A ranker of results by what people chose: one weight for each measured number, and how sure it is of them.

P(a is preferred to b) = 1 / (1 + exp(−w·(x_a − x_b))), w normal around 0 with spread PRIOR_SD beforehand and, by
Laplace's approximation, around `weights` with `covariance` afterwards. Which pair to ask next: the one
whose answer is most uncertain because of w (the mutual information of answer and weights, Houlsby et al.
2011), times how unlike it is to those chosen before (uncertainty × diversity).

What is *not* here: looking at pictures or texts themselves; it knows the scorecard only.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from studio.errors import BadInput, ModelBroken

Floats = NDArray[np.float64]

FILE = "ranker.json"
PRIOR_SD = 1.0
ROUNDS = 30
NODES, NODE_WEIGHTS = np.polynomial.hermite_e.hermegauss(80)  # a normal expectation is a sum over these
NODE_WEIGHTS = NODE_WEIGHTS / NODE_WEIGHTS.sum()


@dataclass(frozen=True)
class Scale:
    """Measured numbers as one vector: by name, centred and scaled; a missing one is the mean, so 0."""

    names: tuple[str, ...]
    mean: Floats
    spread: Floats

    @classmethod
    def of(cls, items: Sequence[Mapping[str, float]]) -> Scale:
        """From all items there are; a number that never varies says nothing and is left out."""
        names = sorted({name for item in items for name in item})
        table = np.array([[item.get(name, math.nan) for name in names] for item in items], float)
        if not table.size:
            raise BadInput("The results carry no measured number to tell them apart.")
        mean = np.nanmean(table, axis=0)
        spread = np.nanstd(table, axis=0)
        kept = spread > 1e-9 * (1 + np.abs(mean))
        return cls(
            tuple(name for name, one in zip(names, kept, strict=True) if one), mean[kept], spread[kept]
        )

    def vector(self, item: Mapping[str, float]) -> Floats:
        """float64 (features,), within ±5 so that one freak number cannot decide alone."""
        raw = np.array([item.get(name, math.nan) for name in self.names], float)
        return np.clip(np.nan_to_num((raw - self.mean) / self.spread), -5, 5)


@dataclass(frozen=True)
class Ranker:
    scale: Scale
    weights: Floats
    covariance: Floats
    choices: int

    def score(self, item: Mapping[str, float]) -> float:
        """Higher is preferred; only differences mean something."""
        return float(self.scale.vector(item) @ self.weights)

    def chance(self, differences: Floats) -> Floats:
        """P(the first is preferred), float64 (pairs,), averaged over the uncertainty of the weights."""
        return np.asarray(_sigmoid(self._leanings(differences)) @ NODE_WEIGHTS)

    def information(self, differences: Floats) -> Floats:
        """What the answer would tell of the weights: their mutual information in nats, float64 (pairs,)."""
        told = _sigmoid(self._leanings(differences))
        return np.asarray(np.maximum(_entropy(told @ NODE_WEIGHTS) - _entropy(told) @ NODE_WEIGHTS, 0))

    def _leanings(self, differences: Floats) -> Floats:
        """Values of w·(x_a − x_b), float64 (pairs, nodes): the expectation over w is a sum over nodes."""
        mean = differences @ self.weights
        variance = np.einsum("ij,jk,ik->i", differences, self.covariance, differences)
        return np.asarray(mean[:, None] + np.sqrt(variance)[:, None] * NODES)

    def save(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        raw = {
            "names": self.scale.names, "mean": self.scale.mean.tolist(), "spread": self.scale.spread.tolist(),
            "weights": self.weights.tolist(), "covariance": self.covariance.tolist(), "choices": self.choices,
        }  # fmt: skip
        (folder / FILE).write_text(json.dumps(raw) + "\n", "utf-8")

    @classmethod
    def load(cls, folder: Path) -> Ranker:
        """Raises ModelBroken if the file is not one of ours."""
        try:
            raw = json.loads((folder / FILE).read_text("utf-8"))
            scale = Scale(tuple(raw["names"]), np.array(raw["mean"], float), np.array(raw["spread"], float))
            ranker = cls(
                scale,
                np.array(raw["weights"], float),
                np.array(raw["covariance"], float),
                int(raw["choices"]),
            )
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            raise ModelBroken(f"{folder / FILE} is no ranker ({error}); train it again.") from None
        n = len(scale.names)
        shapes = (scale.mean.shape, scale.spread.shape, ranker.weights.shape, ranker.covariance.shape)
        if shapes != ((n,), (n,), (n,), (n, n)):
            raise ModelBroken(f"{folder / FILE} does not fit together; train it again.")
        return ranker


def fit(scale: Scale, differences: Floats, shares: Floats) -> Ranker:
    """The most probable weights by Newton's method; `shares` says how much the first of each pair got."""
    weights = np.zeros(len(scale.names))
    for _ in range(ROUNDS if len(shares) else 0):
        slope = differences.T @ (shares - _sigmoid(differences @ weights)) - weights / PRIOR_SD**2
        step = covariance(differences, weights) @ slope
        weights = np.asarray(weights + step)
        if np.abs(step).max(initial=0) < 1e-8:
            break
    return Ranker(scale, weights, covariance(differences, weights), len(shares))


def covariance(differences: Floats, weights: Floats) -> Floats:
    """Of the weights, from the curvature of the posterior: float64 (features, features)."""
    chance = _sigmoid(differences @ weights)
    curvature = differences.T @ (differences * (chance * (1 - chance))[:, None])
    return np.asarray(np.linalg.inv(curvature + np.eye(len(weights)) / PRIOR_SD**2))


def most_telling(ranker: Ranker, differences: Floats, count: int = 1) -> list[int]:
    """Places of the pairs whose answers would teach most, best first, each unlike those before it."""
    worth = ranker.information(differences)
    lengths = np.linalg.norm(differences, axis=1)
    directions = differences / np.maximum(lengths, 1e-12)[:, None]
    unlike = np.ones(len(differences))
    chosen: list[int] = []
    for _ in range(min(count, len(differences))):
        value = worth * unlike
        value[chosen] = -1
        chosen.append(int(value.argmax()))
        unlike = np.minimum(unlike, 1 - np.abs(directions @ directions[chosen[-1]]))
    return chosen


def _entropy(p: Floats) -> Floats:
    p = np.clip(p, 1e-12, 1 - 1e-12)
    return np.asarray(-(p * np.log(p) + (1 - p) * np.log(1 - p)))


def _sigmoid(x: Floats) -> Floats:
    return np.asarray(0.5 * (1 + np.tanh(0.5 * x)))
