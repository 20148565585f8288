"""Training curves as SVG in the page's own colours: lines told apart by dash and by name, never by colour alone."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape

Points = Sequence[tuple[int, float]]

WIDTH, HEIGHT = 640, 240
LEFT, RIGHT, TOP, BOTTOM = 56, 12, 12, 28
MOST_POINTS = 300
DASHES = ("", "6 4", "2 3", "10 3 2 3")
HUGE = 1e100  # beyond this a loss is as good as infinite
LOG_RATIO = 30.0  # beyond this span a linear axis shows one corner and a flat line


def chart(title: str, curves: Mapping[str, Points]) -> str:
    """A figure of all curves over their steps; "" where no curve has a point that can be drawn."""
    lines = {name: _thinned(points) for name, points in curves.items()}
    lines = {name: points for name, points in lines.items() if points}
    if not lines:
        return ""
    values = [value for points in lines.values() for _, value in points]
    steps = [step for points in lines.values() for step, _ in points]
    axis = _Axis(min(values), max(values))
    first, last = min(steps), max(max(steps), min(steps) + 1)

    def place(step: float, value: float) -> str:
        x = LEFT + (WIDTH - LEFT - RIGHT) * (step - first) / (last - first)
        return f"{x:.1f},{axis.y(value):.1f}"

    body = "".join(
        f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{axis.y(tick):.1f}" y2="{axis.y(tick):.1f}"/>'
        f'<text x="{LEFT - 6}" y="{axis.y(tick) + 4:.1f}" text-anchor="end">{tick:.3g}</text>'
        for tick in axis.ticks()
    )
    for number, points in enumerate(lines.values()):
        path = " ".join(place(*point) for point in points)
        dash = DASHES[number % len(DASHES)]
        style = f'class="curve c{number % 4}"' + (f' stroke-dasharray="{dash}"' if dash else "")
        body += f'<polyline {style} points="{path}"/>'
        if len(points) < 3:
            body += "".join(_dot(place(*point), number) for point in points)
    body += (
        f'<text x="{LEFT}" y="{HEIGHT - 8}">step {first:,}</text>'
        f'<text x="{WIDTH - RIGHT}" y="{HEIGHT - 8}" text-anchor="end">{last:,}</text>'
    )
    told = ", ".join(f"{name} {points[-1][1]:.4g}" for name, points in lines.items())
    return (
        f'<figure class="curves"><figcaption><b>{escape(title)}</b>{_legend(lines)}</figcaption>'
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(f"{title}: {told}", quote=True)}">'
        f"{body}</svg></figure>"
    )


def _legend(lines: Mapping[str, Points]) -> str:
    keys = []
    for number, (name, points) in enumerate(lines.items()):
        dash = DASHES[number % len(DASHES)]
        key = f'<line class="curve c{number % 4}" x1="0" x2="26" y1="6" y2="6" stroke-dasharray="{dash}"/>'
        keys.append(
            f'<span><svg viewBox="0 0 26 12" aria-hidden="true">{key}</svg>{escape(name)} '
            f"<b>{points[-1][1]:.4g}</b></span>"
        )
    return "".join(keys)


def _dot(place: str, number: int) -> str:
    x, y = place.split(",")
    return f'<circle class="curve c{number % 4}" cx="{x}" cy="{y}" r="2.5"/>'


class _Axis:
    """Values to heights: linear, or logarithmic where the values span too much."""

    def __init__(self, low: float, high: float) -> None:
        self.log = low > 1 / HUGE and high / low > LOG_RATIO
        if high - low <= 1e-9 * max(abs(low), abs(high)) + 1 / HUGE:  # one value: the line in the middle
            around = max(abs(high) * 0.05, 1e-6)
            low, high = low - around, high + around
        self.low, self.high = self._scaled(low), self._scaled(high)

    def _scaled(self, value: float) -> float:
        return math.log10(value) if self.log else value

    def y(self, value: float) -> float:
        share = (self._scaled(value) - self.low) / (self.high - self.low)
        return TOP + (HEIGHT - TOP - BOTTOM) * (1 - share)

    def ticks(self) -> list[float]:
        """Round values inside the axis: powers of ten, or steps of 1, 2 or 5."""
        if self.log:
            return [10.0**n for n in range(math.ceil(self.low), math.floor(self.high) + 1)]
        rough = (self.high - self.low) / 4
        unit = 10 ** math.floor(math.log10(rough))
        step = next(unit * n for n in (1, 2, 5, 10) if unit * n >= rough)
        begin = math.ceil(self.low / step - 1e-9)
        return [n * step for n in range(begin, math.floor(self.high / step + 1e-9) + 1)]


def _thinned(points: Points) -> list[tuple[int, float]]:
    """At most MOST_POINTS finite points, each the mean of its neighbours; the last one stays as it is."""
    finite = [(step, value) for step, value in points if abs(value) < HUGE]  # no NaN is
    size = -(-len(finite) // MOST_POINTS)
    if size <= 1:
        return finite
    parts = [finite[i : i + size] for i in range(0, len(finite), size)]
    thinned = [(part[-1][0], sum(value for _, value in part) / len(part)) for part in parts]
    return [*thinned[:-1], finite[-1]]
