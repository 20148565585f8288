"""`studio evaluate KIND`: a whole set judged at once, honest about what it is too small for."""

from __future__ import annotations

import json as json_module
from pathlib import Path
from typing import Annotated, Any

import typer

from studio.cli.context import Context
from studio.cli.progress import Meter
from studio.cli.show import finite
from studio.errors import NotFound
from studio.quality.batch import evaluate as evaluate_set
from studio.types import KINDS, Kind


def evaluate(
    context: typer.Context,
    kind: Annotated[str, typer.Argument(help=f"One of: {', '.join(KINDS)}.")],
    candidates: Annotated[Path, typer.Option(help="A folder of files, or one JSONL or text file.")],
    references: Annotated[Path | None, typer.Option(help="The same, to compare with.")] = None,
    report: Annotated[Path | None, typer.Option(help="Folder for report.html, .json and .csv.")] = None,
    json: Annotated[bool, typer.Option("--json", help="The figures as one JSON object.")] = False,
) -> None:
    """Overlap, variety and distances of a set; a metric below its minimum of items is withheld."""
    here: Context = context.obj
    if kind not in KINDS:
        raise NotFound(f"There is no kind {kind!r}; choose one of: {', '.join(KINDS)}.")
    the_kind: Kind = kind
    with Meter(quiet=json) as meter:
        figures = evaluate_set(
            the_kind, candidates, references, report, settings=here.settings(),
            tell=lambda fraction, stage: meter.tell(fraction, stage, stage),
        )  # fmt: skip
    if json:
        print(json_module.dumps(finite(figures), ensure_ascii=False, default=str))
        return
    for score in figures["scores"]:
        print(_row(score))
    for name, why in figures["withheld"].items():
        print(f"{name:<24} withheld: {why}")
    if report is not None:
        print(f"The report is in {report}")


def _row(score: dict[str, Any]) -> str:
    span = score.get("interval")
    interval = f"  [{span[0]:.4g}, {span[1]:.4g}]" if span else ""
    return f"{score['name']:<24} {score['value']:>10.4g} {score.get('unit', '')}{interval}"
