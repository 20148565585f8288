"""Assets come in once, stay, change where people may change them, and go."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from library_nouns import brief, credential, job, model, scorecard

from studio.errors import BadInput, NotFound, SealFailed
from studio.library import Library
from studio.settings import Settings
from studio.types import Asset, Scorecard

Keep = Callable[..., Asset]
Seal = Callable[..., Path]


def add(library: Library, path: Path, **more: Any) -> Asset:
    given = dict(
        job=job(), media_type="text/plain", model=model(), scorecard=scorecard(), credential=credential()
    )  # fmt: skip
    return library.add(path, **(given | more))


def test_an_asset_lies_under_its_digest_and_comes_back_whole(library: Library, seal: Seal) -> None:
    path, asked = seal(b"Hello, tea."), job(brief("tea", inputs=("x",)), "ann", "j1")
    before = datetime.now(UTC)
    asset = add(library, path, job=asked, parents=("p" * 64,))
    digest = hashlib.sha256(b"Hello, tea.").hexdigest()
    assert asset.id == digest
    assert asset.path == library.settings.home / "files" / digest[:2] / digest[2:4] / f"{digest}.txt"
    assert asset.path.read_bytes() == b"Hello, tea." and not path.exists()
    assert (asset.job_id, asset.owner, asset.kind, asset.parents) == ("j1", "ann", "text", ("p" * 64,))
    assert before <= asset.created_at <= datetime.now(UTC) and asset.created_at.tzinfo is not None
    assert library.get(asset.id) == asset and asset.scorecard == scorecard() and asset.model == model()


def test_the_same_bytes_again_give_the_same_asset(library: Library, seal: Seal) -> None:
    first, again = add(library, seal(b"once")), seal(b"once", "twice.md")
    second = add(library, again, job=job(owner="bob"))
    assert second == first and not again.exists() and library.count() == 1
    assert library.check().sound


@pytest.mark.parametrize(
    "bare",
    [None, replace(credential(), layers=()), replace(credential(), manifest_digest="")],
)
def test_nothing_comes_in_without_a_credential(library: Library, seal: Seal, bare: Any) -> None:
    path = seal()
    with pytest.raises(SealFailed, match="carries no credential, therefore it was not saved"):
        add(library, path, credential=bare)
    assert path.exists() and library.count() == 0 and library.check().sound


def test_empty_missing_and_linked_files_are_refused(library: Library, seal: Seal, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="is empty"):
        add(library, seal(b""))
    with pytest.raises(BadInput, match="There is no file"):
        add(library, tmp_path / "nowhere.txt")
    link = tmp_path / "link.txt"
    link.symlink_to(seal())
    with pytest.raises(BadInput, match="no regular file"):
        add(library, link)


@pytest.mark.parametrize(
    ("name", "suffix"),
    [("a.PNG", ".png"), ("a", ""), ("a.tar.gz", ".gz"), ("a.x y", ""), ("a.中文", ""), ("a." + "x" * 99, "")],
)
def test_only_a_plain_suffix_is_kept(library: Library, seal: Seal, name: str, suffix: str) -> None:
    asset = add(library, seal(name=name))
    assert asset.path.name == asset.id + suffix


def test_everything_is_there_after_opening_again(settings: Settings, library: Library, keep: Keep) -> None:
    asset = keep("红色的茶壶 🔥")
    library.note(asset.id, "for the spring fair")
    library.favourite(asset.id)
    library.rate(asset.id, 4)
    library.close()
    again = Library(settings)
    back = again.get(asset.id)
    assert (back.favourite, back.note, back.stars) == (True, "for the spring fair", 4)
    assert replace(back, favourite=False, note="", stars=0) == asset
    assert again.search("茶壶") == again.search("spring", favourite=True) == [back]
    again.close()


def test_get_takes_the_beginning_of_an_id(library: Library, keep: Keep) -> None:
    asset = keep()
    assert library.get(asset.id[:6].upper()) == library.get(f" {asset.id} ") == asset
    for key in (asset.id[:5], "zzzzzzz", "", asset.id + "0", "%", asset.id[:6] + "%", "\x00" * 8):
        with pytest.raises(NotFound, match="There is no asset"):
            library.get(key)
    assert library.find(asset.credential.produce_id) == library.find(asset.id[:8]) == asset
    assert library.find("nothing") is None


def test_an_ambiguous_beginning_is_told(
    library: Library, seal: Seal, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = iter(["abcdef" + "0" * 58, "abcdef" + "1" * 58])
    monkeypatch.setattr("studio.library.store.sealed_digest", lambda path: next(ids))
    add(library, seal())
    add(library, seal())
    with pytest.raises(NotFound, match="Several assets begin with 'abcdef'"):
        library.get("abcdef")
    assert library.find("abcdef") is None and library.get("abcdef1").id.startswith("abcdef1")


def test_scores_arrive_later(library: Library, keep: Keep) -> None:
    asset = keep()
    assert asset.scorecard == Scorecard()
    assert library.set_scorecard(asset.id, scorecard()).scorecard == scorecard()
    assert library.get(asset.id) == replace(asset, scorecard=scorecard())


def test_what_people_add_has_bounds(library: Library, keep: Keep) -> None:
    asset = keep()
    for stars in (-1, 6):
        with pytest.raises(BadInput, match="Stars go from 0"):
            library.rate(asset.id, stars)
    with pytest.raises(BadInput, match="The note is longer than 10,000"):
        library.note(asset.id, "x" * 10_001)
    assert library.note(asset.id, "a\x00b\ud800").note == "ab?"
    for change in (library.favourite, lambda key: library.note(key, ""), lambda key: library.rate(key, 1)):
        with pytest.raises(NotFound):
            change("0" * 64)


def test_delete_says_what_it_did(library: Library, keep: Keep) -> None:
    one, two = keep(), keep()
    two.path.unlink()
    assert library.delete(one.id) == f"Deleted text {one.id[:12]} and its file."
    assert library.delete(two.id[:10]) == f"Deleted text {two.id[:12]}; its file was already gone."
    assert library.search() == library.search("teapot") == [] and library.check().sound
    with pytest.raises(NotFound):
        library.delete(one.id)


def test_a_missing_file_is_told_where_it_matters(library: Library, keep: Keep) -> None:
    asset = keep()
    assert library.file(asset.id) == asset.path
    asset.path.unlink()
    assert library.get(asset.id) == asset
    with pytest.raises(NotFound, match=f"file of asset {asset.id[:12]} is missing"):
        library.file(asset.id)


def test_check_finds_altered_missing_and_stray_files(library: Library, keep: Keep) -> None:
    sound, altered, missing = keep(), keep(), keep()
    altered.path.write_bytes(altered.path.read_bytes() + b"!")
    missing.path.unlink()
    stray = sound.path.with_name("f" * 64 + ".txt")
    stray.write_bytes(b"who am I")
    health = library.check()
    assert (health.checked, health.altered, health.missing) == (3, (altered.id,), (missing.id,))
    assert health.strays == (stray.relative_to(library.files.folder).as_posix(),) and not health.sound


def test_arrivals_in_one_microsecond_keep_their_order(
    library: Library, keep: Keep, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Stopped(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return datetime(2026, 1, 1, tzinfo=UTC)

    monkeypatch.setattr("studio.library.store.datetime", Stopped)
    kept = [keep(f"tea {n}") for n in range(4)]
    assert library.search() == library.search("tea") == kept[::-1]
    assert kept[3].created_at - kept[0].created_at == timedelta(microseconds=3)
