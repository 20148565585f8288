"""Run a recipe from the command line, without the rest of the studio.

    python -m studio.forge pretrain_autoencoder --data /data/stickers --out runs/ae --set epochs=50 [--resume]

Ctrl-C (or SIGTERM) stops after the current step with a checkpoint; `--resume` goes on from there.
"""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path
from typing import Any

from studio.errors import BadInput, StudioError
from studio.forge.base import recipes
from studio.forge.track import Track
from studio.options import read_options


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m studio.forge", description="Train a model.")
    parser.add_argument("recipe")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--resume", action="store_true")
    given = parser.parse_args()
    try:
        recipe = recipes.lookup(given.recipe)
        if wrong := [pair for pair in given.set if "=" not in pair]:
            raise BadInput(f"--set takes NAME=VALUE, not {wrong[0]!r}.")
        options: Any = read_options(recipe.Options, dict(pair.split("=", 1) for pair in given.set))
        if given.threads:
            import torch

            torch.set_num_threads(given.threads)
        track = Track(given.out, resume=given.resume)
        for name in (signal.SIGINT, signal.SIGTERM):
            signal.signal(name, lambda *_: track.stop.set())
        print(recipe().run(given.data, options, track))
    except StudioError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
