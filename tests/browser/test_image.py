"""The picture room as people use it, on the studio's own model: whatever it draws, the room must hold."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from conftest import open_page
from PIL import Image
from playwright.sync_api import Page, expect
from test_page import LONG, choose, download, go, verdict

Shoot = Callable[[Page, str], None]
pytestmark = pytest.mark.real


@pytest.fixture
def room(page: Page) -> Page:
    go(page, "Image")
    choose(page, "image", "Signet Sticker")
    return page


def paint(page: Page, words: str) -> None:
    page.locator("#image-brief textarea").fill(words)
    page.locator("#image-create").click()


def done(page: Page) -> None:
    expect(page.locator("#image-download")).to_be_visible(timeout=LONG)


def opened(path: Path) -> Image.Image:
    with Image.open(path) as picture:
        picture.load()
        return picture


def stroke(page: Page) -> None:
    """A thick line across the middle of the editor."""
    box = page.locator("#image-mask canvas").first.bounding_box()
    assert box is not None
    left, middle = box["x"] + box["width"] * 0.4, box["y"] + box["height"] * 0.5
    page.mouse.move(left, middle)
    page.mouse.down()
    for place in range(12):
        page.mouse.move(left + box["width"] * 0.02 * place, middle)
    page.mouse.up()
    page.wait_for_timeout(800)


def test_only_what_the_model_has_is_shown(room: Page, shoot: Shoot) -> None:
    expect(room.locator("#image-style label")).to_have_count(5)  # as written, and the four of its own
    expect(room.locator("#image-transparent")).to_be_visible()
    room.locator("#image-settings").get_by_text("Settings", exact=True).click()
    options = room.locator("#image-options")
    expect(options.get_by_label("What should not be there")).to_be_visible()
    expect(options.get_by_label("number input for Steps").or_(options.get_by_label("Steps"))).to_have_value(
        "24"
    )
    options.get_by_text("More options").click()
    for absent in ("LoRA", "ControlNet", "Scheduler", "Blend into"):
        expect(options.get_by_label(absent, exact=True)).to_have_count(0)
    shoot(room, "image-options")
    choose(room, "image", "Echo image")
    expect(room.locator("#image-transparent")).to_be_hidden()
    expect(room.locator("#image-live")).to_be_hidden()
    expect(room.locator("#image-blend")).to_be_hidden()


def test_pictures_while_typing_and_nothing_kept(room: Page, shoot: Shoot) -> None:
    room.locator("#image-live input").check()
    room.locator("#image-brief textarea").press_sequentially("a smiling cat face", delay=40)
    expect(room.locator("#image-preview img")).to_be_visible(timeout=LONG)
    expect(room.locator("#image-status")).to_contain_text("Live", timeout=LONG)
    expect(room.locator("#image-download")).to_be_hidden()
    shoot(room, "image-live")
    go(room, "Library")
    room.locator("#library-words input, #library-words textarea").fill("smiling cat face")
    room.locator("#library-words input, #library-words textarea").press("Enter")
    expect(room.locator("#library-grid")).to_contain_text("Nothing fits", timeout=20_000)


def test_a_style_a_shape_and_a_clear_background(room: Page, tmp_path: Path) -> None:
    room.locator("#image-style label", has_text="Flat").click()
    room.locator("#image-shape label", has_text="Landscape 4:3").click()
    room.locator("#image-transparent input").check()
    paint(room, "a blue heart")
    done(room)
    made = opened(download(room, "image", tmp_path))
    assert made.mode == "RGBA" and made.size == (576, 448)
    corners = np.asarray(made)[[0, 0, -1, -1], [0, -1, 0, -1], 3]
    assert corners.max() == 0


def test_a_seed_that_is_kept_repeats_the_picture(room: Page, tmp_path: Path) -> None:
    paint(room, "a red apple")
    done(room)
    first = np.asarray(opened(download(room, "image", tmp_path)))
    room.locator("#image-keep-seed").click()
    expect(room.locator("#image-seed input, #image-seed textarea")).not_to_have_value("", timeout=20_000)
    room.locator("#image-create").click()
    expect(room.locator("#image-download")).to_be_hidden(timeout=LONG)
    done(room)
    again = np.asarray(opened(download(room, "image", tmp_path)))
    assert np.abs(first.astype(int) - again.astype(int)).mean() < 2  # each carries a mark of its own


def test_a_result_is_varied(room: Page, shoot: Shoot) -> None:
    paint(room, "a sun")
    done(room)
    room.locator("#image-vary").click()
    expect(room.locator("#image-candidates .thumbnail-item")).to_have_count(4, timeout=LONG)
    shoot(room, "image-variations")


def test_a_result_is_taken_further_and_only_what_was_painted_over_changes(
    room: Page, shoot: Shoot, tmp_path: Path
) -> None:
    paint(room, "a smiling face")
    done(room)
    first = np.asarray(opened(download(room, "image", tmp_path)).convert("RGB")).astype(int)
    room.locator("#image-further").click()
    expect(room.locator("#image-mask canvas").first).to_be_visible(timeout=LONG)
    room.wait_for_timeout(2500)
    stroke(room)
    shoot(room, "image-mask")
    room.locator("#image-create").click()
    expect(room.locator("#image-download")).to_be_hidden(timeout=LONG)
    done(room)
    path = download(room, "image", tmp_path)
    change = np.abs(np.asarray(opened(path).convert("RGB")).astype(int) - first).mean(2)
    assert change[:80].mean() < 4  # far from the stroke: the mark alone
    assert change[230:280, 220:340].mean() > 2 * change[:80].mean()
    assert "edited with AI" in verdict(room, path)


def test_an_upload_shows_what_it_says_of_itself_and_stays_an_ingredient(
    room: Page, shoot: Shoot, tmp_path: Path
) -> None:
    turned = tmp_path / "photo.jpg"
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(np.random.default_rng(2).integers(0, 255, (120, 200, 3), np.uint8)).save(
        turned, exif=exif
    )
    room.get_by_text("Start from a picture").click()
    room.locator("#image-given input[type=file]").set_input_files(turned)
    expect(room.locator("#image-given-said")).to_contain_text("becomes an ingredient", timeout=LONG)
    shoot(room, "image-upload")
    paint(room, "a green tree")
    done(room)
    path = download(room, "image", tmp_path)
    assert opened(path).size == (120, 200)  # upright
    assert "edited with AI" in verdict(room, path)


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("moving.webp", None, "animated; save the frame"),
        ("page.png", b"%PDF-1.7 and so on", "it is a PDF"),
        ("drawn.png", b"<svg xmlns='http://www.w3.org/2000/svg'/>", "an SVG, which can carry scripts"),
        ("broken.jpg", b"\xff\xd8\xff\xe0" + bytes(100), "damaged"),
    ],
)
def test_a_bad_upload_is_answered_in_one_sentence(
    room: Page, tmp_path: Path, name: str, content: bytes | None, sentence: str
) -> None:
    path = tmp_path / name
    if content is None:
        frames = [Image.new("RGB", (16, 16), colour) for colour in ("red", "blue")]
        frames[0].save(path, save_all=True, append_images=frames[1:])
    else:
        path.write_bytes(content)
    room.get_by_text("Start from a picture").click()
    room.locator("#image-given input[type=file]").set_input_files(path)
    expect(room.locator("#image-given-said [role=alert]")).to_contain_text(sentence, timeout=20_000)
    expect(room.locator("#image-mask")).to_be_hidden()


def test_two_prompts_are_blended_on_one_sheet(room: Page, shoot: Shoot, tmp_path: Path) -> None:
    room.locator("#image-blend").get_by_text("Blend two prompts").click()
    room.locator("#image-second textarea").fill("a red apple")
    room.locator("#image-frames input[type=number]").fill("4")
    paint(room, "a blue heart")
    done(room)
    shoot(room, "image-blend")
    assert opened(download(room, "image", tmp_path)).size == (1032, 1032)


def test_two_prompts_become_a_film_that_plays_and_is_proved(room: Page, tmp_path: Path) -> None:
    room.locator("#image-blend").get_by_text("Blend two prompts").click()
    room.locator("#image-second textarea").fill("a red apple")
    room.locator("#image-film label", has_text="A film").click()
    room.locator("#image-frames input[type=number]").fill("3")
    paint(room, "a blue heart")
    done(room)
    expect(room.locator("#image-preview video")).to_be_visible()
    path = download(room, "image", tmp_path)
    assert path.suffix == ".mp4" and path.read_bytes()[4:8] == b"ftyp"
    assert "Intact" in verdict(room, path)


def test_two_styles_are_mixed_in_one_picture(room: Page) -> None:
    room.locator("#image-mix").get_by_text("Mix two styles").click()
    room.locator("#image-mix-style label", has_text="Flat").click()
    room.locator("#image-mix-by label", has_text="Shapes of the first").click()
    paint(room, "a blue heart")
    done(room)
    choose(room, "image", "Echo image")
    expect(room.locator("#image-mix")).to_be_hidden()


def test_chinese_is_read_by_names_or_refused_plainly(room: Page) -> None:
    paint(room, "红苹果")
    done(room)
    paint(room, "量子纠缠")
    alert = room.locator("#image-status [role=alert]")
    expect(alert).to_contain_text("量子纠缠 has no name in its table", timeout=LONG)


def test_a_running_picture_is_found_again_after_a_reload(room: Page, served: object) -> None:
    room.locator("#image-count input[type=number]").fill("4")
    paint(room, "a house")
    expect(room.locator("#image-status progress")).to_be_visible(timeout=LONG)
    room.wait_for_timeout(500)
    open_page(room, served)  # type: ignore[arg-type]
    go(room, "Image")
    done(room)
    expect(room.locator("#image-candidates .thumbnail-item")).to_have_count(4)
