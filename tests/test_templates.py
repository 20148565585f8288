"""Templates: the shipped ones are sound, filling is plain text, every fault of a file is named."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio.errors import BadInput
from studio.settings import ROOT
from studio.templates import MAX_SLOT_CHARS, Slot, Template, fill, read_templates, rules_broken

SHIPPED = read_templates(ROOT / "assets" / "templates")
MINE = Template(
    name="mine",
    title="My template",
    kind="text",
    field="tests",
    summary="For tests.",
    prompt="Write about {thing}.\nIt is for {who}.\nSay {a} and {b}.\nEnd.",
    slots=(
        Slot("thing", "Thing", "", True, "a mug"),
        Slot("who", "For whom", "", False, "all"),
        Slot("a", "A", "", False, "one"),
        Slot("b", "B", "", False, "two"),
    ),
    required=("{thing}",),
    forbidden=("cure", "{who} only"),
)


# --- the shipped ones ---------------------------------------------------------------------------


def test_all_thirteen_are_there() -> None:
    assert sorted(SHIPPED) == [
        "ad_headlines", "background_music", "blog_outline", "email", "game_cue", "lesson_outline", "patient_leaflet",
        "press_note", "product_description", "product_video_script", "slogan", "social_post", "sonic_logo",
    ]  # fmt: skip


@pytest.mark.parametrize("template", SHIPPED.values(), ids=lambda one: one.name)
def test_a_shipped_template_fills_with_its_examples(template: Template) -> None:
    prompt = fill(template, template.example)
    assert all(value in prompt for value in template.example.values())
    assert "{" not in prompt
    assert 1 <= len(template.slots) <= 6  # the page has six boxes
    assert any(slot.required for slot in template.slots)


@pytest.mark.parametrize("template", SHIPPED.values(), ids=lambda one: one.name)
def test_a_shipped_template_fills_with_what_it_requires_alone(template: Template) -> None:
    needed = {slot.name: slot.example for slot in template.slots if slot.required}
    assert fill(template, needed).strip()
    for name in needed:
        with pytest.raises(BadInput, match="still needs"):
            fill(template, {key: value for key, value in needed.items() if key != name})


@pytest.mark.parametrize("template", SHIPPED.values(), ids=lambda one: one.name)
def test_the_options_of_a_shipped_template_are_the_engine_s(template: Template) -> None:
    from studio.engines.music_options import MusicOptions
    from studio.engines.sampling import TextOptions, read_stops
    from studio.options import read_options

    if template.kind == "music":
        assert read_options(MusicOptions, template.options).seconds > 0
        return
    options = read_options(TextOptions, template.options)
    assert options.temperature > 0 and "\\" not in "".join(read_stops(options.stop))


def test_the_leaflet_carries_its_disclaimer() -> None:
    leaflet = SHIPPED["patient_leaflet"]
    assert "does not replace medical advice" in leaflet.disclaimer
    assert "The disclaimer is missing." in rules_broken(leaflet, {}, "Drink water.")
    assert rules_broken(leaflet, {}, f"Drink water.\n\n{leaflet.disclaimer}") == ()


@pytest.mark.real
def test_the_default_model_writes_something_usable(tmp_path: Path) -> None:
    """The tiny model keeps to the facts of an e-mail and copy-edits a leaflet, at least once in four."""
    from datetime import UTC, datetime

    from studio.catalog import Catalog
    from studio.engines.base import Device
    from studio.engines.text_llama import TextLlama
    from studio.settings import Settings
    from studio.types import Brief, Draft, Job

    settings = Settings.read({}, home=tmp_path, threads=1)
    engine = TextLlama(
        Catalog.read(settings).require("smollm2-135m"), Device("cpu", "", 4000, 2000), settings
    )
    engine.load()
    try:
        for name, facts in (
            ("email", ("twelve chairs", "thursday")),
            ("patient_leaflet", ("eight hours", "insurance card")),
        ):
            template = SHIPPED[name]
            brief = Brief(
                "text",
                fill(template, template.example),
                options={**template.options, "max_tokens": 100},
                count=4,
                seed=1,
            )
            drafts = engine.generate(Job("job", brief, "me", "running", datetime.now(UTC)))
            texts = [draft.payload + template.disclaimer for draft in drafts if isinstance(draft, Draft)]
            kept = [text for text in texts if not rules_broken(template, template.example, text)]
            assert len(texts) == 4 and kept, texts
            assert any(all(fact in text.lower() for fact in facts) for text in kept), texts
    finally:
        engine.close()


# --- filling ------------------------------------------------------------------------------------


def test_lines_of_empty_slots_are_left_out() -> None:
    assert fill(MINE, {"thing": "a mug"}) == "Write about a mug.\nEnd."
    assert fill(MINE, {"thing": "a mug", "who": "  "}) == "Write about a mug.\nEnd."
    assert fill(MINE, {"thing": "a mug", "a": "x"}) == "Write about a mug.\nSay x and .\nEnd."


def test_missing_unknown_and_long_values_are_named() -> None:
    with pytest.raises(BadInput, match=r"^My template still needs: Thing\.$"):
        fill(MINE, {})
    with pytest.raises(BadInput, match="has no slot 'colour'; it has: thing, who, a, b"):
        fill(MINE, {"thing": "x", "colour": "red"})
    with pytest.raises(BadInput, match=r"Thing is 4,001 characters long; My template takes 4,000\."):
        fill(MINE, {"thing": "x" * (MAX_SLOT_CHARS + 1)})


@pytest.mark.parametrize(
    "value", ["{who}", "{0.__class__}", "%s %(x)s", "{{thing}}", "\\1 \\g<0>", "${who}", "{", "مرحبا", "👋"]
)
def test_a_value_is_text_and_nothing_else(value: str) -> None:
    assert fill(MINE, {"thing": value, "who": "SECRET"}) == f"Write about {value}.\nIt is for SECRET.\nEnd."


@given(st.text(max_size=80), st.text(max_size=80))
def test_any_value_comes_out_as_it_was(thing: str, who: str) -> None:
    values = {"thing": thing, "who": who}
    if not thing.strip():
        with pytest.raises(BadInput):
            fill(MINE, values)
        return
    prompt = fill(MINE, values)
    assert prompt.startswith(f"Write about {thing.strip()}.\n") and prompt.endswith("\nEnd.")
    assert (f"It is for {who.strip()}.\n" in prompt) or not who.strip()


# --- rules --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "broken"),
    [
        ("A MUG for you.", ()),
        ("For you.", ("“a mug” is missing.",)),
        ("A mug is a Cure!", ("“cure” must not be said.",)),
        ("A mug, secure.", ()),
        ("A mug for kids only.", ("“kids only” must not be said.",)),
    ],
)
def test_phrases_are_checked_as_words(text: str, broken: tuple[str, ...]) -> None:
    assert rules_broken(MINE, {"thing": "a mug", "who": "kids"}, text) == broken


def test_invented_numbers_are_named() -> None:
    strict = dataclasses.replace(MINE, only_given_numbers=True)
    values = {"thing": "a mug for 12 euro, phone 555 0134"}
    text = "a mug for 12 euro, phone 555 0134\n"
    assert rules_broken(strict, values, text + "1. Drink\n2) Wash") == ()
    assert rules_broken(strict, values, text + "Only 5 left, 5!") == ("The number 5 is not from the brief.",)
    assert rules_broken(MINE, values, text + "Only 5 left!") == ()


# --- files with faults --------------------------------------------------------------------------

GOOD = """
title = "T"
kind = "text"
field = "f"
summary = "S."
prompt = "About {x}"
[[slots]]
name = "x"
label = "X"
example = "y"
"""


def test_a_good_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "t.toml").write_text(GOOD)
    assert read_templates(tmp_path)["t"].slots == (Slot("x", "X", "", False, "y"),)
    assert read_templates(tmp_path / "none") == {}


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("title = ", "titel = ", "field titel: is unknown"),
        ('title = "T"', "", "field title: must be text"),
        ('"text"', '"smell"', "field kind: must be one of"),
        ("{x}", "{y}", r"field prompt: names \{y\}, which is not among its slots"),
        ("About {x}", "About", "field slots: x is not used"),
        ('example = "y"', "", r"field slots\[0\]\.example: must be text"),
        ('label = "X"', 'label = ""', r"field slots\[0\]\.label"),
        ('label = "X"', 'label = "X"\nrequired = 1', r"field slots\[0\]\.required: must be yes or no"),
        ('name = "x"', 'name = "x y"', r"field slots\[0\]\.name"),
        ('label = "X"', 'label = "X"\ncolour = "red"', r"field slots\[0\]: must be a table of"),
        ('summary = "S."', 'summary = "S."\nforbidden = "x"', "field forbidden: must be a list"),
        ('summary = "S."', 'summary = "S."\nrequired = ["{z}"]', r"names \{z\}"),
        ('summary = "S."', 'summary = "S."\noptions = 1', "field options: must be a table"),
        ('summary = "S."', 'summary = "S."\ndisclaimer = 1', "field disclaimer: must be text"),
        (
            'summary = "S."',
            'summary = "S."\nonly_given_numbers = 1',
            "field only_given_numbers: must be true or false",
        ),
        ("[[slots]]", "[[slots]", "cannot be read"),
    ],
)
def test_a_fault_names_file_and_field(old: str, new: str, why: str, tmp_path: Path) -> None:
    assert old in GOOD
    (tmp_path / "t.toml").write_text(GOOD.replace(old, new))
    with pytest.raises(BadInput, match=rf"^Template t\.toml.*{why}"):
        read_templates(tmp_path)
