"""Evaluations in a process of their own, so that the page stays light and a person can stop them.

One runs at a time; a second waits for nobody and is refused. Each keeps its report in
`HOME/evaluations/ID`, with what was asked in `asked.json`.

What is *not* here: the figures themselves (quality/batch.py, quality/batch_compare.py).
"""

from __future__ import annotations

import json
import logging
import os
import secrets
import shutil
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from studio.errors import Cancelled, NotFound, Refused, StudioError
from studio.library.store import Library
from studio.quality.batch import evaluate
from studio.quality.batch_compare import compare
from studio.sets import gather, lay_out
from studio.settings import Settings
from studio.types import KINDS, Kind, Progress

log = logging.getLogger(__name__)

PATIENCE = 0.5
DROPPED = "dropped"
KEPT = 100
"""So many reports are kept; the oldest goes."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What is to be judged. Each source is a folder, a file or `library:…` (see sets.py).

    With `against`, two sets are compared; with `references`, each set is held against them too.
    """

    kind: Kind
    candidates: str
    references: str | None = None
    against: str | None = None


@dataclass(frozen=True, slots=True)
class Done:
    """A finished evaluation; `folder` holds report.html, report.json and the tables as CSV."""

    id: str
    asked: Asked
    created_at: datetime
    folder: Path

    @property
    def files(self) -> list[Path]:
        """The report's page, its JSON and its tables."""
        found = [self.folder / "report.html", self.folder / "report.json", *sorted(self.folder.glob("*.csv"))]
        return [path for path in found if path.is_file()]


def judge(
    asked: Asked, report: Path | None, settings: Settings, library: Library, scratch: Path, tell: Any
) -> dict[str, Any]:
    """Runs an evaluation in this process: the figures as plain data, and the report if a folder is named."""
    if asked.kind not in KINDS:
        raise NotFound(f"There is no kind {asked.kind!r}; choose one of: {', '.join(KINDS)}.")
    names = {"candidates": asked.candidates, "references": asked.references, "against": asked.against}
    sides = {
        name: None if source is None else lay_out(source, asked.kind, library, scratch / name)
        for name, source in names.items()
    }
    candidates, references, against = (sides[name] for name in ("candidates", "references", "against"))
    assert candidates is not None
    if against is not None:
        return compare(asked.kind, candidates, against, references, report, settings=settings, tell=tell)
    return evaluate(asked.kind, candidates, references, report, settings=settings, tell=tell)


class Evaluations:
    """Started, watched and stopped from any thread of the studio's process."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.folder = settings.home / "evaluations"
        self._running: dict[str, _Run] = {}
        self._lock = threading.Lock()

    def start(self, asked: Asked) -> str:
        """Returns the id to watch. Raises Refused while another evaluation runs."""
        with self._lock:
            if any(run.process.is_alive() for run in self._running.values()):
                raise Refused("Another evaluation is running; wait for it, or stop it.")
            self._trim()
            key = secrets.token_hex(16)
            self._running[key] = _Run(key, asked, self.folder / key, self._settings)
        return key

    def drop(self, paths: Sequence[Path]) -> str:
        """Files that a person dropped, kept as one set for some days: its source. Raises BadInput."""
        return str(gather(paths, self.folder / DROPPED / secrets.token_hex(8) / "dropped files"))

    def watch(self, key: str) -> Iterator[Progress]:
        """Progress up to the end. Raises Cancelled, or StudioError with the sentence of what went wrong."""
        run = self._running.get(key)
        if run is None:
            if not (self.folder / key / "asked.json").is_file():
                raise NotFound("That evaluation is not here any more; start it again.")
            return
        yield from run.watch()

    def stop(self, key: str) -> None:
        """Nothing of a stopped evaluation is kept."""
        if key in self._running:
            self._running[key].stop()

    def pid(self, key: str) -> int | None:
        """The process that works on it; None when that is over."""
        run = self._running.get(key)
        return run.process.pid if run is not None and run.process.is_alive() else None

    def done(self, key: str) -> Done:
        """Raises NotFound for an id without a report."""
        folder = self.folder / Path(key).name
        try:
            record = json.loads((folder / "asked.json").read_text("utf-8"))
            return Done(key, Asked(**record["asked"]), datetime.fromisoformat(record["at"]), folder)
        except (OSError, ValueError, KeyError, TypeError):
            raise NotFound("That evaluation is not here any more; start it again.") from None

    def finished(self) -> list[Done]:
        """Finished ones, newest first."""
        keys = [path.parent.name for path in self.folder.glob("*/asked.json")]
        return sorted((self.done(key) for key in keys), key=lambda one: one.created_at, reverse=True)

    def close(self) -> None:
        for run in self._running.values():
            run.stop()

    def _trim(self) -> None:
        for old in self.finished()[KEPT - 1 :]:
            shutil.rmtree(old.folder, ignore_errors=True)
        for folder in self.folder.glob("*"):
            if not (folder / "asked.json").exists() and folder.name not in (DROPPED, *self._running):
                shutil.rmtree(folder, ignore_errors=True)  # of a studio that was killed
        oldest = time.time() - 86_400 * self._settings.keep_temporary_days
        for folder in (self.folder / DROPPED).glob("*"):
            if folder.stat().st_mtime < oldest:
                shutil.rmtree(folder, ignore_errors=True)


class _Run:
    """One process and what it said last."""

    def __init__(self, key: str, asked: Asked, folder: Path, settings: Settings) -> None:
        self._folder, self._key = folder, key
        self._latest = Progress(key, 0.0, "starting")
        self._end: StudioError | None = None
        self._over = False
        self._changed = threading.Condition()
        context = get_context("spawn")
        here, there = context.Pipe(duplex=False)
        folder.mkdir(parents=True, mode=0o700)
        self.process = context.Process(target=_work, args=(there, asked, folder, settings), daemon=True)
        self.process.start()
        there.close()
        threading.Thread(target=self._read, args=(here,), name="evaluation-reader", daemon=True).start()

    def watch(self) -> Iterator[Progress]:
        said: Progress | None = None
        while True:
            with self._changed:
                if not self._over and self._latest is said:
                    self._changed.wait(PATIENCE)
                over, latest = self._over, self._latest
            if over:
                if self._end is not None:
                    raise self._end
                return
            if latest is not said:
                said = latest
                yield latest

    def stop(self) -> None:
        with self._changed:
            if self._over:
                return
            self._end = Cancelled("Stopped. No report was kept.")
        self.process.terminate()

    def _read(self, pipe: Connection) -> None:
        ended = False
        try:
            while not ended:
                ended = self._take(*pipe.recv())
        except (EOFError, OSError):
            log.info("evaluation %s said its last", self._key)
        self.process.join()
        with self._changed:
            if not ended and self._end is None:
                self._end = StudioError(
                    "The evaluation was lost: its process died, most likely for want of memory; take fewer outputs."
                )
            if self._end is not None:
                shutil.rmtree(self._folder, ignore_errors=True)
            self._over = True
            self._changed.notify_all()

    def _take(self, what: str, fraction: float, message: str) -> bool:
        """Whether that was the last word."""
        with self._changed:
            if what == "failed":
                self._end = self._end or StudioError(message)
            else:
                self._latest = Progress(self._key, fraction, "judging", message)
            self._changed.notify_all()
        return what != "progress"


def _work(pipe: Connection, asked: Asked, folder: Path, settings: Settings) -> None:
    """Main of the process: it leaves the page's share of the processor alone and ends with the studio."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.nice(5)
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    scratch = folder / "sets"

    def tell(fraction: float, message: str) -> None:
        pipe.send(("progress", fraction, message))

    try:
        library = Library(settings)
        judge(asked, folder, settings, library, scratch, tell)
        shutil.rmtree(scratch, ignore_errors=True)
        at = datetime.now(UTC).isoformat(timespec="seconds")
        record = json.dumps({"asked": asdict(asked), "at": at}, ensure_ascii=False)
        part = folder / "asked.part"
        part.write_text(record, "utf-8")
        part.replace(folder / "asked.json")
        pipe.send(("done", 1.0, ""))
    except BrokenPipeError:
        return
    except StudioError as error:
        pipe.send(("failed", 0.0, str(error)))
    except MemoryError:
        pipe.send(("failed", 0.0, "The machine ran out of memory; evaluate fewer outputs at once."))
    except Exception as error:
        log.exception("an evaluation failed")
        pipe.send(("failed", 0.0, f"A fault in the studio ({type(error).__name__}: {str(error)[:200]})."))
