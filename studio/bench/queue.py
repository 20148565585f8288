"""How many jobs a second pass the queue, and how fair it is between people who all want everything."""

from __future__ import annotations

import time
from collections import Counter
from statistics import median

from studio.bench.base import Figure, Place, bench
from studio.service import Studio
from studio.settings import Settings
from studio.types import Brief

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
    """Jobs a second from the first submit to the last end, the spread of users' finished jobs at half-time,
    and how many were lost. All is read from the queue's own records, so that looking costs nothing."""
    began = time.time()
    mine = {
        studio.submit(Brief("text", f"{user} {number}", engine="echo", options={"steps": 1}), f"user {user}")
        for number in range(JOBS_EACH)
        for user in range(USERS)
    }
    while time.time() - began < 120 and studio.unfinished():
        time.sleep(0.02)
    jobs = [job for job in studio.jobs(limit=10_000) if job.id in mine]
    done = sorted((job.finished_at, job.owner) for job in jobs if job.finished_at and job.state == "done")
    if not done:
        return 0.0, 1.0, len(mine)
    half = Counter(owner for _, owner in done[: len(mine) // 2])
    mean = len(mine) / 2 / USERS
    spread = max(abs(half[f"user {user}"] - mean) for user in range(USERS)) / JOBS_EACH
    return len(mine) / (done[-1][0].timestamp() - began), spread, len(mine) - len(done)
