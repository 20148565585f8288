"""Appending a step is all there is to changing the schema."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy import Connection, inspect, text

from studio.errors import BadInput
from studio.library import Library, migrations
from studio.settings import Settings
from studio.types import Asset


def test_a_step_appended_later_runs_once_and_keeps_everything(
    settings: Settings, library: Library, keep: Callable[..., Asset], monkeypatch: pytest.MonkeyPatch
) -> None:
    asset, ran = keep("tea"), []
    library.close()
    monkeypatch.setattr(migrations, "steps", dict(migrations.steps))

    @migrations.migration
    def colours_9999(connection: Connection) -> None:
        ran.append(1)
        connection.execute(text("ALTER TABLE assets ADD COLUMN colour TEXT"))

    for _ in range(2):
        again = Library(settings)
        assert again.search("tea") == [asset]
        again.close()
    assert ran == [1]


def test_a_step_that_fails_changes_nothing(
    settings: Settings, library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    library.close()
    monkeypatch.setattr(migrations, "steps", dict(migrations.steps))

    @migrations.migration
    def broken_9999(connection: Connection) -> None:
        connection.execute(text("CREATE TABLE half (x)"))
        connection.execute(text("CREATE TABLE half (x)"))

    with pytest.raises(BadInput, match="already exists"):
        Library(settings)
    del migrations.steps["broken_9999"]
    again = Library(settings)
    assert "half" not in inspect(again.engine).get_table_names()
    again.close()


def test_a_name_is_taken_once() -> None:
    with pytest.raises(ValueError, match="already a migration"):
        migrations.migration(migrations.steps["jobs_0003"])


def test_the_queue_has_its_table(library: Library) -> None:
    tables = inspect(library.engine)
    assert {column["name"] for column in tables.get_columns("jobs")} >= {
        "id", "owner", "brief", "state", "position", "created_at", "started_at", "finished_at", "attempts", "error",
        "runner", "heartbeat",
    }  # fmt: skip
    indexes = [index["column_names"] for index in tables.get_indexes("jobs")]
    assert ["state", "lane", "position"] in indexes and ["owner", "state", "position"] in indexes
    with library.engine.begin() as connection:
        assert connection.scalar(text("PRAGMA journal_mode")) == "wal"
        assert connection.scalar(text("PRAGMA synchronous")) == 1
        assert connection.scalar(text("PRAGMA foreign_keys")) == 1
        assert connection.scalar(text("PRAGMA busy_timeout")) == 15_000
