"""An evaluation as a page with plots, as JSON and as CSV. The page is one file that loads nothing."""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import datetime
from html import escape
from io import StringIO
from pathlib import Path
from typing import Any

from studio.errors import BadInput
from studio.quality.batch import Distribution, Evaluation
from studio.quality.batch_compare import ALPHA, NO_DIFFERENCE, Comparison
from studio.quality.plots import bars, intervals
from studio.types import Score

STYLE = """
:root { color-scheme: light dark; --line: #8884; --ink: #2563eb }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem }
.wide { overflow-x: auto; margin: 1rem 0 2rem } table { border-collapse: collapse; width: 100% }
th, td { text-align: left; padding: .4rem .8rem .4rem 0; border-bottom: 1px solid var(--line); vertical-align: top }
h1 { overflow-wrap: anywhere } tr > :first-child { min-width: 8.5rem } tr.told td { font-weight: 600 }
@media (max-width: 40rem) { h1 { font-size: 1.4rem } th, td { padding-right: .5rem; font-size: .875rem } }
@media (max-width: 40rem) { .stack, .stack tbody, .stack tr, .stack th, .stack td { display: block; border: 0 }
.stack th, .stack td { padding: .1rem .4rem .1rem 0; overflow-wrap: anywhere }
.stack tr { border-bottom: 1px solid var(--line); padding: .6rem 0 } .stack td.n, .stack td.n + td { display: inline-block } }
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
        + f" · {_moment(found.created_at)}",
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
    told = sorted(found.differences, key=lambda one: (one.p_holm >= ALPHA, one.p_holm))
    rows = "".join(
        f"<tr{' class=told' if one.p_holm < ALPHA else ''}><th{_title(one.name)}<br>"
        f"<small>{escape(one.unit)}; {ARROW[one.better]}</small></th>"
        f"<td class=n>{one.first:,.4g}</td><td class=n>{one.second:,.4g}</td>"
        f"<td>{escape(one.verdict)}<br><small>p = {one.p_holm:.3f}; {one.test}, N = {one.n[0]}, {one.n[1]}</small>"
        "</td></tr>"
        for one in told
    )
    table = (
        f"<h2>Differences</h2><p>{_summary(found)}</p><div class=wide><table>"
        "<tr><th>score</th><th>first, mean</th><th>second, mean</th><th>verdict</th></tr>"
        f"{rows}</table></div>"
    )
    both = "".join(
        f"<h2>The {place}: {escape(side.candidates)}</h2>{_spreads(side.distributions)}"
        for place, side in (("first", found.first), ("second", found.second))
    )
    title = f"{found.first.candidates} against {found.second.candidates}"
    _write(
        folder,
        "report.html",
        _page(title, _moment(found.first.created_at), table + _reasons(found.withheld) + both),
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


def _moment(stamp: str) -> str:
    return f"{datetime.fromisoformat(stamp):%Y-%m-%d, %H:%M} UTC"


def _title(name: str) -> str:
    """The inside of a cell with a score's name as words, its own name on hovering.

    "claims_to_check" is "Claims to check"; "BLEU" and "chrF" stay.
    """
    words = name.replace("_", " ")
    shown = words[:1].upper() + words[1:] if words.islower() else words
    return f' title="{escape(name)}">{escape(shown)}'


def _summary(found: Comparison) -> str:
    """How many figures tell the sets apart, before the table of all of them."""
    counts = Counter(one.verdict for one in found.differences)
    parts = [
        f"{count} with no difference shown" if verdict == NO_DIFFERENCE else f"{count} where {verdict}"
        for verdict, count in sorted(counts.items(), key=lambda one: (one[0] == NO_DIFFERENCE, -one[1]))
    ]
    return (
        f"Of {len(found.differences)} figures: {escape(', '.join(parts))}. A difference counts where p, corrected for "
        f"so many figures (Holm), is under {ALPHA:g}."
        if parts
        else "No figure can tell these sets apart."
    )


def _figures(scores: Sequence[Score]) -> str:
    if not scores:
        return ""
    rows = "".join(
        f"<tr><th{_title(s.name)}<br><small>{ARROW[s.better]}</small></th><td class=n>{s.value:,.4g}</td>"
        f"<td>{escape(s.unit)}</td><td>{intervals(s.value, s.interval)}</td>"
        f"<td>{escape(s.domain)}<br><small>{escape(_made_by(s))}</small></td></tr>"
        for s in scores
    )
    return f"<h2>The set as a whole</h2><div class=wide><table class=stack>{rows}</table></div>"


def _spreads(distributions: Sequence[Distribution]) -> str:
    rows = "".join(
        f"<tr><th{_title(d.name)}<br><small>{ARROW[d.better]}</small></th>"
        f"<td>{bars(d.values, f'{d.name} of {d.n} outputs')}</td>"
        f"<td>mean {d.mean:,.3g}{_range(d.interval)} {escape(d.unit)}<br>"
        f"<small>median {d.quartiles[1]:,.3g}, quartiles {d.quartiles[0]:,.3g}–{d.quartiles[2]:,.3g}; N = {d.n:,}"
        f"{_missing(d)}<br>{escape(d.domain)}</small></td></tr>"
        for d in distributions
    )
    return f"<h2>Output by output</h2><div class=wide><table class=stack>{rows}</table></div>" if rows else ""


def _reasons(withheld: dict[str, str]) -> str:
    rows = "".join(f"<tr><th{_title(name)}</th><td>{escape(why)}</td></tr>" for name, why in withheld.items())
    return f"<h2>Withheld</h2><div class=wide><table class=stack>{rows}</table></div>" if rows else ""


def _range(interval: tuple[float, float] | None) -> str:
    return f" ({interval[0]:,.3g} to {interval[1]:,.3g})" if interval else ""


def _missing(d: Distribution) -> str:
    return (
        escape(f"; {sum(d.missing.values()):,} withheld: {max(d.missing, key=d.missing.__getitem__)}")
        if d.missing
        else ""
    )


def _made_by(score: Score) -> str:
    """Model and version; where no model was needed only the standard's name, if there is one."""
    if score.model == "none":
        return "" if score.version == "1" else score.version
    return f"{score.model} {score.version}"


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
