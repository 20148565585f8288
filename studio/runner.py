"""Takes jobs from the queue as engines have room, gives them to workers and passes on what they say.

An engine has room again when it has drawn a job: that one is sealed, scored and kept while the next is made.
If a worker dies its jobs are tried once more in a new one.

What is *not* here: whose turn it is (jobs.py), and the processes themselves (workers.py).
"""

from __future__ import annotations

import logging
import threading
from collections import Counter, deque
from collections.abc import Collection
from dataclasses import dataclass

from studio.errors import StudioError, WorkerLost
from studio.feed import Drawn, Ended, Event, Feed
from studio.jobs import Queue
from studio.settings import Settings
from studio.types import Job
from studio.workers import OpenLine, Worker

logger = logging.getLogger(__name__)

BEAT_SECONDS = 2.0
LOOK_SECONDS = 0.5
"""Another studio on this library cannot wake us, so the queue is looked at now and then."""
REST_SECONDS = 0.01
"""Between two turns, so that a crowd shares a transaction; the first of a quiet time does not wait."""
MOST_DRAWN = 8
"""Jobs of one worker that may wait for seal and scores; more results in memory are not worth the head start."""
LATE_FEEDS = 64
"""Feeds of finished jobs that stay for late watchers."""


@dataclass
class _Run:
    """A job in a worker; `drawn` once its engine is done with it."""

    lane: str
    worker: Worker
    drawn: bool = False


class Runner:
    """`lanes` maps each lane (an engine) to how many jobs one worker's engine may draw at once."""

    def __init__(self, queue: Queue, settings: Settings, open_line: OpenLine, lanes: dict[str, int]) -> None:
        self._queue = queue
        self._lanes = lanes
        self._workers = [
            Worker(device.strip(), settings, open_line, self._heard, self._lost)
            for device in settings.device.split(",")
        ]
        self._feeds: dict[str, Feed] = {}
        self._late: deque[str] = deque()
        self._runs: dict[str, _Run] = {}
        self._ended: list[Ended] = []
        self._orphans: list[Job] = []
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
        try:
            self._turn()
        except StudioError:
            logger.exception("what has ended could not be written; the next start finds it")
        with self._state:
            unfinished = list(self._runs)
        self._queue.release(unfinished)

    def warm(self) -> None:
        """Start the worker processes now, so that the first job does not wait for them."""
        for worker in self._workers:
            worker.start()

    def wake(self) -> None:
        self._wake.set()

    def cancel(self, job_id: str) -> None:
        """Stop a job that was cancelled in the queue; one that runs nowhere here is over at once."""
        with self._state:
            run = self._runs.get(job_id)
        if run is not None:
            run.worker.cancel(job_id)
        elif self._queue.get(job_id).state == "cancelled":
            self.settle(Ended(job_id, "cancelled"))

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
            self._runs.pop(ended.job_id, None)
            feed = self._feeds.get(ended.job_id)
            if feed is None or feed.ended is not None:
                return
            self._late.append(ended.job_id)
            while len(self._late) > LATE_FEEDS:
                self._feeds.pop(self._late.popleft(), None)
        feed.push(ended)

    def pids(self) -> list[int]:
        return [pid for worker in self._workers if (pid := worker.pid) is not None]

    def running(self) -> int:
        """How many jobs are in the workers now."""
        with self._state:
            return len(self._runs)

    # --- Threads ----------------------------------------------------------------------------------

    def _schedule(self) -> None:
        while not self._closed.is_set():
            self._wake.wait(LOOK_SECONDS)
            self._wake.clear()
            try:
                self._turn()
            except Exception:
                logger.exception("the scheduler met a fault and goes on")
                self._closed.wait(LOOK_SECONDS)
            self._closed.wait(REST_SECONDS)

    def _turn(self) -> None:
        """Write down what has ended and start what there is room for."""
        self._take_back()
        with self._state:
            ended, self._ended = self._ended, []
            room = {} if self._closed.is_set() else self._room({event.job_id for event in ended})
        if not ended and not room:
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
            self._begin(job, lane)

    def _busy(self, but: Collection[str] = ()) -> Counter[tuple[Worker, str | None]]:
        """Jobs by worker and lane; those that are drawn already count as lane None, those of `but` not at all."""
        runs = [run for job_id, run in self._runs.items() if job_id not in but]
        return Counter((run.worker, None if run.drawn else run.lane) for run in runs)

    def _room(self, ended: Collection[str]) -> dict[str, int]:
        """How many jobs each lane can take, of those lanes that can, when the `ended` ones are gone."""
        busy = self._busy(ended)
        free = [worker for worker in self._workers if busy[worker, None] < MOST_DRAWN]
        room = {
            lane: sum(max(0, most - busy[worker, lane]) for worker in free)
            for lane, most in self._lanes.items()
        }
        return {lane: count for lane, count in room.items() if count}

    def _begin(self, job: Job, lane: str) -> None:
        with self._state:
            busy = self._busy()
            worker = min(self._workers, key=lambda one: (busy[one, lane], busy[one, None]))
            self._runs[job.id] = _Run(lane, worker)
            self._feeds.setdefault(job.id, Feed())
        try:
            worker.run(job)
        except OSError:  # no room for a process: as if it had died
            logger.exception("the worker on %s cannot be started", worker.device)
            self._lost([job])

    def _take_back(self) -> None:
        """Queue the jobs of a dead worker once more, or let them fail in words."""
        why = str(
            WorkerLost("The model's process died twice on this; try a smaller request or another model.")
        )
        while not self._closed.is_set() and self._orphans:
            job = self._orphans[0]
            if self._queue.retry(job.id, why):
                with self._state:
                    self._runs.pop(job.id, None)
            else:
                state = self._queue.get(job.id).state
                self.settle(Ended(job.id, state, why if state == "failed" else None))
            self._orphans.pop(0)  # not before it is written

    def _beat(self) -> None:
        while not self._closed.wait(BEAT_SECONDS):
            try:
                with self._state:
                    ids = list(self._runs)
                for job_id in self._queue.beat(ids):
                    self.cancel(job_id)
                if self._queue.recover():
                    self._wake.set()
            except Exception:
                logger.exception("the heartbeat met a fault and goes on")

    # --- What workers say -------------------------------------------------------------------------

    def _heard(self, event: Event | Drawn) -> None:
        with self._state:
            feed = self._feeds.get(event.job_id)
            if isinstance(event, Drawn):
                if run := self._runs.get(event.job_id):
                    run.drawn = True
            elif isinstance(event, Ended):
                self._ended.append(event)
        if isinstance(event, Drawn | Ended):
            self._wake.set()
        elif feed is not None:
            feed.push(event)

    def _lost(self, jobs: list[Job]) -> None:
        with self._state:
            self._orphans += jobs
        self._wake.set()
