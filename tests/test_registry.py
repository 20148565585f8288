from __future__ import annotations

import pytest

from studio.engines.base import engines
from studio.errors import NotFound
from studio.registry import Registry


class Part:
    name = "one"


class Other:
    name = "one"


def test_an_unknown_name_lists_the_valid_ones() -> None:
    with pytest.raises(
        NotFound, match="no engine called 'nope'; choose one of: echo, echo_image, echo_speech"
    ):
        engines.lookup("nope")


def test_a_name_is_taken_once() -> None:
    parts: Registry[type[Part]] = Registry("part", "studio.engines")
    parts.register(Part)
    parts.register(Part)  # the same part again, as a reloaded module does
    with pytest.raises(ValueError, match="already a part called 'one'"):
        parts.register(Other)  # type: ignore[arg-type]


def test_built_in_engines_are_found_by_themselves() -> None:
    assert {"echo", "text_llama", "text_transformers", "speech_kokoro", "image_diffusers"} <= set(engines)
