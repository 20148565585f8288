"""The durable queue: fair between owners, cancellable, re-orderable, resumed after a restart.

Every state lives in the library's database, so any number of studios may share one queue: a job is
claimed by one atomic UPDATE. Fairness is start-time fair queueing (Goyal, Vin & Cheng, 1996): a job is
tagged `position = max(virtual time, the owner's last tag) + 1` and the lowest tag goes first, so owners
with waiting jobs are served in turn whatever they pile up.

What is *not* here: how a job runs (workers.py) and what it does (service.py).
"""

from __future__ import annotations

import os
import socket
import threading
import time
import uuid
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import psutil
import sqlalchemy as sa

from studio.errors import BadInput, NotFound, Refused
from studio.library.codec import brief_from_json, brief_to_json
from studio.library.database import reading, writing
from studio.types import FINAL, Brief, Job, State

JOBS = sa.table(
    "jobs",
    *(
        sa.column(name)
        for name in (
            "id", "owner", "lane", "brief", "state", "position", "created_at", "started_at",
            "finished_at", "attempts", "error", "runner", "heartbeat",
        )
    ),
)  # fmt: skip

# Statements on the way of every job are built once: building one costs more than running it.
_OWN = JOBS.c.owner == sa.bindparam("owner")
_STANDING = sa.select(
    sa.select(sa.func.count()).where(_OWN, JOBS.c.state == "queued").scalar_subquery().label("waiting"),
    sa.select(sa.func.max(JOBS.c.position))
    .where(_OWN, JOBS.c.state.in_(["queued", "running"]))
    .scalar_subquery()
    .label("own"),
    sa.text("(SELECT value FROM counters WHERE name = 'virtual_time') AS now"),
)
"""How many jobs an owner has waiting, the latest tag among the owner's own, and the tag of the job that started
last. The owner's running jobs count, so that nobody jumps ahead by waiting for each job to finish."""
_PASS_TIME = sa.text("UPDATE counters SET value = :tag WHERE name = 'virtual_time' AND value < :tag")
_ENQUEUE = sa.insert(JOBS).values(
    state="queued",
    attempts=0,
    **{
        name: sa.bindparam(name)
        for name in ("id", "owner", "lane", "brief", "position", "created_at", "runner")
    },
)
_MINE = JOBS.c.runner.is_not_distinct_from(sa.bindparam("other")) | (JOBS.c.runner == sa.bindparam("me"))
"""Jobs of `me`, or of `other` (NULL: those that are nobody's)."""
_BUSY_LANES = (
    sa.select(JOBS.c.lane)
    .where(JOBS.c.state == "queued", JOBS.c.lane.in_(sa.bindparam("lanes", expanding=True)))
    .distinct()
)
_TAKE = (
    sa.update(JOBS)
    .where(
        JOBS.c.id.in_(
            sa.select(JOBS.c.id)
            .where(JOBS.c.state == "queued", JOBS.c.lane == sa.bindparam("of_lane"), _MINE)
            .order_by(JOBS.c.position, JOBS.c.created_at)
            .limit(sa.bindparam("most", type_=sa.Integer))
        ),
        JOBS.c.state == "queued",
    )
    .values(
        state="running",
        runner=sa.bindparam("me"),
        started_at=sa.bindparam("now"),
        heartbeat=sa.bindparam("now"),
        attempts=JOBS.c.attempts + 1,
    )
    .returning(*JOBS.c)
)
"""Takes those jobs of a lane whose turn it is."""
_SETTLE = (
    sa.update(JOBS)
    .where(JOBS.c.id == sa.bindparam("job"), JOBS.c.state == "running")
    .values(state=sa.bindparam("state"), error=sa.bindparam("error"), finished_at=sa.bindparam("now"))
)
"""Ends a running job; one that was cancelled meanwhile stays cancelled."""

STALE_SECONDS = 20.0
MAX_ATTEMPTS = 2

Taken = tuple[Job, str]
"""A job and the lane it runs in."""


def runner_id(pid: int | None = None) -> str:
    """Host, process (this one unless told) and its start time: the same id never comes back after a restart."""
    pid = pid or os.getpid()
    return f"{socket.gethostname()}:{pid}:{psutil.Process(pid).create_time():.2f}"


def runner_alive(runner: str) -> bool | None:
    """Whether that process still runs; None when it lives on another host and cannot be asked."""
    host, pid, started = runner.rsplit(":", 2)
    if host != socket.gethostname():
        return None
    try:
        return abs(psutil.Process(int(pid)).create_time() - float(started)) < 0.02
    except psutil.NoSuchProcess:
        return False


class Queue:
    """Jobs in the table `jobs`. Safe to use from many threads and many processes at once.

    `private` reserves the jobs enqueued here for this very process: a command that makes one picture
    neither runs a server's backlog nor leaves its own job to the server.
    """

    def __init__(self, engine: sa.Engine, *, private: bool = False, max_waiting: int = 200) -> None:
        self._engine = engine
        self._private = private
        self._max_waiting = max_waiting
        self.runner = runner_id()
        self._tagging = threading.Lock()

    # --- Asking for work ------------------------------------------------------------------------

    def enqueue(self, brief: Brief, owner: str, lane: str) -> Job:
        """A new queued job; raises Refused when the owner has too many waiting."""
        now = time.time()
        job_id = uuid.uuid4().hex
        with self._tagging, writing(self._engine) as db:
            standing = db.execute(_STANDING, {"owner": owner}).one()
            if (waiting := standing.waiting) >= self._max_waiting:
                raise Refused(f"{waiting} jobs are waiting already; let some finish or cancel some first.")
            position = max(standing.own or 0.0, standing.now or 0.0) + 1.0
            db.execute(
                _ENQUEUE,
                {
                    "id": job_id, "owner": owner, "lane": lane, "brief": brief_to_json(brief),
                    "position": position, "created_at": now, "runner": self.runner if self._private else None,
                },
            )  # fmt: skip
        return Job(job_id, brief, owner, "queued", _utc(now), position)

    # --- Doing work -----------------------------------------------------------------------------

    def turn(self, ended: Sequence[tuple[str, State, str | None]], room: Mapping[str, int]) -> list[Taken]:
        """Settle what has ended (job id, state, error) and take the next jobs, all in one transaction.

        `room` says how many jobs each lane can take. Returns the jobs, now ours and `running`, each with its
        lane, in the order of their turns. One commit for many jobs: each wants a lock that the workers,
        who save assets, want too.
        """
        now = time.time()
        me = {"me": self.runner, "other": self.runner if self._private else None}
        taken: list[Taken] = []
        with writing(self._engine) as db:
            if ended:
                db.execute(_SETTLE, [_end(*one) for one in ended])
            lanes = db.execute(_BUSY_LANES, {"lanes": [lane for lane in room if room[lane] > 0]})
            for lane in lanes.scalars().all():
                rows = db.execute(_TAKE, {**me, "of_lane": lane, "most": room[lane], "now": now})
                taken += [(_job(row), lane) for row in rows]
            taken.sort(key=lambda one: (one[0].position, one[0].created_at))
            if taken:
                db.execute(_PASS_TIME, {"tag": taken[-1][0].position})
        return taken

    def retry(self, job_id: str, error: str) -> bool:
        """Queue a job again whose worker died; after MAX_ATTEMPTS it fails. Says whether it will run."""
        with writing(self._engine) as db:
            again = db.execute(
                sa.update(JOBS)
                .where(JOBS.c.id == job_id, JOBS.c.state == "running", JOBS.c.attempts < MAX_ATTEMPTS)
                .values(state="queued", heartbeat=None, runner=self.runner if self._private else None)
            ).rowcount
            if not again:
                db.execute(_SETTLE, _end(job_id, "failed", error))
        return bool(again)

    def release(self, job_ids: Collection[str]) -> None:
        """Give running jobs back unharmed: the studio closes and has not tried them to their end."""
        if not job_ids:
            return
        with writing(self._engine) as db:
            db.execute(
                sa.update(JOBS)
                .where(JOBS.c.id.in_(job_ids), JOBS.c.state == "running")
                .values(state="queued", runner=None, heartbeat=None, attempts=JOBS.c.attempts - 1)
            )

    def beat(self, job_ids: Collection[str]) -> set[str]:
        """Say that these jobs are alive; returns those that somebody cancelled meanwhile."""
        if not job_ids:
            return set()
        with writing(self._engine) as db:
            db.execute(sa.update(JOBS).where(JOBS.c.id.in_(job_ids)).values(heartbeat=time.time()))
            rows = db.execute(sa.select(JOBS.c.id).where(JOBS.c.id.in_(job_ids), JOBS.c.state == "cancelled"))
            return {row.id for row in rows}

    def recover(self) -> int:
        """Take back jobs whose studio is gone: a dead process at once, a silent host after a while."""
        with reading(self._engine) as db:
            rows = db.execute(
                sa.select(JOBS.c.id, JOBS.c.state, JOBS.c.runner, JOBS.c.heartbeat).where(
                    JOBS.c.state.in_(["running", "queued"]),
                    JOBS.c.runner.is_not(None),
                    JOBS.c.runner != self.runner,
                )
            ).all()
        alive: dict[str, bool | None] = {}
        count = 0
        for row in rows:
            lives = alive.setdefault(row.runner, runner_alive(row.runner))
            silent = time.time() - (row.heartbeat or 0) > STALE_SECONDS
            if lives or (lives is None and not silent):
                continue
            if row.state == "queued":
                with writing(self._engine) as db:
                    db.execute(sa.update(JOBS).where(JOBS.c.id == row.id).values(runner=None))
                count += 1
            else:
                count += self.retry(row.id, "The studio stopped twice while making this; submit it again.")
        return count

    # --- Looking and steering -------------------------------------------------------------------

    def get(self, job_id: str, owner: str | None = None) -> Job:
        """The job as it stands; NotFound also when it belongs to somebody else."""
        with reading(self._engine) as db:
            row = db.execute(sa.select(*JOBS.c).where(JOBS.c.id == job_id)).one_or_none()
        if row is None or (owner is not None and row.owner != owner):
            raise NotFound("There is no such job.")
        return _job(row)

    def list(
        self, owner: str | None = None, states: Sequence[State] | None = None, limit: int = 50
    ) -> list[Job]:
        """Waiting jobs in the order they will run come first, then the others, newest first."""
        query = sa.select(*JOBS.c)
        if owner is not None:
            query = query.where(JOBS.c.owner == owner)
        if states is not None:
            query = query.where(JOBS.c.state.in_(list(states)))
        waiting = JOBS.c.state == "queued"
        query = query.order_by(
            waiting.desc(), sa.case((waiting, JOBS.c.position)), JOBS.c.created_at.desc()
        ).limit(limit)
        with reading(self._engine) as db:
            return [_job(row) for row in db.execute(query)]

    def count(self, *states: State) -> int:
        """How many jobs of anybody are in one of these states."""
        with reading(self._engine) as db:
            query = sa.select(sa.func.count()).where(JOBS.c.state.in_(states))
            return int(db.execute(query).scalar_one())

    def cancel(self, job_id: str, owner: str | None = None) -> State:
        """Cancel a waiting or running job; a finished one stays as it is. Returns its state."""
        job = self.get(job_id, owner)
        if job.state in FINAL:
            return job.state
        with writing(self._engine) as db:
            db.execute(
                sa.update(JOBS)
                .where(JOBS.c.id == job_id, JOBS.c.state.in_(["queued", "running"]))
                .values(state="cancelled", finished_at=time.time())
            )
        return self.get(job_id).state

    def move(self, job_id: str, place: int, owner: str | None = None) -> None:
        """Put a waiting job at `place` (0 is next) among its owner's own; others' turns do not change."""
        job = self.get(job_id, owner)
        if job.state != "queued":
            raise BadInput("Only a waiting job can be moved.")
        with self._tagging, writing(self._engine) as db:
            rows = db.execute(
                sa.select(JOBS.c.id, JOBS.c.position)
                .where(JOBS.c.owner == job.owner, JOBS.c.state == "queued")
                .order_by(JOBS.c.position)
            ).all()
            order = [row.id for row in rows if row.id != job_id]
            if len(order) == len(rows):  # it started just now
                raise BadInput("Only a waiting job can be moved.")
            order.insert(max(0, place), job_id)
            for one, row in zip(order, rows, strict=True):
                db.execute(sa.update(JOBS).where(JOBS.c.id == one).values(position=row.position))


def _end(job_id: str, state: State, error: str | None) -> dict[str, Any]:
    return {"job": job_id, "state": state, "error": error, "now": time.time()}


def _utc(seconds: float | None) -> Any:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


def _job(row: Any) -> Job:
    return Job(
        id=row.id,
        brief=brief_from_json(row.brief),
        owner=row.owner,
        state=row.state,
        created_at=_utc(row.created_at),
        position=row.position,
        started_at=_utc(row.started_at),
        finished_at=_utc(row.finished_at),
        attempts=row.attempts,
        error=row.error,
    )
