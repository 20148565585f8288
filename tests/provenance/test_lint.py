"""The linter: our own manifests pass, and each rule catches its own breach."""

import copy
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from seal_drafts import NOTE, PROMPT, brief, draft

from studio.provenance.lint import Expected, lint
from studio.provenance.manifest import (
    ACTIONS,
    EDITED,
    GENERATED,
    GENERATION,
    LICENCE,
    MARKS,
    MINING,
    RIGHTS,
    Facts,
    build,
    sources,
)

FACTS = Facts("ab" * 16, "Tiny 1M", NOTE, datetime(2026, 11, 24, tzinfo=UTC))
EXPECTED = Expected("ab" * 16, NOTE, PROMPT, prompt_in_file=False, author=None)
HASH = ("c2pa.hash.data", {"hash": "x"})


def pairs(facts=FACTS, **changes):
    return [*sources(build(draft(**changes), brief(), facts)), HASH]


def data(found, label):
    return dict(found)[label]


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        (FACTS, EXPECTED),
        (replace(FACTS, parents=("cd" * 32,)), EXPECTED),
        (replace(FACTS, parents=("cd" * 32, "ef" * 32)), EXPECTED),
        (replace(FACTS, prompt_in_file=True), replace(EXPECTED, prompt_in_file=True)),
        (replace(FACTS, author="Ann"), replace(EXPECTED, author="Ann")),
        (replace(FACTS, no_training=True), EXPECTED),
    ],
)
def test_our_own_manifests_pass(facts, expected):
    assert lint(pairs(facts), expected, signed=True) == ()
    assert lint(pairs(facts)[:-1], expected, signed=False) == ()


def without_type(found):
    del data(found, ACTIONS)["actions"][0]["digitalSourceType"]


def set_action(**changes):
    return lambda found: data(found, ACTIONS)["actions"][0].update(changes)


BREACHES = [
    (lambda found: found.pop(0), "it has no actions"),
    (set_action(action="c2pa.edited"), "its first action, and only that, must be"),
    (
        lambda found: data(found, ACTIONS)["actions"].append({"action": "c2pa.opened"}),
        "its first action, and only that",
    ),
    (
        lambda found: data(found, ACTIONS)["actions"].insert(0, {"action": "c2pa.edited"}),
        "its first action, and only that",
    ),
    (lambda found: found.append(("c2pa.actions.v2__1", {"actions": []})), "more than one list of actions"),
    (without_type, "c2pa.created does not say its digitalSourceType"),
    (set_action(digitalSourceType="trainedAlgorithmicMedia"), "not a term of the IPTC list"),
    (set_action(digitalSourceType=EDITED), "generated or edited"),
    (lambda found: data(found, GENERATION).update(parents_sha256=["x"]), "generated or edited"),
    (lambda found: found.pop(), "not bound to the content"),
    (lambda found: found.append(("c2pa.hash.bmff.v3", {})), "not bound to the content"),
    (lambda found: data(found, GENERATION).update(produce_id="cd" * 16), "does not name this output"),
    (lambda found: data(found, LICENCE).update(commercial="no"), "not the licence of this output"),
    (lambda found: data(found, LICENCE).update(note=NOTE.note + " "), "not the licence of this output"),
    (lambda found: data(found, RIGHTS).pop("dc:rights"), "rights statement is not the licence note"),
    (lambda found: data(found, GENERATION).update(prompt=PROMPT), "carries the prompt although nobody asked"),
    (lambda found: data(found, GENERATION)["settings"].update(x=f"a {PROMPT} b"), "the prompt stands in it"),
    (lambda found: data(found, GENERATION).update(prompt_sha256="0"), "the digest of the prompt"),
    (lambda found: data(found, GENERATION).update(author="Ann"), "names an author although nobody asked"),
    (
        lambda found: data(found, RIGHTS).update({"dc:creator": ["Ann"]}),
        "names an author although nobody asked",
    ),
]


@pytest.mark.parametrize(("breach", "sentence"), BREACHES)
def test_each_breach_is_caught(breach, sentence):
    found = copy.deepcopy(pairs())
    breach(found)
    problems = lint(found, EXPECTED, signed=True)
    assert any(sentence in problem for problem in problems), problems


def test_foreign_manifests_are_only_held_to_common_rules():
    assert (
        lint(
            [
                (
                    "c2pa.actions.v2",
                    {"actions": [{"action": "c2pa.created", "digitalSourceType": GENERATED}]},
                ),
                HASH,
            ],
            signed=True,
        )
        == ()
    )
    assert lint([("c2pa.actions", {"actions": ["not an action"]}), HASH], signed=True) == (
        "it has no actions",
    )


@given(
    st.lists(
        st.tuples(
            st.sampled_from([ACTIONS, GENERATION, RIGHTS, LICENCE]),
            st.none()
            | st.integers()
            | st.dictionaries(
                st.sampled_from(["actions", "prompt", "settings"]),
                st.lists(st.none() | st.text(max_size=3), max_size=3),
            ),
        )
    )
)
def test_linter_never_raises_and_never_passes_nonsense(found):
    assert lint(found, EXPECTED, signed=True)


# --- What a manifest says ------------------------------------------------------------------------


def test_private_words_become_digests():
    said = data(pairs(), GENERATION)
    assert said["settings"]["temperature"] == 0.7
    assert said["settings"]["negative_prompt"].startswith("sha256:")
    assert said["settings"]["stop"][0].startswith("sha256:")
    assert "prompt" not in said and "author" not in said
    assert "fog" not in str(pairs())


@pytest.mark.parametrize("value", ["two words", "/home/ann/cat.png", "ann@example.org", "x" * 41, "数据"])
def test_any_setting_that_may_be_private_is_hidden(value):
    said = data(pairs(settings={"style": {"name": value}, "voice": "af_heart"}), GENERATION)["settings"]
    assert said["style"]["name"].startswith("sha256:") and said["voice"] == "af_heart"


def test_asked_for_the_prompt_stands_in_it():
    said = data(pairs(replace(FACTS, prompt_in_file=True)), GENERATION)
    assert said["prompt"] == PROMPT and said["settings"]["negative_prompt"] == "rain and fog"


def test_settings_of_any_shape_become_json():
    odd = {"a": float("nan"), "b": float("inf"), "c": (1, {2}), "d": None, "e": b"x", "f": {1: 2.5}}
    said = data(pairs(settings=odd), GENERATION)["settings"]
    assert said["a"] == "nan" and said["b"] == "inf" and said["c"] == [1, [2]] and said["f"] == {"1": 2.5}


def test_edits_and_parts_are_told_apart():
    actions = data(pairs(replace(FACTS, parents=("cd" * 32, "ef" * 32))), ACTIONS)["actions"]
    assert [action["action"] for action in actions] == ["c2pa.opened", "c2pa.placed", "c2pa.edited"]
    assert actions[-1]["digitalSourceType"] == EDITED


def test_training_opt_out_and_marks_only_when_there_are_some():
    assert {MINING, MARKS}.isdisjoint(dict(pairs()))
    full = dict(pairs(replace(FACTS, no_training=True, marks=({"name": "m"},))))
    assert full[MINING]["entries"]["cawg.ai_generative_training"] == {"use": "notAllowed"}
    assert full[MARKS] == {"marks": [{"name": "m"}]}
