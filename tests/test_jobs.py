from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Iterator

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from studio.errors import BadInput, NotFound, Refused
from studio.jobs import JOBS, Queue, runner_alive, runner_id
from studio.library.store import Library
from studio.settings import Settings
from studio.types import Brief, State

ONE = {"echo": 1}


@pytest.fixture
def library(settings: Settings) -> Iterator[Library]:
    one = Library(settings)
    yield one
    one.close()


@pytest.fixture
def queue(library: Library) -> Queue:
    return Queue(library.engine)


def ask(queue: Queue, owner: str, words: str, lane: str = "echo") -> str:
    return queue.enqueue(Brief("text", words), owner, lane).id


def served(queue: Queue, most: int = 1000) -> list[str]:
    words = []
    while len(words) < most and (taken := queue.turn((), ONE)):
        words += [job.brief.prompt for job, _ in taken]
    return words


def test_owners_are_served_in_turn_whatever_one_of_them_piles_up(queue: Queue) -> None:
    for number in range(5):
        ask(queue, "greedy", f"g{number}")
    assert served(queue, 2) == ["g0", "g1"]
    ask(queue, "late", "l0")
    ask(queue, "late", "l1")
    assert served(queue) == ["g2", "l0", "g3", "l1", "g4"]


@hypothesis_settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(0, 5), min_size=1, max_size=40))
def test_among_owners_with_waiting_jobs_nobody_gets_more_than_one_ahead(
    tmp_path_factory, owners: list[int]
) -> None:  # type: ignore[no-untyped-def]
    library = Library(Settings.read({}, home=tmp_path_factory.mktemp("q")))
    queue = Queue(library.engine)
    for owner in owners:
        ask(queue, str(owner), str(owner))
    waiting = {str(owner): owners.count(owner) for owner in set(owners)}
    counts = dict.fromkeys(waiting, 0)
    for word in served(queue):
        counts[word] += 1
        busy = [counts[owner] for owner in counts if counts[owner] < waiting[owner]]
        assert counts[word] - min(busy, default=counts[word]) <= 1
    assert counts == waiting
    library.close()


def test_lanes_without_room_are_passed_over(queue: Queue) -> None:
    ask(queue, "a", "slow", lane="image")
    ask(queue, "a", "quick", lane="echo")
    assert served(queue) == ["quick"]
    assert queue.turn((), {}) == []


def test_a_job_waits_in_the_library_until_any_studio_takes_it(settings: Settings, queue: Queue) -> None:
    job_id = ask(queue, "a", "tomorrow")
    other = Library(settings)
    [(job, lane)] = Queue(other.engine).turn((), {"echo": 3})
    assert (job.id, job.state, lane) == (job_id, "running", "echo")
    assert queue.turn((), ONE) == []
    other.close()


def test_private_jobs_are_nobody_elses(library: Library, queue: Queue) -> None:
    command = Queue(library.engine, private=True)
    command.runner += "x"  # as if it were another process
    ask(command, "a", "mine")
    ask(queue, "a", "server's")
    assert served(queue) == ["server's"]
    assert served(command) == ["mine"]


def test_a_waiting_job_can_be_made_next_without_taking_anothers_turn(queue: Queue) -> None:
    jobs = [ask(queue, "a", f"a{number}") for number in range(3)]
    ask(queue, "b", "b0")
    queue.move(jobs[2], 0, "a")
    assert served(queue) == ["a2", "b0", "a0", "a1"]
    with pytest.raises(BadInput, match="Only a waiting job"):
        queue.move(jobs[2], 0, "a")


def test_only_the_owner_may_see_cancel_or_move(queue: Queue) -> None:
    job_id = ask(queue, "a", "secret")
    for act in (queue.get, queue.cancel, lambda job, owner: queue.move(job, 0, owner)):
        with pytest.raises(NotFound):
            act(job_id, "b")
    assert queue.get(job_id, "a").brief.prompt == "secret"


def test_cancelling_is_final_and_heard_by_whoever_runs_it(queue: Queue) -> None:
    waiting, running = ask(queue, "a", "w"), ask(queue, "b", "r")
    assert queue.cancel(waiting) == "cancelled"
    assert served(queue) == ["r"]
    assert queue.beat([running]) == set()
    queue.cancel(running)
    assert queue.beat([running]) == {running}
    queue.turn([(running, "done", None)], {})
    assert queue.get(running).state == "cancelled"
    assert queue.cancel(running) == "cancelled"


def test_a_job_whose_worker_died_is_tried_once_more_and_then_fails_in_words(queue: Queue) -> None:
    job_id = ask(queue, "a", "poison")
    assert served(queue) == ["poison"]
    assert queue.retry(job_id, "It died twice.")
    assert served(queue) == ["poison"]
    assert not queue.retry(job_id, "It died twice.")
    job = queue.get(job_id)
    assert (job.state, job.error) == ("failed", "It died twice.")


def test_jobs_of_a_studio_that_is_gone_come_back_and_those_of_a_living_one_do_not(
    library: Library, queue: Queue
) -> None:
    lost, kept = ask(queue, "a", "lost"), ask(queue, "b", "kept")
    assert len(served(queue)) == 2
    host = runner_id().split(":")[0]
    with library.engine.begin() as db:
        db.execute(sa.update(JOBS).where(JOBS.c.id == lost).values(runner=f"{host}:{2**22 + 1}:1.00"))
        db.execute(
            sa.update(JOBS).where(JOBS.c.id == kept).values(runner="elsewhere:1:1.00", heartbeat=time.time())
        )
    assert queue.recover() == 1
    assert queue.get(lost).state == "queued" and queue.get(kept).state == "running"
    with library.engine.begin() as db:
        db.execute(sa.update(JOBS).where(JOBS.c.id == kept).values(heartbeat=time.time() - 60))
    assert queue.recover() == 1
    assert queue.get(kept).state == "queued"


def test_a_runner_is_known_alive_by_process_and_start_time() -> None:
    mine = runner_id()
    assert runner_alive(mine) is True
    host, pid, started = mine.rsplit(":", 2)
    assert runner_alive(f"{host}:{pid}:{float(started) - 5:.2f}") is False
    assert runner_alive(f"another-host:{pid}:{started}") is None


def test_nobody_may_flood_the_queue(library: Library) -> None:
    queue = Queue(library.engine, max_waiting=2)
    ask(queue, "a", "1")
    ask(queue, "a", "2")
    with pytest.raises(Refused, match="2 jobs are waiting already"):
        ask(queue, "a", "3")
    ask(queue, "b", "1")


def _claim_all(home: str, results: multiprocessing.SimpleQueue[list[str]]) -> None:
    library = Library(Settings.read({}, home=home))
    queue, mine = Queue(library.engine), []
    ended: list[tuple[str, State, str | None]] = []
    while (taken := queue.turn(ended, {"echo": 2})) or ended:
        mine += [job.id for job, _ in taken]
        ended = [(job.id, "done", None) for job, _ in taken]
    results.put(mine)
    os._exit(0)


def test_two_studios_share_a_queue_and_no_job_runs_twice(settings: Settings, queue: Queue) -> None:
    asked = {ask(queue, f"owner{number % 5}", str(number)) for number in range(60)}
    context = multiprocessing.get_context("spawn")
    results = context.SimpleQueue()
    processes = [context.Process(target=_claim_all, args=(str(settings.home), results)) for _ in range(2)]
    for process in processes:
        process.start()
    first, second = results.get(), results.get()
    for process in processes:
        process.join(30)
    assert len(first) + len(second) == 60
    assert set(first) | set(second) == asked
    assert {job.state for job in queue.list(limit=100)} == {"done"}


def test_each_turn_fills_every_lane_in_the_order_of_turns(queue: Queue) -> None:
    for number in range(3):
        ask(queue, "a", f"a{number}")
        ask(queue, "b", f"b{number}", lane="image")
    taken = queue.turn((), {"echo": 2, "image": 1, "music": 5})
    assert [(job.brief.prompt, lane) for job, lane in taken] == [
        ("a0", "echo"), ("b0", "image"), ("a1", "echo"),
    ]  # fmt: skip
    ended: list[tuple[str, State, str | None]] = [(job.id, "done", None) for job, _ in taken]
    assert [job.brief.prompt for job, _ in queue.turn(ended, {"echo": 9, "image": 0})] == ["a2"]
    assert sorted(job.state for job in queue.list()) == ["done"] * 3 + ["queued"] * 2 + ["running"]


def test_asking_looks_at_no_more_of_the_past_than_it_must(library: Library, queue: Queue) -> None:
    said: list[tuple[str, tuple[object, ...]]] = []

    def listen(*call: object) -> None:
        said.append(call[2:4])  # type: ignore[arg-type]

    sa.event.listen(library.engine, "before_cursor_execute", listen)
    ask(queue, "a", "1")
    sa.event.remove(library.engine, "before_cursor_execute", listen)
    [(statement, values)] = [one for one in said if one[0].startswith("SELECT")]
    with library.engine.connect() as db:
        plan = " ".join(row[3] for row in db.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values))
    assert plan.count("USING COVERING INDEX jobs_waiting") == 2 and "SCAN jobs" not in plan
