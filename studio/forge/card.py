"""The card of a trained picture model: what it is made from, its curves, and what it cannot do.

`write_card` only writes what it is given: numbers come from the runs' curve files and, where there is one,
from an evaluation's report.json. What was not measured is named as not measured.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape

from studio.forge.pictures import SOURCES, Source
from studio.forge.track import read_curve


@dataclass(frozen=True, slots=True)
class Part:
    """One trained part: its run folder, the curve that says how good it is, and that curve's unit."""

    title: str
    run: Path
    curve: str
    unit: str


def write_card(
    folder: Path, parts: Sequence[Part], limits: Sequence[str], report: Path | None = None
) -> Path:
    """card.md and one SVG curve for each part in `folder`."""
    lines = ["# Signet Sticker", "", _PURPOSE, "", "## What it cannot do", ""]
    lines += [f"- {limit}" for limit in limits]
    lines += [
        "",
        "## Training",
        "",
        "| part | steps | hours | first | last | best |",
        "|---|---|---|---|---|---|",
    ]
    for part in parts:
        points = read_curve(part.run).get(part.curve, [])
        if points:
            values = [value for _, value in points]
            best = max(values) if part.unit == "dB" else min(values)
            first, last, top = (f"{value:.3f} {part.unit}".strip() for value in (values[0], values[-1], best))
            state = _state(part.run)
            cells = (f"{part.title} ({part.curve})", f"{state[0]:,}", f"{state[1]:.2f}", first, last, top)
            lines.append(f"| {' | '.join(cells)} |")
            file = f"curve-{part.run.name}.svg"
            (folder / file).write_text(curve_svg(points, f"{part.title}: {part.curve}"), "utf-8")
    lines += [
        "",
        *(f"![{part.title}](curve-{part.run.name}.svg)" for part in parts if read_curve(part.run)),
        "",
    ]
    lines += ["## Measured on held-out data", ""]
    lines += _measured(report)
    lines += [
        "",
        "## Data and licences",
        "",
        "| package | version | licence | used for |",
        "|---|---|---|---|",
    ]
    for source in SOURCES:
        use = f"pictures, {source.style} style" if source.style else "names and keywords"
        lines.append(f"| [{source.package}]({source.url}) | {source.version} | {source.licence} | {use} |")
    lines += ["", _SPLITS, ""]
    file_ = folder / "card.md"
    file_.write_text("\n".join(lines), "utf-8")
    return file_


def data_table(sources: Sequence[Source]) -> list[str]:
    """The lines of a card that name every package of its data with its licence."""
    return [
        "## Data and licences",
        "",
        "| package | version | licence |",
        "|---|---|---|",
        *(f"| [{one.package}]({one.url}) | {one.version} | {one.licence} |" for one in sources),
        "",
    ]


def curve_svg(points: Sequence[tuple[int, float]], title: str, width: int = 480, height: int = 200) -> str:
    """A line chart with its first and last value written out."""
    steps, values = [float(p[0]) for p in points], [p[1] for p in points]
    low, high = min(values), max(values)
    span, reach = (high - low) or 1.0, (steps[-1] - steps[0]) or 1.0
    path = " ".join(
        f"{40 + (width - 60) * (step - steps[0]) / reach:.1f},{height - 30 - (height - 60) * (value - low) / span:.1f}"
        for step, value in zip(steps, values, strict=True)
    )
    words = (
        (40, 18, title), (4, 34, f"{high:.3g}"), (4, height - 30, f"{low:.3g}"),
        (40, height - 10, f"step {points[0][0]:,}"), (width - 110, height - 10, f"step {points[-1][0]:,}"),
    )  # fmt: skip
    texts = "".join(f'<text x="{x}" y="{y}">{escape(text)}</text>' for x, y, text in words)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" '
        f'font-size="11"><rect width="100%" height="100%" fill="#fff"/>{texts}'
        f'<polyline points="{path}" fill="none" stroke="#2b5fd9" stroke-width="1.5"/></svg>\n'
    )


def _state(run: Path) -> tuple[int, float]:
    newest = max(run.glob("step-" + "[0-9]" * 7), default=None)
    if newest is None:
        return 0, 0.0
    state: Mapping[str, float] = json.loads((newest / "state.json").read_text("utf-8"))
    return int(state["step"]), state["seconds"] / 3600


def _measured(report: Path | None) -> list[str]:
    if report is None:
        return [
            "Not measured yet: naming, Fréchet and kernel distance and memory of training pictures "
            "(`python -m studio.forge.evaluate_pictures` measures them)."
        ]
    lines = ["| number | value | 95 % interval | n |", "|---|---|---|---|"]
    for name, value in json.loads(report.read_text("utf-8")).items():
        lines.append(
            f"| {name} | {value['value']:.4f} | {value['low']:.4f} … {value['high']:.4f} | {value['n']} |"
        )
    return [
        *lines,
        "",
        "Naming is judged by signet-align, which learnt from the same artwork: a relative, not an outsider.",
    ]


_PURPOSE = (
    "Draws one thing on white in one of four styles (3d, gradient, flat, cartoon), 512×512, from a few English "
    "words. Text states of all-MiniLM-L6-v2, a flow-matching transformer over an 8×8×16 latent, a convolutional "
    "decoder and an ×8 upscaler; trained from nothing but the openly licensed artwork below with `studio/forge`."
)
_SPLITS = (
    "5 % of concept families are held out whole (unseen), 3 % of the other pictures are held out for validation. "
    "PSNR is the mean over pictures. Flags and skin tones are left out of the data. Everything it draws resembles this artwork; "
    "it knows no people, brands or photographs."
)
