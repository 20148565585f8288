"""The bench of recovery on a handful: everything kept is found again, no stranger is."""

from __future__ import annotations

from pathlib import Path

from studio.bench.base import Place
from studio.bench.seal_recovery import measure


def test_what_was_kept_is_found_and_strangers_are_not(tmp_path: Path) -> None:
    figures = measure(Place(tmp_path), 2, 2)
    assert {one.name.split(".")[2] for one in figures} == {"picture", "sound", "text"}
    assert [one.name for one in figures if not one.reached] == []
    assert all(one.n == 2 for one in figures)
