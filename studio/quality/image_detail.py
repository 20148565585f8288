"""Sharpness, noise and banding: what went wrong between the scene and the pixels.

Sources: Crété-Roffet et al. 2007 (the blur effect); Immerkær 1996 (noise); banding is counted as steps
of 2–48 levels between flat stretches, which smooth 8-bit gradients (steps of one) do not have.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from studio.quality.base import Sample, Withheld, metrics
from studio.quality.picture import need_size
from studio.types import Kind, Score

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

LEAST = 32
BLUR_TAPS = 9
FLAT_RUN = 3
STEP = (2, 48)


@metrics.register
class Sharpness:
    """How much a further blur would take away: 0 (already smooth) to 1 (every edge one pixel wide)."""

    name: ClassVar[str] = "sharpness"
    kinds: ClassVar[tuple[Kind, ...]] = ("image",)
    needs: ClassVar[tuple[str, ...]] = ()

    def score(self, sample: Sample) -> Score:
        import numpy as np

        need_size(sample.luma, LEAST)
        grey = sample.luma
        if max(abs(grey[1:] - grey[:-1]).max(), abs(grey[:, 1:] - grey[:, :-1]).max()) < 4:
            raise Withheld("the picture has no edges")
        value = min(_loss(grey), _loss(np.ascontiguousarray(grey.T)))
        return Score(self.name, value, "0–1", "higher", "pictures with edges; grain counts as detail")


def _loss(grey: Floats) -> float:
    """The share of neighbour differences, down the columns, that a blur down the columns removes.

    Two neighbours of a moving average differ by what enters less what leaves, over its length.
    """
    import numpy as np

    edge = BLUR_TAPS // 2
    padded = np.pad(grey, ((edge, edge), (0, 0)), mode="edge")
    before = abs(grey[1:] - grey[:-1])
    after = abs(padded[BLUR_TAPS:] - padded[:-BLUR_TAPS]) / BLUR_TAPS
    total = float(before.sum(dtype=np.float64))
    lost = np.maximum(0, before - after, out=after)
    return float(lost.sum(dtype=np.float64)) / total if total else 1.0


@metrics.register
class Noise:
    """Standard deviation of white noise, estimated where the picture is not an edge."""

    name: ClassVar[str] = "noise"
    kinds: ClassVar[tuple[Kind, ...]] = ("image",)
    needs: ClassVar[tuple[str, ...]] = ()

    def score(self, sample: Sample) -> Score:
        import numpy as np

        need_size(sample.luma, LEAST)
        grey = sample.luma
        rows = grey[:-2] - 2 * grey[1:-1] + grey[2:]
        laplace = rows[:, :-2] - 2 * rows[:, 1:-1] + rows[:, 2:]
        slope = abs(grey[2:, 1:-1] - grey[:-2, 1:-1]) + abs(grey[1:-1, 2:] - grey[1:-1, :-2])
        calm = abs(laplace[slope <= np.quantile(slope, 0.8)])
        value = float(np.sqrt(np.pi / 2) * calm.mean() / 6)
        return Score(
            self.name,
            value,
            "levels of 255",
            "lower",
            "pictures with calm areas; fine texture counts as noise",
        )


@metrics.register
class Banding:
    """Steps that should be a smooth shade: root mean square step height over all pixels."""

    name: ClassVar[str] = "banding"
    kinds: ClassVar[tuple[Kind, ...]] = ("image",)
    needs: ClassVar[tuple[str, ...]] = ()

    def score(self, sample: Sample) -> Score:
        import numpy as np

        need_size(sample.luma, LEAST)
        grey = np.round(sample.luma)
        if np.ptp(grey) < STEP[0]:
            raise Withheld("the picture is one flat tone")
        energy = _steps(grey) + _steps(np.ascontiguousarray(grey.T))
        value = float(np.sqrt(energy / grey.size))
        return Score(
            self.name,
            value,
            "levels of 255",
            "lower",
            "smooth shading; hard-edged flat art has steps by design",
        )


def _steps(grey: Floats) -> float:
    """Sum of squared heights of the steps along the columns that part two flat stretches."""
    import numpy as np

    steps = np.diff(grey, axis=1)
    flat = steps == 0
    wide = steps.shape[1] - 2 * FLAT_RUN
    if wide <= 0:
        return 0.0
    calm = np.ones((grey.shape[0], wide), bool)
    for k in range(1, FLAT_RUN + 1):
        calm &= flat[:, FLAT_RUN - k : FLAT_RUN - k + wide] & flat[:, FLAT_RUN + k : FLAT_RUN + k + wide]
    height = abs(steps[:, FLAT_RUN : FLAT_RUN + wide])
    counted = calm & (height >= STEP[0]) & (height <= STEP[1])
    return float((height[counted] ** 2).sum())
