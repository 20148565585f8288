"""Opening the library's database, and its failures in words a person can act on.

SQLite runs in WAL mode with `synchronous=NORMAL` (a crash of the studio loses nothing; a power cut may
lose the last transactions but leaves the database sound). Every transaction takes the write lock at its
start, so a read that is followed by a write never fails half-way; `reading` is for reads alone and waits
for nobody. Writers of one process stand in line for each other: SQLite itself only looks again after ever
longer naps, in which everybody may be asleep.

A file is opened only after its first 100 bytes say that it is ours (SQLite's `application_id`): a foreign
database is never written to, not even by SQLite's own recovery.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, exc
from sqlalchemy.engine import URL, make_url

from studio.errors import BadInput, ModelMissing, StorageFull, StudioError
from studio.library.files import disk_error
from studio.settings import Settings

APPLICATION_ID = 0x5369676E  # "Sign", at offset 68 of the file
BUSY_SECONDS = 15.0
_MAGIC = b"SQLite format 3\x00"
_MOVE = "move it away or choose another place with SIGNET_HOME"
_lines: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)  # by database, for its writers in here


def open_engine(settings: Settings) -> Engine:
    """An engine on the library of these settings. Raises BadInput for a database that is not ours."""
    url = _url(settings)
    if url.get_backend_name() != "sqlite":
        return _create(url, pool_pre_ping=True)
    _prepare(Path(url.database or ""))
    engine = _create(url, connect_args={"timeout": BUSY_SECONDS})
    event.listen(engine, "connect", _on_connect)
    event.listen(engine, "begin", _on_begin)
    return engine


def use_wal(engine: Engine) -> None:
    """Switch SQLite to WAL, once for the life of the file; another process may be doing it just now."""
    if engine.dialect.name != "sqlite":
        return
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        raw = engine.raw_connection()
        try:
            if raw.cursor().execute("PRAGMA journal_mode=WAL").fetchone()[0] == "wal":
                return
            raise BadInput(
                f"SQLite cannot use WAL on the disk of {engine.url.database}; put the library on a local disk."
            )
        except sqlite3.Error as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise told(error, engine.url) from error
            time.sleep(0.02)
        finally:
            raw.close()


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """One transaction that holds the write lock from its start; failures come out as StudioError."""
    try:
        with _in_line(engine), engine.begin() as connection:
            yield connection
    except (exc.DBAPIError, sqlite3.Error) as error:
        raise told(getattr(error, "orig", None) or error, engine.url) from error


@contextmanager
def _in_line(engine: Engine) -> Iterator[None]:
    if engine.dialect.name != "sqlite":
        yield
        return
    line = _lines[engine.url.database or ""]
    if not line.acquire(timeout=BUSY_SECONDS):
        raise told(TimeoutError("locked"), engine.url)
    try:
        yield
    finally:
        line.release()


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """A steady view of the database that blocks no writer and is blocked by none."""
    try:
        with engine.connect().execution_options(signet_read=True) as connection:
            yield connection
    except (exc.DBAPIError, sqlite3.Error) as error:
        raise told(getattr(error, "orig", None) or error, engine.url) from error


def told(error: BaseException, url: URL) -> StudioError:
    """The sentence for a failure of the database or the disk below it."""
    words, where = (
        str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__,
        _where(url),
    )
    if "disk is full" in words or "disk I/O error" in words:
        return StorageFull(
            f"The disk of {where} is full or failing ({words}); free some space and try again, nothing was saved."
        )
    if "malformed" in words or "not a database" in words:
        return BadInput(f"The library {where} is damaged ({words}); restore it from a backup, or {_MOVE}.")
    if "readonly" in words or "unable to open" in words:
        return BadInput(
            f"The library {where} cannot be written ({words}); give this user the right to, or {_MOVE}."
        )
    if "locked" in words:
        return BadInput(
            f"The library {where} has been busy for {BUSY_SECONDS:g} seconds; try again in a moment."
        )
    return BadInput(
        f"The library {where} cannot be used ({words}); check SIGNET_DATABASE_URL and the database."
    )


def _url(settings: Settings) -> URL:
    if not settings.database_url:  # built from parts: a home folder may hold "?" or "#"
        return URL.create("sqlite", database=str(settings.home / "library.db"))
    try:
        url = make_url(settings.library_url)
    except exc.ArgumentError:
        raise BadInput(
            "SIGNET_DATABASE_URL is no SQLAlchemy URL; write it like postgresql+psycopg://user@host/name."
        ) from None
    if url.get_backend_name() == "sqlite" and url.database in (None, "", ":memory:"):
        raise BadInput("SIGNET_DATABASE_URL names no file; the library cannot live in memory alone.")
    return url


def _create(url: URL, **options: Any) -> Engine:
    try:
        return create_engine(url, **options)
    except exc.NoSuchModuleError:
        raise BadInput(
            f"SIGNET_DATABASE_URL asks for {url.drivername!r}, which SQLAlchemy does not know."
        ) from None
    except ModuleNotFoundError as error:
        raise ModelMissing(
            f"The database driver {error.name} is not here; run `pip install {error.name}`."
        ) from None


def _prepare(path: Path) -> None:
    """The folder is there, and the file is new or ours."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists():
            with path.open("rb") as file:
                _identify(file.read(100), path)
        writable = os.access(path if path.exists() else path.parent, os.W_OK) and os.access(
            path.parent, os.W_OK
        )
    except OSError as error:
        raise disk_error(error, path) from error
    if not writable:
        raise BadInput(f"The library {path} cannot be written; give this user the right to, or {_MOVE}.")


def _identify(head: bytes, path: Path) -> None:
    if not head:
        return
    if len(head) < 100 or not head.startswith(_MAGIC):
        raise BadInput(
            f"{path} is no database, or is damaged at its start; restore it from a backup, or {_MOVE}."
        )
    if int.from_bytes(head[68:72], "big") != APPLICATION_ID:
        raise BadInput(f"{path} is the database of another program, so it was left untouched; {_MOVE}.")


def _on_connect(connection: Any, record: object) -> None:
    connection.isolation_level = None  # BEGIN is ours, see _on_begin
    for pragma in ("synchronous=NORMAL", "foreign_keys=ON", "cache_size=-8000", "temp_store=MEMORY"):
        connection.execute(f"PRAGMA {pragma}")


def _on_begin(connection: Connection) -> None:
    """Past SQLAlchemy's own execution, which costs ten times the statement."""
    read = connection.get_execution_options().get("signet_read", False)
    driver: Any = connection.connection.driver_connection
    driver.execute("BEGIN" if read else "BEGIN IMMEDIATE")


def _where(url: URL) -> str:
    return (
        url.database or "" if url.get_backend_name() == "sqlite" else url.render_as_string(hide_password=True)
    )
