"""Verify in a real browser: the page of its own on a phone, the tab with the original beside, a report that is kept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from conftest import Served
from playwright.sync_api import Browser, Page, expect

from studio.service import Studio
from studio.settings import Settings
from studio.types import Brief

pytestmark = pytest.mark.browser

EVIL = "<img src=x onerror=\"document.title='hacked'\"><script>document.title='hacked'</script>"
Shoot = Callable[[Page, str], None]


@dataclass(frozen=True)
class Files:
    sealed: Path
    altered: Path
    evil: Path


@pytest.fixture(scope="module")
def files(served: Served, tmp_path_factory: pytest.TempPathFactory) -> Files:
    folder = tmp_path_factory.mktemp("files")
    with Studio(Settings.read({}, home=served.home, device="cpu")) as studio:
        asset = studio.make(Brief("text", "the harbour was quiet in the morning", engine="echo", seed=5))[0]
        (sealed,) = studio.export([asset.id], folder)
    altered, evil = folder / "altered.md", folder / "evil.md"
    altered.write_bytes(sealed.read_bytes().replace(b"quiet", b"noisy"))
    name = EVIL.replace('"', "&quot;")
    evil.write_text(
        f'---\nAIGC:\n  Label: "1"\n  ContentProducer: "{name}"\n  ProduceID: "1"\n---\n{EVIL}\n', "utf-8"
    )
    return Files(sealed, altered, evil)


@pytest.fixture
def phone(browser: Browser, served: Served):  # type: ignore[no-untyped-def]
    context = browser.new_context(
        viewport={"width": 390, "height": 844}, accept_downloads=True, java_script_enabled=False
    )
    page = context.new_page()
    page.goto(f"{served.address}/verify")
    yield page
    context.close()


def check(page: Page, path: Path) -> None:
    page.set_input_files("#file", path)
    page.get_by_role("button", name="Check").click()
    page.wait_for_selector(".verdict")


def test_phone_without_scripts_checks_a_file(phone: Page, files: Files, shoot: Shoot) -> None:
    check(phone, files.sealed)
    expect(phone.locator(".verdict")).to_contain_text("Intact")
    expect(phone.locator(".layer")).to_have_count(4)
    expect(phone.locator(".report")).to_contain_text("SHA-256")
    shoot(phone, "verify-phone")


def test_phone_checks_a_text_and_fits(browser: Browser, served: Served) -> None:
    context = browser.new_context(viewport={"width": 360, "height": 700})
    page = context.new_page()
    page.goto(f"{served.address}/verify")
    page.fill("#text", "A text of nowhere. " * 400)
    page.get_by_role("button", name="Check").click()
    expect(page.locator(".verdict")).to_contain_text("Nothing found")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    context.close()


def test_report_is_kept_as_a_page(
    phone: Page, browser: Browser, files: Files, tmp_path: Path, shoot: Shoot
) -> None:
    check(phone, files.sealed)
    with phone.expect_download() as kept:
        phone.get_by_role("link", name="Save this report").click()
    assert kept.value.suggested_filename.startswith("signet-report-")
    path = tmp_path / "report.html"
    kept.value.save_as(path)
    context = browser.new_context(viewport={"width": 900, "height": 900})
    page = context.new_page()
    page.goto(path.as_uri())
    expect(page.locator(".verdict")).to_contain_text("Intact")
    page.emulate_media(media="print")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    shoot(page, "verify-report")
    context.close()


def test_tab_shows_the_original_beside(page: Page, files: Files, shoot: Shoot) -> None:
    page.get_by_role("tab", name="Verify").click()
    page.locator("#verify-file input[type=file]").set_input_files(files.altered)
    found = page.locator("#verify-report")
    expect(found.locator(".verdict")).to_contain_text("Altered", timeout=20_000)
    expect(found).to_contain_text("Beside the original")
    expect(found.locator("del")).to_contain_text("quiet")
    expect(found.locator("ins")).to_contain_text("noisy")
    shoot(page, "verify-beside")


def test_hostile_file_runs_nothing(page: Page, files: Files) -> None:
    title = page.title()
    page.get_by_role("tab", name="Verify").click()
    page.locator("#verify-file input[type=file]").set_input_files(files.evil)
    found = page.locator("#verify-report")
    expect(found.locator(".verdict")).to_contain_text("Labelled", timeout=20_000)
    expect(found).to_contain_text("onerror")
    page.wait_for_timeout(300)
    assert page.title() == title and found.locator("script, img").count() == 0
