"""A take survives a kill at any byte and never mixes two scripts."""

from __future__ import annotations

import errno
import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studio.engines.speech_take import Take, sweep
from studio.errors import BadInput, StorageFull


def piece(number: int) -> Any:
    return np.full(100 + number, number, np.float32)


def test_pieces_come_back(tmp_path: Path) -> None:
    take = Take.open(tmp_path, "job1", "key")
    for number in range(5):
        take.add(piece(number))
    again = Take.open(tmp_path, "job1", "key")
    assert again.finished == 5
    assert all(np.array_equal(again.piece(n), piece(n)) for n in range(5))
    assert np.array_equal(again.copy(), np.concatenate([piece(n) for n in range(5)]))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2200), st.integers(0, 30))
def test_a_kill_anywhere_leaves_whole_pieces(
    tmp_path_factory: pytest.TempPathFactory, speech: int, marks: int
) -> None:
    folder = tmp_path_factory.mktemp("take")
    take = Take.open(folder, "job1", "key")
    for number in range(5):
        take.add(piece(number))
    for name, size in (("speech.f32", speech), ("marks", marks)):
        with (folder / "job1" / name).open("rb+") as file:
            file.truncate(size)
    again = Take.open(folder, "job1", "key")
    assert all(np.array_equal(again.piece(n), piece(n)) for n in range(again.finished))
    for number in range(again.finished, 5):
        again.add(piece(number))
    assert np.array_equal(again.copy(), np.concatenate([piece(n) for n in range(5)]))


def test_another_key_starts_anew(tmp_path: Path) -> None:
    Take.open(tmp_path, "job1", "one").add(piece(1))
    assert Take.open(tmp_path, "job1", "two").finished == 0


def test_the_copy_is_its_own(tmp_path: Path) -> None:
    take = Take.open(tmp_path, "job1", "key")
    take.add(piece(3))
    copy = take.copy()
    copy *= 0
    assert np.array_equal(take.piece(0), piece(3))
    take.discard()
    assert not take.folder.exists() and len(copy) == 103


@pytest.mark.parametrize("name", ["../x", "a/b", "", "a" * 100, ".."])
def test_a_job_id_is_no_path(tmp_path: Path, name: str) -> None:
    with pytest.raises(BadInput):
        Take.open(tmp_path, name, "key")


def test_a_full_disk_is_told_and_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    take = Take.open(tmp_path, "job1", "key")
    take.add(piece(1))
    opened = Path.open

    def full(self: Path, mode: str = "r", *args: Any, **kwargs: Any) -> Any:
        if mode == "a":
            raise OSError(errno.ENOSPC, "No space left on device")
        return opened(self, mode, *args, **kwargs)

    monkeypatch.setattr(Path, "open", full)
    with pytest.raises(StorageFull, match="disk is full"):
        take.add(piece(2))
    monkeypatch.undo()
    again = Take.open(tmp_path, "job1", "key")
    assert again.finished == 1 and np.array_equal(again.copy(), piece(1))


def test_forgotten_takes_are_swept(tmp_path: Path) -> None:
    Take.open(tmp_path, "old", "key").add(piece(1))
    Take.open(tmp_path, "new", "key").add(piece(1))
    (tmp_path / "foreign").mkdir()
    past = time.time() - 10 * 86_400
    for path in (tmp_path / "old").iterdir():
        os.utime(path, (past, past))
    sweep(tmp_path, days=2)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["foreign", "new"]
