"""What a template asks of the words reaches the scorecard, its slots filled."""

from __future__ import annotations

from studio.service import Studio
from studio.templates import phrases
from studio.types import Brief


def note(company: str) -> Brief:
    slots = {"company": company, "news": "a revolutionary lamp"}
    return Brief("text", "", engine="echo", template="press_note", options=slots, seed=1)


def test_the_card_says_which_phrases_are_there(shared_studio: Studio) -> None:
    (asset,) = shared_studio.make(note("Harbour Lamps"))
    required, forbidden = (asset.scorecard.get(f"{name}_phrases") for name in ("required", "forbidden"))
    assert required is not None and required.value == 100
    assert forbidden is not None and forbidden.value == 1 and "revolutionary" in forbidden.detail


def test_without_a_template_both_are_withheld(shared_studio: Studio) -> None:
    (asset,) = shared_studio.make(Brief("text", "a revolutionary lamp", engine="echo", seed=1))
    assert {"required_phrases", "forbidden_phrases"} <= set(asset.scorecard.withheld)


def test_a_phrase_with_an_empty_slot_is_not_asked(shared_studio: Studio) -> None:
    template = shared_studio.templates["press_note"]
    assert phrases(template, {"company": "Harbour Lamps"})[0] == ("Harbour Lamps",)
    assert phrases(template, {"company": "  "})[0] == ()
