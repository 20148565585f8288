"""`studio bench [NAME…]`: the figures of docs/benchmarks.md, measured anew on this machine."""

from __future__ import annotations

import json as json_module
import shutil
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from studio.bench.base import Figure, Place, benches

HEAD = f"{'name':<22} {'figure':>10} {'unit':<14} {'baseline':>10} {'ratio':>7} {'n':>3}  reach"


def bench(
    names: Annotated[
        list[str] | None, typer.Argument(help='Such as "text.speed", or "text" for all of text.')
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """Measure the studio: medians of five runs after a warm-up, figure and baseline in turn."""
    chosen = benches(names or [])
    if not json:
        print(HEAD, flush=True)
    for name, run in chosen.items():
        print(f"measuring {name} …", file=sys.stderr, flush=True)
        folder = Path(tempfile.mkdtemp(prefix="signet-bench-"))
        try:
            figures = run(Place(folder))
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        for figure in figures:
            print(json_module.dumps(asdict(figure)) if json else _row(figure), flush=True)


def _row(one: Figure) -> str:
    verdict = "" if one.reached is None else ("  reached" if one.reached else "  NOT reached")
    baseline = "–" if one.baseline is None else f"{one.baseline:.4g}"
    ratio = "–" if one.ratio is None else f"{one.ratio:.3f}"
    row = f"{one.name:<22} {one.figure:>10.4g} {one.unit:<14} {baseline:>10} {ratio:>7} {one.n:>3}  {one.reach}{verdict}"
    return f"{row}\n{'':<23}{one.note}" if one.note else row
