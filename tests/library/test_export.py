"""Files go out whole, under names a person can read, and never over anything."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from library_nouns import limit_on_files

from studio.errors import BadInput, NotFound, StorageFull
from studio.library import Library
from studio.types import Asset

Keep = Callable[..., Asset]


def test_the_bytes_are_copied_exactly(library: Library, keep: Keep, tmp_path: Path) -> None:
    one, two = keep("A red teapot, please!"), keep("红色的茶壶 🔥", kind="image")
    paths = library.export([one.id, two.id[:12]], tmp_path / "out" / "new")
    assert [path.name for path in paths] == [
        f"text-a-red-teapot-please-{one.id[:8]}.txt",
        f"image-红色的茶壶-{two.id[:8]}.txt",
    ]
    assert [path.read_bytes() for path in paths] == [one.path.read_bytes(), two.path.read_bytes()]


def test_nothing_is_overwritten(library: Library, keep: Keep, tmp_path: Path) -> None:
    asset = keep("tea")
    first = library.export([asset.id, asset.id], tmp_path)
    first[0].write_text("mine now")
    second = library.export([asset.id], tmp_path)
    assert [p.name for p in first + second] == [
        f"text-tea-{asset.id[:8]}{end}.txt" for end in ("", "-2", "-3")
    ]
    assert first[0].read_text() == "mine now"


@pytest.mark.parametrize(
    "prompt",
    ["../../etc/passwd", "/abs", "C:\\con", "..", ".", "", "\x00\n\t", "a" * 5000, "茶" * 5000, "\u202egnp.exe", "-rf *",
     "CON", "a/b\\c:d", "$(rm)", "\ud800x", "🔥", "~", "e\u0301" * 400],
)  # fmt: skip
def test_no_prompt_leaves_the_folder_or_breaks_a_name(
    library: Library, keep: Keep, tmp_path: Path, prompt: str
) -> None:
    (path,) = library.export([keep(prompt).id], tmp_path / "out")
    assert path.parent == tmp_path / "out" and os.listdir(path.parent) == [path.name]
    assert re.fullmatch(r"text-([\w-]*[\w]-)?[0-9a-f]{8}\.txt", path.name), path.name
    assert len(path.name.encode()) < 130 and path.name.isprintable()


def test_all_or_nothing(library: Library, keep: Keep, tmp_path: Path) -> None:
    good, altered, missing = keep("good"), keep("altered"), keep("missing")
    altered.path.write_bytes(b"something else")
    missing.path.unlink()
    out = tmp_path / "out"
    with pytest.raises(BadInput, match="was altered since it was sealed, so nothing was exported"):
        library.export([good.id, altered.id], out)
    with pytest.raises(NotFound, match="is missing from the library, so nothing was exported"):
        library.export([good.id, missing.id], out)
    with limit_on_files(8), pytest.raises(StorageFull, match="is full; free some space"):
        library.export([good.id], out)
    assert os.listdir(out) == []


def test_a_place_that_is_no_folder(library: Library, keep: Keep, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    for to in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(BadInput, match="Nothing can be written in"):
            library.export([keep().id], to)


def test_a_dangling_link_is_not_followed(library: Library, keep: Keep, tmp_path: Path) -> None:
    asset, out = keep("tea"), tmp_path / "out"
    out.mkdir()
    (out / f"text-tea-{asset.id[:8]}.txt").symlink_to(tmp_path / "elsewhere")
    (path,) = library.export([asset.id], out)
    assert path.name.endswith("-2.txt") and not (tmp_path / "elsewhere").exists()
