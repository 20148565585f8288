"""The page as a person uses it: each tab on the real models, the rest on the echo engines."""

from __future__ import annotations

import hashlib
import re
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import Served, open_page
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.browser

Shoot = Callable[[Page, str], None]
LONG = 90_000


def go(page: Page, tab: str) -> None:
    page.get_by_role("tab", name=tab, exact=True).click()


def choose(page: Page, kind: str, model: str) -> None:
    choice = page.locator(f"#{kind}-model")
    if choice.is_visible():  # a single model leaves nothing to choose
        choice.get_by_text(model, exact=False).first.click()


def write(page: Page, words: str, model: str = "Echo text") -> None:
    choose(page, "text", model)
    page.locator("#text-brief textarea").fill(words)
    page.locator("#text-create").click()


def download(page: Page, kind: str, folder: Path) -> Path:
    with page.expect_download() as waiting:
        page.locator(f"#{kind}-download").click()
    target = folder / waiting.value.suggested_filename
    waiting.value.save_as(target)
    return target


def verdict(page: Page, path: Path) -> str:
    go(page, "Verify")
    page.locator("#verify-file input[type=file]").set_input_files(path)
    found = page.locator("#verify-report .verdict")
    expect(found).to_be_visible(timeout=20_000)
    return found.inner_text()


@pytest.mark.real
def test_a_brief_streams_real_copy_that_downloads_sealed_and_verifies(
    page: Page, served: Served, shoot: Shoot, tmp_path: Path
) -> None:
    page.locator("#text-seed input, #text-seed textarea").fill("3")
    write(page, "Write a short product description for a handmade ceramic mug.", "SmolLM2 135M")
    expect(page.locator("#text-preview .stream")).not_to_be_empty(timeout=LONG)
    first = page.locator("#text-preview .stream").inner_text()
    expect(page.locator("#text-download")).to_be_visible(timeout=LONG)
    text = page.locator("#text-result textarea").input_value()
    assert len(text.split()) >= 5 and text.startswith(first[:20].strip()[:10])
    assert "Words" in page.locator("#text-card").inner_text()
    assert "Commercial use" in page.locator("#text-seal").inner_text()
    shoot(page, "text")
    path = download(page, "text", tmp_path)
    assert text.strip()[:40] in path.read_text("utf-8")
    assert "Intact" in verdict(page, path)
    shoot(page, "verify")
    data = path.read_bytes()
    path.write_bytes(data.replace(text.split()[0].encode(), b"Changed", 1))
    open_page(page, served)
    assert "Intact" not in verdict(page, path)


@pytest.mark.real
def test_a_script_is_spoken_and_the_first_sentence_plays_early(
    page: Page, shoot: Shoot, tmp_path: Path
) -> None:
    go(page, "Audio")
    choose(page, "speech", "Kokoro")
    page.locator("#speech-brief textarea").fill(
        "Good morning, everybody. The museum opens at nine. Please keep your ticket until the end of your visit. "
        "The café is on the second floor, and the garden is open until six."
    )
    page.locator("#speech-create").click()
    expect(page.locator("#speech-preview audio[src]")).to_be_attached(timeout=LONG)
    expect(page.locator("#speech-download")).to_be_visible(timeout=LONG)
    assert "LUFS" in page.locator("#speech-card").inner_text()
    shoot(page, "audio")
    path = download(page, "speech", tmp_path)
    assert path.read_bytes()[:4] == b"RIFF"
    assert "Intact" in verdict(page, path)


def test_a_picture_is_painted_with_previews_and_best_first(page: Page, shoot: Shoot, tmp_path: Path) -> None:
    go(page, "Image")
    choose(page, "image", "Echo image")
    page.locator("#image-brief textarea").fill("a red apple")
    page.locator("#image-count input[type=number]").fill("3")
    page.locator("#image-create").click()
    expect(page.locator("#image-download")).to_be_visible(timeout=LONG)
    expect(page.locator("#image-candidates .thumbnail-item")).to_have_count(3)
    first = download(page, "image", tmp_path)
    page.locator("#image-candidates .thumbnail-item").nth(1).click()
    expect(page.locator("#image-card")).to_contain_text("Scorecard")
    shoot(page, "image")
    second = download(page, "image", tmp_path / "second")
    assert second.read_bytes() != first.read_bytes()
    assert first.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    assert "Intact" in verdict(page, first)


def test_the_download_is_the_very_file_of_the_library(page: Page, served: Served, tmp_path: Path) -> None:
    write(page, "byte for byte")
    expect(page.locator("#text-download")).to_be_visible(timeout=LONG)
    digest = hashlib.sha256(download(page, "text", tmp_path).read_bytes()).hexdigest()
    assert list((served.home / "files").rglob(f"{digest}.*"))


def test_a_template_shows_its_slots_and_its_disclaimer_is_always_there(page: Page, shoot: Shoot) -> None:
    page.get_by_label("Patient leaflet").click()
    page.get_by_role("button", name="Fill in an example").click()
    shoot(page, "template")
    choose(page, "text", "Echo text")
    page.locator("#text-create").click()
    expect(page.locator("#text-download")).to_be_visible(timeout=LONG)
    text = page.locator("#text-result textarea").input_value()
    assert "A health professional must check it" in text


def test_a_reload_finds_the_running_job_again(page: Page, served: Served) -> None:
    choose(page, "text", "Echo text")
    page.get_by_label("number input for Steps").fill("120")
    page.locator("#text-options").get_by_label("Seconds a step").fill("0.05")
    page.locator("#text-brief textarea").fill("still here after a reload")
    page.locator("#text-create").click()
    expect(page.locator("#text-status progress")).to_be_visible(timeout=LONG)
    page.wait_for_timeout(500)
    open_page(page, served)
    expect(page.locator("#text-status progress")).to_be_visible(timeout=LONG)
    expect(page.locator("#text-download")).to_be_visible(timeout=LONG)
    assert "still here after a reload" in page.locator("#text-result textarea").input_value()


def test_a_reload_finds_the_speech_job_when_its_tab_is_opened(page: Page, served: Served) -> None:
    go(page, "Audio")
    choose(page, "speech", "Echo speech")
    page.locator("#speech-options").get_by_label("number input for Steps").fill("200")
    page.locator("#speech-options").get_by_label("Seconds a step").fill("0.05")
    page.locator("#speech-brief textarea").fill("still here")
    page.locator("#speech-create").click()
    expect(page.locator("#speech-status progress")).to_be_visible(timeout=LONG)
    page.wait_for_timeout(500)
    open_page(page, served)
    go(page, "Audio")
    expect(page.locator("#speech-download")).to_be_visible(timeout=LONG)


def test_stop_stops(page: Page) -> None:
    choose(page, "text", "Echo text")
    page.get_by_label("number input for Steps").fill("2000")
    page.locator("#text-options").get_by_label("Seconds a step").fill("0.05")
    page.locator("#text-brief textarea").fill("never finished")
    page.locator("#text-create").click()
    page.locator("#text-stop").click(timeout=LONG)
    expect(page.locator("#text-status")).to_contain_text("Stopped", timeout=20_000)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [("", "The brief is empty"), ("   \n ", "The brief is empty")],
)
def test_a_bad_brief_is_answered_in_one_sentence(page: Page, words: str, sentence: str) -> None:
    write(page, words)
    alert = page.locator("#text-status [role=alert]")
    expect(alert).to_contain_text(sentence, timeout=20_000)
    assert "Traceback" not in page.content()


def test_hostile_and_foreign_words_are_shown_as_words(page: Page, shoot: Shoot) -> None:
    for words in ("<img src=x onerror=document.title='owned'>", "你好，世界 🎈", "مرحبا بالعالم"):
        write(page, words)
        expect(page.locator("#text-download")).to_be_visible(timeout=LONG)
        expect(page.locator("#text-result textarea")).to_have_value(
            re.compile("^" + re.escape(words)), timeout=LONG
        )
    go(page, "Library")
    expect(page.locator("#library-grid [data-asset]").first).to_be_visible(timeout=20_000)
    page.wait_for_timeout(500)
    assert page.title() == "Signet Studio"
    shoot(page, "library")


def test_the_library_finds_opens_stars_replays_and_deletes(page: Page, shoot: Shoot) -> None:
    write(page, "a very findable zebra")
    expect(page.locator("#text-download")).to_be_visible(timeout=LONG)
    go(page, "Library")
    page.locator("#library-words input, #library-words textarea").fill("findable zebra")
    page.locator("#library-words input, #library-words textarea").press("Enter")
    cards = page.locator("#library-grid [data-asset]")
    expect(cards).to_have_count(1, timeout=20_000)
    cards.first.click()
    panel = page.locator("#library-open")
    expect(panel).to_contain_text("Record", timeout=20_000)
    panel.get_by_role("button", name="☆ Favourite").click()
    expect(panel.get_by_role("button", name="★ Favourite")).to_be_visible()
    page.locator("#library-replay").click()
    expect(panel).to_contain_text("bit-identical", timeout=LONG)
    shoot(page, "library-open")
    page.locator("#library-delete").click()
    page.locator("#library-sure").click()
    expect(panel).to_be_hidden(timeout=20_000)
    expect(cards).to_have_count(1, timeout=20_000)  # the replay's own asset is still there


def test_what_was_made_survives_a_killed_studio(page: Page, served: Served) -> None:
    write(page, "made before the crash")
    expect(page.locator("#text-download")).to_be_visible(timeout=LONG)
    page.goto("about:blank")  # a page that lost its studio reloads itself, in the midst of the test
    served.restart()
    open_page(page, served)
    go(page, "Library")
    page.locator("#library-words input, #library-words textarea").fill("before the crash")
    page.locator("#library-words input, #library-words textarea").press("Enter")
    expect(page.locator("#library-grid [data-asset]")).to_have_count(1, timeout=20_000)


def test_text_goes_on_to_another_tab(page: Page) -> None:
    write(page, "speak this please")
    expect(page.locator("#text-download")).to_be_visible(timeout=LONG)
    page.get_by_role("button", name="Speak it").click()
    expect(page.locator("#speech-brief textarea")).to_have_value(
        re.compile("^speak this please"), timeout=20_000
    )


def test_nothing_found_is_said_and_no_more(page: Page, tmp_path: Path) -> None:
    path = tmp_path / "plain.txt"
    path.write_text("Just some words that nobody sealed.")
    words = verdict(page, path)
    assert "Nothing found" in words
    assert not any(word in words.lower() for word in ("real", "not ai", "human"))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_is_readable_on_a_phone_in_light_and_dark(
    page: Page, served: Served, shoot: Shoot, scheme: str
) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    open_page(page, served)
    page.wait_for_timeout(800)
    shoot(page, f"phone-{scheme}")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_on_a_phone_the_answer_comes_into_sight(page: Page) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    choose(page, "text", "Echo text")
    page.locator("#text-brief textarea").fill("A few words")
    page.locator("#text-brief").scroll_into_view_if_needed()
    expect(page.locator("#text-status")).not_to_be_in_viewport()
    page.locator("#text-create").click()
    expect(page.locator("#text-status")).to_be_in_viewport(timeout=30_000)


def test_only_this_machine_and_only_exports_are_served(served: Served) -> None:
    def status(path: str, **headers: str) -> int:
        request = urllib.request.Request(served.address + path, headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code

    assert status("/") == 200
    assert status("/", Host="evil.example") == 403
    assert status("/", Origin="https://evil.example") == 403
    assert status("/", Origin="null") == 403
    for secret in ("keys/signing.key", "library.db", "browser.secret"):
        assert status(f"/gradio_api/file={served.home}/{secret}") in (403, 404)
    assert status("/docs") == 404 and status("/openapi.json") == 404
