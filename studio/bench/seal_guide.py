"""Writes the tables of docs/provenance.md from the raw results beside it: `python -m studio.bench.seal_guide`.

What the guide says of robustness is what the benches said, failures included; a test compares the two.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path

from studio.bench.base import Figure
from studio.bench.seal_audio import wilson
from studio.settings import ROOT

GUIDE = ROOT / "docs" / "provenance.md"
RESULTS = ("seal-robust.jsonl", "seal-recovery.jsonl", "seal-negatives.jsonl", "seal-text-cost.jsonl")
# The part of the guide by its marker, and which figures it holds.
PARTS = {
    "pictures": "seal.robust.image.",
    "sound": "seal.robust.audio.",
    "text": "seal.robust.text.",
    "recovered": "seal.recovery.",
    "unmarked": "seal.negatives.",
    "written with and without the mark": "seal.text.cost.",
}
WORDS = {
    "false": "unmarked, taken for marked", "unmarked": "unmarked stretches of 3 s found", "psnr": "PSNR, mean",
    "ssim": "SSIM, mean", "seen": "seen beside the original", "mottle": "seen within an even fill",
    "mottle4": "the same at four times the size", "margin": "margin", "snr": "distance to the sound", "splice": "border of a half-marked clip",
    "uniform": "odds in unmarked text spread evenly", "at_1_percent": "unmarked texts at odds of 1 % or less",
    "cost": "cost of a token", "text.uniform": "odds in unmarked text spread evenly",
    "text.at_1_percent": "unmarked texts at odds of 1 % or less", "least_p": "least p-value of all scores",
}  # fmt: skip


def main() -> None:
    figures = read(GUIDE.with_name(name) for name in RESULTS)
    GUIDE.write_text(written(GUIDE.read_text("utf-8"), figures), "utf-8")


def read(paths: Iterable[Path]) -> list[Figure]:
    """Every figure of the files that are there."""
    lines = [line for path in paths if path.exists() for line in path.read_text("utf-8").splitlines()]
    return [Figure(**json.loads(line)) for line in lines]


def written(guide: str, figures: list[Figure]) -> str:
    """The guide with every marked part filled anew. Raises ValueError for a part that has no place in it."""
    for part, beginning in PARTS.items():
        chosen = [
            (one.name.removeprefix(beginning), one) for one in figures if one.name.startswith(beginning)
        ]
        body = f"<!-- measured: {part} -->\n{_tables(chosen)}<!-- end -->"
        pattern = f"<!-- measured: {re.escape(part)} -->\n.*?<!-- end -->"
        guide, found = re.subn(pattern, lambda _, body=body: body, guide, flags=re.DOTALL)  # type: ignore[misc]
        if found != 1:
            raise ValueError(f"the guide has no place for {part!r}")
    return guide


def _tables(figures: list[tuple[str, Figure]]) -> str:
    rates = [(name, one) for name, one in figures if _is_rate(name, one)]
    others = [(name, one) for name, one in figures if not _is_rate(name, one)]
    tables = ""
    if rates:
        tables += "\n| done to it | read | of | 95 % | aim |\n|---|---|---|---|---|\n"
        tables += "".join(_rate_row(name, one) for name, one in rates)
    if others:
        tables += "\n| measured | figure | n | aim | |\n|---|---|---|---|---|\n"
        tables += "".join(_row(name, one) for name, one in others)
    return (tables or "\nNot measured yet.\n") + "\n"


def _is_rate(name: str, one: Figure) -> bool:
    return one.unit in ("%", "recovered") or (one.unit == "found" and "tokens" in name)


def _rate_row(name: str, one: Figure) -> str:
    share = one.figure / 100 if one.unit == "%" else one.figure
    hits = round(share * one.n)
    low, high = wilson(hits, one.n)
    wrong = re.search(r"([1-9]\d*) read wrongly", one.note)
    told = f"{100 * share:.0f} %" if hits == one.n or share < 0.995 else f"{100 * share:.1f} %"
    read = f"{told}, **{wrong[1]} wrongly**" if wrong else told
    return (
        f"| {name.replace('_', ' ')} | {read} | {one.n} | {100 * low:.1f}–{100 * high:.1f} | {_aim(one)} |\n"
    )


def _row(name: str, one: Figure) -> str:
    unit = f" {one.unit}" if one.unit else ""
    beside = "" if one.baseline is None else f" (without: {one.baseline:.4g})"
    return (
        f"| {WORDS.get(name, name.replace('_', ' '))} | {one.figure:.4g}{unit}{beside} | {one.n:,} | {_aim(one)}"
        f" | {one.note} |\n"
    )


def _aim(one: Figure) -> str:
    if one.reached is None:
        return "–"
    number = re.search(r"≥ (0\.\d+)", one.reach)
    aim = f"≥ {100 * float(number[1]):.0f}" if number and _is_rate(one.name, one) else one.reach
    return aim if one.reached else f"{aim}, **not reached**"


if __name__ == "__main__":
    main()
