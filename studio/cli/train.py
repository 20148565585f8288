"""`studio train RECIPE`: the training rooms; `train list` says which there are."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Annotated, Any

import typer

from studio.cli.create import read_pairs
from studio.errors import BadInput
from studio.forge.base import recipes
from studio.forge.track import Track
from studio.options import read_options


def train(
    recipe: Annotated[str, typer.Argument(help='A recipe, or "list".')],
    data: Annotated[Path | None, typer.Option(help="The training data.")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder of the run: checkpoints, curves, result.")] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="name=value: an option of the recipe.")
    ] = None,
    threads: Annotated[int, typer.Option(help="Threads; 0 takes what the machine has.")] = 0,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the last checkpoint.")] = False,
) -> None:
    """Train a model. Ctrl-C stops after the current step with a checkpoint; --resume goes on from there."""
    if recipe == "list":
        for one in recipes.values():
            print(f"{one.name:<24} {one.summary}")
        return
    chosen = recipes.lookup(recipe)
    if data is None or out is None:
        raise BadInput("A training needs --data and --out.")
    options: Any = read_options(chosen.Options, read_pairs(set_ or []))
    if threads:
        import torch

        torch.set_num_threads(threads)
    track = Track(out, resume=resume)
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, lambda *_: track.stop.set())
    print(chosen().run(data, options, track))
