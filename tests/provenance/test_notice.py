"""The NOTICE of a selection: every credit, licence, obligation and source once, and every file."""

from hypothesis import given
from hypothesis import strategies as st
from seal_drafts import NOTE

from studio.provenance.licence import combine, licence_of
from studio.provenance.licence_table import licences
from studio.provenance.notice import OBLIGATIONS, notice
from studio.types import LicenceNote

ONE = combine([("model", "A", "MIT", "A team"), ("training data", "D", "CC-BY-4.0", "")])
TWO = combine([("voice", "V", "CC-BY-SA-4.0", "V. Oice")])


def test_everything_stands_once_and_every_file_under_its_note():
    text = notice([("a.png", ONE), ("b.wav", TWO), ("c.png", ONE)])
    assert text.count(ONE.note) == text.count(TWO.note) == 1
    assert text.index("a.png") < text.index("c.png") < text.index(TWO.note)
    for id in ("MIT", "CC-BY-4.0", "CC-BY-SA-4.0"):
        assert text.count(f"  {id}: {licence_of(id).name}, {licence_of(id).url}\n") == 1
    credits = text[text.index("Credits to show:") : text.index("Licences and what they ask for:")]
    assert credits.split("\n")[1:3] == ["  A team", "  V. Oice"]
    assert "    - share under the same licence\n" in text
    for source in (*ONE.sources, *TWO.sources):
        assert text.count(f"    {source}\n") == 1


def test_the_strictest_note_decides_the_last_word():
    no = combine([("model", "N", "CC-BY-NC-4.0", "")])
    unknown = combine([("model", "U", "Made-Up-1.0", "")])
    assert "Commercial use: allowed by every source." in notice([("a", NOTE)])
    assert "cannot be promised" in notice([("a", NOTE), ("b", unknown)])
    assert "not allowed for everything" in notice([("a", NOTE), ("b", unknown), ("c", no)])


def test_every_obligation_has_words():
    assert {duty for one in licences().values() for duty in one.obligations} <= set(OBLIGATIONS)


@given(st.lists(st.tuples(st.text(max_size=40), st.text(max_size=60), st.text(max_size=30)), max_size=5))
def test_any_note_can_be_listed(entries):
    text = notice([(name, LicenceNote(id, "A note.", "yes", (source,))) for name, source, id in entries])
    assert text.startswith("NOTICE\n") and text.endswith("\n")


def test_studio_exports_it_with_the_files(shared_studio, tmp_path):
    from studio.types import Brief

    asset = shared_studio.make(Brief("text", "a blue bicycle", model="echo-text", seed=3))[0]
    for number in ("", "-2"):
        paths = shared_studio.export([asset.id], tmp_path, with_notice=True)
        assert [path.name for path in paths][1] == f"NOTICE{number}.txt"
        text = paths[1].read_text("utf-8")
        assert asset.credential.licence.note in text and paths[0].name in text
    assert asset.credential.licence.note in shared_studio.notice([asset])
