"""From a file to words, pixels and sound; whatever is wrong with the file is one clear sentence."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from studio.errors import BadInput
from studio.quality.decode import plain_text, read_pixels, read_sound, read_text

SELECTORS = "".join(chr(0xFE00 + i % 16) if i % 3 else chr(0xE0100 + i % 240) for i in range(400))


@pytest.mark.parametrize("text", ["Plain words.", "你好，世界。", "Thumbs 👍️ up ❤️", "שלום", "a\n\nb"])
def test_words_stay_as_they_are(text: str) -> None:
    assert plain_text(text, "text/plain") == text


@pytest.mark.parametrize("place", ["{}{}", "\ufeff{1}{0}"])
def test_invisible_credential_is_left_out(place: str) -> None:
    assert plain_text(place.format("Words ❤️.", "\ufeff" + SELECTORS), "text/plain") == "Words ❤️."


def test_markdown() -> None:
    text = "---\ntitle: X\nsignet: abc\n---\n# Head\n\nSome **bold** and `code` [link](http://x.y).\n\n- one\n2. two\n<!-- no -->"
    assert plain_text(text, "text/markdown") == "Head\n\nSome bold and code link.\n\none\ntwo"


def test_rule_in_the_middle_is_no_front_matter() -> None:
    assert "kept" in plain_text("Intro\n---\nkept\n---\nend", "text/markdown")


def test_html() -> None:
    page = (
        "<html><head><title>no</title></head><body><p>One &amp; two</p><script>no()</script><p>three</body>"
    )
    assert plain_text(page, "text/html").split() == ["One", "&", "two", "three"]


@given(st.text(max_size=400), st.sampled_from(["text/plain", "text/markdown", "text/html"]))
def test_any_text_can_be_read(text: str, media_type: str) -> None:
    assert isinstance(plain_text(text, media_type), str)


def test_text_that_is_no_text(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"\xff\xfe\x00bad")
    with pytest.raises(BadInput, match="UTF-8"):
        read_text(path, "text/plain")


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "P", "LA", "1", "CMYK", "I;16"])
def test_pictures_of_every_mode(tmp_path: Path, mode: str) -> None:
    path = tmp_path / ("a.tiff" if mode == "CMYK" else "a.png")
    Image.new(mode, (5, 3)).save(path)
    pixels = read_pixels(path)
    assert pixels.dtype == np.uint8 and pixels.shape[:2] == (3, 5) and pixels.shape[2] in (3, 4)


@pytest.mark.parametrize(
    "data", [b"", b"\x89PNG\r\n\x1a\nrubbish", b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"RIFF"]
)
def test_broken_pictures_and_sounds(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(data)
    with pytest.raises(BadInput, match="picture"):
        read_pixels(path)
    with pytest.raises(BadInput, match="sound"):
        read_sound(path)


def test_truncated_picture(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.effect_noise((64, 64), 50).save(path)
    path.write_bytes(path.read_bytes()[:1500])
    with pytest.raises(BadInput, match="picture"):
        read_pixels(path)


def test_huge_picture(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.new("1", (9000, 9000)).save(path)
    with pytest.raises(BadInput, match="megapixels"):
        read_pixels(path)


def test_sound_with_no_numbers(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, np.array([0.0, np.nan, 1.0], np.float32), 8000, subtype="FLOAT")
    with pytest.raises(BadInput, match="no numbers"):
        read_sound(path)


def test_sound_shape(tmp_path: Path) -> None:
    path = tmp_path / "a.flac"
    soundfile.write(path, np.zeros((100, 2)), 44_100)
    sound = read_sound(path)
    assert (
        sound.samples.shape == (100, 2) and sound.samples.dtype == np.float32 and sound.sample_rate == 44_100
    )
