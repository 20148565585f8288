"""BRISQUE: how far a photograph's local statistics lie from those of clean ones, by the published model.

Technical artefacts only: blur, noise, blocking. It was fitted to opinions on camera pictures with such
faults, so drawings and flat artwork are withheld. Mittal, Moorthy & Bovik 2012, "No-Reference Image Quality
Assessment in the Spatial Domain", IEEE TIP 21(12); support vectors as in the package brisque 0.2.0.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from studio.quality.base import Sample, Withheld, metrics
from studio.quality.picture import need_photograph, need_size
from studio.types import Kind, Score

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

MODEL = "brisque"
LEAST = 96
REACH, SIGMA = 3, 7 / 6
HALVING = (-0.09375, 0.59375, 0.59375, -0.09375)
"""Cubic interpolation (a = −0.75) halfway between two pixels: the reduction that the model was fitted with."""
# The ranges of the 36 features on the pictures it was fitted to: (least, largest), in the order of `measure`.
RANGES = (
    (0.336999, 9.999411), (0.019667, 0.807472), (0.23, 1.644021), (-0.125959, 0.202917),
    (0.000167, 0.712384), (0.000616, 0.468672), (0.231, 1.644021), (-0.125873, 0.169548),
    (0.000165, 0.713132), (0.0006, 0.467896), (0.241, 1.553016), (-0.128814, 0.101368),
    (0.000179, 0.687324), (0.000386, 0.533087), (0.243, 1.554016), (-0.13308, 0.101),
    (0.000182, 0.689177), (0.000421, 0.533133), (0.436998, 3.639918), (0.016929, 0.800955),
    (0.247, 1.096995), (-0.200231, 0.175286), (0.000104, 0.755547), (0.000834, 0.39927),
    (0.257, 1.095995), (-0.200017, 0.155928), (0.000112, 0.751488), (0.000876, 0.402398),
    (0.257, 1.041992), (-0.155072, 0.093209), (0.000112, 0.623516), (0.000356, 0.532925),
    (0.258, 1.042992), (-0.154374, 0.093714), (0.000117, 0.621958), (0.000351, 0.534484),
)  # fmt: skip


def normalised(grey: Floats) -> Floats:
    """Mean-subtracted, contrast-normalised luma (0–255): 7×7 Gaussian windows, dark beyond the border."""
    import numpy as np
    from scipy.ndimage import correlate1d

    steps = np.arange(-REACH, REACH + 1)
    window = np.exp(-(steps**2) / (2 * SIGMA**2))
    window /= window.sum()

    def smooth(x: Floats) -> Floats:
        rows = correlate1d(x, window, axis=0, mode="constant")
        found: Floats = correlate1d(rows, window, axis=1, mode="constant")
        return found

    mean = smooth(grey)
    found: Floats = (grey - mean) / (np.sqrt(np.abs(smooth(grey**2) - mean**2)) + 1)
    return found


@lru_cache(maxsize=1)
def _shapes() -> tuple[Floats, Floats]:
    """Γ(2/α)² / (Γ(1/α) Γ(3/α)) over α: what the fit by moments looks its shape up in."""
    import numpy as np
    from scipy.special import gammaln

    alpha = np.geomspace(0.05, 20, 20_000)
    return alpha, np.exp(2 * gammaln(2 / alpha) - gammaln(1 / alpha) - gammaln(3 / alpha))


def asymmetric_fit(x: Floats) -> tuple[float, float, float, float]:
    """Shape, mean, left and right variance of an asymmetric generalised Gaussian, by moments."""
    import numpy as np
    from scipy.special import gamma

    x = x.ravel()
    below = np.minimum(x, 0)
    negative = int(np.count_nonzero(below))
    squares = float(np.dot(below, below)), float(np.dot(x, x))
    left, right = squares[0] / negative, (squares[1] - squares[0]) / (x.size - negative)
    ratio = np.sqrt(left / right)
    moment = np.abs(x).mean() ** 2 / (squares[1] / x.size)
    moment *= (ratio**3 + 1) * (ratio + 1) / (ratio**2 + 1) ** 2
    alpha, table = _shapes()
    shape = float(np.interp(moment, table, alpha))
    spread = np.sqrt(gamma(1 / shape) / gamma(3 / shape))
    mean = (np.sqrt(right) - np.sqrt(left)) * spread * gamma(2 / shape) / gamma(1 / shape)
    return shape, float(mean), left, right


def measure(grey: Floats) -> Floats:
    """The 36 features: at both scales shape and variance, then four numbers for each of four neighbours."""
    import numpy as np

    found: list[float] = []
    for scale in (grey, halved(grey)):
        one = normalised(scale)
        shape, _, left, right = asymmetric_fit(one)
        found += [shape, (left + right) / 2]
        neighbours = (
            one[:, :-1] * one[:, 1:], one[:-1] * one[1:], one[:-1, :-1] * one[1:, 1:], one[1:, :-1] * one[:-1, 1:],
        )  # fmt: skip
        for product in neighbours:
            found += asymmetric_fit(product)
    return np.array(found)


def halved(grey: Floats) -> Floats:
    """Half the width and height, border pixels repeated."""
    import numpy as np

    for axis in (0, 1):
        size = grey.shape[axis]
        places = 2 * np.arange(round(size / 2))[:, None] + np.arange(-1, 3)
        taken = np.take(grey, np.clip(places, 0, size - 1), axis=axis)
        grey = np.tensordot(taken, np.array(HALVING), axes=([axis + 1], [0]))
    return grey


@lru_cache(maxsize=1)
def _vectors(path: Path) -> tuple[Floats, Floats, float, float]:
    """Weights (n), support vectors (n, 36), rho and gamma of a libsvm text file."""
    import numpy as np

    head, _, body = path.read_text("ascii").partition("\nSV\n")
    named: dict[str, Any] = dict(line.split(" ", 1) for line in head.splitlines())
    rows = [line.split() for line in body.splitlines() if line]
    weights = np.array([float(row[0]) for row in rows])
    vectors = np.zeros((len(rows), len(RANGES)))
    for vector, row in zip(vectors, rows, strict=True):
        for cell in row[1:]:
            place, value = cell.split(":")
            vector[int(place) - 1] = float(value)
    return weights, vectors, float(named["rho"]), float(named["gamma"])


def predict(features: Floats, folder: Path) -> float:
    """The model's opinion score, about 0 (clean) to 100 (spoilt)."""
    import numpy as np

    weights, vectors, rho, gamma = _vectors(folder / "svm.txt")
    low, high = np.array(RANGES).T
    scaled = 2 * (features - low) / (high - low) - 1
    return float(weights @ np.exp(-gamma * ((vectors - scaled) ** 2).sum(axis=1)) - rho)


@metrics.register
class Artefacts:
    name: ClassVar[str] = "artefacts"
    kinds: ClassVar[tuple[Kind, ...]] = ("image",)
    needs: ClassVar[tuple[str, ...]] = (MODEL,)

    def score(self, sample: Sample) -> Score:
        import numpy as np

        need_size(sample.luma, LEAST)
        need_photograph(sample)
        found = measure(sample.luma.astype(np.float64))
        if not np.isfinite(found).all():
            raise Withheld("too even to be measured")
        domain = "photographs and pictures like them: blur, noise, blocking; not art, not taste"
        return Score(
            self.name,
            predict(found, sample.models[MODEL]),
            "BRISQUE, about 0–100",
            "lower",
            domain,
            MODEL,
            "0.2.0",
        )
