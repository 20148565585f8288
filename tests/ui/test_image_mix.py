"""Which model draws while one types, and what two prompts or two styles ask of the engine."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from studio.catalog import Model
from studio.engines.image_offers import Offers
from studio.types import Brief
from studio.ui.image_tab_live import SEED, STEPS, distilled, quick
from studio.ui.image_tab_mix import MIXED, Mix

STICKER = Offers(
    frozenset({"text"}), {"mix_style": None, "num_inference_steps": 24}, 512, ("3d", "flat"), blends=True
)
TEACHER = Model(
    name="teacher", kind="image", engine="image_diffusers", title="Teacher", summary="", licence="MIT", licence_url="",
    commercial="yes", revision="1", memory_mb=1, folder=Path("teacher"),
)  # fmt: skip
STUDENT = replace(
    TEACHER, name="student", base=("words", "teacher"), options={"steps": 4, "guidance_scale": 1.0}
)
TUNED = replace(TEACHER, name="tuned", base=("teacher",))


class Shelf:
    """A catalog of these models; `absent` ones have no files here."""

    def __init__(self, *models: Model, absent: tuple[str, ...] = ()) -> None:
        self.models, self.absent = models, absent

    def of_kind(self, kind: str) -> list[Model]:
        return [one for one in self.models if one.kind == kind]

    def ready(self, name: str) -> bool:
        return name not in self.absent


@pytest.mark.parametrize(
    ("asked", "drawn"), [("teacher", "student"), ("student", "student"), ("tuned", None), ("other", None)]
)
def test_the_student_draws_for_its_teacher_alone(asked: str, drawn: str | None) -> None:
    shelf: Any = Shelf(TUNED, STUDENT, TEACHER)
    found = distilled(asked, shelf)
    assert (found and found.name) == drawn


def test_a_student_that_is_not_here_draws_nothing() -> None:
    shelf: Any = Shelf(STUDENT, TEACHER, absent=("student",))
    assert distilled("teacher", shelf) is None
    made = quick(Brief("image", "a", model="teacher", options={"steps": 40, "guidance_scale": 5.0}), shelf)
    assert made.model == "teacher"
    assert made.options == {"steps": STEPS, "guidance_scale": 5.0, "live": True}


def test_a_live_brief_leaves_steps_and_guidance_to_the_student() -> None:
    options = {"steps": 40, "guidance_scale": 5.0, "to_prompt": "b", "frames": 9, "style": "flat"}
    asked = Brief("image", "a", model="teacher", options=options, count=4, format="mp4")
    shelf: Any = Shelf(TEACHER, STUDENT)
    made = quick(asked, shelf)
    assert (made.model, made.count, made.seed, made.format) == ("student", 1, SEED, None)
    assert made.options == {"style": "flat", "live": True}
    assert quick(replace(asked, seed=5), shelf).seed == 5


@pytest.fixture
def mix() -> Any:
    made = Mix.__new__(Mix)
    for name in ("other", "share", "by", "second", "film", "frames"):
        setattr(made, name, name)
    return made


def values(**more: Any) -> dict[str, Any]:
    return {"other": "", "share": 0.3, "by": "steps", "second": " ", "film": "mp4", "frames": 12.0} | more


def test_what_is_not_filled_in_asks_for_nothing(mix: Any) -> None:
    assert mix.read(values(), STICKER) == ({}, None)
    assert mix.read(values(second=None), STICKER) == ({}, None)


def test_two_prompts_as_sheet_or_film_and_two_styles(mix: Any) -> None:
    options, film = mix.read(values(second="a sun", other="flat"), STICKER)
    assert film == "mp4" and set(options) == set(MIXED)
    assert options["frames"] == 12 and options["mix_share"] == 0.3 and options["mix_by"] == "steps"
    assert mix.read(values(second="a sun", film=""), STICKER) == ({"to_prompt": "a sun", "frames": 12}, None)


def test_what_the_model_has_not_is_left_out(mix: Any) -> None:
    assert mix.read(values(second="a sun", other="flat"), Offers(frozenset({"text"}), {}, 512)) == ({}, None)
