"""The queue of trainings: oldest first, one on each device, whichever studio of this home has asked.

A run is its folder, so the queue is what the folders say; a lock on a file keeps two studios from starting
two at once. A run whose keeper (the studio while it waits, its trainer while it runs) is gone counts as stopped.
"""

from __future__ import annotations

import logging
import signal
import subprocess
import threading
import time
from dataclasses import replace
from pathlib import Path

from filelock import FileLock

from studio.forge.runs import OVER, Run, Status, read_run, write_status
from studio.jobs import runner_alive, runner_id
from studio.settings import Settings
from studio.trainer import let_go, say_go, start

logger = logging.getLogger(__name__)

LOOK_SECONDS = 0.3
PATIENCE_SECONDS = 3.0  # for a checkpoint when the studio closes; a training then ends by itself
INTERRUPTED = "It was interrupted when the studio closed; resume goes on from its last checkpoint."


def all_runs(folder: Path) -> list[Run]:
    """All runs below `folder` as they are now, newest first."""
    places = folder.iterdir() if folder.is_dir() else ()
    runs = [run for place in places if (run := read_run(place, place.name)) is not None]
    return sorted(map(as_it_is, runs), key=lambda run: -run.request.created_at)


def as_it_is(run: Run) -> Run:
    """A run whose keeper is gone does not run, whatever its folder says."""
    if run.status.state in OVER or runner_alive(run.status.keeper) is not False:
        return run
    now = read_run(run.folder, run.name)  # it may have ended between the reading and the asking
    if now is None or now.status != run.status:
        return now or run
    return replace(run, status=replace(run.status, state="stopped", error=INTERRUPTED))


class TrainingQueue:
    """Starts this studio's waiting runs and writes down the end of those that could not do so themselves."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        self.lock = FileLock(settings.home / "runs.lock")
        self._settings, self._folder = settings, folder
        self._me = runner_id()
        self._children: dict[Path, tuple[subprocess.Popen[bytes], str]] = {}  # with its keeper's id
        self._measuring: set[Path] = set()
        self._thread: threading.Thread | None = None
        self._closed = threading.Event()
        self._wake = threading.Event()

    def put(self, folder: Path, *, measure: bool) -> None:
        """Let the run in `folder` wait for its turn."""
        write_status(folder, Status("queued", keeper=self._me))
        (self._measuring.add if measure else self._measuring.discard)(folder)
        if self._thread is None:
            self._thread = threading.Thread(target=self._supervise, name="trainings", daemon=True)
            self._thread.start()
        self._wake.set()

    def close(self) -> None:
        """Stop this studio's trainings, each with a checkpoint; one that takes longer ends by itself."""
        self._closed.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join()
        for child, _ in self._children.values():
            let_go(child)
        deadline = time.monotonic() + PATIENCE_SECONDS
        while self._children and time.monotonic() < deadline:
            self._reap()
            time.sleep(0.05)

    def _supervise(self) -> None:
        while not self._closed.is_set():
            self._wake.wait(LOOK_SECONDS)
            self._wake.clear()
            try:
                self._reap()
                self._start_waiting()
            except Exception:
                logger.exception("the supervision of trainings met a fault and goes on")
                time.sleep(LOOK_SECONDS)

    def _start_waiting(self) -> None:
        with self.lock:
            runs = all_runs(self._folder)
            mine = [run for run in runs if run.status.state == "queued" and run.status.keeper == self._me]
            for run in sorted(mine, key=lambda run: run.status.since):
                if run.folder.resolve() in self._children:  # its last trainer has not quite left yet
                    continue
                busy = {one.status.device for one in all_runs(self._folder) if one.status.state == "running"}
                free = [one for one in map(str.strip, self._settings.device.split(",")) if one not in busy]
                if not free or self._closed.is_set():
                    return
                self._start(run, free[0])

    def _start(self, run: Run, device: str) -> None:
        folder = run.folder.resolve()
        child = start(run, self._settings, device, measure=folder in self._measuring)
        keeper = runner_id(child.pid)
        self._children[folder] = (child, keeper)
        write_status(folder, Status("running", keeper=keeper, device=device))
        say_go(child)

    def _reap(self) -> None:
        """Write down the end of those that could not do so themselves."""
        for folder, (child, keeper) in list(self._children.items()):
            if child.poll() is None:
                continue
            let_go(child)
            del self._children[folder]
            run = read_run(folder)
            if run is None or run.status.state in OVER or run.status.keeper != keeper:
                continue
            if child.returncode == -signal.SIGTERM:  # stopped before it could listen
                write_status(folder, Status("stopped", device=run.status.device))
            else:
                how = f"signal {-child.returncode}" if child.returncode < 0 else f"status {child.returncode}"
                write_status(
                    folder,
                    Status(
                        "failed",
                        f"The training's process ended by itself ({how}), perhaps for want of memory; "
                        f"resume goes on from its last checkpoint. Its words are in {folder / 'trainer.log'}.",
                        device=run.status.device,
                    ),
                )
