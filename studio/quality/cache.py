"""Scores kept by what they were taken from, so that the same bytes are not scored twice.

The key holds the digests of the file, the brief and this package's own code, and the revisions of the models.
What else a metric looked at (other candidates, the engine's facts, asked phrases) is watched and stored with
the value, which counts only while that is the same. The cache never decides whether a score can be had: a
broken or locked file is logged and passed by.
"""

from __future__ import annotations

import hashlib
import json
import logging
import sqlite3
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields
from functools import lru_cache
from pathlib import Path
from typing import Any, cast

from studio.quality.base import Metric, Sample, Withheld
from studio.types import Score

log = logging.getLogger(__name__)

CONTEXT = ("others", "recent", "facts", "required", "forbidden")
MOST_ROWS = 300_000
_FIELDS = tuple(one.name for one in fields(Score))


class Watched:
    """A sample that remembers which parts of its context were looked at."""

    def __init__(self, sample: Sample) -> None:
        self._sample = sample
        self.seen: set[str] = set()

    def __getattr__(self, name: str) -> Any:
        if name in CONTEXT:
            self.seen.add(name)
        return getattr(self._sample, name)


class ScoreCache:
    """One file, shared by all processes of a studio."""

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        self._held = threading.local()
        self._db: sqlite3.Connection | None = None
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._db = sqlite3.connect(path, timeout=1.0, check_same_thread=False, isolation_level=None)
            self._db.executescript(
                "PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF; "
                "CREATE TABLE IF NOT EXISTS scores (key BLOB PRIMARY KEY, at REAL, value TEXT) WITHOUT ROWID;"
            )
            (rows,) = self._db.execute("SELECT count(*) FROM scores").fetchone()
            if rows > MOST_ROWS:
                self._db.execute(
                    "DELETE FROM scores WHERE at <= (SELECT at FROM scores ORDER BY at LIMIT 1 OFFSET ?)",
                    (rows - MOST_ROWS // 2,),
                )
        except (sqlite3.Error, OSError) as error:
            log.warning("scores are not kept in %s: %s", path, error)
            self._db = None

    def score(self, metric: type[Metric], sample: Sample, revisions: Mapping[str, str]) -> Score:
        """The metric's score of this sample, kept or computed now. Raises Withheld likewise."""
        key = _key(metric, sample, revisions)
        kept = self._read(key)
        if kept is not None and kept["context"] == _context(sample, kept["seen"]):
            return _told(kept)
        watched = Watched(sample)
        try:
            score: Score | None = metric().score(cast(Sample, watched))
            reason = ""
        except Withheld as why:
            score, reason = None, str(why)
        seen = sorted(watched.seen)
        found = {
            "seen": seen,
            "context": _context(sample, seen),
            "score": None if score is None else {name: getattr(score, name) for name in _FIELDS},
            "withheld": reason,
        }
        self._keep(key, found)
        if score is None:
            raise Withheld(reason)
        return score

    def _read(self, key: bytes) -> dict[str, Any] | None:
        if self._db is None:
            return None
        try:
            with self._lock:
                row = self._db.execute("SELECT value FROM scores WHERE key = ?", (key,)).fetchone()
            return None if row is None else json.loads(row[0])
        except (sqlite3.Error, ValueError) as error:
            log.warning("a kept score could not be read: %s", error)
            return None

    @contextmanager
    def together(self) -> Iterator[None]:
        """What this thread finds in the block is written at its end, in one transaction."""
        rows: list[tuple[bytes, float, str]] = []
        self._held.rows = rows
        try:
            yield
        finally:
            self._held.rows = None
            self._write(rows)

    def _keep(self, key: bytes, found: Mapping[str, Any]) -> None:
        row = key, time.time(), json.dumps(found)
        rows: list[tuple[bytes, float, str]] | None = getattr(self._held, "rows", None)
        if rows is None:
            self._write([row])
        else:
            rows.append(row)

    def _write(self, rows: list[tuple[bytes, float, str]]) -> None:
        if self._db is None or not rows:
            return
        try:
            with self._lock:
                self._db.execute("BEGIN")
                try:
                    self._db.executemany("INSERT OR REPLACE INTO scores VALUES (?, ?, ?)", rows)
                finally:
                    self._db.execute("COMMIT")
        except sqlite3.Error as error:
            log.warning("scores could not be kept: %s", error)


@lru_cache(maxsize=4)
def cache_of(home: Path) -> ScoreCache:
    """The cache of a home folder; one connection a process."""
    return ScoreCache(home / "scores.db")


def _told(found: Mapping[str, Any]) -> Score:
    if found["score"] is None:
        raise Withheld(found["withheld"])
    given = dict(found["score"])
    if given["interval"] is not None:
        given["interval"] = tuple(given["interval"])
    return Score(**given)


def _key(metric: type[Metric], sample: Sample, revisions: Mapping[str, str]) -> bytes:
    own = f"{metric.__module__}.{metric.__qualname__}"
    models = sorted((name, revisions.get(name, "")) for name in metric.needs)
    asked = (own, metric.name, sample.kind, sample.media_type, sample.brief.prompt, models)
    return hashlib.sha256(_code() + sample.digest + repr(asked).encode("utf-8", "surrogatepass")).digest()


def _context(sample: Sample, seen: list[str]) -> str:
    given: dict[str, Any] = {}
    for name in seen:
        value = getattr(sample, name)
        if name == "others":
            value = sorted(hashlib.sha256(path.read_bytes()).hexdigest() for path in value)
        elif name == "recent":  # library files are named by their digests
            value = [path.name for path in value]
        given[name] = value
    return hashlib.sha256(json.dumps(given, sort_keys=True).encode()).hexdigest()


@lru_cache(maxsize=1)
def _code() -> bytes:
    """A digest of this package: what is measured otherwise is measured anew."""
    whole = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        whole.update(path.read_bytes())
    return whole.digest()
