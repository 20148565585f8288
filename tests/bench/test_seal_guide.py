"""The guide's tables are the raw results, nothing better."""

from __future__ import annotations

import pytest

from studio.bench.base import Figure
from studio.bench.seal_guide import GUIDE, PARTS, RESULTS, read, written

EMPTY = "".join(f"<!-- measured: {part} -->\nold\n<!-- end -->\n" for part in PARTS)


def test_the_guide_says_what_was_measured() -> None:
    guide = GUIDE.read_text("utf-8")
    figures = read(GUIDE.with_name(name) for name in RESULTS)
    assert figures and written(guide, figures) == guide, "run: python -m studio.bench.seal_guide"


def test_what_fell_short_is_said() -> None:
    figures = [
        Figure("seal.robust.image.jpeg50", 97.5, "%", 40, "≥ 99", False),
        Figure("seal.robust.audio.crop_6s", 1.0, "recovered", 9, "≥ 0.98, none wrong", True, note="0 read wrongly"),
        Figure("seal.robust.audio.crop_2s", 0.5, "recovered", 8, "shown as it is", None, note="2 read wrongly"),
        Figure("seal.text.cost.time", 9.0, "ms a token (CPU)", 6, "ratio ≤ 1.10", True, baseline=8.5, ratio=1.06),
    ]  # fmt: skip
    told = written(EMPTY, figures)
    assert "| jpeg50 | 98 % | 40 | 87.1–99.6 | ≥ 99, **not reached** |" in told
    assert "| crop 6s | 100 % | 9 | 70.1–100.0 | ≥ 98 |" in told
    assert "| crop 2s | 50 %, **2 wrongly** | 8 | 21.5–78.5 | – |" in told
    assert "9 ms a token (CPU) (without: 8.5)" in told
    assert "old" not in told and "Not measured yet." in told


def test_a_part_without_a_place_is_refused() -> None:
    with pytest.raises(ValueError, match="no place for 'sound'"):
        written(EMPTY.replace("measured: sound", "measured: noise"), [])
