"""The Forge tab as a person uses it: measure, train, watch, stop, resume, reload, compare, refuse."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from conftest import Served, free_port, open_page
from playwright.sync_api import Browser, Page, expect

pytestmark = pytest.mark.browser

Shoot = Callable[[Page, str], None]
LONG = 90_000


@pytest.fixture(scope="module")
def served(outsider: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A studio of its own that knows the tiny recipe."""
    studio = Served(tmp_path_factory.mktemp("forge"), free_port(), {"SIGNET_TEST_ENGINES": "true"})
    studio.start()
    yield studio
    studio.kill()


@pytest.fixture
def points(tmp_path: Path) -> Path:
    rows = [{"prompt": f"What is {n}?", "answer": f"{n} it is."} for n in range(5)]
    rows[3] = rows[2]
    file = tmp_path / "points.jsonl"
    file.write_text("\n".join(map(json.dumps, rows)) + '\n{"prompt": "broken"\n', "utf-8")
    return file


def open_forge(page: Page) -> None:
    page.get_by_role("tab", name="Forge", exact=True).click()
    expect(page.locator("#forge-recipe")).to_be_visible()


def choose(page: Page, recipe: str, data: Path) -> None:
    page.locator("#forge-recipe").get_by_text(recipe, exact=True).click()
    expect(page.locator("#forge-train")).to_be_visible(timeout=LONG)
    page.locator("#forge-data textarea, #forge-data input").first.fill(str(data))


def option(page: Page, label: str, value: str) -> None:
    if not page.locator("#forge-options").get_by_label(label, exact=False).first.is_visible():
        page.get_by_text("Options, all with a default").click()
    page.locator("#forge-options").get_by_label(label, exact=False).first.fill(value)


def standing(page: Page, state: str) -> None:
    expect(page.locator(f"#forge-status [data-run-state={state}]")).to_be_visible(timeout=LONG)


def train(page: Page, name: str, button: str = "#forge-train") -> None:
    page.locator("#forge-name textarea, #forge-name input").first.fill(name)
    page.locator(button).click()


def test_a_training_from_the_first_steps_to_its_end(
    page: Page, served: Served, points: Path, shoot: Shoot
) -> None:
    open_forge(page)
    choose(page, "Tiny", points)
    expect(page.locator("#forge-about")).to_contain_text("Fits a line")
    option(page, "Pause", "0.15")
    page.get_by_text("The same on the command line").click()
    expect(page.locator("#forge-command")).to_contain_text(f"train tiny --data {points}")
    expect(page.locator("#forge-command")).to_contain_text("--set pause=0.15")
    train(page, "first", "#forge-measure")
    standing(page, "stopped")
    expect(page.locator("#forge-status")).to_contain_text("of memory at most")
    expect(page.locator("#forge-status")).to_contain_text("of 40")
    page.locator("#forge-resume").click()
    standing(page, "running")
    expect(page.locator("#forge-curves svg[role=img]").first).to_be_visible(timeout=LONG)
    open_page(page, served)  # a reload loses nothing
    open_forge(page)
    standing(page, "running")
    page.locator("#forge-stop").click()
    standing(page, "stopped")
    page.locator("#forge-resume").click()
    standing(page, "done")
    expect(page.locator("#forge-pictures img")).to_have_count(2)
    shoot(page, "forge")


def test_runs_are_compared_by_what_differs(page: Page, points: Path, shoot: Shoot) -> None:
    open_forge(page)
    choose(page, "Tiny", points)
    option(page, "Pause", "0")
    train(page, "slow")
    standing(page, "done")
    option(page, "Learning rate", "0.03")
    train(page, "careful")
    expect(page.locator("#forge-status")).to_contain_text("careful", timeout=LONG)
    standing(page, "done")
    page.locator("#forge-compare").get_by_text("Compare runs").click()
    for name in ("slow", "careful"):
        page.locator("#forge-compare-runs").get_by_text(name, exact=True).click()
    table = page.locator("#forge-compare-table")
    expect(table).to_contain_text("learning_rate", timeout=LONG)
    expect(table.locator("polyline")).to_have_count(2)
    shoot(page, "forge-compare")


def test_what_is_wrong_is_said_where_it_was_asked(page: Page, points: Path, shoot: Shoot) -> None:
    open_forge(page)
    choose(page, "Tiny", points)
    page.locator("#forge-data textarea, #forge-data input").first.fill("/nowhere/at/all")
    train(page, "")
    expect(page.locator("#forge-said")).to_contain_text("There is no data at", timeout=LONG)
    page.locator("#forge-data textarea, #forge-data input").first.fill(str(points))
    train(page, "../escape")
    expect(page.locator("#forge-said")).to_contain_text("cannot name a run", timeout=LONG)


def test_data_is_shown_with_its_bad_rows_before_anything_starts(
    page: Page, points: Path, shoot: Shoot
) -> None:
    open_forge(page)
    choose(page, "Finetune language model", points)
    page.locator("#forge-look").click()
    seen = page.locator("#forge-seen")
    expect(seen).to_contain_text("What is 0?", timeout=LONG)
    expect(seen).to_contain_text("points.jsonl:6 is not JSON")
    expect(seen).to_contain_text("points.jsonl:4 repeats points.jsonl:3")
    shoot(page, "forge-data")


def test_a_restarted_studio_shows_the_run_and_resumes_it(
    browser: Browser, served: Served, points: Path
) -> None:
    page = browser.new_context(viewport={"width": 1280, "height": 1000}).new_page()
    open_page(page, served)
    open_forge(page)
    choose(page, "Tiny", points)
    option(page, "Pause", "0.2")
    train(page, "long")
    standing(page, "running")
    served.restart()
    open_page(page, served)
    open_forge(page)
    standing(page, "stopped")
    page.locator("#forge-resume").click()
    standing(page, "done")
    page.context.close()


def test_the_ranker_says_where_it_stands(page: Page) -> None:
    open_forge(page)
    page.locator("#forge-taste").get_by_text("Teach a ranker what you prefer").click()
    expect(page.locator("#taste-ranking")).to_contain_text("No ranker has been trained yet", timeout=LONG)
    page.locator("#forge-taste-train").click()
    expect(page.locator("#forge-taste")).to_contain_text("no choice yet", timeout=LONG)
