"""`studio verify FILE…`: what can be proved about a file, layer by layer."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from studio.cli.context import Context
from studio.cli.show import report_json
from studio.safety.uploads import check_script
from studio.types import Report


def verify(
    context: typer.Context,
    files: Annotated[list[str], typer.Argument(help='Files; "-" reads text from stdin.')],
    json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """Tell what can and what cannot be proved about each file."""
    here: Context = context.obj
    studio = here.studio()
    for name in files:
        report = (
            studio.verify_text(check_script(sys.stdin.buffer.read()))
            if name == "-"
            else studio.verify(Path(name))
        )
        print(report_json(report) if json else _plain(report), flush=True)


def _plain(report: Report) -> str:
    lines = [f"{report.path}: {report.verdict}", f"  {report.statement}"]
    lines += [f"  {layer.layer:<10} {layer.state:<14} {layer.detail}" for layer in report.layers]
    return "\n".join(lines)
