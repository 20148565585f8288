"""Style, shape and background as words and options; what a model has not is left out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from studio.engines.image_offers import Offers
from studio.ui import image_tab_look
from studio.ui.image_tab_look import SHAPES, Look, presets, size_of

ASSETS = Path(__file__).resolve().parents[2] / "assets"
ARGUMENTS = {
    "num_inference_steps": 50,
    "guidance_scale": 7.5,
    "negative_prompt": None,
    "width": None,
    "height": None,
}
PHOTO = Offers(frozenset({"text", "image"}), ARGUMENTS, 512)
STICKER = replace(PHOTO, styles=("3d", "flat"), arguments=ARGUMENTS | {"style": "auto", "transparent": False})


@pytest.fixture
def look(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The reading side alone: which components there are does not matter to it."""
    made = Look.__new__(Look)
    made._presets = presets(ASSETS)
    made.style, made.shape, made.transparent = "style", "shape", "transparent"
    kinds = {"photo": PHOTO, "sticker": STICKER, "other": Offers(frozenset({"text"}), {}, 512)}
    monkeypatch.setattr(Look, "offers", lambda self, name: kinds[name])
    return made


def read(
    look: Any, model: str, style: str = "", shape: str = "Square", clear: bool = False, **options: Any
) -> Any:
    values = {"style": style, "shape": shape, "transparent": clear}
    return look.read(values, model, "a red apple.", options)


def test_a_look_adds_words_and_what_should_not_be_there(look: Any) -> None:
    prompt, options = read(look, "photo", "watercolour")
    assert prompt.startswith("a red apple, watercolour painting")
    assert options == {"negative_prompt": "photograph, text"}
    _, options = read(look, "photo", "watercolour", negative_prompt="worms")
    assert options["negative_prompt"] == "worms"
    assert look.read({"style": "film", "shape": "Square", "transparent": False}, "photo", " ", {})[0] == " "


def test_a_style_of_the_model_is_an_option(look: Any) -> None:
    prompt, options = read(look, "sticker", "flat", clear=True)
    assert prompt == "a red apple." and options == {"style": "flat", "transparent": True}


def test_what_the_model_has_not_is_left_out(look: Any) -> None:
    assert read(look, "photo", "flat", clear=True, lora="", steps=50, guidance_scale=7.5)[1] == {
        "negative_prompt": presets(ASSETS)["flat"].without
    }
    assert read(look, "photo", steps=20)[1] == {"steps": 20}
    assert read(look, "other", seconds_per_step=2)[1] == {"seconds_per_step": 2}


def test_a_shape_is_a_size_unless_one_was_typed(look: Any) -> None:
    assert read(look, "photo", shape="Wide 16:9")[1] == {"width": 704, "height": 384}
    assert read(look, "photo", shape="Wide 16:9", width=640, height=512)[1] == {"width": 640}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("side", [32, 512, 1024])
def test_sizes_have_about_the_models_own_area(shape: str, side: int) -> None:
    size = size_of(shape, side)
    if shape == "Square":
        assert size is None
        return
    assert size is not None
    width, height = size
    assert width % 8 == height % 8 == 0 and abs(width * height / side**2 - 1) < 0.4
    assert (width > height) == (SHAPES[shape] > 1)


def test_every_look_is_complete() -> None:
    found = presets(ASSETS)
    assert len(found) >= 6
    assert all(one.title and one.words and one.without for one in found.values())
    assert len({one.title for one in found.values()}) == len(found)


def test_engines_that_say_nothing_are_shown_the_least() -> None:
    found = image_tab_look.offers_of(SimpleNamespace(engine="echo_image"))  # type: ignore[arg-type]
    assert not found.arguments and not found.styles and "inpaint" not in found.tasks
