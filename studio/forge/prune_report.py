"""The table and the plot of a pruning: size, speed and quality of every step, and where it stops paying."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from xml.sax.saxutils import escape

WIDTH, HEIGHT, EDGE = 560, 320, 56


@dataclass(frozen=True, slots=True)
class Row:
    """One step. `speed` is times that of the start, both timed in turn; None where nothing here can run it.

    `tried` is a step that was only measured and not built upon.
    """

    step: str
    megabytes: float
    perplexity: float
    speed: float | None
    tried: bool = False


def table(rows: Sequence[Row]) -> str:
    """Fixed columns, for a terminal and a log."""
    first = rows[0]
    lines = [f"{'step':<34} {'MB':>7} {'size':>6} {'speed':>6} {'perplexity':>10} {'cost':>8}"]
    for row in rows:
        speed = f"{row.speed:.2f}×" if row.speed is not None else "–"
        cost = row.perplexity / first.perplexity - 1
        lines.append(
            f"{row.step:<34} {row.megabytes:>7.1f} {row.megabytes / first.megabytes:>5.2f}× {speed:>6} "
            f"{row.perplexity:>10.2f} {cost:>+8.1%}"
        )
    return "\n".join(lines)


def front(rows: Sequence[Row]) -> list[Row]:
    """The rows that no other beats in size and quality at once, smallest first."""
    return sorted(
        (
            row
            for row in rows
            if not any(
                other.megabytes <= row.megabytes and other.perplexity <= row.perplexity and other != row
                for other in rows
            )
        ),
        key=lambda row: row.megabytes,
    )


def verdict(rows: Sequence[Row], allowed: float) -> str:
    """Up to which step it pays: the smallest within `allowed` cost, and the first beyond it."""
    first = rows[0]
    best = front([row for row in rows if not row.tried])
    fair = [row for row in best if row.perplexity <= first.perplexity * (1 + allowed)]
    if not fair:
        return f"Nothing here pays: every step costs more than {allowed:.0%} of perplexity."
    paying = fair[0]
    line = (
        f"It pays up to “{paying.step}”: {paying.megabytes / first.megabytes:.2f} × the size at "
        f"{paying.perplexity / first.perplexity - 1:+.1%} perplexity."
    )
    beyond = [row for row in best if row.megabytes < paying.megabytes]
    if beyond:
        line += (
            f" It stops paying at “{beyond[-1].step}” ({beyond[-1].perplexity / first.perplexity - 1:+.1%})."
        )
    beaten = [row.step for row in rows if row not in best and not row.tried and row is not first]
    return line + (f" Beaten in both by another step: {', '.join(beaten)}." if beaten else "")


def write_report(folder: Path, rows: Sequence[Row], allowed: float) -> None:
    """pareto.json, pareto.svg and table.txt in `folder`."""
    told = {"rows": [asdict(row) for row in rows], "front": [row.step for row in front(rows)]}
    (folder / "pareto.json").write_text(json.dumps(told, indent=1) + "\n", "utf-8")
    (folder / "pareto.svg").write_text(pareto_svg(rows), "utf-8")
    (folder / "table.txt").write_text(f"{table(rows)}\n\n{verdict(rows, allowed)}\n", "utf-8")


def pareto_svg(rows: Sequence[Row]) -> str:
    """Perplexity over size; the front is joined, what was only tried is hollow. Names stand beside the dots."""
    most = max(row.megabytes for row in rows) * 1.05
    low = min(row.perplexity for row in rows) * 0.95
    high = min(max(row.perplexity for row in rows), low * 4) * 1.05

    def place(row: Row) -> tuple[float, float]:
        x = EDGE + row.megabytes / most * (WIDTH - 2 * EDGE)
        y = HEIGHT - EDGE - (min(row.perplexity, high) - low) / (high - low) * (HEIGHT - 2 * EDGE)
        return x, y

    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in map(place, front(rows)))
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="11">',
        "<title>Perplexity over size of every step</title>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
        f'<path d="M{EDGE} {EDGE}V{HEIGHT - EDGE}H{WIDTH - EDGE}" fill="none" stroke="#888"/>',
        f'<text x="{WIDTH / 2}" y="{HEIGHT - 16}" text-anchor="middle">MB, up to {most:.0f}</text>',
        f'<text x="12" y="{EDGE - 12}">perplexity {low:.1f} – {high:.1f}, lower is better</text>',
        f'<polyline points="{line}" fill="none" stroke="#1b6e53" stroke-width="1.5"/>',
    ]
    for row in rows:
        x, y = place(row)
        fill = "#fff" if row.tried else "#1b6e53"
        parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{fill}" stroke="#1b6e53"/>')
        anchor, shift = ("end", -7) if x > WIDTH / 2 else ("start", 7)
        parts.append(
            f'<text x="{x + shift:.1f}" y="{y - 6:.1f}" text-anchor="{anchor}">{escape(row.step)}</text>'
        )
    return "\n".join([*parts, "</svg>", ""])
