"""What the runner promises about feeds, room and dying workers, with workers that only remember what they were given."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from studio.feed import Drawn, Ended, Feed
from studio.jobs import Queue
from studio.library.store import Library
from studio.runner import MOST_DRAWN, Runner
from studio.settings import Settings
from studio.types import Brief, Job, Progress


class Deaf:
    """A worker that makes nothing; the test says for it what happens."""

    def __init__(self) -> None:
        self.given: list[Job] = []
        self.cancelled: list[str] = []

    def run(self, job: Job) -> None:
        self.given.append(job)

    def cancel(self, job_id: str) -> None:
        self.cancelled.append(job_id)

    def start(self) -> None: ...

    def stop(self) -> None: ...


class Desk:
    """A queue and a runner with deaf workers, turned by hand."""

    def __init__(self, library: Library, settings: Settings, lanes: dict[str, int], workers: int = 1) -> None:
        self.queue = Queue(library.engine)
        self.runner = Runner(self.queue, settings, lambda *_: lambda job: iter(()), lanes)
        self.workers = [Deaf() for _ in range(workers)]
        self.runner._workers = self.workers  # type: ignore[assignment]

    def ask(self, count: int, lane: str = "echo") -> None:
        for number in range(count):
            job = self.queue.enqueue(Brief("text", str(number)), "ann", lane)
            self.runner.open_feed(job.id)

    def turn(self) -> list[Job]:
        before = sum(len(worker.given) for worker in self.workers)
        self.runner._turn()
        return [job for worker in self.workers for job in worker.given][before:]


@pytest.fixture
def library(settings: Settings) -> Iterator[Library]:
    one = Library(settings)
    yield one
    one.close()


def test_an_engine_that_has_drawn_takes_the_next_while_the_last_is_sealed(
    library: Library, settings: Settings
) -> None:
    desk = Desk(library, settings, {"echo": 1})
    desk.ask(MOST_DRAWN + 5)
    [first] = desk.turn()
    assert desk.turn() == []
    desk.runner._heard(Drawn(first.id))
    [second] = desk.turn()
    assert desk.queue.get(first.id).state == "running" and desk.runner.running() == 2
    desk.runner._heard(Ended(first.id, "done"))
    assert desk.turn() == [] and desk.queue.get(first.id).state == "done"
    desk.runner._heard(Drawn(second.id))
    for _ in range(MOST_DRAWN - 1):
        [job] = desk.turn()
        desk.runner._heard(Drawn(job.id))
    assert desk.turn() == [], "no more than so many results wait for their seal in memory"
    desk.runner._heard(Ended(second.id, "done"))
    assert len(desk.turn()) == 1


def test_a_job_goes_to_the_device_whose_engine_is_free(library: Library, settings: Settings) -> None:
    desk = Desk(library, settings, {"echo": 8, "image": 1}, workers=2)
    desk.ask(1, "image")
    desk.turn()
    [busy] = [worker for worker in desk.workers if worker.given]
    desk.ask(3)
    desk.turn()
    desk.ask(1, "image")
    [job] = desk.turn()
    assert job not in busy.given, "the other device's image engine was idle"


def test_a_turn_that_could_not_be_written_is_made_up_for(
    library: Library, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = Desk(library, settings, {"echo": 1})
    desk.ask(2)
    [first] = desk.turn()
    desk.runner._heard(Ended(first.id, "done"))
    with monkeypatch.context() as patch, pytest.raises(OSError):
        patch.setattr(desk.queue, "turn", lambda *_: (_ for _ in ()).throw(OSError("disk")))
        desk.runner._turn()
    feed = desk.runner.feed(first.id)
    assert feed is not None and feed.ended is None and desk.runner.running() == 1
    assert len(desk.turn()) == 1 and desk.queue.get(first.id).state == "done" and feed.ended is not None


def test_jobs_of_a_dead_worker_are_not_forgotten_when_the_database_is_busy(
    library: Library, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = Desk(library, settings, {"echo": 1})
    desk.ask(1)
    [job] = desk.turn()
    desk.runner._lost([job])
    with monkeypatch.context() as patch, pytest.raises(OSError):
        patch.setattr(desk.queue, "retry", lambda *_: (_ for _ in ()).throw(OSError("busy")))
        desk.runner._turn()
    [again] = desk.turn()
    assert again.id == job.id and again.attempts == 2
    desk.runner._lost([again])
    assert desk.turn() == [] and desk.queue.get(job.id).state == "failed"
    feed = desk.runner.feed(job.id)
    assert feed is not None and feed.ended is not None and "died twice" in str(feed.ended.error)


def test_a_job_cancelled_before_it_reached_a_worker_is_over_and_one_in_a_worker_hears_of_it(
    library: Library, settings: Settings
) -> None:
    desk = Desk(library, settings, {"echo": 1})
    desk.ask(2)
    [running] = desk.turn()
    [waiting] = [job for job in desk.queue.list() if job.state == "queued"]
    for job in (running, waiting):
        desk.queue.cancel(job.id)
        desk.runner.cancel(job.id)
    feed = desk.runner.feed(waiting.id)
    assert feed is not None and feed.ended == Ended(waiting.id, "cancelled")
    assert desk.workers[0].cancelled == [running.id] and desk.runner.running() == 1


def test_who_comes_late_hears_the_text_so_far_and_the_newest_stage() -> None:
    feed = Feed()
    feed.push(Progress("j", 0.5, "writing", preview="so far"))
    feed.push(Progress("j", 0.9, "sealing"))
    feed.push(Progress("j", 0.1, "writing", preview=b"a stretch of sound", candidate=1))
    feed.push(Progress("j", 0.9, "sealing", candidate=1))
    feed.push(Ended("j", "done"))
    first, second, end = list(feed.watch())
    assert isinstance(first, Progress) and (first.stage, first.preview) == ("sealing", "so far")
    assert isinstance(second, Progress) and second.preview is None, "sound is not played twice"
    assert end == Ended("j", "done")
