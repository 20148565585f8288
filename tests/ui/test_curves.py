"""Training curves and runs as HTML: whatever the numbers, well-formed; whatever the names, escaped."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio.forge.data import inspect_data
from studio.forge.runs import Pace, Request, Run, Status
from studio.ui import forge_view
from studio.ui.curves import HEIGHT, HUGE, MOST_POINTS, WIDTH, chart

POINTS = st.lists(st.tuples(st.integers(0, 10**7), st.floats(width=64)), max_size=30)


@given(
    st.dictionaries(
        st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), max_size=12), POINTS, max_size=5
    )
)
def test_any_curve_is_a_well_formed_picture_inside_its_frame(
    curves: dict[str, list[tuple[int, float]]],
) -> None:
    drawn = chart("<Loss>", {name: sorted(points) for name, points in curves.items()})
    if not any(abs(value) < HUGE for points in curves.values() for _, value in points):
        assert drawn == ""
        return
    figure = ET.fromstring(drawn)
    for line in figure.iter("polyline"):
        for pair in (line.get("points") or "").split():
            x, y = map(float, pair.split(","))
            assert -1 <= x <= WIDTH + 1 and -1 <= y <= HEIGHT + 1


def test_long_curves_are_thinned_and_keep_their_last_value() -> None:
    drawn = chart("Loss", {"train": [(step, 1 / (step + 1)) for step in range(10_000)]})
    (line,) = ET.fromstring(drawn).iter("polyline")
    assert len((line.get("points") or "").split()) <= MOST_POINTS
    assert "0.0001" in drawn


def test_wide_spans_are_drawn_in_powers_of_ten() -> None:
    drawn = chart("Loss", {"train": [(1, 100.0), (2, 0.01)]})
    ticks = [text.text for text in ET.fromstring(drawn).iter("text")]
    assert {"0.01", "0.1", "1", "10", "100"} <= set(ticks)


def test_lines_are_told_apart_without_colour() -> None:
    curves = {name: [(0, 1.0), (1, 2.0), (2, 1.5)] for name in "abcd"}
    dashes = [line.get("stroke-dasharray") for line in ET.fromstring(chart("Loss", curves)).iter("polyline")]
    assert len(set(dashes)) == 4


def a_run(folder: Path, **status: str) -> Run:
    request = Request("tiny", "data.txt", {"epochs": 3})
    return Run(
        "<b>run</b>", folder, request, Status(**{"state": "running", **status}), Pace(10, 100, 2.0, 3 * 10**8)
    )  # type: ignore[arg-type]


def test_how_a_run_stands_is_said_in_words_and_escaped(tmp_path: Path) -> None:
    told = forge_view.standing(a_run(tmp_path))
    assert "<b>run</b>" not in told.replace("&lt;b&gt;run&lt;/b&gt;", "")
    assert "step 10 of 100" in told and "3 min left of about 3 min" in told and "0.3 GB" in told
    failed = forge_view.standing(a_run(tmp_path, state="failed", error="<script>"))
    assert "&lt;script&gt;" in failed and 'role="alert"' in failed


def test_a_log_and_a_report_from_outside_are_escaped(tmp_path: Path) -> None:
    (tmp_path / "log.txt").write_text("<img src=x onerror=alert(1)>", "utf-8")
    (tmp_path / "report.json").write_text('{"<i>": "<script>", "n": 1.5, "deep": {"a": 1}}', "utf-8")
    run = a_run(tmp_path)
    assert "<img" not in forge_view.log(run)
    numbers = forge_view.numbers(run)
    assert "<script>" not in numbers and "<i>" not in numbers and "1.5" in numbers
    (tmp_path / "report.json").write_text("[1", "utf-8")
    assert forge_view.numbers(run) == ""


def test_data_is_shown_with_its_faults(tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    file.write_text('{"text": "<script>one</script>"}\n{"text": ""}\n{"text": 3}\n{"text": "two"}\n', "utf-8")
    shown = forge_view.data(inspect_data(file))
    assert "<script>" not in shown and "&lt;script&gt;one" in shown
    assert "rows.jsonl:2 is empty" in shown and "rows.jsonl:3 has no text" in shown
    assert "asked for when you publish" in shown and "line 1" in shown


@pytest.mark.parametrize(("seconds", "words"), [(5, "5 s"), (89, "89 s"), (600, "10 min"), (7200, "2.0 h")])
def test_durations(seconds: float, words: str) -> None:
    assert forge_view.duration(seconds) == words
