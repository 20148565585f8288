"""The Evaluate tab as a person uses it: sets judged, compared, stopped; votes that become a ranking."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from conftest import Served, free_port, open_page
from playwright.sync_api import Page, expect

from studio.service import Studio
from studio.settings import Settings
from studio.types import Brief

pytestmark = pytest.mark.browser

Shoot = Callable[[Page, str], None]
LONG = 90_000


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A studio whose library holds echoes of twelve briefs, two of each."""
    home = tmp_path_factory.mktemp("evaluate")
    (home / "brands").mkdir()
    (home / "brands" / "eight.toml").write_text('required = ["8"]')
    with Studio(Settings.read({}, home=home, device="cpu")) as studio:
        for i in range(12):
            for seed in (1, 2):
                studio.make(
                    Brief("text", f"Lamp number {i} is light and folds flat.", engine="echo", seed=seed)
                )
    place = Served(home, free_port(), {"SIGNET_TEST_ENGINES": "true"})
    place.start()
    yield place
    place.kill()


def go(page: Page, *tabs: str) -> None:
    for tab in tabs:
        page.get_by_role("tab", name=tab, exact=True).click()


def evaluate(page: Page) -> None:
    page.locator("#evaluate-create").click()


def drop(page: Page, which: str, *paths: Path) -> None:
    page.locator(f"#evaluate-{which}-where").get_by_text("Files").click()
    page.locator(f"#evaluate-{which}-files input[type=file]").set_input_files(paths)
    for path in paths:
        expect(page.locator(f"#evaluate-{which}-files")).to_contain_text(path.stem)


def test_a_library_set_is_judged_and_the_report_downloads(page: Page, shoot: Shoot, tmp_path: Path) -> None:
    go(page, "Evaluate")
    page.locator("#evaluate-candidates-words textarea, #evaluate-candidates-words input").first.fill("lamp")
    evaluate(page)
    frame = page.frame_locator("#evaluate-report iframe")
    expect(frame.locator("h1")).to_contain_text("library:lamp", timeout=LONG)
    expect(frame.locator("body")).to_contain_text("24 outputs")
    expect(frame.locator("body")).to_contain_text("needs N ≥ 1,000 words")
    shoot(page, "evaluate")
    with page.expect_download() as waiting:
        page.locator("#evaluate-download a", has_text="json").or_(
            page.locator("#evaluate-download").get_by_role("link").nth(2)
        ).first.click()
    target = tmp_path / waiting.value.suggested_filename
    waiting.value.save_as(target)
    assert target.suffix in {".json", ".csv", ".html"} and target.stat().st_size > 100


def test_dropped_files_against_references_and_against_each_other(
    page: Page, shoot: Shoot, tmp_path: Path
) -> None:
    mine, yours = tmp_path / "mine.jsonl", tmp_path / "yours.jsonl"
    for path, word in ((mine, "light"), (yours, "heavy heavy heavy heavy")):
        rows = [
            {"text": f"Lamp {i} is {word} and folds flat.", "reference": f"Lamp {i} is light."}
            for i in range(24)
        ]
        path.write_text("\n".join(json.dumps(row) for row in rows))
    go(page, "Evaluate")
    drop(page, "candidates", mine)
    drop(page, "against", yours)
    evaluate(page)
    frame = page.frame_locator("#evaluate-report iframe")
    expect(frame.locator("h1")).to_contain_text("mine.jsonl against yours.jsonl", timeout=LONG)
    expect(frame.locator("body")).to_contain_text("the first is better")
    shoot(page, "evaluate-compare")


def test_on_a_phone_what_was_asked_for_comes_into_sight(page: Page, shoot: Shoot) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    page.get_by_role("tab", name="Evaluate", exact=True).or_(
        page.locator(".overflow-menu > button")
    ).first.click()
    if not page.locator("#evaluate-create").is_visible():
        page.locator(".overflow-dropdown button", has_text="Evaluate").click()
    page.locator("#evaluate-candidates-words textarea, #evaluate-candidates-words input").first.fill("lamp")
    evaluate(page)
    expect(page.locator("#evaluate-status")).to_be_in_viewport(timeout=LONG)
    expect(page.frame_locator("#evaluate-report iframe").locator("h1")).to_be_visible(timeout=LONG)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.locator("#evaluate-report").scroll_into_view_if_needed()
    shoot(page, "evaluate-phone")


def test_what_is_wrong_is_said_in_one_sentence(page: Page) -> None:
    go(page, "Evaluate")
    page.locator("#evaluate-candidates-where").get_by_text("Files").click()
    evaluate(page)
    expect(page.locator("#evaluate-status")).to_contain_text("Drop some files first")
    page.locator("#evaluate-candidates-where").get_by_text("From the library").click()
    page.locator("#evaluate-kind").get_by_text("Music").click()
    evaluate(page)
    expect(page.locator("#evaluate-status")).to_contain_text("no music that fits", timeout=LONG)


def test_an_evaluation_survives_a_reload_and_can_be_stopped(
    page: Page, served: Served, tmp_path: Path
) -> None:
    rows = [
        {"text": f"The lamp number {i} is light. It folds flat. You will love it." * 3} for i in range(3000)
    ]
    (tmp_path / "many.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    go(page, "Evaluate")
    drop(page, "candidates", tmp_path / "many.jsonl")
    evaluate(page)
    expect(page.locator("#evaluate-status progress")).to_be_visible(timeout=LONG)
    page.wait_for_timeout(500)
    open_page(page, served)
    go(page, "Evaluate")
    expect(page.locator("#evaluate-status progress")).to_be_visible(timeout=LONG)
    page.locator("#evaluate-stop").click()
    expect(page.locator("#evaluate-status")).to_contain_text("No report was kept", timeout=LONG)


def test_votes_are_blind_and_become_a_ranking(page: Page, shoot: Shoot) -> None:
    go(page, "Evaluate", "People")
    expect(page.locator("#vote-a")).to_contain_text("Lamp number")
    assert "echo-text" not in page.locator("#vote-brief").inner_text()
    for count in (1, 2, 3):
        page.locator("#vote-first").click()
        expect(page.locator("#vote-ranking")).to_contain_text(f"From {count} votes")
    expect(page.locator("#vote-ranking")).to_contain_text("needs N ≥ 10")
    shoot(page, "people")


def test_candidates_are_weighed_anew(page: Page, shoot: Shoot) -> None:
    """The brand's phrase decides until its weight is taken away; the same candidates stay, none is made anew."""
    choice = page.locator("#text-model")
    if choice.is_visible():
        choice.get_by_text("Echo text", exact=False).first.click()
    page.locator("#text-brief textarea").fill("The lamp is light. It folds flat. It shines all night.")
    page.locator("#text-count input[type=number]").fill("3")
    page.locator("#text-seed input, #text-seed textarea").first.fill("7")
    page.locator("#text-brand").get_by_text("eight").click()
    page.locator("#text-create").click()
    expect(page.locator("#text-candidates label")).to_have_count(3, timeout=LONG)
    expect(page.locator("#text-result textarea")).to_have_value(re.compile(r"\(8\)"), timeout=LONG)
    page.locator("#text-weights").get_by_role("button", name="How they are ordered").click()
    slider = page.locator("#text-weights input[type=range]").first
    expect(slider).to_be_visible()
    shoot(page, "weights")
    before = page.locator("#text-candidates").inner_text()
    with page.expect_response(lambda answer: "queue/join" in answer.url):
        slider.click(position={"x": 1, "y": 5})
    expect(page.locator("#text-result textarea")).to_have_value(re.compile(r"\(9\)"), timeout=LONG)
    assert page.locator("#text-candidates label").count() == 3
    assert set(page.locator("#text-candidates").inner_text().split()) == set(before.split())
    expect(page.locator("#text-download")).to_be_visible()


def test_stars_are_given_in_the_library(page: Page, served: Served) -> None:
    go(page, "Library")
    page.locator("#library-grid [data-asset]").first.click()
    page.locator("#library-stars").get_by_text("4 ★").click()
    expect(page.locator("#library-open")).to_contain_text("Rating kept.", timeout=LONG)
    with Studio(Settings.read({}, home=served.home, device="cpu")) as studio:
        assert [one.stars for one in studio.library.search(limit=100) if one.stars] == [4]
