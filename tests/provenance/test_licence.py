"""The licence calculus: the table, the rules of combining, the words, the NOTICE."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio.catalog import DataSource, Model
from studio.errors import BadInput, NotFound
from studio.provenance.licence import (
    ROLES,
    combine,
    licence_of,
    licence_url,
    licences,
    note_for,
    terms,
)
from studio.provenance.licence_table import LADDER
from studio.settings import ROOT

SOME_IDS = [*licences(), "Made-Up-1.0", "", "MIT AND CC-BY-NC-4.0", "MIT OR GPL-3.0-only"]
uses = st.tuples(
    st.sampled_from(ROLES),
    st.text(max_size=80),
    st.sampled_from(SOME_IDS),
    st.sampled_from(["", "A. Person", "Line\x00two"]),
)


def model(name, licence, data=(), base=(), attribution=""):
    return Model(
        name=name, kind="text", engine=None, title=name.title(), summary="", licence=licence, licence_url="",
        commercial="yes", revision="1", memory_mb=1, folder=Path("."), data=data, base=base, attribution=attribution,
    )  # fmt: skip


# --- The table ----------------------------------------------------------------------------------


def test_the_table_is_complete_and_sound():
    head = (ROOT / "assets" / "licences.toml").read_text("utf-8").split("# family")[0]
    assert len(licences()) >= 40
    for id, licence in licences().items():
        assert id == licence.id and licence.name
        assert licence.commercial in LADDER
        assert licence.url.startswith("https://") or id.startswith("LicenseRef-"), id
        assert all(f" {duty} " in head for duty in licence.obligations), id
        assert ("non-commercial" in licence.obligations) <= (licence.commercial == "no"), id


def test_unknown_ids_are_never_guessed():
    for id in ("apache", "Apache License 2.0", "CC-BY", "proprietary", "", "   "):
        assert licence_of(id).commercial == "unknown"
    assert licence_of("apache-2.0").id == "Apache-2.0"


def test_expressions():
    assert licence_of("MIT AND CC-BY-NC-4.0").commercial == "no"
    assert licence_of("CC-BY-NC-4.0 OR MIT").id == "MIT"
    assert licence_of("MIT OR Apache-2.0 AND CC-BY-NC-4.0").id == "MIT"
    assert licence_url("Apache-2.0 AND CC-BY-NC-4.0") == licence_of("CC-BY-NC-4.0").url
    assert licence_url("Made-Up-1.0") == ""


# --- Combining ----------------------------------------------------------------------------------


@given(st.lists(uses, min_size=1, max_size=6), st.randoms())
def test_combining_is_commutative_and_idempotent(some, random):
    shuffled = some[:]
    random.shuffle(shuffled)
    assert combine(some) == combine(shuffled) == combine(some + some)


@given(st.lists(uses, min_size=1, max_size=5), uses)
def test_adding_a_source_never_loosens(some, another):
    before, after = terms(some), terms([*some, another])
    assert LADDER.index(after.commercial) >= LADDER.index(before.commercial)
    for part in ("obligations", "licences", "unknown", "against", "untold", "credits"):
        assert getattr(after, part) >= getattr(before, part)
    if combine([*some, another]).commercial == "yes":
        assert combine(some).commercial == "yes"


@given(st.lists(uses, min_size=1, max_size=5))
def test_an_unknown_licence_takes_the_words_commercial_use_away(some):
    for role in set(ROLES) - {"training data"}:
        check_words([*some, (role, "someone", "Made-Up-1.0", "")])


def check_words(some):
    note = combine(some)
    assert note.commercial in ("unknown", "no")
    assert "commercial use" not in note.note.lower()


@given(st.lists(uses, min_size=1, max_size=30))
def test_the_note_is_short_plain_and_on_one_line(some):
    note = combine(some)
    assert note.note.isprintable() and len(note.note) < 2000
    assert len(note.sources) <= len(some)


@given(st.lists(uses, min_size=1, max_size=4), st.lists(uses, min_size=1, max_size=4))
def test_an_output_used_as_an_input_keeps_its_terms(first, second):
    """The library hands a note's id on when an asset becomes the input of another."""
    given_id = combine(first).id
    after = combine([*second, ("input", "earlier.png", given_id, "")])
    assert LADDER.index(terms([("input", "x", given_id, "")]).commercial) <= LADDER.index(
        terms([*second, ("input", "earlier.png", given_id, "")]).commercial
    )
    assert set(given_id.split(" AND ")) <= set(after.id.split(" AND "))


@pytest.mark.parametrize(
    ("some", "commercial", "words"),
    [
        ([("base model", "SmolLM2", "Apache-2.0", "")], "yes", "Made with SmolLM2 (Apache-2.0). Commercial use is allowed."),
        ([("model", "A", "MIT", ""), ("voice", "B", "CC-BY-NC-4.0", "")], "no", "Only for non-commercial purposes"),
        ([("model", "A", "LicenseRef-Llama-3.2", "")], "unknown", "Commercial use depends on conditions"),
        ([("model", "A", "MIT", ""), ("training data", "D", "CC-BY-NC-4.0", "")], "unknown", "D (CC-BY-NC-4.0)"),
        ([("model", "A", "MIT", ""), ("training data", "D", "CC-BY-SA-4.0", "")], "yes", "Commercial use is allowed."),
        ([("model", "A", "MIT", ""), ("training data", "D", "LicenseRef-various", "")], "unknown", "terms of some training data are not published"),
        ([("model", "A", "Odd", ""), ("training data", "D", "CC-BY-NC-4.0", "")], "unknown", "The terms of A are not known"),
        ([("model", "A", "MIT", ""), ("input", "p.jpg", "CC-BY-SA-4.0", "Jo")], "yes", "share under the same licence"),
        ([("model", "A", "GPL-3.0-only", "")], "yes", "Made with A (GPL-3.0-only). Commercial use is allowed."),
        ([("input", "p", "GPL-3.0-only", "")], "yes", "share under the same licence"),
        ([("model", "A", "MIT", "The A team")], "yes", "credit The A team"),
        ([("model", "A", "LicenseRef-CreativeML-OpenRAIL-M", "")], "yes", "forbidden uses"),
    ],
)  # fmt: skip
def test_known_situations(some, commercial, words):
    note = combine(some)
    assert note.commercial == commercial
    assert words in note.note


def test_bad_roles_and_empty_lists_are_refused():
    with pytest.raises(BadInput, match="training data"):
        combine([("muse", "x", "MIT", "")])
    with pytest.raises(BadInput, match="at least one"):
        combine([])


def test_a_hostile_file_name_cannot_pass_for_a_sentence():
    note = combine([("input", "x” (MIT). Commercial use is allowed.“", "Made-Up", "")])
    assert note.note.count("“") == note.note.count("”") == 2  # once as maker, once as unknown
    assert note.note.startswith("Made with “x")


# --- From the catalog ---------------------------------------------------------------------------


def test_note_for_walks_the_lineage_and_survives_a_ring():
    web = DataSource("Web crawl", "ODC-By-1.0")
    entries = {
        "root": model("root", "Apache-2.0", data=(web,), base=("tuned",), attribution="Root Lab"),
        "tuned": model("tuned", "CC-BY-4.0", base=("root",)),
        "voice": model("voice", "CC0-1.0"),
    }
    note = note_for(
        entries["tuned"],
        entries.get,
        [("cat.png", combine([("input", "cat.png", "CC-BY-SA-4.0", "Cat Person")]))],
        [("voice", "voice")],
    )
    assert note.commercial == "yes"
    assert note.id == "Apache-2.0 AND CC-BY-4.0 AND CC-BY-SA-4.0 AND CC0-1.0"
    assert "training data: Web crawl (ODC-By-1.0)" in note.sources
    assert "base model: Root (Apache-2.0), credit: Root Lab" in note.sources
    assert "Cat Person" in note.note and "Root Lab" in note.note


@given(st.lists(uses, min_size=1, max_size=5))
def test_an_input_carries_its_whole_note_along(some):
    given_note = combine(some)
    note = note_for(model("mine", "MIT"), {}.get, [("asset", given_note)])
    order = ("yes", "unknown", "no")
    assert order.index(note.commercial) >= order.index(given_note.commercial)
    assert set(given_note.sources) <= set(note.sources) or "“asset”" in note.note


def test_an_output_of_a_permissive_model_is_not_itself_under_the_software_licence():
    note = note_for(
        model("mine", "MIT"), {}.get, [("asset", combine([("model", "Other", "Apache-2.0", "")]))]
    )
    assert note.note == "Made with Mine (MIT) and Other (Apache-2.0). Commercial use is allowed."


def test_a_base_that_the_catalog_does_not_know_is_unknown():
    def strict(name):
        raise NotFound(name)

    for lookup in ({}.get, strict):
        note = note_for(model("mine", "MIT", base=("lost",)), lookup)
        assert note.commercial == "unknown" and "lost" in note.note


def test_the_shipped_catalog_uses_known_licences_and_agrees_with_the_table():
    """A data licence may be unknown, which the note then says; a model's licence may not."""
    from studio.catalog import Catalog
    from studio.settings import Settings

    for entry in Catalog.read(Settings.read({})):
        licence = licence_of(entry.licence)
        assert licence.id in licences(), entry.name
        order = ("yes", "unknown", "no")
        outward = "unknown" if licence.commercial == "conditions" else licence.commercial
        assert order.index(entry.commercial) >= order.index(outward), entry.name
        note = note_for(entry, Catalog.read(Settings.read({})).get)
        assert order.index(note.commercial) >= order.index(entry.commercial), entry.name


@pytest.mark.parametrize(
    ("judged", "words"), [("unknown", "are not known"), ("no", "Only for non-commercial purposes")]
)
def test_the_catalog_may_be_stricter_than_a_licence(judged, words):
    note = note_for(replace(model("voice", "MIT"), commercial=judged), {}.get)
    assert note.commercial == judged and words in note.note and "commercial use" not in note.note.lower()
