"""Worker processes and their supervision: engines live there, so that the page survives whatever they do.

One worker a device, started on demand. What crosses the pipe is picklable: `Job` in, `Progress`, `Asset`
and `Ended` out. If a worker dies its jobs are tried once more in a new one; if the studio dies its
workers see the pipe close and leave.

What is *not* here: the queue (jobs.py) and what a job does (service.py hands the `line` in).
"""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
import traceback
from collections import Counter, deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any

from studio.errors import Cancelled, OutOfMemory, StudioError, WorkerLost
from studio.jobs import Queue
from studio.settings import Settings
from studio.types import Asset, Job, Progress, State

logger = logging.getLogger(__name__)

Line = Callable[[Job], Iterator[Progress | Asset]]
OpenLine = Callable[[Settings, str], Line]

BEAT_SECONDS = 2.0
LOG_BYTES = 5_000_000


@dataclass(frozen=True, slots=True)
class Ended:
    """The last word on a job; `error` is the sentence a person reads when it failed."""

    job_id: str
    state: State
    error: str | None = None


Event = Progress | Asset | Ended


# --- In the worker process ------------------------------------------------------------------------


def _work(pipe: Connection, settings: Settings, device: str, open_line: OpenLine) -> None:
    """Main of a worker: one thread a job, until the pipe closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the studio's to handle
    _log_to_file(settings)
    flags: dict[str, threading.Event] = {}
    sending = threading.Lock()

    def send(event: Event) -> None:
        with sending:
            pipe.send(event)

    def run(job: Job) -> None:
        try:
            for event in line(job):
                send(event)
            send(Ended(job.id, "cancelled" if job.cancelled else "done"))
        except Cancelled:
            send(Ended(job.id, "cancelled"))
        except StudioError as error:
            send(Ended(job.id, "failed", str(error)))
        except MemoryError:
            lower = OutOfMemory("The machine ran out of memory; ask for a smaller or a single result.")
            send(Ended(job.id, "failed", str(lower)))
        except BrokenPipeError:
            return
        except Exception as error:
            traceback.print_exc()
            place = settings.home / "worker.log"
            send(Ended(job.id, "failed", f"A fault in the studio ({type(error).__name__}); see {place}."))
        finally:
            flags.pop(job.id, None)

    line = open_line(settings, device)
    with ThreadPoolExecutor(64, "job") as threads:
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


def _log_to_file(settings: Settings) -> None:
    """Native libraries write to the terminal as they like; here all of it goes to worker.log."""
    path = settings.home / "worker.log"
    if path.exists() and path.stat().st_size > LOG_BYTES:
        path.replace(path.with_suffix(".log.1"))
    log = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.close(log)


# --- In the studio's process ----------------------------------------------------------------------


class Feed:
    """What a running job has said lately; any number of watchers, who may come late or leave."""

    def __init__(self) -> None:
        self.ended: Ended | None = None
        self._news: deque[tuple[int, Event]] = deque(maxlen=256)
        self._latest: dict[int, Progress] = {}
        self._assets: list[Asset] = []
        self._count = 0
        self._changed = threading.Condition()

    def push(self, event: Event) -> None:
        with self._changed:
            self._count += 1
            self._news.append((self._count, event))
            if isinstance(event, Progress):
                self._latest[event.candidate] = event
            elif isinstance(event, Asset):
                self._assets.append(event)
            else:
                self.ended = event
            self._changed.notify_all()

    def watch(self, patience: float | None = None) -> Iterator[Event | None]:
        """The present state, then what follows, up to and including `Ended`.

        Yields None whenever nothing has been said for `patience` seconds, so that a watcher can look up.
        """
        with self._changed:
            seen = self._count
            past: list[Event] = [*self._latest.values(), *self._assets]
            if self.ended:
                past.append(self.ended)
        yield from past
        while not (past and isinstance(past[-1], Ended)):
            with self._changed:
                if self._count == seen:
                    self._changed.wait(patience)
                past = [event for number, event in self._news if number > seen]
                seen = self._count
            if not past:
                yield None
            yield from past


class Worker:
    """One process on one device. `on_event` and `on_death` are called from its reader thread."""

    def __init__(
        self,
        device: str,
        settings: Settings,
        open_line: OpenLine,
        on_event: Callable[[Event], None],
        on_death: Callable[[list[Job]], None],
    ) -> None:
        self.device = device
        self.jobs: dict[str, Job] = {}
        self._args = (settings, device, open_line)
        self._on_event, self._on_death = on_event, on_death
        self._process: Any = None
        self._pipe: Connection | None = None
        self._lock = threading.RLock()

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process is not None and self._process.is_alive() else None

    def start(self) -> None:
        with self._lock:
            if self.pid is not None:
                return
            context = get_context("spawn")  # a fork would copy the page's threads and locks
            here, there = context.Pipe()
            self._process = context.Process(target=_work, args=(there, *self._args), daemon=True)
            self._process.start()
            there.close()
            self._pipe = here
            threading.Thread(target=self._read, args=(here,), name="worker-reader", daemon=True).start()

    def run(self, job: Job) -> None:
        with self._lock:
            self.jobs[job.id] = job
            self.start()
            self._send("run", job)

    def cancel(self, job_id: str) -> None:
        with self._lock:
            if job_id in self.jobs:
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
            return  # died just now; its reader gives the jobs back
        try:
            self._pipe.send((order, thing))
        except (BrokenPipeError, OSError):
            logger.info("worker on %s is gone; its reader will say so", self.device)

    def _read(self, pipe: Connection) -> None:
        while True:
            try:
                event = pipe.recv()
            except (EOFError, OSError):
                break
            if isinstance(event, Ended):
                with self._lock:
                    self.jobs.pop(event.job_id, None)
            self._on_event(event)
        pipe.close()
        with self._lock:
            if self._pipe is not pipe:
                return
            self._pipe = None
            if self._process is not None:
                self._process.join(5)
                self._process = None
            lost, self.jobs = list(self.jobs.values()), {}
        self._on_death(lost)


class Runner:
    """Takes jobs from the queue as lanes have room, gives them to workers and passes on what they say.

    `lanes` maps each lane (an engine) to how many of its jobs one worker may run at once.
    """

    def __init__(self, queue: Queue, settings: Settings, open_line: OpenLine, lanes: dict[str, int]) -> None:
        self._queue = queue
        self._lanes = lanes
        self._workers = [
            Worker(device.strip(), settings, open_line, self._heard, self._lost)
            for device in settings.device.split(",")
        ]
        self._feeds: dict[str, Feed] = {}
        self._recent: deque[str] = deque()
        self._lane_of: dict[str, str] = {}
        self._ended: list[Ended] = []
        self._threads = [
            threading.Thread(target=target, name=target.__name__, daemon=True)
            for target in (self._schedule, self._beat)
        ]
        self._wake = threading.Event()
        self._closed = threading.Event()
        self._state = threading.RLock()

    def start(self) -> None:
        self._queue.recover()
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """Stop the workers. Jobs that were running go back into the queue for the next start."""
        self._closed.set()
        self._wake.set()
        for thread in self._threads:
            if thread.is_alive():  # a turn under way may still start a job
                thread.join()
        for worker in self._workers:
            worker.stop()
        self._turn()
        with self._state:
            unfinished = list(self._lane_of)
        self._queue.release(unfinished)

    def warm(self) -> None:
        """Start the worker processes now, so that the first job does not wait for them."""
        for worker in self._workers:
            worker.start()

    def wake(self) -> None:
        self._wake.set()

    def cancel(self, job_id: str) -> None:
        for worker in self._workers:
            worker.cancel(job_id)

    def open_feed(self, job_id: str) -> None:
        """From now on what is said of this job is kept for watchers, whenever it starts."""
        with self._state:
            self._feeds.setdefault(job_id, Feed())

    def feed(self, job_id: str) -> Feed | None:
        with self._state:
            return self._feeds.get(job_id)

    def settle(self, ended: Ended) -> None:
        """Tell the watchers that a job is over."""
        with self._state:
            self._lane_of.pop(ended.job_id, None)
            feed = self._feeds.get(ended.job_id)
            self._recent.append(ended.job_id)
            while len(self._recent) > 64:  # finished feeds stay a little while for late watchers
                self._feeds.pop(self._recent.popleft(), None)
        if feed is not None:
            feed.push(ended)

    def pids(self) -> list[int]:
        return [pid for worker in self._workers if (pid := worker.pid) is not None]

    def running(self) -> Counter[str]:
        """Running jobs by lane."""
        with self._state:
            return Counter(self._lane_of.values())

    # --- Threads ----------------------------------------------------------------------------------

    def _schedule(self) -> None:
        while not self._closed.is_set():
            self._wake.wait(0.5)  # another studio on this library cannot wake us, so look now and then
            self._wake.clear()
            try:
                self._turn()
            except Exception:
                logger.exception("the scheduler met a fault and goes on")
                time.sleep(0.5)

    def _turn(self) -> None:
        """Write down what has ended and start what there is room for."""
        with self._state:
            ended, self._ended = self._ended, []
            busy = self.running()
            busy.subtract(self._lane_of[event.job_id] for event in ended if event.job_id in self._lane_of)
        room = {lane: most * len(self._workers) - busy[lane] for lane, most in self._lanes.items()}
        if self._closed.is_set():
            room = {}
        if not ended and max(room.values(), default=0) <= 0:
            return
        try:
            taken = self._queue.turn([(one.job_id, one.state, one.error) for one in ended], room)
        except BaseException:
            with self._state:
                self._ended = ended + self._ended  # not written yet, so told again at the next turn
            raise
        for event in ended:
            self.settle(event)
        for job, lane in taken:
            with self._state:
                self._lane_of[job.id] = lane
                self._feeds.setdefault(job.id, Feed())
            min(self._workers, key=lambda one: len(one.jobs)).run(job)

    def _beat(self) -> None:
        while not self._closed.wait(BEAT_SECONDS):
            try:
                with self._state:
                    ids = list(self._lane_of)
                for job_id in self._queue.beat(ids):
                    self.cancel(job_id)
                if self._queue.recover():
                    self._wake.set()
            except Exception:
                logger.exception("the heartbeat met a fault and goes on")

    # --- What workers say -------------------------------------------------------------------------

    def _heard(self, event: Event) -> None:
        job_id = event.job_id
        if isinstance(event, Ended):
            with self._state:
                self._ended.append(event)
            self._wake.set()
        elif feed := self.feed(job_id):
            feed.push(event)

    def _lost(self, jobs: list[Job]) -> None:
        if self._closed.is_set():
            return
        for job in jobs:
            lost = WorkerLost(
                "The model's process died twice on this; try a smaller request or another model."
            )
            if self._queue.retry(job.id, str(lost)):
                with self._state:
                    self._lane_of.pop(job.id, None)
            else:
                state = self._queue.get(job.id).state
                self.settle(Ended(job.id, state, str(lost) if state == "failed" else None))
        self._wake.set()
