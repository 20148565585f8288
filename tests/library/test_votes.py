"""Votes between two results of one brief, and the choices that stars imply."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from library_nouns import brief, credential, job, model, scorecard

from studio.errors import BadInput, NotFound
from studio.library import Library
from studio.library.votes import question_of
from studio.types import Asset

Keep = Callable[..., Asset]


@pytest.fixture
def keep(library: Library, seal: Callable[..., Path]) -> Keep:
    def add(prompt: str = "a red teapot", made_by: str = "one", **more: object) -> Asset:
        return library.add(
            seal(), job=job(brief(prompt, **more)), media_type="text/plain", model=model(made_by),
            scorecard=scorecard(), credential=credential(), text="words",
        )  # fmt: skip

    return add


def test_a_vote_is_kept_and_can_be_changed(library: Library, keep: Keep) -> None:
    a, b = keep(made_by="one"), keep(made_by="two")
    library.vote(a.id, b.id, "first", "ann")
    library.vote(b.id, a.id, "first", "ann")
    library.vote(a.id, b.id, "same", "ben")
    found = library.ballot.comparisons("text")
    better = [{"first": c.first_model, "second": c.second_model}.get(c.choice) for c in found]
    assert better == ["two", None]
    assert {c.question for c in found} == {question_of(a.brief)}
    assert library.ballot.comparisons("image") == []


def test_only_answers_to_one_brief_are_weighed(library: Library, keep: Keep) -> None:
    a, b = keep("a red teapot"), keep("a blue teapot")
    for first, second, choice in ((a, b, "first"), (a, a, "first"), (a, keep(), "best")):
        with pytest.raises(BadInput):
            library.vote(first.id, second.id, choice)  # type: ignore[arg-type]
    with pytest.raises(NotFound):
        library.vote(a.id, "0" * 64, "first")


def test_stars_are_choices_where_nobody_voted(library: Library, keep: Keep) -> None:
    a, b, c = keep(made_by="one"), keep(made_by="two"), keep("another brief")
    for asset, stars in ((a, 5), (b, 2), (c, 4)):
        library.rate(asset.id, stars)
    (found,) = library.ballot.comparisons("text")
    assert found.source == "stars"
    assert (found.first_model if found.choice == "first" else found.second_model) == "one"
    library.vote(a.id, b.id, "second")
    (found,) = library.ballot.comparisons("text")
    assert found.source == "vote"


def test_a_deleted_asset_takes_its_votes_along(library: Library, keep: Keep) -> None:
    a, b = keep(), keep()
    library.vote(a.id, b.id, "first")
    library.delete(a.id)
    assert library.ballot.comparisons("text") == []


def test_pairs_are_of_one_brief_different_models_first_and_come_once(library: Library, keep: Keep) -> None:
    assert library.ballot.pair("text", "ann") is None
    a, b = keep(made_by="one"), keep(made_by="two")
    keep("alone")
    c = keep(made_by="two")
    seen = []
    while (found := library.ballot.pair("text", "ann")) is not None:
        assert library.ballot.pair("text", "ann") == found
        seen.append(frozenset(found))
        library.vote(*found, "same", "ann")
    assert set(seen[:2]) == {frozenset((a.id, b.id)), frozenset((a.id, c.id))}
    assert seen[2] == frozenset((b.id, c.id)) and len(seen) == 3
    assert library.ballot.pair("text", "ben") is not None


@given(st.text(), st.text())
def test_a_question_is_the_brief_and_not_how_it_is_spaced(one: str, other: str) -> None:
    same = " ".join(one.split()) == " ".join(other.split())
    assert (question_of(brief(one, seed=1)) == question_of(brief(other, seed=2))) == same
