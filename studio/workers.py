"""A worker process and the studio's end of it: engines live there, so that the page survives whatever they do.

What crosses the pipe is picklable: `Job` in, `Progress`, `Asset`, `Drawn` and `Ended` out. If the studio dies
its workers see the pipe close and leave.

What is *not* here: which job runs when and where (runner.py), and what a job does (`open_line` is handed in).
"""

from __future__ import annotations

import logging
import os
import pickle
import signal
import threading
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import replace
from multiprocessing import get_context
from multiprocessing.connection import Connection
from queue import SimpleQueue
from typing import Any

from studio.errors import Cancelled, OutOfMemory, StudioError
from studio.feed import Drawn, Ended, Event
from studio.settings import Settings
from studio.types import Asset, Job, Progress

logger = logging.getLogger(__name__)

Line = Callable[[Job], Iterator[Progress | Asset | Drawn]]
OpenLine = Callable[[Settings, str], Line]

MOST_AT_ONCE = 64
FINISHING = max(2, (os.cpu_count() or 2) // 4)
"""Jobs of one worker that are sealed, scored and kept at the same time. It is Python, bound by one lock: more threads
only hand that lock about (bench `queue`, in turn, three times: a tenth more jobs a second than without the bound)."""
_FINISHING = threading.BoundedSemaphore(FINISHING)
LOG_BYTES = 5_000_000

# --- In the worker process ------------------------------------------------------------------------


def _work(pipe: Connection, settings: Settings, device: str, open_line: OpenLine) -> None:
    """Main of a worker: one thread a job, until the pipe closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the studio's to handle
    # Read when numpy is first imported, which is after this. The matrix products of marks and scores are small: a
    # second thread wins nothing and waits busily beside the model that draws (a seal took five times the processor).
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    _log_to_file(settings)
    _lock_bars_here()
    flags: dict[str, threading.Event] = {}
    said: SimpleQueue[bytes] = SimpleQueue()
    line = _opened(open_line, settings, device)

    def run(job: Job) -> None:
        for event in _events(line, job, settings):
            said.put(event)
        flags.pop(job.id, None)

    threading.Thread(target=_tell, args=(pipe, said), name="telling", daemon=True).start()
    with ThreadPoolExecutor(MOST_AT_ONCE, "job") as threads:
        while True:
            try:
                order, thing = pipe.recv()
            except (EOFError, OSError):
                os._exit(0)  # the studio is gone: nobody is left to hear about half-made things
            if order == "stop":
                os._exit(0)
            if order == "run":
                flags[thing.id] = threading.Event()
                threads.submit(run, replace(thing, flag=flags[thing.id]))
            elif order == "cancel" and thing in flags:
                flags[thing].set()


def _opened(open_line: OpenLine, settings: Settings, device: str) -> Line:
    """The line, opened now; where that fails each job tries again and hears why."""
    lines: list[Line] = []
    opening = threading.Lock()

    def opened() -> Line:
        with opening:
            if not lines:
                lines.append(open_line(settings, device))
            return lines[0]

    with suppress(StudioError):
        opened()
    return lambda job: opened()(job)


def _events(line: Line, job: Job, settings: Settings) -> Iterator[bytes]:
    """What the line says of a job, pickled, and its end, whatever happens."""
    finishing = ExitStack()
    try:
        with finishing:
            for event in line(job):
                yield pickle.dumps(event)
                if isinstance(event, Drawn):
                    finishing.enter_context(_FINISHING)
        ended = Ended(job.id, "cancelled" if job.cancelled else "done")
    except Cancelled:
        ended = Ended(job.id, "cancelled")
    except StudioError as error:
        ended = Ended(job.id, "failed", str(error))
    except MemoryError:
        lower = OutOfMemory("The machine ran out of memory; ask for a smaller or a single result.")
        ended = Ended(job.id, "failed", str(lower))
    except Exception as error:
        traceback.print_exc()
        place = settings.home / "worker.log"
        ended = Ended(job.id, "failed", f"A fault in the studio ({type(error).__name__}); see {place}.")
    yield pickle.dumps(ended)


def _tell(pipe: Connection, said: SimpleQueue[bytes]) -> None:
    """Send what the jobs say in the order they say it, as much at once as has piled up."""
    while True:
        batch = [said.get()]
        while not said.empty():  # nobody else takes from it
            batch.append(said.get())
        try:
            pipe.send(batch)
        except OSError:
            os._exit(0)  # the studio is gone


def _log_to_file(settings: Settings) -> None:
    """Native libraries write to the terminal as they like; here all of it goes to worker.log."""
    path = settings.home / "worker.log"
    if path.exists() and path.stat().st_size > LOG_BYTES:
        path.replace(path.with_suffix(".log.1"))
    log = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.close(log)


def _lock_bars_here() -> None:
    """Libraries draw progress bars, and the lock of those is a semaphore of the machine: it would stay behind, and
    Python would say so on the terminal, since a worker leaves at once."""
    from tqdm import tqdm  # type: ignore[import-untyped]

    tqdm.set_lock(threading.RLock())


# --- In the studio's process ----------------------------------------------------------------------


class Worker:
    """One process on one device, started with its first job. `on_event` is called from its reader thread for
    all that is said, `on_death` with the jobs it had when it ended, however it ended."""

    def __init__(
        self,
        device: str,
        settings: Settings,
        open_line: OpenLine,
        on_event: Callable[[Event | Drawn], None],
        on_death: Callable[[list[Job]], None],
    ) -> None:
        self.device = device
        self._jobs: dict[str, Job] = {}
        self._args = (settings, device, open_line)
        self._on_event, self._on_death = on_event, on_death
        self._process: Any = None
        self._pipe: Connection | None = None
        self._lock = threading.RLock()

    @property
    def pid(self) -> int | None:
        with self._lock:
            return self._process.pid if self._process is not None and self._process.is_alive() else None

    def start(self) -> None:
        """Start the process unless there is one. Raises OSError if the machine has no room for it."""
        with self._lock:
            if self._pipe is not None:  # perhaps dead a moment ago: its reader then gives the jobs back
                return
            context = get_context("spawn")  # a fork would copy the page's threads and locks
            here, there = context.Pipe()
            process = context.Process(target=_work, args=(there, *self._args), daemon=True)
            process.start()
            there.close()
            self._process, self._pipe = process, here
            threading.Thread(target=self._read, args=(here,), name="worker-reader", daemon=True).start()

    def run(self, job: Job) -> None:
        with self._lock:
            self.start()
            self._jobs[job.id] = job
            self._send("run", job)

    def cancel(self, job_id: str) -> None:
        with self._lock:
            if job_id in self._jobs:
                self._send("cancel", job_id)

    def stop(self) -> None:
        """End the process; its reader thread sees the pipe close and ends too."""
        with self._lock:
            process = self._process
            if process is not None:
                self._send("stop", None)
        if process is not None:
            process.join(2)
            if process.is_alive():
                process.kill()
                process.join(5)

    def _send(self, order: str, thing: object) -> None:
        if self._pipe is None:
            return
        try:
            self._pipe.send((order, thing))
        except OSError:
            logger.info("worker on %s is gone; its reader will say so", self.device)

    def _read(self, pipe: Connection) -> None:
        while True:
            try:
                batch = pipe.recv()
            except (EOFError, OSError):
                break
            for event in map(pickle.loads, batch):
                if isinstance(event, Ended):
                    with self._lock:
                        self._jobs.pop(event.job_id, None)
                self._on_event(event)
        pipe.close()
        with self._lock:
            self._process.join(5)
            self._pipe = self._process = None
            lost, self._jobs = list(self._jobs.values()), {}
        self._on_death(lost)
