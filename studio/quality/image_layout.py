"""Is there room for words? The largest calm rectangle, where copy laid over the picture can be read."""

from __future__ import annotations

from typing import Any, ClassVar

from studio.quality.base import Sample, metrics
from studio.quality.picture import need_size
from studio.types import Kind, Score

LEAST = 64
BLOCKS = 32
CALM_LEVELS = 8.0


def calm_blocks(grey: Any) -> Any:
    """bool (rows, columns): blocks whose luma varies by less than CALM_LEVELS (standard deviation)."""
    side = max(4, min(grey.shape) // BLOCKS)
    rows, columns = grey.shape[0] // side, grey.shape[1] // side
    tiles = grey[: rows * side, : columns * side].reshape(rows, side, columns, side)
    return tiles.std(axis=(1, 3)) < CALM_LEVELS


def largest_rectangle(calm: Any) -> tuple[int, int, int, int]:
    """(top, left, height, width) of the largest all-true rectangle, by stacked histogram heights."""
    best = (0, 0, 0, 0)
    heights = [0] * calm.shape[1]
    for row in range(calm.shape[0]):
        heights = [height + 1 if ok else 0 for height, ok in zip(heights, calm[row], strict=True)]
        stack: list[tuple[int, int]] = []
        for column, height in enumerate([*heights, 0]):
            start = column
            while stack and stack[-1][1] >= height:
                start, tall = stack.pop()
                if tall * (column - start) > best[2] * best[3]:
                    best = (row - tall + 1, start, tall, column - start)
            stack.append((start, height))
    return best


@metrics.register
class FreeArea:
    name: ClassVar[str] = "text_free_area"
    kinds: ClassVar[tuple[Kind, ...]] = ("image",)
    needs: ClassVar[tuple[str, ...]] = ()

    def score(self, sample: Sample) -> Score:
        need_size(sample.luma, LEAST)
        calm = calm_blocks(sample.luma)
        top, left, height, width = largest_rectangle(calm)
        value = 100 * height * width / calm.size
        across, down = (left + width / 2) / calm.shape[1], (top + height / 2) / calm.shape[0]
        place = f"{_third(down, 'top', 'middle', 'bottom')} {_third(across, 'left', 'centre', 'right')}"
        domain = "the largest calm rectangle; not whether words suit the scene"
        return Score(
            self.name, value, "% of the picture", "neither", domain, detail=place if value else "none"
        )


def _third(place: float, *names: str) -> str:
    return names[min(2, int(3 * place))]
