"""The process of one training, both ends of it: runs what a run's folder asks for and writes how it ended.

The studio writes a line to the trainer's standard input when all is set. When that pipe closes, the
studio is gone: the run then stops after the step under way, with a checkpoint.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import traceback
from dataclasses import replace
from pathlib import Path
from typing import Any

from studio.errors import OutOfMemory, StorageFull, StudioError, is_disk_full
from studio.forge.base import recipes
from studio.forge.runs import Request, Run, RunState, Status, read_run, write_status
from studio.forge.track import Track
from studio.options import read_options
from studio.settings import ROOT, Settings

GO = b"go\n"
NICE = 5  # people who ask for something are served before a training


def main(folder: Path, *, measure: bool = False) -> int:
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if os.read(0, len(GO)) != GO:
        return 1

    def wait_for_the_end() -> None:
        os.read(0, 1)
        stop.set()

    threading.Thread(target=wait_for_the_end, daemon=True).start()
    if hasattr(os, "nice"):
        os.nice(NICE)
    run = read_run(folder)
    if run is None:
        return 1
    track = Track(folder, resume=True, stop=stop, listen=lambda line: None, measure=measure)
    write_status(folder, _ended(run, track))
    return 0


def carry_out(request: Request, track: Track) -> Path:
    """Run the recipe here and now; the folder of its result. Raises StudioError.

    Diary, curve, samples and result are written all along, so a full disk is told here for all of them.
    """
    recipe = recipes.lookup(request.recipe)
    options: Any = read_options(recipe.Options, request.options)
    if request.threads:
        import torch

        torch.set_num_threads(request.threads)
    try:
        return recipe().run(Path(request.data), options, track)
    except Exception as error:
        if not is_disk_full(error):
            raise
        raise StorageFull(
            "The disk is full: free some space and resume; the training goes on from its newest checkpoint."
        ) from error


def _ended(run: Run, track: Track) -> Status:
    try:
        result = carry_out(run.request, track)
    except StudioError as error:
        return _status(run, "failed", str(error))
    except MemoryError:
        return _status(run, "failed", str(OutOfMemory("The machine ran out of memory; lower batch_size.")))
    except Exception as error:
        traceback.print_exc()
        place = run.folder / "trainer.log"
        return _status(run, "failed", f"A fault in the studio ({type(error).__name__}); see {place}.")
    now = read_run(run.folder)
    if track.stop.is_set() and now is not None and now.pace.step < now.pace.total:
        return _status(run, "stopped")
    return replace(_status(run, "done"), result=str(result))


def _status(run: Run, state: RunState, error: str = "") -> Status:
    return Status(state, error, device=run.status.device)


# --- In the studio's process ----------------------------------------------------------------------


def start(run: Run, settings: Settings, device: str, *, measure: bool) -> subprocess.Popen[bytes]:
    """A trainer that waits for `say_go`; what it prints, a crash above all, goes to trainer.log."""
    asked_in = Path(run.request.folder)
    with (run.folder / "trainer.log").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "studio.trainer", str(run.folder.resolve()), *(["--measure"] * measure)],
            stdin=subprocess.PIPE, stdout=log, stderr=log, start_new_session=True, bufsize=0,
            cwd=asked_in if asked_in.is_dir() else None, env=environ(settings, device),
        )  # fmt: skip


def say_go(child: subprocess.Popen[bytes]) -> None:
    assert child.stdin is not None
    with contextlib.suppress(BrokenPipeError):  # died at once; whoever supervises it will see
        child.stdin.write(GO)


def let_go(child: subprocess.Popen[bytes]) -> None:
    """Close the pipe: the trainer stops after its step."""
    if child.stdin is not None:
        child.stdin.close()


def environ(settings: Settings, device: str) -> dict[str, str]:
    """The studio's settings, and the one device that is this training's."""
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    given = os.environ | {
        "PYTHONPATH": path, "SIGNET_HOME": str(settings.home), "SIGNET_DEVICE": device,
        "SIGNET_CHECKPOINTS": str(settings.checkpoints), "SIGNET_ASSETS": str(settings.assets),
    }  # fmt: skip
    if device.startswith("cuda:"):
        given |= {"CUDA_VISIBLE_DEVICES": device.removeprefix("cuda:"), "SIGNET_DEVICE": "cuda"}
    return given


if __name__ == "__main__":
    status = main(Path(sys.argv[1]), measure="--measure" in sys.argv)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)  # all is written; unloading the libraries would take seconds
