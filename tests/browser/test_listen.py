"""Listening in a real browser: speech gets its captions, a recording becomes words that go on to Text."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from playwright.sync_api import Page, expect
from test_page import LONG, choose, download, go, verdict

pytestmark = pytest.mark.browser
SCRIPT = "Good morning, everybody. The museum opens at nine, and the last entry is at half past four."


@pytest.mark.real
def test_speech_gets_captions_and_a_recording_becomes_words_for_text(
    page: Page, shoot: Callable[[Page, str], None], tmp_path: Path
) -> None:
    go(page, "Audio")
    choose(page, "speech", "Kokoro")
    page.locator("#speech-brief textarea").fill(SCRIPT)
    page.locator("#speech-create").click()
    expect(page.locator("#speech-download")).to_be_visible(timeout=LONG)
    spoken = download(page, "speech", tmp_path)

    page.locator("#speech-captions").click()
    expect(page.locator("#listen-download")).to_be_visible(timeout=LONG)
    captions = page.locator("#listen-result textarea").input_value()
    lines = [line for line in captions.splitlines() if line and "-->" not in line and not line.isdigit()]
    assert " ".join(lines) == SCRIPT and "00:00:0" in captions
    shoot(page, "listen")
    path = download(page, "listen", tmp_path)
    assert path.suffix == ".srt" and path.read_text("utf-8").startswith("1\n00:00:0")

    page.locator("#listen-recording input[type=file]").set_input_files(spoken)
    page.locator("#listen-create").click()
    result = page.locator("#listen-result textarea")
    expect(result).to_have_value(re.compile("^(?!.*-->).*museum opens at", re.S | re.I), timeout=LONG)
    page.get_by_role("button", name="Use as a brief").click()
    expect(page.locator("#text-brief textarea")).to_have_value(re.compile("museum", re.IGNORECASE))
    assert "Intact" in verdict(page, path)


def test_what_cannot_be_heard_is_one_sentence(page: Page, tmp_path: Path) -> None:
    go(page, "Audio")
    go(page, "Listen")
    page.locator("#listen-create").click()
    expect(page.locator("#listen-status")).to_contain_text("nothing to listen to yet")
    silence = tmp_path / "silence.wav"
    soundfile.write(silence, np.zeros(32_000, np.float32), 16_000)
    page.locator("#listen-recording input[type=file]").set_input_files(silence)
    page.locator("#listen-create").click()
    expect(page.locator("#listen-status")).to_contain_text("Nothing was said", timeout=LONG)
