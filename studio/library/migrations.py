"""The schema as a list of steps. To change it, append a decorated function; never edit one that shipped.

Steps run in one transaction under the write lock, so two studios that start at once do not collide, and
a step that fails leaves the database as it was. The names of the steps done stand in
`signet_migrations`; a name found there that is not here means that a newer studio wrote the database.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from sqlalchemy import Connection, Engine, inspect, text

from studio.errors import BadInput
from studio.library.database import APPLICATION_ID, writing

Step = Callable[[Connection], None]
steps: dict[str, Step] = {}


def migration(step: Step) -> Step:
    """Decorator: append a step; its function name is its name in the database."""
    if step.__name__ in steps:
        raise ValueError(f"there is already a migration called {step.__name__!r}")
    steps[step.__name__] = step
    return step


def migrate(engine: Engine) -> list[str]:
    """Bring the database to this studio's schema; the names of the steps that were run."""
    with writing(engine) as connection:
        done = _done(connection)
        newer = sorted(done - set(steps))
        if newer:
            raise BadInput(
                f"The library {engine.url.database} was written by a newer Signet ({newer[-1]}); update this studio."
            )
        todo = [name for name in steps if name not in done]
        for name in todo:
            steps[name](connection)
            connection.execute(
                text("INSERT INTO signet_migrations (name, applied_at) VALUES (:name, :now)"),
                {"name": name, "now": time.time()},
            )
        return todo


def _done(connection: Connection) -> set[str]:
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql(f"PRAGMA application_id={APPLICATION_ID}")
    tables = set(inspect(connection).get_table_names())
    if "signet_migrations" in tables:
        return set(connection.scalars(text("SELECT name FROM signet_migrations")))
    if tables:
        raise BadInput(
            f"The database {connection.engine.url.database} holds tables of another program ({min(tables)}); "
            "name an empty one in SIGNET_DATABASE_URL."
        )
    connection.exec_driver_sql(
        "CREATE TABLE signet_migrations (name VARCHAR(80) PRIMARY KEY, applied_at DOUBLE PRECISION NOT NULL)"
    )
    return set()


@migration
def assets_0001(connection: Connection) -> None:
    """Assets. `seq` is the time of arrival in microseconds since 1970, made unique: it orders and dates.

    `words` (what was asked and made) and `remarks` (note and favourite) are search tokens, see words.py.
    """
    number = "INTEGER" if connection.dialect.name == "sqlite" else "BIGINT"  # INTEGER makes seq the rowid
    connection.exec_driver_sql(f"""
        CREATE TABLE assets (
            seq {number} PRIMARY KEY,
            id VARCHAR(64) NOT NULL UNIQUE,
            produce_id VARCHAR(32) NOT NULL,
            job_id TEXT NOT NULL,
            owner TEXT NOT NULL,
            kind VARCHAR(16) NOT NULL,
            model_id TEXT NOT NULL,
            favourite INTEGER NOT NULL DEFAULT 0,
            stars INTEGER NOT NULL DEFAULT 0,
            media_type TEXT NOT NULL,
            file TEXT NOT NULL,
            note TEXT NOT NULL DEFAULT '',
            brief TEXT NOT NULL,
            model TEXT NOT NULL,
            scorecard TEXT NOT NULL,
            credential TEXT NOT NULL,
            parents TEXT NOT NULL,
            words TEXT NOT NULL,
            remarks TEXT NOT NULL DEFAULT ''
        )""")
    # SQLite ends every index with the rowid, our seq; elsewhere it is named so that order comes for free.
    seq = "" if connection.dialect.name == "sqlite" else ", seq"
    for name, columns in (
        ("produce_id", f"produce_id{seq}"),
        ("job", f"job_id{seq}"),
        ("owner", f"owner{seq}"),
        ("owner_kind", f"owner, kind{seq}"),
        ("kind", f"kind{seq}"),
        ("model", f"model_id{seq}"),
        ("favourite", f"favourite{seq}"),
    ):
        connection.exec_driver_sql(f"CREATE INDEX assets_{name} ON assets ({columns})")


@migration
def search_0002(connection: Connection) -> None:
    """Full-text index over the tokens of words.py, kept true by triggers (SQLite only)."""
    if connection.dialect.name != "sqlite":
        return
    connection.exec_driver_sql("""
        CREATE VIRTUAL TABLE assets_fts USING fts5 (
            words, remarks, content='assets', content_rowid='seq', prefix='2 3',
            tokenize="unicode61 remove_diacritics 0 categories 'L* N* M* S* P* C*'"
        )""")
    old = "INSERT INTO assets_fts (assets_fts, rowid, words, remarks) VALUES ('delete', old.seq, old.words, old.remarks)"
    new = "INSERT INTO assets_fts (rowid, words, remarks) VALUES (new.seq, new.words, new.remarks)"
    for name, when, what in (
        ("insert", "INSERT ON assets", new),
        ("delete", "DELETE ON assets", old),
        ("update", "UPDATE OF words, remarks ON assets", f"{old}; {new}"),
    ):
        connection.exec_driver_sql(f"CREATE TRIGGER assets_fts_{name} AFTER {when} BEGIN {what}; END")


@migration
def jobs_0003(connection: Connection) -> None:
    """The queue. Times are seconds since 1970; `heartbeat` is the last sign of life of `runner`."""
    connection.exec_driver_sql("""
        CREATE TABLE jobs (
            id VARCHAR(64) PRIMARY KEY,
            owner TEXT NOT NULL,
            brief TEXT NOT NULL,
            state VARCHAR(16) NOT NULL,
            position DOUBLE PRECISION NOT NULL DEFAULT 0,
            created_at DOUBLE PRECISION NOT NULL,
            started_at DOUBLE PRECISION,
            finished_at DOUBLE PRECISION,
            attempts INTEGER NOT NULL DEFAULT 0,
            error TEXT,
            runner TEXT,
            heartbeat DOUBLE PRECISION
        )""")
    connection.exec_driver_sql("CREATE INDEX jobs_state ON jobs (state, position)")
    connection.exec_driver_sql("CREATE INDEX jobs_owner ON jobs (owner, created_at)")


@migration
def lanes_0004(connection: Connection) -> None:
    """`lane` is the engine a job waits for. `counters` holds the queue's virtual time, see jobs.py."""
    connection.exec_driver_sql("ALTER TABLE jobs ADD COLUMN lane TEXT NOT NULL DEFAULT ''")
    connection.exec_driver_sql("CREATE INDEX jobs_lane ON jobs (state, lane, position)")
    connection.exec_driver_sql(
        "CREATE TABLE counters (name VARCHAR(40) PRIMARY KEY, value DOUBLE PRECISION NOT NULL)"
    )
    connection.exec_driver_sql("INSERT INTO counters (name, value) VALUES ('virtual_time', 0)")


@migration
def fingerprints_0005(connection: Connection) -> None:
    """What assets look, sound or read like, see fingerprint.py; `mark` is compared with all others."""
    on_sqlite = connection.dialect.name == "sqlite"
    number, octets = ("INTEGER", "BLOB") if on_sqlite else ("BIGINT", "BYTEA")
    connection.exec_driver_sql(f"""
        CREATE TABLE fingerprints (
            seq {number} PRIMARY KEY REFERENCES assets (seq) ON DELETE CASCADE,
            medium VARCHAR(16) NOT NULL,
            mark {octets} NOT NULL,
            thumb {octets} NOT NULL
        )""")
    connection.exec_driver_sql("CREATE INDEX fingerprints_medium ON fingerprints (medium, seq)")


@migration
def votes_0006(connection: Connection) -> None:
    """Which of two assets a person prefers, see votes.py; `first_seq` < `second_seq`, and `at` is seconds since 1970."""
    number = "INTEGER" if connection.dialect.name == "sqlite" else "BIGINT"
    connection.exec_driver_sql(f"""
        CREATE TABLE votes (
            owner VARCHAR(200) NOT NULL,
            first_seq {number} NOT NULL REFERENCES assets (seq) ON DELETE CASCADE,
            second_seq {number} NOT NULL REFERENCES assets (seq) ON DELETE CASCADE,
            choice VARCHAR(8) NOT NULL,
            at DOUBLE PRECISION NOT NULL,
            PRIMARY KEY (owner, first_seq, second_seq)
        )""")
    # Deleting an asset looks for its votes on either side.
    connection.exec_driver_sql("CREATE INDEX votes_first ON votes (first_seq)")
    connection.exec_driver_sql("CREATE INDEX votes_second ON votes (second_seq)")


@migration
def waiting_0007(connection: Connection) -> None:
    """What an owner has waiting is counted without reading through all that owner ever asked for."""
    connection.exec_driver_sql("CREATE INDEX jobs_waiting ON jobs (owner, state, position)")
    connection.exec_driver_sql("DROP INDEX jobs_state")  # jobs_lane begins with the state too
