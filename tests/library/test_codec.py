"""Nouns survive the way through JSON exactly, whatever is in them."""

from __future__ import annotations

import json
import math
from datetime import UTC, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studio.errors import BadInput
from studio.library import codec
from studio.types import Asset, Brief, Credential, Job, LicenceNote, ModelUse, Score, Scorecard

words = st.text(st.characters(exclude_categories=()), max_size=20)  # NULs and lone surrogates too
numbers = st.floats(allow_nan=False)
moments = st.datetimes(timezones=st.sampled_from([UTC, timezone(timedelta(hours=8))]))
plain = st.recursive(
    st.none() | st.booleans() | st.integers() | numbers | words,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner, inner)
        | st.dictionaries(words | st.sampled_from(["$tuple", "$$x"]), inner, max_size=3)
    ),
    max_leaves=6,
)
many = st.lists(words, max_size=3).map(tuple)
mapping = st.dictionaries(words, plain, max_size=3)
briefs = st.builds(
    Brief, kind=st.sampled_from(["text", "image", "video"]), prompt=words, options=mapping, inputs=many,
    engine=st.none() | words, seed=st.none() | st.integers(), count=st.integers(), author=st.none() | words,
)  # fmt: skip
scores = st.builds(
    Score, name=words, value=numbers, unit=words, better=st.just("higher"), domain=words,
    percentile=st.none() | numbers, interval=st.none() | st.tuples(numbers, numbers),
)  # fmt: skip
scorecards = st.builds(
    Scorecard, st.lists(scores, max_size=3).map(tuple), st.dictionaries(words, words, max_size=3)
)
licences = st.builds(LicenceNote, words, words, st.sampled_from(["yes", "no", "unknown"]), many)
credentials = st.builds(Credential, words, licences, many, st.none() | words, words, words, moments)
models = st.builds(ModelUse, words, words, words, st.integers(), words, words, numbers, mapping)
jobs = st.builds(
    Job, id=words, brief=briefs, owner=words, state=st.sampled_from(["queued", "failed"]), created_at=moments,
    position=numbers, started_at=st.none() | moments, error=st.none() | words,
)  # fmt: skip
assets = st.builds(
    Asset, id=words, job_id=words, kind=st.just("image"), path=st.just(Path("files/ab/cd.png")), media_type=words,
    brief=briefs, model=models, scorecard=scorecards, credential=credentials, parents=many, created_at=moments,
    owner=words, favourite=st.booleans(), note=words, stars=st.integers(0, 5),
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(st.one_of(briefs, scorecards, credentials, models, jobs, assets))
def test_every_noun_comes_back_equal(noun: Any) -> None:
    text = codec.to_json(noun)
    assert text.isascii()
    assert codec.from_json(type(noun), text) == noun


def test_tuples_come_back_as_tuples_and_lists_as_lists() -> None:
    back = codec.brief_from_json(
        codec.brief_to_json(Brief("text", "x", options={"a": (1, [2, (3,)]), "$tuple": [4]}))
    )
    assert back.options == {"a": (1, [2, (3,)]), "$tuple": [4]}
    assert type(back.options["a"]) is tuple and type(back.options["a"][1]) is list


def test_infinite_scores_and_nan_survive() -> None:
    card = Scorecard(
        (Score("perplexity", math.inf, "", "lower", "text"), Score("x", math.nan, "", "lower", "text"))
    )
    back = codec.scorecard_from_json(codec.scorecard_to_json(card))
    assert back.scores[0].value == math.inf and math.isnan(back.scores[1].value)


def test_numpy_numbers_are_taken_as_plain_ones() -> None:
    import numpy as np

    use = ModelUse("m", "r", "e", 1, "cpu", "f32", 1.0, {"steps": np.int64(4), "scale": np.float32(0.5)})
    assert codec.model_from_json(codec.model_to_json(use)).settings == {"steps": 4, "scale": 0.5}


def test_keys_of_a_newer_studio_are_passed_over_and_missing_ones_take_defaults() -> None:
    stored = json.loads(codec.brief_to_json(Brief("text", "x", seed=3)))
    stored["mood"] = {"from": "the future"}
    del stored["count"]
    assert codec.brief_from_json(json.dumps(stored)) == Brief("text", "x", seed=3)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", "7", '{"kind": "text"}', '{"kind": "text", "prompt": 5}', "[" * 100_000]
)
def test_what_is_no_brief_is_told_in_one_sentence(text: str) -> None:
    with pytest.raises(BadInput, match="stored Brief cannot be read"):
        codec.brief_from_json(text)


def test_a_thing_without_a_stored_form_is_refused() -> None:
    with pytest.raises(TypeError, match="object cannot be stored"):
        codec.brief_to_json(Brief("text", "x", options={"thing": object()}))
