"""`studio train RECIPE`: the training rooms, through the same door as the page; `train list` shows both."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer

from studio.cli.create import read_pairs
from studio.errors import BadInput, Cancelled, StudioError
from studio.forge.base import recipes
from studio.forge.runs import Request, Run, differences
from studio.forge.track import Track
from studio.trainer import carry_out
from studio.trainings import Trainings


def train(
    context: typer.Context,
    recipe: Annotated[str, typer.Argument(help='A recipe, or "list", or "compare" and names of runs.')],
    names: Annotated[list[str] | None, typer.Argument(help="Runs to compare.")] = None,
    data: Annotated[Path | None, typer.Option(help="The training data.")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder of the run; default: one among the runs.")] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="name=value: an option of the recipe.")
    ] = None,
    threads: Annotated[int, typer.Option(help="Threads; 0 takes what the machine has.")] = 0,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from the last checkpoint of --out.")
    ] = False,
) -> None:
    """Train a model. Ctrl-C stops after the current step with a checkpoint; --resume goes on from there."""
    door = Trainings(context.obj.settings())
    if recipe == "list":
        _list(door)
        return
    if recipe == "compare":
        _compare([door.get(name) for name in names or []])
        return
    recipes.lookup(recipe)
    if names:
        raise BadInput(f"A training takes its options as --set name=value, not {names[0]!r}.")
    if data is None or (resume and out is None):
        raise BadInput("A training needs --data, and --resume needs the run's --out.")
    options = read_pairs(set_ or [])
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        _one_of_many(Request(recipe, str(data), options, threads), out, resume)
        return
    try:
        if resume and out is not None:
            run = door.resume_in(out, recipe, data, options, threads)
        else:
            run = door.submit(recipe, data, options, out=out, threads=threads)
        print(_follow(door, run))
    finally:
        door.close()


def _follow(door: Trainings, run: Run) -> str:
    """Print what the run prints, from now on, until it is over; the folder of its result."""
    log = run.folder / "log.txt"
    place = log.stat().st_size if log.exists() else 0
    with _interrupt_stops(door, run.name):
        for now in door.watch(run.name):
            if now.status.state == "queued" and (others := _before(door, now)):
                print(f"Waiting for {', '.join(others)}.", file=sys.stderr)
            run = now
            place = _print_from(log, place)
    _print_from(log, place)
    if run.status.state == "stopped":
        raise Cancelled("Stopped.")
    if run.status.state == "failed":
        raise StudioError(run.status.error)
    return run.status.result


def _print_from(log: Path, place: int) -> int:
    """Print what was written after `place`; where that ends."""
    if not log.exists():
        return place
    with log.open("rb") as file:
        file.seek(place)
        text = file.read()
    sys.stdout.write(text.decode("utf-8", "replace"))
    sys.stdout.flush()
    return place + len(text)


def _before(door: Trainings, run: Run) -> list[str]:
    return [one.name for one in door.runs() if one.status.state == "running" and one.name != run.name]


@contextmanager
def _interrupt_stops(door: Trainings, name: str) -> Iterator[None]:
    """Ctrl-C or SIGTERM stops the run, and the command ends when its checkpoint is written."""

    def stop(number: int, frame: FrameType | None) -> None:
        door.stop(name)

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _one_of_many(request: Request, out: Path | None, resume: bool) -> None:
    """Under `accelerate launch` this process is one of several that train together: do it here."""
    if out is None:
        raise BadInput("Several processes need --out, the folder that they share.")
    track = Track(out, resume=resume)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: track.stop.set())
    result = carry_out(request, track)
    if not track.muted:
        print(result)


def _list(door: Trainings) -> None:
    for one in recipes.values():
        print(f"{one.name:<24} {one.summary}")
    runs = door.runs()
    if runs:
        print("\nRuns, newest first:")
    for run in runs:
        steps = f"{run.pace.step} of {run.pace.total} steps" if run.pace.total else ""
        print(f"{run.name:<24} {run.status.state:<8} {run.request.recipe:<20} {steps:<24} {run.folder}")


def _compare(runs: list[Run]) -> None:
    """Options that differ and the last value of every curve, a column for each run."""
    from studio.forge.track import read_curve

    if len(runs) < 2:
        raise BadInput("Name two or more runs: studio train compare FIRST SECOND.")
    last = [{name: points[-1][1] for name, points in read_curve(run.folder).items()} for run in runs]
    measured = dict.fromkeys(name for one in last for name in one)
    rows = [("", *(run.name for run in runs))]
    rows += [(name, *map(str, values)) for name, values in differences(runs).items()]
    rows += [(name, *(f"{one[name]:.4g}" if name in one else "" for one in last)) for name in measured]
    widths = [max(len(row[i]) for row in rows) for i in range(len(runs) + 1)]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
