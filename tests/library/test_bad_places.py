"""A database or disk that is not what it should be: one clear sentence, nothing touched, nothing lost."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from library_nouns import brief, credential, job, limit_on_files, model
from sqlalchemy import text

from studio.errors import BadInput, ModelMissing, NotFound, StorageFull, StudioError
from studio.library import Library
from studio.library.database import APPLICATION_ID
from studio.settings import Settings
from studio.types import Asset, Scorecard

Keep = Callable[..., Asset]
Seal = Callable[..., Path]


def tree(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def refused(settings: Settings, match: str) -> None:
    """Opening is refused in one sentence and changes no file."""
    before = tree(settings.home)
    with pytest.raises(StudioError, match=match) as caught:
        Library(settings)
    assert "\n" not in str(caught.value) and str(caught.value).endswith(".")
    assert tree(settings.home) == before


@pytest.mark.parametrize("content", [b"hello", b"\x00" * 4096, b"SQLite format 3\x00", os.urandom(5000)])
def test_what_is_no_database_is_left_alone(settings: Settings, content: bytes) -> None:
    settings.home.mkdir()
    (settings.home / "library.db").write_bytes(content)
    refused(settings, "is no database|another program")


@pytest.mark.parametrize("mode", ["delete", "wal"])
def test_a_foreign_database_is_left_alone(settings: Settings, mode: str) -> None:
    settings.home.mkdir()
    with sqlite3.connect(settings.home / "library.db") as foreign:
        foreign.execute(f"PRAGMA journal_mode={mode}")
        foreign.execute("CREATE TABLE assets (id)")
    foreign.close()
    refused(settings, "database of another program, so it was left untouched")


def test_a_folder_in_the_place_of_the_database(settings: Settings) -> None:
    (settings.home / "library.db").mkdir(parents=True)
    refused(settings, "Is a directory")


def test_a_database_of_a_newer_studio(settings: Settings, library: Library, keep: Keep) -> None:
    asset = keep()
    with library.engine.begin() as connection:
        connection.execute(text("INSERT INTO signet_migrations VALUES ('holograms_0042', 1)"))
    library.close()
    with pytest.raises(BadInput, match=r"written by a newer Signet \(holograms_0042\); update this studio"):
        Library(settings)
    assert asset.path.exists()


def damage(settings: Settings, at: int, size: int) -> None:
    path = settings.home / "library.db"
    content = bytearray(path.read_bytes())
    content[at : at + size] = b"\xa5" * len(content[at : at + size])
    path.write_bytes(content)


def test_a_damaged_schema_is_told_at_opening(settings: Settings, library: Library, keep: Keep) -> None:
    keep()
    library.close()
    damage(settings, 100, 3996)
    refused(settings, "is damaged .*restore it from a backup")


def test_damage_further_in_is_told_when_met(settings: Settings, library: Library, keep: Keep) -> None:
    for _ in range(20):
        keep("words " * 500)
    library.close()
    damage(settings, 4096 * 4, 10**9)
    with pytest.raises(BadInput, match="is damaged|cannot be read|cannot be used"):
        again = Library(settings)
        again.search(limit=1000)


def test_a_truncated_database_is_told(settings: Settings, library: Library, keep: Keep) -> None:
    for _ in range(20):
        keep("words " * 500)
    library.close()
    with (settings.home / "library.db").open("rb+") as file:
        file.truncate(4096 * 3)
    with pytest.raises(BadInput, match="is damaged"):
        again = Library(settings)
        again.search(limit=1000)


@pytest.mark.parametrize("column", ["brief", "model", "scorecard", "credential", "parents"])
def test_a_damaged_row_is_told(library: Library, keep: Keep, column: str) -> None:
    asset = keep()
    with library.engine.begin() as connection:
        connection.execute(text(f"UPDATE assets SET {column} = '{{oops'"))
    with pytest.raises(BadInput, match="cannot be read .* restore it from a backup"):
        library.get(asset.id)


def test_the_file_says_whose_it_is_from_its_first_write(settings: Settings, library: Library) -> None:
    head = (settings.home / "library.db").read_bytes()[:100]
    assert int.from_bytes(head[68:72], "big") == APPLICATION_ID


@pytest.mark.parametrize(
    ("url", "kind", "match"),
    [
        ("nonsense", BadInput, "no SQLAlchemy URL"),
        ("oracle9000://x", BadInput, "does not know"),
        ("sqlite://", BadInput, "names no file"),
        ("sqlite:///:memory:", BadInput, "names no file"),
        ("mysql+nosuchdriver://x", BadInput, "does not know"),
        ("postgresql+asyncpg://u:secret@localhost/x", ModelMissing, "pip install asyncpg"),
    ],
)
def test_a_wrong_database_url(settings: Settings, url: str, kind: type[StudioError], match: str) -> None:
    with pytest.raises(kind, match=match) as caught:
        Library(replace(settings, database_url=url))
    assert "secret" not in str(caught.value)


def test_odd_characters_in_the_folder(tmp_path: Path, seal: Seal) -> None:
    settings = Settings(home=tmp_path / "ho me ?mode=ro#%41 红 '\"")
    library = Library(settings)
    assert (settings.home / "library.db").is_file() and library.count() == 0
    library.close()


READ_ONLY = """
import os, sys
from pathlib import Path
from studio.library import Library
from studio.settings import Settings
from studio.errors import StudioError
if os.getuid() == 0:
    os.setgid(65534); os.setuid(65534)
try:
    Library(Settings(home=Path(sys.argv[1])))
except StudioError as error:
    print(error)
"""


@pytest.mark.parametrize("filled", [False, True])
def test_a_read_only_folder(filled: bool) -> None:
    folder = Path("/var/tmp") / f"signet-readonly-{os.getpid()}"
    try:
        folder.mkdir()
        if filled:
            Library(Settings(home=folder)).close()
        for path in [*folder.rglob("*"), folder]:
            path.chmod(0o555 if path.is_dir() else 0o444)
        command = [sys.executable, "-c", READ_ONLY, str(folder)]
        ran = subprocess.run(command, capture_output=True, text=True, timeout=60)
        assert "cannot be written" in ran.stdout or "Nothing can be written" in ran.stdout, ran
        assert ran.stderr == ""
    finally:
        folder.chmod(0o755)
        shutil.rmtree(folder)


# --- A full disk --------------------------------------------------------------------------------


def add(library: Library, path: Path) -> Asset:
    return library.add(
        path, job=job(brief("tea " * 1000)), media_type="text/plain", model=model(), scorecard=Scorecard(),
        credential=credential(),
    )  # fmt: skip


def test_a_full_disk_at_the_rename(library: Library, seal: Seal, monkeypatch: pytest.MonkeyPatch) -> None:
    path, before = seal(), tree(library.files.folder)

    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch, pytest.raises(StorageFull, match="is full; free some space"):
        patch.setattr("studio.library.files.os.replace", full)
        add(library, path)
    assert tree(library.files.folder) == before and library.count() == 0 and path.exists()
    assert add(library, path).path.exists()


def test_a_full_disk_while_copying_from_another_one(
    library: Library, seal: Seal, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.replace

    def another_disk(source: Path, target: Path) -> None:
        if source.parent != target.parent:
            raise OSError(errno.EXDEV, "Invalid cross-device link")
        real(source, target)

    monkeypatch.setattr("studio.library.files.os.replace", another_disk)
    path, before = seal(b"x" * 200_000), tree(library.files.folder)
    with limit_on_files(100_000), pytest.raises(StorageFull, match="is full"):
        add(library, path)
    assert tree(library.files.folder) == before and path.read_bytes() == b"x" * 200_000
    asset = add(library, path)
    assert asset.path.read_bytes() == b"x" * 200_000 and not path.exists() and library.check().sound


def test_a_full_disk_at_the_row(library: Library, keep: Keep, seal: Seal) -> None:
    kept = keep()
    path = seal(b"precious")
    wal = Path(str(library.engine.url.database) + "-wal")
    with limit_on_files(wal.stat().st_size), pytest.raises(StorageFull, match="full"):
        add(library, path)
    assert path.read_bytes() == b"precious" and library.search() == [kept]
    assert library.check().sound and list(library.files.pending.iterdir()) == []
    assert add(library, path).path.read_bytes() == b"precious"


def test_a_full_disk_does_not_stop_deleting(
    library: Library, keep: Keep, monkeypatch: pytest.MonkeyPatch
) -> None:
    asset = keep()

    def full(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    library.delete(asset.id)
    assert not asset.path.exists() and library.count() == 0


# --- A crash ------------------------------------------------------------------------------------

CRASH = """
import os, sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
import studio.library.store as store
from library_nouns import credential, job, model
from studio.settings import Settings
from studio.types import Scorecard
library = store.Library(Settings(home=Path(sys.argv[1])))
store.Library._insert = lambda *_: os._exit(9)
sealed = Path(sys.argv[1]) / "sealed.txt"
sealed.write_text("half saved")
library.add(sealed, job=job(), media_type="text/plain", model=model(), scorecard=Scorecard(), credential=credential())
"""


def test_a_crash_between_file_and_row_is_swept(settings: Settings, library: Library, keep: Keep) -> None:
    kept = keep()
    library.close()
    command = [sys.executable, "-c", CRASH, str(settings.home), str(Path(__file__).parent)]
    assert subprocess.run(command, timeout=60).returncode == 9
    digest = hashlib.sha256(b"half saved").hexdigest()
    orphan = settings.home / "files" / digest[:2] / digest[2:4] / f"{digest}.txt"
    marker = settings.home / "files" / "pending" / digest
    assert orphan.exists() and marker.exists()
    Library(settings).close()
    assert orphan.exists(), "too young: another studio might be saving it"
    os.utime(marker, (0, 0))
    again = Library(settings)
    assert not orphan.exists() and not marker.exists() and again.search() == [kept]
    assert again.check().sound
    again.close()


def test_a_crash_between_row_and_marker_keeps_the_asset(
    settings: Settings, library: Library, keep: Keep
) -> None:
    asset = keep()
    marker = library.files.pending / asset.id
    marker.write_text(asset.path.relative_to(library.files.folder).as_posix())
    os.utime(marker, (0, 0))
    library.close()
    again = Library(settings)
    assert again.file(asset.id).exists() and not marker.exists()
    again.close()


def test_a_forged_marker_sweeps_nothing_outside(settings: Settings, library: Library) -> None:
    victim = settings.home / "victim.txt"
    victim.write_text("keep me")
    marker = library.files.pending / "0"
    marker.write_text("../victim.txt")
    os.utime(marker, (0, 0))
    library.close()
    Library(settings).close()
    assert victim.read_text() == "keep me"


def test_export_of_a_missing_asset_names_it(library: Library, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="There is no asset"):
        library.export(["0" * 64], tmp_path / "out")
