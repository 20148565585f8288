"""The Music tab as a person uses it, on the real model: compose, look, take the notes along, go on from it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

pytestmark = [pytest.mark.browser, pytest.mark.real]

Shoot = Callable[[Page, str], None]
LONG = 120_000


def compose(page: Page, words: str, seed: str) -> None:
    page.get_by_role("tab", name="Audio", exact=True).click()
    page.get_by_role("tab", name="Music", exact=True).click()
    page.locator("#music-brief textarea").fill(words)
    page.locator("#music-seed input, #music-seed textarea").fill(seed)
    page.locator("#music-create").click()
    expect(page.locator("#music-roll svg")).to_be_visible(timeout=LONG)


def test_a_brief_becomes_a_recording_with_its_notes(page: Page, shoot: Shoot, tmp_path: Path) -> None:
    compose(page, "A cheerful jig for a village fair, 12 seconds", "3")
    expect(page.locator("#music-status")).to_contain_text("Done")
    expect(page.locator("#music-result")).to_be_visible()
    expect(page.locator("#music-controls")).to_contain_text("style jig")
    expect(page.locator("#music-card")).to_contain_text("Loudness")
    expect(page.locator("#music-seal")).to_contain_text("watermark")
    for suffix, start in ((".mid", b"MThd"), (".musicxml", b"<?xml"), (".abc", b"% Made with artificial")):
        with page.expect_download() as waiting:
            page.locator(f"#music-{suffix[1:]}").click()
        target = tmp_path / f"notes{suffix}"
        waiting.value.save_as(target)
        assert waiting.value.suggested_filename.endswith(suffix)
        assert target.read_bytes().startswith(start)
    shoot(page, "music")
    before = page.locator("#music-roll svg").get_attribute("aria-label")
    page.locator("#music-continue").click()
    expect(page.locator("#music-roll svg")).not_to_have_attribute("aria-label", before or "", timeout=LONG)
    expect(page.locator("#music-controls")).to_contain_text("style jig")


def test_an_unreadable_tune_is_said_in_one_sentence(page: Page) -> None:
    page.get_by_role("tab", name="Audio", exact=True).click()
    page.get_by_role("tab", name="Music", exact=True).click()
    page.locator("#music-brief textarea").fill("a waltz")
    page.locator("#music-options").get_by_text("More options").click()
    page.locator("#music-options").get_by_text("given", exact=True).click()
    page.get_by_label("Tune (ABC notation)").fill("no tune at all")
    page.locator("#music-create").click()
    expect(page.locator("#music-status [role=alert]")).to_contain_text("ABC notation", timeout=LONG)
