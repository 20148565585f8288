"""Trainings as HTML: how a run stands, its curves and pictures, runs side by side, data before it is used."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from studio.forge.data import Data
from studio.forge.runs import Pace, Run, differences
from studio.forge.runs import command as equal_command
from studio.forge.track import read_curve
from studio.ui import show
from studio.ui.curves import Points, chart

CSS = Path(__file__).with_name("forge.css")

STATES = {
    "queued": "Waits for the training before it",
    "running": "Training",
    "stopped": "Stopped; its checkpoint is kept",
    "done": "Finished",
    "failed": "Not finished",
}
ABOUT_SPEED = ("train/rate", "train/examples_per_second")
MOST_BAD_ROWS = 20
MOST_WORDS = 300
SHOWN_EXAMPLES = 3


def standing(run: Run) -> str:
    """State, step, and what the first steps say about time and memory."""
    state, pace = run.status.state, run.pace
    words = f"{STATES[state]} · {escape(run.request.recipe)}"
    steps = f"step {pace.step:,} of {pace.total:,}" if pace.total else "getting ready"
    value = "" if pace.fraction is None else f' value="{pace.fraction:.4f}"'
    bar = f'<progress aria-label="Progress of the training" max="1"{value}></progress>'
    if state in ("queued", "failed") and not pace.total:
        bar = ""
    error = show.notice(run.status.error, trouble=state == "failed") if run.status.error else ""
    return (
        f'<div class="meter" role="status" data-run-state="{state}"><div class="words"><span><b>{escape(run.name)}</b> · {words}</span>'
        f"<span>{steps}</span></div>{bar}{_estimate(pace, state)}</div>{error}"
    )


def _estimate(pace: Pace, state: str) -> str:
    """Time and memory as measured on this machine, not guessed."""
    if pace.seconds_per_step is None:
        return ""
    whole = duration(pace.seconds_per_step * pace.total)
    left = f"{duration(pace.seconds_left or 0)} left of " if state != "done" else ""
    memory = f" · {pace.peak_bytes / 1e9:.1f} GB of memory at most" if pace.peak_bytes else ""
    return (
        f'<p class="fine">{left}about {whole} for all steps · {_pace(pace.seconds_per_step)}{memory}. '
        "Measured on this machine.</p>"
    )


def _pace(seconds: float) -> str:
    return f"{seconds:.2f} s a step" if seconds >= 0.1 else f"{1 / max(seconds, 1e-9):,.0f} steps a second"


def duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def curves(run: Run) -> str:
    """Losses in one chart, then what else the recipe measures, one chart for each family."""
    found = read_curve(run.folder)
    if not found:
        return show.empty("No curve yet", "It begins with the first steps.") if not run.over else ""
    losses = {name: points for name, points in found.items() if _is_loss(name)}
    charts = [chart("Loss", losses)]
    families: dict[str, dict[str, Points]] = {}
    for name, points in found.items():
        if name not in losses and name not in ABOUT_SPEED and not name.startswith("epoch/"):
            families.setdefault(name, {})[name] = points
    charts += [chart(name, lines) for name, lines in families.items() if len(lines[name]) > 1]
    return f'<div class="charts">{"".join(charts)}</div>' + numbers(run)


def _is_loss(name: str) -> bool:
    return name == "valid/loss" or (name.startswith("train/") and name not in ABOUT_SPEED)


def numbers(run: Run) -> str:
    """What the recipe has measured itself, at its end."""
    rows = "".join(
        f'<tr><th scope="row">{escape(name.replace("_", " ").capitalize())}</th><td class="number">{_value(value)}</td></tr>'
        for name, value in run.report().items()
        if isinstance(value, int | float | str)
    )
    return f'<section class="sheet"><h3>Measured</h3><table>{rows}</table></section>' if rows else ""


def pictures(run: Run) -> str:
    """The newest sample picture of each name, and the first beside it."""
    figures = []
    for name, files in run.pictures().items():
        for file in dict.fromkeys((files[0], files[-1])):
            step = int(file.stem[-7:])
            data = base64.b64encode(file.read_bytes()).decode()
            figures.append(
                f'<figure><img alt="{escape(name, quote=True)} at step {step}" src="data:image/png;base64,{data}">'
                f"<figcaption>{escape(name)}, step {step:,}</figcaption></figure>"
            )
    return f'<div class="samples">{"".join(figures)}</div>' if figures else ""


def log(run: Run) -> str:
    text = "\n".join(run.log())
    return f'<pre class="log" dir="auto">{escape(text)}</pre>' if text else ""


def command(line: str) -> str:
    return f'<pre class="log command"><code>{escape(line)}</code></pre>'


def side_by_side(runs: Sequence[Run]) -> str:
    """What was asked differently, how each ended, and their validation losses in one chart."""
    if len(runs) < 2:
        return show.empty("Nothing to compare yet", "Choose two or more runs.")
    found = [read_curve(run.folder) for run in runs]
    named = [name for name in dict.fromkeys(name for one in found for name in one) if name not in ABOUT_SPEED]
    head = "".join(f'<th scope="col">{escape(run.name)}</th>' for run in runs)
    rows = [_row(name, values) for name, values in differences(runs).items()]
    rows += [
        _row(f"last {name}", [one[name][-1][1] if name in one else "" for one in found]) for name in named
    ]
    rows.append(_row("steps", [run.pace.step for run in runs]))
    rows.append(_row("time for all steps", [_whole(run.pace) for run in runs]))
    shared = next((name for name in ("valid/loss", "train/model") if all(name in one for one in found)), "")
    drawn = (
        chart(shared, {run.name: one[shared] for run, one in zip(runs, found, strict=True)}) if shared else ""
    )
    return (
        f'<div class="pair">{drawn}<section class="sheet"><h3>Side by side</h3><table><tr><td></td>{head}</tr>'
        f"{''.join(rows)}</table></section></div>"
    )


def _whole(pace: Pace) -> str:
    return duration(pace.seconds_per_step * pace.total) if pace.seconds_per_step else ""


def _row(name: str, values: Sequence[Any]) -> str:
    cells = "".join(f'<td class="number">{_value(value)}</td>' for value in values)
    return f'<tr><th scope="row">{escape(name)}</th>{cells}</tr>'


def _value(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else escape(str(value))


def data(found: Data) -> str:
    """Counts and licence in a few lines, every row that cannot be used with its own, the first examples."""
    source = found.source
    licence = (
        f"{source.licence} ({source.name})"
        if source
        else "not said; it is asked for when you publish the result"
    )
    rows = (("Rows", _counted(found.statistics())), ("Licence", licence))
    head = "".join(f'<tr><th scope="row">{name}</th><td>{escape(told)}</td></tr>' for name, told in rows)
    shown = "".join(
        f'<tr><td class="fine number">{escape(_place(one.where))}</td><td dir="auto">{_example(one.prompt, one.text)}</td></tr>'
        for one in found.preview(SHOWN_EXAMPLES)
    )
    bad = [f"{problem.where} {problem.why}" for problem in found.problems]
    bad += [f"{where} repeats {first}" for where, first in found.duplicates]
    listed = "".join(f"<li>{escape(line)}</li>" for line in bad[:MOST_BAD_ROWS])
    if len(bad) > MOST_BAD_ROWS:
        listed += f"<li>and {len(bad) - MOST_BAD_ROWS} more</li>"
    trouble = (
        f"<details open><summary>{len(bad)} rows to look at</summary><ul>{listed}</ul></details>"
        if bad
        else ""
    )
    return (
        f'<section class="sheet"><h3>What is in the data</h3><table>{head}</table>{trouble}'
        f"<h3>First examples</h3><table>{shown}</table></section>"
    )


def _counted(counts: Mapping[str, float]) -> str:
    """ "30 examples of 34 to 44 words, 1,146 in all; 2 bad rows, 1 duplicate": what is zero is left out."""
    told = (
        f"{counts['examples']:,g} examples of {counts['words_shortest']:g} to {counts['words_longest']:g} words, "
        f"{counts['words']:,g} in all"
    )
    wrong = [
        f"{counts[name]:,g} {name.replace('_', ' ')}"
        for name in ("empty_rows", "bad_rows", "duplicates")
        if counts[name]
    ]
    return "; ".join((told, ", ".join(wrong) or "none empty, bad or repeated"))


def _place(where: str) -> str:
    """ "blurbs.jsonl:3" as a narrow column says it; of a file alone, the end of its name."""
    name, _, line = where.rpartition(":")
    return f"line {line}" if name and line.isdigit() else where[-16:]


def _example(prompt: str, text: str) -> str:
    asked = f"<b>{escape(prompt[:MOST_WORDS])}</b><br>" if prompt else ""
    return asked + escape(text[:MOST_WORDS]) + ("…" if len(text) > MOST_WORDS else "")


def line_of(run: Run) -> str:
    """The command line that goes on with, or repeats, this run."""
    resume = " --resume" if run.status.state in ("stopped", "failed") else ""
    return equal_command(run.request, run.folder) + resume
