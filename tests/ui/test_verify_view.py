"""The report as HTML: whatever a file says of itself stays text; strips and comparisons say what they show."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio.provenance.beside import Given, differences, look, look_at_text, words_changed
from studio.types import Ingredient, Layer, Report
from studio.ui.verify_strip import strip
from studio.ui.verify_view import VERDICTS, Shown, document, file_name, report

EVIL = "</title><script>alert(1)</script><img src=x onerror=alert(2)>\"'&lt;b&gt; ${x} {{x}}"
TAGS = {
    "html", "head", "meta", "title", "style", "body", "main", "article", "section", "div", "dl", "dt", "dd", "h1", "h3",
    "h4", "p", "span", "strong", "b", "br", "ul", "ol", "li", "table", "thead", "tr", "th", "td", "figure", "figcaption",
    "svg", "rect", "details", "summary", "mark", "ins", "del", "a", "img",
}  # fmt: skip


class Reader(HTMLParser):
    """What a browser would see: tags with their attributes, and the text."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.text = [], ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text += data


def harmless(page):
    read = Reader(page)
    for tag, attributes in read.tags:
        assert tag in TAGS, tag
        assert not any(name.startswith("on") or name == "style" for name in attributes), attributes
        for name in ("href", "src"):
            assert attributes.get(name, "data:").startswith(
                ("data:text/html;base64,", "data:image/jpeg;base64,", "data:")
            )
    return read


def made(words=EVIL, verdict="marked", segments=None, **more):
    layers = tuple(
        Layer(name, True, words[:20], words, 1e-7, "a" * 64, segments)
        for name in ("credential", "watermark", "labels", "library")
    )
    part = Ingredient(words, words, words, "trusted", words, (Ingredient(words, "x", "", "cut", words),))
    known = dict(
        ingredients=(part,),
        sha256="ab" * 32,
        size=9,
        checked_at=datetime(2026, 11, 24, tzinfo=UTC),
        trust_list=words,
    )
    return Report(f"/tmp/{words}", verdict, words, layers, **(known | more))


def test_hostile_words_stay_words_everywhere():
    given_ = Given(text=EVIL * 3, facts=(("Type", EVIL), ("Size", EVIL)))
    original = Given(text=EVIL, thumb=b"jpeg", facts=(("Type", "x"), ("Size", "y")))
    found = made(segments=((0.0, 30.0, 1e-9), (40.0, 80.0, 1e-3)))
    for page in (report(found, Shown(given_, original)), document(found, Shown(given_, original))):
        read = harmless(page)
        assert "<script>alert(1)</script>" in read.text
    saved = next(attributes["href"] for tag, attributes in read_tags(found, given_, original) if tag == "a")
    inside = base64.b64decode(saved.partition(",")[2]).decode()
    assert "<script>alert" in harmless(inside).text and "<form" not in inside


def read_tags(found, given_, original):
    return Reader(report(found, Shown(given_, original))).tags


@given(st.text(max_size=200), st.sampled_from(sorted(VERDICTS)))
def test_any_words_make_a_harmless_page(words, verdict):
    harmless(document(made(words, verdict), Shown(Given(text=words))))


def test_name_of_a_saved_report_holds_nothing_of_the_files_own():
    assert file_name(made()) == "signet-report-abababababab-20261124.html"


def test_report_of_what_cannot_be_read_has_nothing_to_save():
    empty = made(verdict="unreadable", sha256="", ingredients=(), checked_at=None, trust_list="")
    assert "Save this report" not in report(empty)


# --- Strips ---------------------------------------------------------------------------------------


def test_strip_of_a_recording_shows_where_and_how_surely():
    page = strip([(5.0, 10.0, 1e-12), (0.0, 1.0, 0.01)], seconds=20.0)
    read = harmless(page)
    bars = [attributes for tag, attributes in read.tags if attributes.get("class") == "heat"]
    assert [float(bar["x"]) for bar in bars] == [0.0, 250.0] and [float(bar["width"]) for bar in bars] == [
        50.0,
        250.0,
    ]
    assert float(bars[0]["height"]) < float(bars[1]["height"]) == 36.0
    assert "2 marked stretches, 30% of the whole" in page and "0:05.0 to 0:10.0" in read.text


def test_strip_of_a_text_marks_the_words():
    text = "one two three four"
    page = strip([(4.0, 7.0, 1e-4)], text=text)
    assert (
        "one <mark>two</mark> three four" in page
        and "“two”; chance without a mark: 1 in 10,000" in Reader(page).text
    )


@pytest.mark.parametrize(
    ("segments", "options"),
    [
        ([(0.0, 0.0, 1.0)], {"seconds": 0.0}), ([(9.0, 3.0, 0.5)], {"text": "abc"}), ([(5.0, 9.0, 0.0)], {"text": "abc"}),
        ([(-4.0, 99.0, 1e-300)], {"text": "abc"}), ([(0.0, 1.0, 2.0)], {}), ([(0.0, 1.0, 1e-5)] * 500, {"seconds": 7.0}),
        ([(0.0, 2.0, 0.1), (1.0, 3.0, 0.1)], {"text": "abc"}),
    ],
)  # fmt: skip
def test_any_stretch_can_be_drawn(segments, options):
    page = strip(segments, **options)
    harmless(page)
    if "text" in options and page:
        assert Reader(page).text.count("abc") >= 1


# --- Beside the original --------------------------------------------------------------------------


def test_what_changed_is_told_fact_by_fact_and_word_by_word():
    before, after = look_at_text("A quick blue bicycle."), look_at_text("A slow blue bicycle, indeed.")
    assert ("Words", "4", "5") in differences(before, after)
    pieces = words_changed(before.text, after.text)
    assert ("removed", "quick") in pieces and ("added", "slow") in pieces
    assert "".join(words for kind, words in pieces if kind != "removed") == after.text
    page = report(made("ok", "recovered"), Shown(after, before))
    assert "<del>quick</del><ins>slow</ins>" in page and "Beside the original" in page


def test_long_texts_are_compared_in_bounded_time():
    import time

    began = time.process_time()
    words_changed("a b " * 50_000, "b a " * 50_000)
    assert time.process_time() - began < 10


@pytest.mark.parametrize(
    "content", [b"", b"\x89PNG\r\n\x1a\nrest", b"RIFF\0\0\0\0WAVEjunk", b"\0\1\2", b"ID3junk"]
)
def test_what_cannot_be_decoded_shows_nothing_and_raises_nothing(tmp_path, content):
    path = tmp_path / "file"
    path.write_bytes(content)
    seen = look(path, 1000)
    assert (seen.text or None, seen.thumb, seen.seconds) == (None, None, None)
    assert look(tmp_path / "gone", 1000) == Given() == look(path, -1)
