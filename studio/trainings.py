"""Trainings: background processes, one at a time on each device, that outlive the page that watches them.

A run is its folder, so nothing is lost with the studio: one that was interrupted shows as stopped, and
`resume` takes it up from its newest checkpoint. Queue and supervision (training_queue.py) are apart from
those of briefs (jobs.py, workers.py): a training lasts hours, has no output to seal, and goes on from where it was.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil

from studio.errors import BadInput, NotFound, StudioError
from studio.forge.base import recipes
from studio.forge.runs import (
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
from studio.settings import Settings
from studio.trainer import environ
from studio.training_queue import LOOK_SECONDS, TrainingQueue, all_runs, as_it_is

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class Trainings:
    """The door to all trainings of one home. Safe to use from many threads and several studios."""

    def __init__(self, settings: Settings) -> None:
        self.folder = settings.home / "runs"
        self._settings = settings
        self._queue = TrainingQueue(settings, self.folder)
        self._lock = self._queue.lock

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
            self._queue.put(folder, measure=measure)
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
                with contextlib.suppress(psutil.NoSuchProcess):  # it has just ended by itself
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

    def publish(
        self, name: str, model: str, data_licence: str = "", licence: str = "", *, four_bits: bool = True
    ) -> None:
        """Make a finished run a model of the catalog called `model`, in a process of its own.

        `licence` is that of a model made from nothing but data, or of a base that is in no catalog. Raises
        StudioError with the sentence of what is missing, a licence of the data above all.
        """
        run = self.get(name)
        if run.status.state != "done":
            raise BadInput(f"{name} is {run.status.state}; train it to its end first.")
        said = {"--data-licence": data_licence, "--licence": licence, "--base-licence": licence}
        words = ["publish", str(run.folder.resolve()), "--name", model]
        words += [word for option, value in said.items() if value for word in (option, value)]
        words += [] if four_bits else ["--no-four-bits"]
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
        return all_runs(self.folder)

    def get(self, name: str) -> Run:
        """Raises NotFound that lists the newest names."""
        run = read_run(self.folder / name, name) if NAME.fullmatch(name) else None
        if run is None:
            known = ", ".join(one.name for one in self.runs()[:8]) or "none yet"
            raise NotFound(f"There is no run called {name[:80]!r}; there are: {known}.")
        return as_it_is(run)

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
        self._queue.close()

    # --- Folders --------------------------------------------------------------------------------------

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
            self._queue.put(run.folder.resolve(), measure=measure)
        return self._get(run.folder)
