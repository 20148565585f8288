"""How alike two outputs are: the answer of a replay. Content is compared, never the sealed bytes,
which differ by signature and time every time."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from studio.quality.base import Sample
from studio.quality.decode import read_frames
from studio.types import Asset

# Pictures above 40 dB and sound above 30 dB differ by less than a person notices side by side.
CLOSE_DB = {"image": 40.0, "speech": 30.0, "music": 30.0}
CLOSE_TEXT = 0.9


@dataclass(frozen=True, slots=True)
class Likeness:
    """`measure` is 1 for identical text, decibels (PSNR, SNR) for pictures and sound."""

    outcome: Literal["bit-identical", "close", "different"]
    detail: str
    measure: float


def compare(first: Asset, second: Asset) -> Likeness:
    """Content against content; `detail` says how close, or why different."""
    one, two = (Sample(asset.path, asset.kind, asset.media_type, asset.brief) for asset in (first, second))
    if first.kind == "text":
        return _compare_text(one.text, two.text, _why(first, second))
    if first.kind == "image" and first.media_type == second.media_type == "video/mp4":
        films = read_frames(first.path), read_frames(second.path)
        return _compare_signal(*films, 255.0, CLOSE_DB["image"], _why(first, second))
    if first.kind == "image":
        return _compare_signal(one.pixels, two.pixels, 255.0, CLOSE_DB["image"], _why(first, second))
    if first.kind in ("speech", "music"):
        return _compare_signal(
            one.sound.samples, two.sound.samples, None, CLOSE_DB[first.kind], _why(first, second)
        )
    same = first.id == second.id
    return Likeness("bit-identical" if same else "different", _why(first, second), float(same))


def _compare_text(one: str, two: str, why: str) -> Likeness:
    if one == two:
        return Likeness("bit-identical", "Every character is the same.", 1.0)
    ratio = difflib.SequenceMatcher(None, one, two, autojunk=False).ratio()
    if ratio >= CLOSE_TEXT:
        return Likeness("close", f"{ratio:.0%} of the text is the same. {why}", ratio)
    return Likeness("different", f"Only {ratio:.0%} of the text is the same. {why}", ratio)


def _compare_signal(one: Any, two: Any, peak: float | None, close_db: float, why: str) -> Likeness:
    if one.shape != two.shape:
        return Likeness("different", f"The sizes differ: {one.shape} and {two.shape}. {why}", 0.0)
    if np.array_equal(one, two):
        return Likeness("bit-identical", "Every sample is the same.", float("inf"))
    one, two = one.astype(np.float64), two.astype(np.float64)
    noise = float(np.mean((one - two) ** 2))
    power = peak**2 if peak is not None else float(np.mean(one**2))
    decibels = 10 * float(np.log10(max(power, 1e-12) / noise))
    name = "PSNR" if peak is not None else "SNR"
    outcome: Literal["close", "different"] = "close" if decibels >= close_db else "different"
    return Likeness(outcome, f"{name} {decibels:.1f} dB. {why}", decibels)


def _why(first: Asset, second: Asset) -> str:
    """What was not the same the second time, as far as the records tell."""
    changes = [
        f"{name}: {before} then, {after} now"
        for name, before, after in (
            ("model revision", first.model.revision, second.model.revision),
            ("device", first.model.device, second.model.device),
            ("number format", first.model.dtype, second.model.dtype),
        )
        if before != after
    ]
    return "; ".join(changes) + "." if changes else "Model, device and number format are the same."
