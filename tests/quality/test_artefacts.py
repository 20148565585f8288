"""BRISQUE equals the published package; photographs are told from drawings."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from quality_material import image_sample, landscape, photograph, rng, sticker
from scipy import ndimage
from scipy.special import gamma

from studio.quality.base import Withheld
from studio.quality.image_artefacts import asymmetric_fit, halved, measure, predict
from studio.quality.picture import need_photograph
from studio.settings import Settings

PUBLISHED = [
    ("blur", 0, 0, -2.68),
    ("blur", 0, 4, 36.98),
    ("blur", 1, 1, 2.15),
    ("blur", 2, 2, 13.83),
    ("noise", 0, 0, -2.68),
    ("noise", 0, 4, 58.79),
    ("noise", 1, 1, 39.56),
    ("noise", 2, 2, 50.21),
]


def spoilt(fault: str, seed: int, level: int) -> object:
    """The pictures that the published values below were computed on."""
    clean = landscape(seed) + rng(9).normal(0, 2, (192, 192, 3))
    if fault == "noise":
        base = landscape(seed) + rng(seed).normal(0, 1, (192, 192, 3)) * 5 * level
        return base + rng(9).normal(0, 2, (192, 192, 3))
    return (
        clean
        if level == 0
        else ndimage.gaussian_filter(landscape(seed), (0.6 * level,) * 2 + (0,))
        + rng(9).normal(0, 2, (192, 192, 3))
    )


@pytest.mark.real
@pytest.mark.parametrize(("fault", "seed", "level", "published"), PUBLISHED)
def test_equal_to_the_published_package(
    fault: str, seed: int, level: int, published: float, tmp_path: Path, settings: Settings
) -> None:
    """`published` was computed by brisque 0.2.0 with OpenCV on the same pixels."""
    sample = image_sample(tmp_path, spoilt(fault, seed, level))
    value = predict(measure(sample.luma.astype(np.float64)), settings.checkpoints / "brisque")
    assert value == pytest.approx(published, abs=0.1)


@pytest.mark.parametrize("shape", [0.7, 1.0, 2.0])
def test_the_fit_finds_shape_and_sides(shape: float) -> None:
    """Samples of an asymmetric generalised Gaussian with sides of 1 and 2."""
    random = rng(0)
    size = random.gamma(1 / shape, size=400_000) ** (1 / shape)
    right = random.random(size.size) < 2 / 3
    found = asymmetric_fit(np.where(right, 2 * size, -size))
    unit = gamma(3 / shape) / gamma(1 / shape)
    assert found[0] == pytest.approx(shape, rel=0.02)
    assert (found[2], found[3]) == pytest.approx((unit, 4 * unit), rel=0.03)


def test_halving_keeps_straight_shades() -> None:
    ramp = np.tile(np.arange(64.0), (64, 1))
    assert halved(ramp).shape == (32, 32)
    assert halved(ramp)[5, 2:-2] == pytest.approx(2 * np.arange(2, 30) + 0.5)


def test_photographs_are_told_from_drawings(tmp_path: Path) -> None:
    need_photograph(image_sample(tmp_path, photograph(1)))
    for drawn in (
        image_sample(tmp_path, sticker(1)),
        image_sample(tmp_path, photograph(1), facts={"drawing": 1.0}),
    ):
        with pytest.raises(Withheld, match="drawn"):
            need_photograph(drawn)
