"""Lightness, contrast and colour of a picture: plain facts of its pixels.

Sources: CIE 1976 L*; Peli 1990 (root-mean-square contrast); Hasler & Süsstrunk 2003 (colourfulness).
"""

from __future__ import annotations

from typing import ClassVar

from studio.quality.base import Sample, Withheld, metrics
from studio.quality.picture import need_size, on_white
from studio.types import Kind, Score

LEAST = 16


@metrics.register
class Exposure:
    """Mean lightness, 0 (black) to 100 (white)."""

    name: ClassVar[str] = "exposure"
    kinds: ClassVar[tuple[Kind, ...]] = ("image",)
    needs: ClassVar[tuple[str, ...]] = ()

    def score(self, sample: Sample) -> Score:
        need_size(sample.luma, LEAST)
        value = float(sample.lightness.mean())
        return Score(
            self.name, value, "L*", "neither", "any picture; a fact, not a fault: white grounds are light"
        )


@metrics.register
class Contrast:
    """Standard deviation of lightness."""

    name: ClassVar[str] = "contrast"
    kinds: ClassVar[tuple[Kind, ...]] = ("image",)
    needs: ClassVar[tuple[str, ...]] = ()

    def score(self, sample: Sample) -> Score:
        need_size(sample.luma, LEAST)
        value = float(sample.lightness.std())
        return Score(self.name, value, "L*", "higher", "any picture; soft scenes are low by nature")


@metrics.register
class Colourfulness:
    """How far and how widely colours lie from grey."""

    name: ClassVar[str] = "colourfulness"
    kinds: ClassVar[tuple[Kind, ...]] = ("image",)
    needs: ClassVar[tuple[str, ...]] = ()

    def score(self, sample: Sample) -> Score:
        import numpy as np

        need_size(sample.pixels, LEAST)
        red, green, blue = np.moveaxis(on_white(sample.pixels), -1, 0)
        rg, yb = red - green, (red + green) / 2 - blue
        spread, shift = np.hypot(rg.std(), yb.std()), np.hypot(rg.mean(), yb.mean())
        value = float(spread + 0.3 * shift)
        if value < 0.01:
            raise Withheld("the picture is grey throughout")
        return Score(
            self.name, value, "M3", "neither", "sRGB pictures in colour; 0 is grey, above 60 is strong"
        )
