"""Scores kept by what they were taken from, so that the same bytes are not scored twice.

One row holds all scores of one file and brief under this package's own code, each by its metric and the revisions
of its models. What else a metric looked at (other candidates, the engine's facts, asked phrases) is watched and stored with
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
from dataclasses import dataclass, fields
from functools import lru_cache
from pathlib import Path
from typing import Any, cast

from studio.quality.base import Metric, Sample, Withheld
from studio.types import Score

log = logging.getLogger(__name__)

CONTEXT = ("others", "recent", "facts", "required", "forbidden")
MOST_ROWS = 20_000
_SELECT = "SELECT value FROM outputs WHERE key = ?"
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


@dataclass
class _Row:
    """What is kept of one output, by the names of metrics; `news` once some of it was found just now."""

    key: bytes
    kept: dict[str, Any]
    news: bool = False


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
                "DROP TABLE IF EXISTS scores; "  # of earlier studios: a row for each score
                "CREATE TABLE IF NOT EXISTS outputs (key BLOB PRIMARY KEY, at REAL, value TEXT) WITHOUT ROWID;"
            )
            (rows,) = self._db.execute("SELECT count(*) FROM outputs").fetchone()
            if rows > MOST_ROWS:
                self._db.execute(
                    "DELETE FROM outputs WHERE at <= (SELECT at FROM outputs ORDER BY at LIMIT 1 OFFSET ?)",
                    (rows - MOST_ROWS // 2,),
                )
        except (sqlite3.Error, OSError) as error:
            log.warning("scores are not kept in %s: %s", path, error)
            self._db = None

    def score(self, metric: type[Metric], sample: Sample, revisions: Mapping[str, str]) -> Score:
        """The metric's score of this sample, kept or computed now. Raises Withheld likewise."""
        name = _name(metric, revisions)
        with self.together(sample) as row:
            kept = row.kept.get(name)
            if kept is not None and kept["context"] == _context(sample, kept["seen"]):
                return _told(kept)
            watched = Watched(sample)
            try:
                score: Score | None = metric().score(cast(Sample, watched))
                reason = ""
            except Withheld as why:
                score, reason = None, str(why)
            seen = sorted(watched.seen)
            row.news = True
            row.kept[name] = {
                "seen": seen,
                "context": _context(sample, seen),
                "score": None if score is None else {part: getattr(score, part) for part in _FIELDS},
                "withheld": reason,
            }
        if score is None:
            raise Withheld(reason)
        return score

    @contextmanager
    def together(self, sample: Sample) -> Iterator[_Row]:
        """All that is kept of this sample: read once, and what this thread finds in the block is written at its end."""
        key = _key(sample)
        held: _Row | None = getattr(self._held, "row", None)
        if held is not None and held.key == key:
            yield held
            return
        row = _Row(key, self._read(key))
        self._held.row = row
        try:
            yield row
        finally:
            self._held.row = held
            self._write(row)

    def _read(self, key: bytes) -> dict[str, Any]:
        if self._db is None:
            return {}
        try:
            with self._lock:
                found = self._db.execute(_SELECT, (key,)).fetchone()
            return {} if found is None else dict(json.loads(found[0]))
        except (sqlite3.Error, ValueError) as error:
            log.warning("kept scores could not be read: %s", error)
            return {}

    def _write(self, row: _Row) -> None:
        """Two that add to one row at once may lose what one of them found: it is computed again."""
        if self._db is None or not row.news:
            return
        try:
            with self._lock:
                self._db.execute(
                    "INSERT OR REPLACE INTO outputs VALUES (?, ?, ?)",
                    (row.key, time.time(), json.dumps(row.kept)),
                )
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


def _key(sample: Sample) -> bytes:
    asked = (sample.kind, sample.media_type, sample.brief.prompt)
    return hashlib.sha256(_code() + sample.digest + repr(asked).encode("utf-8", "surrogatepass")).digest()


def _name(metric: type[Metric], revisions: Mapping[str, str]) -> str:
    models = sorted((name, revisions.get(name, "")) for name in metric.needs)
    return f"{metric.__module__}.{metric.__qualname__} {metric.name} {models}"


def _context(sample: Sample, seen: list[str]) -> str:
    """A digest of the parts looked at; "" for the many metrics that look at the file alone."""
    if not seen:
        return ""
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
