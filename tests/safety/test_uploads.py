"""Hostile uploads: judged by content, decoded whole, refused with one sentence, never with a traceback."""

from __future__ import annotations

import io
import struct
import time
import wave
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as effort
from hypothesis import strategies as st
from PIL import Image, ImageCms

from studio.errors import BadInput
from studio.safety.uploads import check_picture, check_script, check_sound, read_picture
from studio.settings import Settings

SETTINGS = Settings.read({}, home="/nowhere", max_upload_mb=8)
quick = effort(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

Put = Callable[[bytes], Path]


@pytest.fixture
def put(tmp_path: Path) -> Put:
    def write(data: bytes, name: str = "upload.bin") -> Path:
        path = tmp_path / name
        path.write_bytes(data)
        return path

    return write


def picture(mode: str = "RGB", size: tuple[int, int] = (40, 30), form: str = "PNG", **options: Any) -> bytes:
    """Left half dark, right half light, so that a turn shows."""
    width, height = size
    grey = np.tile(np.where(np.arange(width) < width // 2, 40, 220).astype(np.uint8), (height, 1))
    image = Image.fromarray(grey).convert(mode)
    out = io.BytesIO()
    image.save(out, form, **options)
    return out.getvalue()


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(width: int, height: int, rows: bytes, *more: bytes, depth: int = 8, colour: int = 0) -> bytes:
    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + b"".join(more)
        + chunk(b"IDAT", zlib.compress(rows, 9))
        + chunk(b"IEND", b"")
    )


# --- pictures -----------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WebP"])
def test_the_three_formats_pass_whatever_they_are_called(form: str, put: Put) -> None:
    found = check_picture(put(picture(form=form)), SETTINGS)
    assert (found.format, found.width, found.height, found.mode) == (form, 40, 30, "RGB")


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
def test_every_mode_of_png_is_read_as_eight_bits(mode: str, put: Put) -> None:
    data = picture(mode) if mode != "I;16" else sixteen_bit_grey()
    image = read_picture(put(data), SETTINGS)
    assert image.mode == ("RGBA" if "A" in mode else "RGB")
    left, right = image.convert("L").getpixel((2, 2)), image.convert("L").getpixel((37, 2))
    assert left < 60 and right > 200


def sixteen_bit_grey() -> bytes:
    out = io.BytesIO()
    grey = np.tile(np.where(np.arange(40) < 20, 40 * 256, 220 * 256).astype(np.uint16), (30, 1))
    Image.fromarray(grey).save(out, "PNG")
    return out.getvalue()


def test_sixteen_bit_colour_is_read(put: Put) -> None:
    row = b"\0" + b"\xff\xff\x00\x00\x80\x00" * 4
    assert read_picture(put(png(4, 2, row * 2, depth=16, colour=2)), SETTINGS).getpixel((0, 0)) == (
        255,
        0,
        128,
    )


def test_a_palette_with_transparency_stays_transparent(put: Put) -> None:
    out = io.BytesIO()
    Image.new("P", (4, 4), 0).save(out, "PNG", transparency=0)
    image = read_picture(put(out.getvalue()), SETTINGS)
    assert image.mode == "RGBA" and image.getpixel((0, 0))[3] == 0


def test_cmyk_is_read_in_its_right_colours(put: Put) -> None:
    out = io.BytesIO()
    Image.new("CMYK", (16, 16), (0, 255, 255, 0)).save(out, "JPEG", quality=95)
    assert check_picture(put(out.getvalue()), SETTINGS).mode == "CMYK"
    red, green, blue = read_picture(put(out.getvalue()), SETTINGS).getpixel((8, 8))
    assert red > 240 and green < 15 and blue < 15


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WebP"])
def test_a_turned_picture_is_read_upright(form: str, put: Put) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # lies on its left side: must be turned right
    data = picture(form=form, exif=exif, **({} if form == "PNG" else {"quality": 95}))
    found = check_picture(put(data), SETTINGS)
    assert (found.width, found.height) == (30, 40)
    image = read_picture(put(data), SETTINGS).convert("L")
    assert image.size == (30, 40)
    assert image.getpixel((15, 2)) < 80 and image.getpixel((15, 37)) > 180


def test_a_turned_picture_with_a_profile_is_read_upright(put: Put) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    data = picture(form="JPEG", exif=exif, icc_profile=profile)
    assert read_picture(put(data), SETTINGS).size == (30, 40)


def test_a_broken_profile_does_no_harm(put: Put) -> None:
    data = picture(form="JPEG", icc_profile=b"no profile at all")
    assert read_picture(put(data), SETTINGS).size == (40, 30)


def animated(form: str) -> bytes:
    out = io.BytesIO()
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    frames[0].save(out, form, save_all=True, append_images=frames[1:])
    return out.getvalue()


SVG = b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "The file is empty"),
        (SVG, "an SVG, which can carry scripts"),
        (b"\xef\xbb\xbf\n <SVG/>", "an SVG"),
        (b"<html>", "no known kind"),
        (b"PK\x03\x04" + b"\0" * 50, "a zip archive"),
        (b"%PDF-1.7", "a PDF"),
        (b"MZ\x90", "a program"),
        (b"\0\0\0\x20ftypheic" + b"\0" * 20, "a HEIC picture"),
        (animated("GIF"), "a GIF"),
        (animated("PNG"), "animated; save the frame"),
        (animated("WebP"), "animated; save the frame"),
        (picture()[:-20], "damaged"),
        (picture()[:60], "damaged"),
        (picture(form="JPEG", size=(300, 300))[:900], "damaged"),
        (picture(form="WebP", size=(300, 300))[:60], "damaged"),
        (b"\x89PNG\r\n\x1a\n", "damaged"),
        (b"\xff\xd8\xff", "damaged"),
        (png(8_000, 8_000, b""), "more than 40 megapixels"),
        (png(100_000, 100_000, b""), "more than 40 megapixels"),
        (png(2**31 - 1, 2**31 - 1, b""), "more than 40 megapixels"),
        (png(30_000, 1, b""), "no side may exceed 16,384"),
        (png(0, 5, b""), "damaged|no side"),
        (b"\0" * (9 * 2**20), "9 MB and the studio takes 8"),
    ],
)
def test_other_files_are_refused_with_one_sentence(data: bytes, why: str, put: Put) -> None:
    for check in (check_picture, read_picture):
        with pytest.raises(BadInput, match=why) as refusal:
            check(put(data), SETTINGS)
        message = str(refusal.value)
        assert "\n" not in message and message.endswith(".")


def test_a_real_fifty_megapixel_picture_is_refused_before_it_is_unpacked(put: Put) -> None:
    rows = zlib.compressobj(9)
    packed = b"".join(rows.compress(b"\0" * 8001) for _ in range(6_300)) + rows.flush()
    head = struct.pack(">IIBBBBB", 8_000, 6_300, 8, 0, 0, 0, 0)
    data = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", packed) + chunk(b"IEND", b"")
    start = time.perf_counter()
    with pytest.raises(BadInput, match="more than 40 megapixels"):
        check_picture(put(data), SETTINGS)
    assert time.perf_counter() - start < 1


@pytest.mark.parametrize(
    "more",
    [
        chunk(b"zTXt", b"k\0\0" + zlib.compress(b"\0" * 80_000_000, 9)),
        chunk(b"iTXt", b"k\0\1\0\0\0" + zlib.compress(b"\0" * 80_000_000, 9)),
        chunk(b"iCCP", b"k\0\0" + zlib.compress(b"\0" * 80_000_000, 9)),
    ],
    ids=["zTXt", "iTXt", "iCCP"],
)
def test_bombs_in_the_side_chunks_do_not_unpack(more: bytes, put: Put) -> None:
    import tracemalloc

    tracemalloc.start()
    try:
        check_picture(put(png(2, 2, b"\0\0\0" * 2, more)), SETTINGS)
    except BadInput as refusal:
        assert "damaged" in str(refusal)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20 * 2**20


def test_more_rows_than_declared_are_not_unpacked(put: Put) -> None:
    check_picture(put(png(2, 2, b"\0" * 50_000_000)), SETTINGS)


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WebP"])
@quick
@given(data=st.data())
def test_bent_pictures_pass_or_are_refused(form: str, data: st.DataObject, put: Put) -> None:
    bent = bytearray(picture(form=form))
    for at, value in data.draw(
        st.lists(st.tuples(st.integers(0, len(bent) - 1), st.integers(0, 255)), max_size=8)
    ):
        bent[at] = value
    try:
        read_picture(put(bytes(bent)), SETTINGS)
    except BadInput as refusal:
        assert "\n" not in str(refusal)


def test_names_do_not_matter_and_folders_are_refused(tmp_path: Path) -> None:
    for name in ("a.png", "a.exe", "a"):
        path = tmp_path / name
        path.write_bytes(picture(form="JPEG"))
        assert check_picture(path, SETTINGS).format == "JPEG"
    for path in (tmp_path, tmp_path / "gone.png"):
        with pytest.raises(BadInput, match="There is no file"):
            check_picture(path, SETTINGS)


# --- sounds -------------------------------------------------------------------------------------


def sound(
    form: str = "WAV", seconds: float = 0.5, channels: int = 1, rate: int = 24_000, **options: Any
) -> bytes:
    import soundfile

    out = io.BytesIO()
    tone = 0.3 * np.sin(np.arange(int(seconds * rate)) * 0.05)
    soundfile.write(out, np.repeat(tone[:, None], channels, 1), rate, format=form, **options)
    return out.getvalue()


@pytest.mark.parametrize("form", ["WAV", "FLAC", "OGG", "MP3"])
def test_the_four_sound_formats_pass(form: str, put: Put) -> None:
    found = check_sound(put(sound(form, channels=2)), SETTINGS)
    assert (found.format, found.sample_rate, found.channels) == (form, 24_000, 2)
    assert found.seconds == pytest.approx(0.5, abs=0.1)


def long_wav() -> bytes:
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(1)
        file.setframerate(4_000)
        file.writeframes(b"\x80" * (4_000 * 60 * 31))
    return out.getvalue()


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "empty"),
        (picture(), "it is PNG; save it as WAV, FLAC, OGG, M4A or MP3"),
        (b"\0\0\0\x20ftypmp42" + b"\0" * 20, "an MP4 film or sound"),
        (b"\0\0\0\x20ftypM4A " + b"\0" * 20, "damaged"),
        (b"RIFF\x24\0\0\0WAVE", "damaged"),
        (b"fLaC" + b"\xff" * 60, "damaged"),
        (b"OggS" + b"\xff" * 60, "damaged"),
        (b"ID3" + b"\0" * 60, "damaged"),
        (sound(seconds=0), "The sound is empty"),
        (sound(channels=9), "9 channels"),
        (sound(rate=1_000), "1,000 Hz"),
        (long_wav(), "longer than 30 minutes"),
        (
            sound(subtype="FLOAT").replace(
                struct.pack("<f", np.float32(0.3 * np.sin(0.05))), b"\0\0\xc0\x7f"
            ),
            "no numbers",
        ),
    ],
)
def test_other_sounds_are_refused_with_one_sentence(data: bytes, why: str, put: Put) -> None:
    with pytest.raises(BadInput, match=why) as refusal:
        check_sound(put(data), SETTINGS)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("form", ["WAV", "FLAC", "OGG"])
@quick
@given(data=st.data())
def test_bent_sounds_pass_or_are_refused(form: str, data: st.DataObject, put: Put) -> None:
    bent = bytearray(sound(form, seconds=0.05))
    for at, value in data.draw(
        st.lists(st.tuples(st.integers(0, len(bent) - 1), st.integers(0, 255)), max_size=8)
    ):
        bent[at] = value
    try:
        check_sound(put(bytes(bent)), SETTINGS)
    except BadInput as refusal:
        assert "\n" not in str(refusal)


# --- scripts ------------------------------------------------------------------------------------


def test_scripts_are_read_as_text(tmp_path: Path) -> None:
    assert check_script("Zwei\r\nZeilen\rund 👋\n".encode()) == "Zwei\nZeilen\nund 👋\n"
    assert check_script(b"\xef\xbb\xbfHello") == "Hello"
    path = tmp_path / "script.exe"
    path.write_text("مرحبا", "utf-8")
    assert check_script(path) == "مرحبا"


@pytest.mark.parametrize(
    ("data", "why"),
    [
        ("Grüße".encode("latin-1"), r"the byte at position 3 \(0xFC\)"),
        ("Hello".encode("utf-16"), "UTF-16; save it as UTF-8"),
        (b"abc\xe2\x82", r"position 4 \(0xE2\)"),
        (b"one\ntwo\0", r"U\+0000 in line 2"),
        (b"", "empty"),
        (b" \n", "empty"),
        (b"x" * (4 * 2**20 + 1), "larger than 4 MB"),
        (picture(), r"position 1 \(0x89\)"),
    ],
)
def test_other_scripts_are_refused_with_one_sentence(data: bytes, why: str, put: Put) -> None:
    for source in (data, put(data)):
        with pytest.raises(BadInput, match=why):
            check_script(source)


def test_a_missing_script_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="There is no file 'gone.txt'"):
        check_script(tmp_path / "gone.txt")


@given(st.binary(max_size=60))
def test_any_bytes_are_text_or_refused(data: bytes) -> None:
    try:
        text = check_script(data)
    except BadInput as refusal:
        assert "\n" not in str(refusal)
        return
    assert "\r" not in text and "\0" not in text
