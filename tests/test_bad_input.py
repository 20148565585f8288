"""What people and disks do wrong, tried at the studio's door: one sentence that says what to do, nothing lost.

Files as such are tried in tests/safety, databases in tests/library, weights in tests/test_catalog.py; here is
what becomes of them on the way through the whole studio.
"""

from __future__ import annotations

import hashlib
import os
import resource
import struct
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from studio.errors import BadInput, ModelBroken, ModelMissing, StorageFull, StudioError
from studio.line import Line
from studio.service import Studio
from studio.settings import Settings
from studio.types import Asset, Brief, Job

SCRIPTS = "🎈🏳️‍🌈 שלום עולם 你好，世界 नमस्ते"


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    """A studio that has not started to work, with an empty library: enough to be refused by."""
    studio = Studio(Settings.read({}, home=tmp_path_factory.mktemp("home"), device="cpu"))
    yield studio
    studio.close()


def kept(home: Path) -> dict[str, str]:
    """Every file but the database's own, by its digest."""
    return {
        str(path.relative_to(home)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in home.rglob("*")
        if path.is_file() and not path.name.startswith(("library.db", "scores.db"))
    }


def one_sentence(error: StudioError) -> str:
    said = str(error)
    assert said.endswith(".") and "\n" not in said and "Traceback" not in said and len(said) < 400
    return said


@contextmanager
def full_disk(size: int = 0) -> Iterator[None]:
    """No file of this process may grow beyond `size` bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


# --- Uploads --------------------------------------------------------------------------------------


def png(width: int, height: int, rows: bytes) -> bytes:
    def chunk(kind: bytes, content: bytes) -> bytes:
        return (
            struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        )

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    parts = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts


WHOLE = png(64, 64, (b"\0" + b"\x80" * 64) * 64)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (png(30_000, 30_000, b"\0" * 30_000_000), "megapixels|side may exceed"),
        (WHOLE[:-30], "damaged"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>", "SVG"),
        (png(10_000, 5_000, b"\0" * 10_001 * 5_000), "more than 40 megapixels"),
        (b"", "empty"),
    ],
    ids=["zip bomb", "truncated", "SVG", "50 megapixels", "empty"],
)
def test_a_bad_picture_is_refused_and_nothing_of_it_stays(
    door: Studio, tmp_path: Path, data: bytes, why: str
) -> None:
    given, before = tmp_path / "picture.png", kept(door.settings.home)
    given.write_bytes(data)
    with pytest.raises(BadInput, match=why) as refusal:
        door.uploads.stage(given, "image")
    one_sentence(refusal.value)
    assert kept(door.settings.home) == before and given.read_bytes() == data


def test_the_name_of_a_file_leads_nowhere(door: Studio, tmp_path: Path) -> None:
    (tmp_path / "deep" / "er").mkdir(parents=True)
    (tmp_path / "x").write_bytes(WHOLE)
    key = door.uploads.stage(tmp_path / "deep" / "er" / "../../x", "image")
    found = door.uploads.find(key)
    assert found is not None and found.parent == door.settings.home / "uploads"
    with pytest.raises(BadInput, match="no file 'x'"):
        door.uploads.stage(Path("../../x"), "image")


def test_an_upload_onto_a_full_disk_leaves_nothing(door: Studio, tmp_path: Path) -> None:
    given, before = tmp_path / "large.png", kept(door.settings.home)
    given.write_bytes(png(300, 300, b"".join(b"\0" + os.urandom(300) for _ in range(300))))
    with full_disk(10_000), pytest.raises(StorageFull, match="is full; free some space") as refusal:
        door.uploads.stage(given, "image")
    one_sentence(refusal.value)
    assert kept(door.settings.home) == before
    assert door.uploads.find(door.uploads.stage(given, "image"))


# --- A full disk ----------------------------------------------------------------------------------


def test_asking_on_a_full_disk_is_refused_and_can_be_tried_again(settings: Settings) -> None:
    studio = Studio(settings)
    studio.submit(Brief("text", "first", engine="echo"))
    wal = settings.home / "library.db-wal"
    with full_disk(wal.stat().st_size), pytest.raises(StorageFull, match="full") as refusal:
        for number in range(50):
            studio.submit(Brief("text", f"{number} " * 500, engine="echo"))
    one_sentence(refusal.value)
    waiting = studio.jobs()
    assert waiting and all(job.state == "queued" for job in waiting)
    studio.submit(Brief("text", "again", engine="echo"))
    assert len(studio.jobs(limit=100)) == len(waiting) + 1
    studio.close()


def test_a_disk_that_fills_up_at_any_write_loses_nothing(settings: Settings) -> None:
    line = Line(settings, "cpu")

    def job(words: str) -> Job:
        asked = Brief("text", words, engine="echo", seed=7)
        return Job(words, asked, "ann", "running", datetime.now(UTC))

    assert any(isinstance(event, Asset) for event in line.produce(job("earlier")))
    before = kept(settings.home)
    for size in (0, 100, 1_000, 4_000):  # the sealed file, its marker, the row
        with full_disk(size), pytest.raises(StorageFull) as refusal:
            list(line.produce(job("full")))
        assert "full" in one_sentence(refusal.value)
        assert kept(settings.home) == before and line.library.count() == 1
    assert any(isinstance(event, Asset) for event in line.produce(job("full")))
    assert line.library.count() == 2 and line.library.check().sound


# --- Weights --------------------------------------------------------------------------------------

ENTRY = """
[small]
kind = "text"
engine = "echo"
title = "Small"
summary = "A model of one file, to be broken."
licence = "Apache-2.0"
licence_url = "https://www.apache.org/licenses/LICENSE-2.0"
commercial = "yes"
revision = "1"
memory_mb = 1
default = true
source = { type = "local" }
files = [{ path = "weights.txt", size = 7, sha256 = "%s" }]
""" % hashlib.sha256(b"weights").hexdigest()  # noqa: UP031 - braces are TOML's


@pytest.mark.parametrize(
    ("content", "error", "why", "asked"),
    [
        (None, ModelMissing, "is not here", 0),
        (b"weig", ModelBroken, "4 bytes instead of 7", 0),
        (b"WEIGHTS", StudioError, "SHA-256 differs", 1),  # they are read when the job loads them
    ],
    ids=["missing", "truncated", "swapped"],
)
def test_bad_weights_are_told_and_whole_ones_work_at_once(
    settings: Settings, tmp_path: Path, content: bytes | None, error: type[StudioError], why: str, asked: int
) -> None:
    checkpoints = tmp_path / "checkpoints"
    (checkpoints / "small").mkdir(parents=True)
    (checkpoints / "catalog.toml").write_text(ENTRY, "utf-8")
    weights = checkpoints / "small" / "weights.txt"
    if content is not None:
        weights.write_bytes(content)
    place = Settings.read({"SIGNET_CHECKPOINTS": str(checkpoints)}, home=settings.home, device="cpu")
    with Studio(place) as studio:
        with pytest.raises(error, match=why) as refusal:
            studio.make(Brief("text", "hello"))
        one_sentence(refusal.value)
        assert len(studio.jobs()) == asked and studio.library.count() == 0
        weights.write_bytes(b"weights")
        assert studio.make(Brief("text", "hello"))


# --- Every script, everywhere ---------------------------------------------------------------------


def test_every_script_goes_through_every_field(door: Studio, tmp_path: Path) -> None:
    line = Line(door.settings, "cpu")
    brief = Brief(
        "text", f"Say {SCRIPTS}", engine="echo", seed=1, author=SCRIPTS, template="slogan",
        options={"business": SCRIPTS},
    )  # fmt: skip
    (asset,) = (
        event
        for event in line.produce(Job("all", brief, SCRIPTS, "running", datetime.now(UTC)))
        if isinstance(event, Asset)
    )
    noted = door.library.note(asset.id, SCRIPTS)
    assert (noted.note, noted.owner, noted.brief.author) == (SCRIPTS,) * 3
    for word in SCRIPTS.split():
        assert asset.id in {one.id for one in door.library.search(word, owner=SCRIPTS)}, word
    (copy,) = door.export([asset.id], tmp_path / SCRIPTS)
    assert copy.parent.name == SCRIPTS and door.verify(copy).verdict == "intact"


@pytest.mark.parametrize("change", ["options", "author", "prompt"])
def test_what_is_no_text_is_refused_in_every_field(door: Studio, change: str) -> None:
    more: dict[str, Callable[[], Brief]] = {
        "options": lambda: Brief("text", "x", template="slogan", options={"business": "a\0b"}, engine="echo"),
        "author": lambda: Brief("text", "x", author="a\ud800", engine="echo"),
        "prompt": lambda: Brief("text", "a\x1bb", engine="echo"),
    }
    with pytest.raises(BadInput, match="no text|control|holds") as refusal:
        door.submit(more[change]())
    one_sentence(refusal.value)
    assert door.jobs() == []
