"""From votes in the library to a trained ranker, through the door."""

from __future__ import annotations

from pathlib import Path

import pytest

from studio.errors import BadInput
from studio.service import Studio
from studio.types import Asset, Brief

OWNER = "somebody"


@pytest.fixture(scope="module")
def made(shared_studio: Studio) -> list[list[Asset]]:
    """Two texts of different length for each of six briefs."""
    return [
        [
            shared_studio.make(Brief("text", f"Write of {topic}.", engine="echo", seed=words))[0]
            for words in (4, 5)
        ]
        for topic in ("tea", "rain", "boats", "clay", "bread", "wool")
    ]


def test_the_pair_asked_is_open_and_the_choices_train_a_ranker(
    shared_studio: Studio, made: list[list[Asset]]
) -> None:
    taste = shared_studio.taste
    with pytest.raises(BadInput, match="no choice yet"):
        taste.train("text")
    with pytest.raises(BadInput, match="no ranker yet"):
        taste.order("text", made[0])
    asked = []
    while pair := taste.next_pair("text", OWNER):
        asked.append(frozenset(one.id for one in pair))
        longer = max(pair, key=lambda asset: len(shared_studio.text_of(asset)))
        shared_studio.judging.vote(
            pair[0].id, pair[1].id, "first" if longer.id == pair[0].id else "second", OWNER
        )
    assert len(asked) == len(set(asked)) == len(made)
    standing = taste.standing("text")
    assert (standing.choices, standing.briefs, standing.run) == (6, 6, None)
    run = taste.train("text")
    *_, run = shared_studio.trainings.watch(run.name)
    assert run.status.state == "done", run.status.error
    assert Path(run.status.result, "ranker.json").is_file()
    found = taste.standing("text").run
    assert found is not None and found.name == run.name
    assert {one.id for one in taste.order("text", made[0])} == {one.id for one in made[0]}
