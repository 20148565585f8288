"""Trainings: background processes, one at a time on each device, that outlive the page that watches them.

A run is its folder, so nothing is lost with the studio: one that was interrupted shows as stopped, and
`resume` takes it up from its newest checkpoint. Queue and supervision are apart from those of briefs
(jobs.py, workers.py): a training lasts hours, has no output to seal, and goes on from where it was.
"""

from __future__ import annotations

import logging
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
from filelock import FileLock

from studio.errors import BadInput, NotFound, StudioError
from studio.forge.base import recipes
from studio.forge.runs import (
    OVER,
    Request,
    Run,
    Status,
    full_options,
    read_run,
    refuse_other,
    restarted,
    write_request,
    write_status,
)
from studio.jobs import runner_alive, runner_id
from studio.settings import Settings
from studio.trainer import environ, let_go, say_go, start

logger = logging.getLogger(__name__)

LOOK_SECONDS = 0.3
PATIENCE_SECONDS = 3.0  # for a checkpoint when the studio closes; a training then ends by itself
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class Trainings:
    """The door to all trainings of one home. Safe to use from many threads and several studios."""

    def __init__(self, settings: Settings) -> None:
        self.folder = settings.home / "runs"
        self._settings = settings
        self._me = runner_id()
        self._lock = FileLock(settings.home / "runs.lock")
        self._children: dict[Path, subprocess.Popen[bytes]] = {}
        self._measuring: set[Path] = set()
        self._thread: threading.Thread | None = None
        self._closed = threading.Event()
        self._wake = threading.Event()

    # --- Asking -----------------------------------------------------------------------------------

    def submit(
        self, recipe: str, data: Path, options: Mapping[str, Any], *, name: str = "", out: Path | None = None,
        threads: int = 0, measure: bool = False,
    ) -> Run:  # fmt: skip
        """Queue a training. `measure` stops it by itself when its pace is known; `resume` then goes on.

        Raises NotFound for the recipe, BadInput for options, data or a name that cannot be taken.
        """
        request = self._request(recipe, data, options, threads)
        with self._lock:
            folder = self._new_folder(recipe, name, out)
            write_request(folder, request)
            self._queue(folder, measure)
        return self._get(folder)

    def resume(self, name: str, options: Mapping[str, Any] | None = None, *, measure: bool = False) -> Run:
        """Go on from the newest checkpoint. Raises BadInput if it runs or is finished, or for other options."""
        run = self.get(name)
        if options is not None:
            refuse_other(run.request, restarted(run.request, options))
        return self._resume(run, measure)

    def resume_in(
        self, folder: Path, recipe: str, data: Path, options: Mapping[str, Any], threads: int = 0
    ) -> Run:
        """Go on with the run in a folder, also one that no studio has started."""
        folder = folder.resolve()
        request = self._request(recipe, data, options, threads)
        run = read_run(folder)
        if run is None:
            if not any(folder.glob("step-*")):
                raise NotFound(f"There is no run in {folder} to resume; leave --resume out to begin one.")
            with self._lock:
                write_request(folder, request)
        else:
            refuse_other(run.request, request)
        with self._lock:
            self._link(folder)
        return self._resume(self._get(folder), measure=False)

    def stop(self, name: str) -> Run:
        """End a run after its present step, with a checkpoint; one that waits leaves the queue."""
        run = self.get(name)
        with self._lock:
            run = self._get(run.folder)
            if run.status.state == "queued":
                write_status(run.folder, Status("stopped"))
            elif run.status.state == "running":
                psutil.Process(int(run.status.keeper.rsplit(":", 2)[1])).terminate()
        return self._get(run.folder)

    def delete(self, name: str) -> None:
        """Remove a run with all it has made; one that lies elsewhere is only taken off the list."""
        run = self.get(name)
        if not run.over:
            raise BadInput(f"{name} is {run.status.state}; stop it first.")
        place = self.folder / name
        if place.is_symlink():
            place.unlink()
        else:
            shutil.rmtree(place)

    def publish(self, name: str, model: str, data_licence: str = "") -> None:
        """Make a finished run a model of the catalog called `model`, in a process of its own.

        Raises StudioError with the sentence of what is missing, a licence of the data above all.
        """
        run = self.get(name)
        if run.status.state != "done":
            raise BadInput(f"{name} is {run.status.state}; train it to its end first.")
        said = ["--data-licence", data_licence] if data_licence else []
        words = ["publish", str(run.folder.resolve()), "--name", model, *said]
        done = subprocess.run(
            [sys.executable, "-m", "studio", *words], capture_output=True, text=True,
            env=environ(self._settings, self._settings.device),
        )  # fmt: skip
        if done.returncode:
            last = (done.stderr.strip().splitlines() or ["it left no word"])[-1]
            raise StudioError(last.removeprefix("signet: "))

    # --- Looking ----------------------------------------------------------------------------------

    def runs(self) -> list[Run]:
        """All runs, newest first."""
        places = self.folder.iterdir() if self.folder.is_dir() else ()
        runs = [run for place in places if (run := read_run(place, place.name)) is not None]
        return sorted(map(_as_it_is, runs), key=lambda run: -run.request.created_at)

    def get(self, name: str) -> Run:
        """Raises NotFound that lists the newest names."""
        run = read_run(self.folder / name, name) if NAME.fullmatch(name) else None
        if run is None:
            known = ", ".join(one.name for one in self.runs()[:8]) or "none yet"
            raise NotFound(f"There is no run called {name[:80]!r}; there are: {known}.")
        return _as_it_is(run)

    def watch(self, name: str) -> Iterator[Run]:
        """The run as it stands, again whenever that changes, until it is over."""
        last = None
        while True:
            run = self.get(name)
            if run != last:
                yield run
            if run.over:
                return
            last = run
            time.sleep(LOOK_SECONDS)

    def close(self) -> None:
        """Stop this studio's trainings, each with a checkpoint. They are resumed when somebody says so."""
        self._closed.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join()
        for child in self._children.values():
            let_go(child)
        deadline = time.monotonic() + PATIENCE_SECONDS
        while self._children and time.monotonic() < deadline:
            self._reap()
            time.sleep(0.05)

    # --- The queue --------------------------------------------------------------------------------

    def _request(self, recipe: str, data: Path, options: Mapping[str, Any], threads: int) -> Request:
        recipes.lookup(recipe)
        data = data.expanduser()
        if not data.exists():
            raise BadInput(f"There is no data at {data}.")
        request = Request(
            recipe, str(data.resolve()), dict(options), threads or self._settings.threads, os.getcwd()
        )
        full = full_options(request)
        return replace(request, options={name: full[name] for name in options})

    def _new_folder(self, recipe: str, name: str, out: Path | None) -> Path:
        if name and not NAME.fullmatch(name):
            raise BadInput(
                f"{name[:80]!r} cannot name a run; use letters, digits, dots and dashes, at most 64."
            )
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if out is None and not name:
            taken = {place.name for place in self.folder.iterdir()}
            name = next(f"{recipe}-{i}" for i in range(1, len(taken) + 2) if f"{recipe}-{i}" not in taken)
        folder = (out or self.folder / name).expanduser().resolve()
        if (folder / "run.json").exists() or any(folder.glob("step-*")):
            raise BadInput(f"{folder} holds a run already; resume it or choose another name.")
        folder.mkdir(parents=True, exist_ok=True)
        self._link(folder)
        return folder

    def _link(self, folder: Path) -> str:
        """The name under which a folder is listed; one that lies elsewhere gets a link among the runs."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for place in self.folder.iterdir():
            if place.resolve() == folder:
                return place.name
        base = re.sub(r"[^A-Za-z0-9._-]+", "-", folder.name).strip("-.")[:56] or "run"
        names = [base, *(f"{base}-{i}" for i in range(2, 1000))]
        name = next(one for one in names if not os.path.lexists(self.folder / one))
        (self.folder / name).symlink_to(folder, target_is_directory=True)
        return name

    def _get(self, folder: Path) -> Run:
        return self.get(self._link(folder.resolve()))

    def _resume(self, run: Run, measure: bool) -> Run:
        with self._lock:
            run = self._get(run.folder)
            if not run.over:
                raise BadInput(f"{run.name} is {run.status.state} already.")
            if run.status.state == "done":
                raise BadInput(f"{run.name} is finished; there is nothing to resume.")
            self._queue(run.folder.resolve(), measure)
        return self._get(run.folder)

    def _queue(self, folder: Path, measure: bool) -> None:
        write_status(folder, Status("queued", keeper=self._me))
        (self._measuring.add if measure else self._measuring.discard)(folder)
        if self._thread is None:
            self._thread = threading.Thread(target=self._supervise, name="trainings", daemon=True)
            self._thread.start()
        self._wake.set()

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
        with self._lock:
            runs = self.runs()
            mine = [run for run in runs if run.status.state == "queued" and run.status.keeper == self._me]
            for run in sorted(mine, key=lambda run: run.status.since):
                busy = {one.status.device for one in self.runs() if one.status.state == "running"}
                free = [one for one in map(str.strip, self._settings.device.split(",")) if one not in busy]
                if not free or self._closed.is_set():
                    return
                self._start(run.folder.resolve(), free[0])

    def _start(self, folder: Path, device: str) -> None:
        run = self._get(folder)
        child = start(run, self._settings, device, measure=folder in self._measuring)
        self._children[folder] = child
        write_status(folder, Status("running", keeper=runner_id(child.pid), device=device))
        say_go(child)

    def _reap(self) -> None:
        """Write down the end of those that could not do so themselves."""
        for folder, child in list(self._children.items()):
            if child.poll() is None:
                continue
            let_go(child)
            del self._children[folder]
            run = read_run(folder)
            if run is None or run.status.state in OVER:
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


def _as_it_is(run: Run) -> Run:
    """A run whose keeper is gone does not run, whatever its folder says."""
    status = run.status
    if status.state in OVER or runner_alive(status.keeper) is not False:
        return run
    return replace(run, status=replace(status, state="stopped", error=INTERRUPTED))


INTERRUPTED = "It was interrupted when the studio closed; resume goes on from its last checkpoint."
