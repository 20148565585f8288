from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio.errors import BadInput
from studio.options import option, options_dict, read_options


@dataclass(frozen=True)
class Options:
    temperature: float = option(0.8, "Temperature", low=0.0, high=2.0)
    steps: int = option(20, "Steps", low=1, high=100)
    voice: str = option("ann", "Voice", choices=("ann", "bob"))
    loud: bool = option(False, "Loud")
    limit: int | None = option(None, "Limit", low=1, high=9)
    note: str = option("", "Note", max_length=5)


def test_defaults_need_nothing() -> None:
    assert read_options(Options, {}) == Options()


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"temperature": "1.5"}, {"temperature": 1.5}),
        ({"steps": "30"}, {"steps": 30}),
        ({"steps": 30.0}, {"steps": 30}),
        ({"loud": "yes"}, {"loud": True}),
        ({"loud": "off"}, {"loud": False}),
        ({"limit": ""}, {"limit": None}),
        ({"limit": "3"}, {"limit": 3}),
        ({"voice": "bob"}, {"voice": "bob"}),
    ],
)
def test_text_from_a_form_or_a_command_becomes_the_declared_type(
    given: dict[str, Any], expected: dict[str, Any]
) -> None:
    read = options_dict(read_options(Options, given))
    assert {name: read[name] for name in expected} == expected
    assert all(type(read[name]) is type(value) for name, value in expected.items())


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"speed": 1}, "Unknown option 'speed'; valid options: temperature"),
        ({"temperature": 2.5}, "between 0 and 2, not 2.5"),
        ({"temperature": "nan"}, "must be a number"),
        ({"temperature": "inf"}, "must be a number"),
        ({"temperature": True}, "must be a number"),
        ({"steps": 1.5}, "must be a whole number"),
        ({"steps": "9" * 400}, "must be a whole number"),
        ({"steps": 101}, "between 1 and 100, not 101"),
        ({"limit": 0}, "between 1 and 9"),
        ({"steps": [1]}, "must be a whole number"),
        ({"steps": None}, "needs a value"),
        ({"voice": "eve"}, "no choice 'eve'; choose one of: ann, bob"),
        ({"voice": 3}, "must be text"),
        ({"loud": "perhaps"}, "must be yes or no"),
        ({"note": "too long"}, "longer than 5 characters"),
    ],
)
def test_what_is_wrong_is_named(given: dict[str, Any], words: str) -> None:
    with pytest.raises(BadInput) as caught:
        read_options(Options, given)
    assert words in str(caught.value)


@given(
    st.dictionaries(
        st.sampled_from(["temperature", "steps", "voice", "loud", "limit", "note", "x"]),
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    )
)
def test_anything_is_either_read_within_bounds_or_refused_in_words(given: dict[str, Any]) -> None:
    try:
        read = read_options(Options, given)
    except BadInput as error:
        assert str(error).endswith(".")
        return
    assert 0 <= read.temperature <= 2 and 1 <= read.steps <= 100 and read.voice in ("ann", "bob")
    assert type(read.steps) is int and type(read.loud) is bool and len(read.note) <= 5
