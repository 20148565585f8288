"""A worker process: whatever happens in it comes back as an event, and its jobs are never forgotten."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from queue import Queue
from typing import Any

import pytest

from studio.errors import BadInput
from studio.feed import Ended
from studio.settings import Settings
from studio.types import Brief, Job, Progress
from studio.workers import Worker


def open_line(settings: Settings, device: str) -> Any:
    if device == "nowhere":
        raise BadInput("There is no device 'nowhere' here; use cpu.")

    def line(job: Job) -> Iterator[Any]:
        if job.brief.prompt == "unpicklable":
            yield threading.Lock()
        if job.brief.prompt == "fault":
            raise ZeroDivisionError
        if job.brief.prompt == "memory":
            raise MemoryError
        if job.brief.prompt == "bars":
            yield from _with_a_bar(job)
        if job.brief.prompt == "threads":
            yield Progress(job.id, 1, "counted", _blas_threads())
        while job.brief.prompt == "sleep" and not job.cancelled:
            time.sleep(0.01)
        for number in range(50):
            yield Progress(job.id, number / 50, "counting")

    return line


def _blas_threads() -> str:
    import numpy as np
    from threadpoolctl import threadpool_info

    assert np.__version__
    pools = [one for one in threadpool_info() if one["internal_api"] == "openblas"]
    return str([one["num_threads"] for one in pools])


def _with_a_bar(job: Job) -> Iterator[Progress]:
    """As libraries do: a progress bar that nobody sees."""
    from tqdm import tqdm

    for _ in tqdm(range(3), disable=True):
        yield Progress(job.id, None, "drawing bars")


class Heard:
    def __init__(self, settings: Settings, device: str = "cpu") -> None:
        settings.home.mkdir(parents=True, exist_ok=True)
        self.events: Queue[Any] = Queue()
        self.deaths: Queue[list[Job]] = Queue()
        self.worker = Worker(device, settings, open_line, self.events.put, self.deaths.put)

    def run(self, words: str) -> str:
        job = Job(f"{words}-{time.monotonic_ns()}", Brief("text", words), "ann", "running", datetime.now(UTC))
        self.worker.run(job)
        return job.id

    def until_end(self, job_id: str) -> list[Any]:
        said = []
        while not said or not isinstance(said[-1], Ended):
            event = self.events.get(timeout=60)
            if event.job_id == job_id:
                said.append(event)
        return said


@pytest.fixture(scope="module")
def heard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Heard]:
    one = Heard(Settings.read({}, home=tmp_path_factory.mktemp("home"), device="cpu"))
    yield one
    one.worker.stop()


def test_everything_is_told_in_the_order_it_was_said(heard: Heard) -> None:
    *steps, end = heard.until_end(heard.run("plain"))
    assert [step.fraction for step in steps] == [number / 50 for number in range(50)]
    assert end.state == "done"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("fault", r"A fault in the studio \(ZeroDivisionError\); see .*worker\.log\."),
        ("unpicklable", r"A fault in the studio \(TypeError\); see"),
        ("memory", "ran out of memory; ask for a smaller"),
    ],
)
def test_a_fault_ends_the_job_in_one_sentence_and_the_next_one_runs(
    heard: Heard, words: str, sentence: str
) -> None:
    end = heard.until_end(heard.run(words))[-1]
    assert end.state == "failed"
    assert re.search(sentence, end.error)
    assert heard.until_end(heard.run("plain"))[-1].state == "done"


def test_small_matrix_products_take_one_thread(heard: Heard) -> None:
    said = heard.until_end(heard.run("threads"))
    counted = [one.message for one in said if isinstance(one, Progress) and one.stage == "counted"]
    assert counted == ["[1]"]


def test_a_line_that_cannot_be_opened_says_why_to_each_job(settings: Settings) -> None:
    heard = Heard(settings, "nowhere")
    for _ in range(2):
        end = heard.until_end(heard.run("plain"))[-1]
        assert (end.state, end.error) == ("failed", "There is no device 'nowhere' here; use cpu.")
    heard.worker.stop()


def test_jobs_given_while_the_process_dies_are_all_given_back(heard: Heard) -> None:
    first = heard.run("sleep")
    pid = heard.worker.pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    given = {first, *(heard.run("sleep") for _ in range(20))}
    back: set[str] = set()
    while heard.worker.pid == pid or not back:
        back |= {job.id for job in heard.deaths.get(timeout=60)}
    living = given - back
    for job_id in living:
        heard.worker.cancel(job_id)
        assert heard.until_end(job_id)[-1].state == "cancelled"
    assert first in back


def test_a_worker_leaves_nothing_of_the_machine_behind(tmp_path: Path) -> None:
    """Python tells on the terminal of semaphores that a process did not give back."""
    script = f"""
from pathlib import Path
from studio.settings import Settings
from test_workers import Heard

if __name__ == "__main__":
    heard = Heard(Settings.read({{}}, home=Path({str(tmp_path)!r}) / "home", device="cpu"))
    assert heard.until_end(heard.run("bars"))[-1].state == "done"
    heard.worker.stop()
"""
    (tmp_path / "main.py").write_text(script)
    here = os.pathsep.join((str(Path(__file__).parent), str(Path(__file__).parents[1])))
    done = subprocess.run(
        [sys.executable, "main.py"], cwd=tmp_path, env=os.environ | {"PYTHONPATH": here},
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
