"""Sets to evaluate: out of the library, or files that a person dropped."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio.errors import BadInput
from studio.quality.batch_items import read_items
from studio.service import Studio
from studio.sets import LibrarySet, gather, lay_out
from studio.types import Brief


def test_filters_are_read() -> None:
    found = LibrarySet.read('library:"red teapot" model=echo since=2026-03-01 until=2026-03-31 favourite=yes')
    assert (found.words, found.model, found.favourite) == ("red teapot", "echo", True)
    assert found.since == datetime(2026, 3, 1, tzinfo=UTC)
    assert found.until is not None and found.until > datetime(2026, 3, 31, 23, 59, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("library:since=tomorrow", "2026-03-31"), ("library:modell=x", "'modell'"), ('library:"open', "quotation"),
        ("library:favourite=maybe", "yes or no"), ("library:since=2026-02-30", "2026-02-30"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_gets_words(text: str, word: str) -> None:
    with pytest.raises(BadInput, match=word):
        LibrarySet.read(text)


names = st.text(st.characters(categories=("L", "N")), min_size=1, max_size=10)


@given(names, names, st.none() | st.booleans())
def test_a_set_can_be_written_and_read_again(words: str, model: str, favourite: bool | None) -> None:
    chosen = LibrarySet(words, model, favourite=favourite)
    assert LibrarySet.read(str(chosen)) == chosen


def test_a_library_set_lines_up_by_question(shared_studio: Studio, tmp_path: Path) -> None:
    for seed in (1, 2):
        for words in ("a teapot", "a kettle / a pan"):
            shared_studio.make(Brief("text", words, engine="echo", seed=seed))
    shared_studio.make(Brief("image", "a teapot", engine="echo_image", seed=1))
    folder = lay_out("library:model=echo-text", "text", shared_studio.library, tmp_path)
    items = read_items("text", folder)
    assert folder.name == "library:model=echo-text"
    assert sorted(item.sample.text for item in items) == [
        "a kettle / a pan (1)", "a kettle / a pan (2)", "a teapot (1)", "a teapot (2)",
    ]  # fmt: skip
    for item in items:
        assert item.sample.text.startswith(item.sample.brief.prompt)
        assert item.name.endswith(item.sample.text[-2])
    again = read_items("text", lay_out("library:", "text", shared_studio.library, tmp_path))
    assert [item.name for item in again] == [item.name for item in items]
    with pytest.raises(BadInput, match="no music"):
        lay_out("library:", "music", shared_studio.library, tmp_path)


def test_dropped_files(tmp_path: Path) -> None:
    one, two, lines = (tmp_path / name for name in ("one.md", "two.md", "set.jsonl"))
    for path in (one, two, lines):
        path.write_text("words")
    assert gather([lines], tmp_path / "x") == lines
    assert sorted(path.name for path in gather([one, two], tmp_path / "y").iterdir()) == ["one.md", "two.md"]
    twin = tmp_path / "other" / "one.md"
    twin.parent.mkdir()
    twin.write_text("else")
    for wrong, word in (([], "Drop"), ([one, lines], "alone"), ([one, twin], "rename")):
        with pytest.raises(BadInput, match=word):
            gather(wrong, tmp_path / f"z{len(wrong)}{word}")


def test_what_the_engine_told_goes_along(shared_studio: Studio, tmp_path: Path) -> None:
    """A drawing stays one: no score of photographs judges it in Evaluate, and the cost of its mark is kept."""
    (asset,) = shared_studio.make(Brief("image", "a lamp", engine="echo_image", seed=7, options={}))
    (item,) = read_items("image", lay_out("library:lamp", "image", shared_studio.library, tmp_path))
    told = {"drawing": 1.0} | {s.name: s.value for s in asset.scorecard.scores if s.name.startswith("mark_")}
    assert dict(item.sample.facts) == told and len(told) > 1


@pytest.mark.parametrize("content", ["[]", "{", '{"perplexity": "low"}', "\xff", '{"a": null}'])
def test_facts_that_are_none_get_words(content: str, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("words")
    (tmp_path / "a.facts.json").write_text(content, "latin-1")
    with pytest.raises(BadInput, match=r"a\.facts\.json"):
        read_items("text", tmp_path)
