"""`studio evaluate KIND`: a whole set judged at once, honest about what it is too small for."""

from __future__ import annotations

import json as json_module
from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import typer

from studio.cli.context import Context
from studio.cli.progress import Meter
from studio.cli.show import finite
from studio.errors import NotFound
from studio.evaluation import Asked, judge
from studio.library.store import Library
from studio.types import KINDS, Kind

SOURCE = "A folder, a file of texts, or library:WORDS with model=, since=, until=, favourite=."


def evaluate(
    context: typer.Context,
    kind: Annotated[str, typer.Argument(help=f"One of: {', '.join(KINDS)}.")],
    candidates: Annotated[str, typer.Option(help=SOURCE)],
    references: Annotated[str | None, typer.Option(help="The same, to hold the candidates against.")] = None,
    against: Annotated[
        str | None, typer.Option(help="A second set: both are compared, with significance.")
    ] = None,
    report: Annotated[Path | None, typer.Option(help="Folder for report.html, .json and .csv.")] = None,
    json: Annotated[bool, typer.Option("--json", help="The figures as one JSON object.")] = False,
) -> None:
    """Overlap, variety and distances of a set; a metric below its minimum of items is withheld."""
    here: Context = context.obj
    if kind not in KINDS:
        raise NotFound(f"There is no kind {kind!r}; choose one of: {', '.join(KINDS)}.")
    the_kind: Kind = kind
    settings = here.settings()
    asked = Asked(the_kind, candidates, references, against)
    with Meter(quiet=json) as meter, TemporaryDirectory() as scratch:
        figures = judge(
            asked, report, settings, Library(settings), Path(scratch),
            lambda fraction, stage: meter.tell(fraction, stage, stage),
        )  # fmt: skip
    if json:
        print(json_module.dumps(finite(figures), ensure_ascii=False, default=str))
        return
    for line in _differences(figures) if against else _figures(figures):
        print(line)
    for name, why in figures["withheld"].items():
        print(f"{name:<24} withheld: {why}")
    if report is not None:
        print(f"The report is in {report}")


def _figures(figures: Mapping[str, Any]) -> Iterator[str]:
    """The set as a whole, then the mean of each score over its outputs."""
    for score in figures["scores"]:
        yield f"{score['name']:<24} {score['value']:>10.4g} {score['unit']}{_span(score['interval'])}"
    for one in figures["distributions"]:
        mean = f"{one['mean']:>10.4g} {one['unit']}{_span(one['interval'])}"
        yield f"{one['name']:<24} {mean}  mean of {one['n']:,}"


def _differences(figures: Mapping[str, Any]) -> Iterator[str]:
    for one in figures["differences"]:
        both = f"{one['first']:>10.4g} {one['second']:>10.4g} {one['unit']}"
        yield f"{one['name']:<24} {both}  {one['verdict']} (p {one['p_holm']:.3f}, {one['test']})"


def _span(interval: tuple[float, float] | None) -> str:
    return f"  [{interval[0]:.4g}, {interval[1]:.4g}]" if interval else ""
