"""Two small plots as inline SVG, readable in light and dark: a histogram, and a value with its interval."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

WIDTH, HEIGHT = 260, 60
BINS = 24


def bars(values: Sequence[float], title: str) -> str:
    """A histogram from the least to the largest value, with both written below."""
    low, high = min(values), max(values)
    if low == high:
        return f"<svg width={WIDTH} height=20 role=img><title>{escape(title)}</title><text x=0 y=14>all {low:,.4g}</text></svg>"
    counts = [0] * BINS
    for value in values:
        counts[min(BINS - 1, int(BINS * (value - low) / (high - low)))] += 1
    wide, top = WIDTH / BINS, max(counts)
    shapes = "".join(
        f"<rect x={i * wide:.1f} y={HEIGHT - HEIGHT * count / top:.1f} width={wide - 1:.1f} height={HEIGHT * count / top:.1f} />"
        for i, count in enumerate(counts)
        if count
    )
    return (
        f"<svg width={WIDTH} height={HEIGHT + 16} viewBox='0 0 {WIDTH} {HEIGHT + 16}' role=img stroke-width=0><title>{escape(title)}</title>{shapes}"
        f"<text x=0 y={HEIGHT + 13}>{low:,.4g}</text><text x={WIDTH} y={HEIGHT + 13} text-anchor=end>{high:,.4g}</text></svg>"
    )


def intervals(value: float, interval: tuple[float, float] | None) -> str:
    """The value as a dot on its interval's line, the ends written beside it."""
    if interval is None:
        return ""
    low, high = interval
    span = max(high - low, 1e-12)
    place = 60 + 120 * min(1.0, max(0.0, (value - low) / span))
    return (
        f"<svg width=240 height=20 viewBox='0 0 240 20' role=img><title>95 % interval {low:.4g} to {high:.4g}</title>"
        f"<text x=0 y=14>{low:,.4g}</text><line x1=60 x2=180 y1=10 y2=10 stroke-width=2 />"
        f"<circle cx={place:.1f} cy=10 r=4 /><text x=188 y=14>{high:,.4g}</text></svg>"
    )
