"""How many jobs a second pass the queue, and how fair it is between people who all want everything."""

from __future__ import annotations

import time
from statistics import median

from studio.bench.base import Figure, Place, bench
from studio.service import Studio
from studio.settings import Settings
from studio.types import FINAL, Brief

USERS = 32
JOBS_EACH = 10
ROUNDS = 5


@bench("queue")
def queue(place: Place) -> list[Figure]:
    """The whole line with the echo engine: guard, queue, worker, seal, score, library."""
    rates, spreads, lost = [], [], 0
    with Studio(Settings.read({}, home=place.folder, device="cpu"), serve=True) as studio:
        studio.make(Brief("text", "warm-up", engine="echo", options={"steps": 1}))
        for _ in range(ROUNDS):
            rate, spread, missing = _round(studio)
            rates.append(rate)
            spreads.append(spread)
            lost += missing
    rate, spread = median(rates), median(spreads)
    return [
        Figure(
            "queue",
            rate,
            "jobs/s",
            ROUNDS,
            "≥ 200, none lost",
            rate >= 200 and not lost,
            note=f"{lost} lost, {USERS} users",
        ),
        Figure(
            "queue.fair",
            100 * spread,
            "% spread",
            ROUNDS,
            "≤ 10",
            spread <= 0.10,
            note="between users, when half is done",
        ),
    ]


def _round(studio: Studio) -> tuple[float, float, int]:
    """Jobs a second, the spread of users' finished jobs at half-time, and how many were lost."""
    began = time.perf_counter()
    jobs = {
        studio.submit(
            Brief("text", f"{user} {number}", engine="echo", options={"steps": 1}), f"user {user}"
        ): user
        for number in range(JOBS_EACH)
        for user in range(USERS)
    }
    finished: dict[int, int] = dict.fromkeys(range(USERS), 0)
    spread, waiting = 0.0, set(jobs)
    half = len(jobs) // 2
    while waiting and time.perf_counter() - began < 120:
        done = {job.id for job in studio.jobs(limit=10_000) if job.state in FINAL} & waiting
        for job_id in done:
            finished[jobs[job_id]] += 1
        if len(waiting) > half >= len(waiting - done):
            mean = sum(finished.values()) / USERS
            spread = max(abs(count - mean) for count in finished.values()) / JOBS_EACH
        waiting -= done
        time.sleep(0.05)
    took = time.perf_counter() - began
    lost = sum(studio.job(job_id).state != "done" for job_id in jobs)
    return len(jobs) / took, spread, lost
