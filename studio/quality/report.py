"""An evaluation as a page with plots, as JSON and as CSV. The page is one file that loads nothing."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from html import escape
from io import StringIO
from pathlib import Path
from typing import Any

from studio.errors import BadInput
from studio.quality.batch import Distribution, Evaluation
from studio.quality.batch_compare import Comparison
from studio.quality.plots import bars, intervals
from studio.types import Score

STYLE = """
:root { color-scheme: light dark; --line: #8884; --ink: #2563eb }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem }
table { border-collapse: collapse; width: 100%; margin: 1rem 0 2rem }
th, td { text-align: left; padding: .4rem .8rem .4rem 0; border-bottom: 1px solid var(--line); vertical-align: top }
td.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap }
small { opacity: .75; font-weight: 400 } svg { fill: var(--ink); stroke: var(--ink); max-width: 100%; min-width: 11rem }
svg text { fill: currentColor; stroke: none; font-size: 11px }
"""
ARROW = {"higher": "higher is better", "lower": "lower is better", "neither": "a fact, no better side"}


def write_report(found: Evaluation, folder: Path) -> None:
    """report.html, report.json, scores.csv (figures) and outputs.csv (each output). Raises BadInput."""
    page = _page(
        f"{found.kind.capitalize()}: {found.candidates}",
        f"{found.n:,} outputs"
        + (f", against {found.n_references:,} of {found.references}" if found.references else "")
        + f" · {found.created_at}",
        _figures(found.scores) + _spreads(found.distributions) + _reasons(found.withheld),
    )
    _write(folder, "report.html", page)
    _write(folder, "report.json", json.dumps(found.to_dict(), indent=1, ensure_ascii=False))
    head = ["name", "value", "unit", "better", "low_95", "high_95", "n", "made_by", "domain"]
    _table(
        folder, "scores.csv", head, [*map(_score_row, found.scores), *map(_spread_row, found.distributions)]
    )
    names = sorted({name for scores in found.items.values() for name in scores})
    rows = ([item, *(scores.get(name, "") for name in names)] for item, scores in found.items.items())
    _table(folder, "outputs.csv", ["output", *names], rows)


def write_comparison(found: Comparison, folder: Path) -> None:
    """As `write_report`, for two sets: report.html, report.json and differences.csv. Raises BadInput."""
    rows = "".join(
        f"<tr><th>{escape(one.name)}<br><small>{ARROW[one.better]}</small></th>"
        f"<td class=n>{one.first:,.3f}</td><td class=n>{one.second:,.3f}</td><td>{escape(one.unit)}</td>"
        f"<td class=n>{one.p_holm:.3f}</td><td>{escape(one.verdict)}<br><small>{one.test}, N = {one.n[0]}, {one.n[1]}"
        "</small></td></tr>"
        for one in found.differences
    )
    table = (
        "<h2>Differences</h2><table><tr><th>score</th><th>first</th><th>second</th><th>unit</th>"
        f"<th>p (Holm)</th><th></th></tr>{rows}</table>"
    )
    both = "".join(
        f"<h2>{escape(side.candidates)}</h2>{_spreads(side.distributions)}"
        for side in (found.first, found.second)
    )
    title = f"{found.first.candidates} against {found.second.candidates}"
    _write(
        folder, "report.html", _page(title, found.first.created_at, table + _reasons(found.withheld) + both)
    )
    _write(folder, "report.json", json.dumps(asdict(found), indent=1, ensure_ascii=False))
    head = [
        "name",
        "unit",
        "better",
        "first",
        "second",
        "n_first",
        "n_second",
        "test",
        "p",
        "p_holm",
        "verdict",
    ]
    lines = (
        [d.name, d.unit, d.better, d.first, d.second, *d.n, d.test, d.p, d.p_holm, d.verdict]
        for d in found.differences
    )
    _table(folder, "differences.csv", head, lines)


# --- Parts of the page ----------------------------------------------------------------------------


def _page(title: str, below: str, body: str) -> str:
    return (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{escape(title)}</title>"
        "<meta name=viewport content='width=device-width'><meta http-equiv=Content-Security-Policy "
        f"content=\"default-src 'none'; style-src 'unsafe-inline'\"><style>{STYLE}</style>"
        f"<h1>{escape(title)}</h1><p>{escape(below)}</p>{body}"
    )


def _figures(scores: Sequence[Score]) -> str:
    if not scores:
        return ""
    rows = "".join(
        f"<tr><th>{escape(s.name)}<br><small>{ARROW[s.better]}</small></th><td class=n>{s.value:,.3f}</td>"
        f"<td>{escape(s.unit)}</td><td>{intervals(s.value, s.interval)}</td>"
        f"<td>{escape(s.domain)}<br><small>{escape(_made_by(s))}</small></td></tr>"
        for s in scores
    )
    return f"<h2>The set as a whole</h2><table>{rows}</table>"


def _spreads(distributions: Sequence[Distribution]) -> str:
    rows = "".join(
        f"<tr><th>{escape(d.name)}<br><small>{ARROW[d.better]}</small></th>"
        f"<td>{bars(d.values, f'{d.name} of {d.n} outputs')}</td>"
        f"<td>mean {d.mean:,.3g}{_range(d.interval)} {escape(d.unit)}<br>"
        f"<small>median {d.quartiles[1]:,.3g}, quartiles {d.quartiles[0]:,.3g}–{d.quartiles[2]:,.3g}; N = {d.n:,}"
        f"{_missing(d)}<br>{escape(d.domain)}</small></td></tr>"
        for d in distributions
    )
    return f"<h2>Output by output</h2><table>{rows}</table>" if rows else ""


def _reasons(withheld: dict[str, str]) -> str:
    rows = "".join(
        f"<tr><th>{escape(name)}</th><td>{escape(why)}</td></tr>" for name, why in withheld.items()
    )
    return f"<h2>Withheld</h2><table>{rows}</table>" if rows else ""


def _range(interval: tuple[float, float] | None) -> str:
    return f" ({interval[0]:,.3g} to {interval[1]:,.3g})" if interval else ""


def _missing(d: Distribution) -> str:
    return (
        escape(f"; {sum(d.missing.values()):,} withheld: {max(d.missing, key=d.missing.__getitem__)}")
        if d.missing
        else ""
    )


def _made_by(score: Score) -> str:
    return score.version if score.model == "none" else f"{score.model} {score.version}"


# --- Files ----------------------------------------------------------------------------------------


def _score_row(s: Score) -> list[Any]:
    return [s.name, s.value, s.unit, s.better, *(s.interval or ("", "")), "", _made_by(s), s.domain]


def _spread_row(d: Distribution) -> list[Any]:
    return [f"mean {d.name}", d.mean, d.unit, d.better, *(d.interval or ("", "")), d.n, d.model, d.domain]


def _table(folder: Path, name: str, head: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    out = StringIO()
    writer = csv.writer(out)
    writer.writerow(head)
    for row in rows:
        # A spreadsheet runs a cell that begins like a formula.
        writer.writerow(
            [
                f"'{cell}" if isinstance(cell, str) and cell[:1] in "=+-@\t\r" and cell else cell
                for cell in row
            ]
        )
    _write(folder, name, out.getvalue())


def _write(folder: Path, name: str, text: str) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        part = folder / f"{name}.part"
        part.write_text(text, "utf-8")
        part.replace(folder / name)
    except OSError as error:
        raise BadInput(
            f"The report cannot be written to {folder}: {error.strerror}; name another folder."
        ) from error
