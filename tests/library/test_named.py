"""Outputs found by the beginning of their produce id, which is all that a watermark can carry."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from library_nouns import credential
from test_store import add

from studio.library import Library


@pytest.mark.parametrize("digits", [9, 10])
def test_the_beginning_of_a_produce_id_finds_its_outputs(
    library: Library, seal: Callable[..., Path], digits: int
) -> None:
    ids = ["0a1b2c3d4e" + "0" * 22, "0a1b2c3d4e" + "f" * 22, "0a1b2c3d" + "0" * 24, "ffffffffff" + "0" * 22]
    kept = [add(library, seal(), credential=replace(credential(), produce_id=one)) for one in ids]
    found = {asset.id for asset in library.named("0a1b2c3d4e"[:digits])}
    assert found == {kept[0].id, kept[1].id}
    assert [asset.id for asset in library.named("FFFFFFFFFF"[:digits])] == [kept[3].id]


@pytest.mark.parametrize("beginning", ["", "0a1", "0a1b2c3d4g", "%%%%%%%%%", "0a1b2c3d4e' OR 1=1"])
def test_what_is_no_beginning_finds_nothing(
    library: Library, seal: Callable[..., Path], beginning: str
) -> None:
    add(library, seal(), credential=replace(credential(), produce_id="0a1b2c3d4e" + "0" * 22))
    assert library.named(beginning) == []
