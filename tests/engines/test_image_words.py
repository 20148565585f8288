"""Prompts in another language: put into the model's words whole, or refused with the word that has none."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from test_image_diffusers import model_at

from studio.engines.image_words import read_prompt
from studio.errors import BadInput
from studio.settings import Settings

SETTINGS = Settings(home=Path("/nowhere"))
ENGLISH = replace(model_at(Path("x")), title="Sticker", languages=("en",))


@pytest.mark.parametrize(
    ("asked", "read"),
    [
        ("a red apple", "a red apple"),
        ("红苹果", "red apple"),
        ("蘋果", "red apple"),
        ("一只可爱的猫，卡通", "cute cat, cartoon style"),
        ("火箭 3d", "rocket 3d"),
        ("蓝色的心", "blue heart"),
        ("café crème", "café crème"),
        ("🍎", "🍎"),
        ("", ""),
    ],
)
def test_it_is_read(asked: str, read: str) -> None:
    assert read_prompt(asked, ENGLISH, SETTINGS) == read


def test_words_without_a_name_are_told() -> None:
    with pytest.raises(BadInput, match="Sticker reads English, and 量子纠缠 has no name in its table"):
        read_prompt("红苹果量子纠缠", ENGLISH, SETTINGS)


@pytest.mark.parametrize("asked", ["красное яблоко", "りんご", "사과", "تفاحة", "μήλο"])
def test_other_scripts_are_refused_plainly(asked: str) -> None:
    with pytest.raises(BadInput, match="Sticker reads English; write the prompt in that"):
        read_prompt(asked, ENGLISH, SETTINGS)


def test_models_that_read_it_or_do_not_say_get_it_as_it_is() -> None:
    for languages in (("en", "zh"), ()):
        model = replace(ENGLISH, languages=languages)
        assert read_prompt("红苹果", model, SETTINGS) == "红苹果"


@hypothesis_settings(deadline=None)
@given(st.text(max_size=40))
def test_whatever_is_typed_is_read_or_refused(text: str) -> None:
    try:
        read = read_prompt(text, ENGLISH, SETTINGS)
    except BadInput as refusal:
        assert "Sticker reads English" in str(refusal)
    else:
        assert read == text or not any("\u4e00" <= one <= "\u9fff" for one in read)
