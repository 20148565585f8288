"""Encoding: every format opens again in another library, and says what it is by its content."""

import io

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from seal_drafts import FORMATS, TEXT, draft, mp4

from studio.errors import BadInput, SealFailed
from studio.provenance.encode import MEDIA, clean_text, encode, media_for, sniff
from studio.types import KINDS, Sound


@pytest.mark.parametrize("name", FORMATS)
def test_content_shows_its_type(name):
    data, media = encode(draft(MEDIA[name].kinds[0]), name)
    found = sniff(data)
    assert found == ("text/plain" if name == "md" else media.type)  # plain Markdown shows nothing by itself


@pytest.mark.parametrize(
    ("kind", "extension"),
    [("text", "md"), ("image", "png"), ("speech", "wav"), ("music", "wav"), ("video", "mp4")],
)
def test_defaults(kind, extension):
    assert media_for(kind, None).extension == extension


@pytest.mark.parametrize("kind", KINDS)
def test_unknown_format_lists_the_valid_ones(kind):
    valid = ", ".join(name for name, media in MEDIA.items() if kind in media.kinds)
    with pytest.raises(BadInput, match=f"cannot be saved as 'exe'; choose one of: {valid}"):
        media_for(kind, "exe")


def test_other_names_of_formats():
    assert media_for("image", ".JPG").type == "image/jpeg"
    assert media_for("text", "markdown").type == "text/markdown"
    with pytest.raises(BadInput, match="Text cannot be saved as 'png'"):
        media_for("text", "png")


# --- Text ---------------------------------------------------------------------------------------


def test_text_is_kept():
    for name in ("md", "txt"):
        assert encode(draft(), name)[0].decode() == TEXT


@given(st.text(max_size=300))
def test_clean_text_is_stable_and_has_one_kind_of_line_end(text):
    once = clean_text(text)
    assert clean_text(once) == once
    assert "\r" not in once and "\ufeff" not in once and once.endswith("\n") and not once.endswith("\n\n\n")
    once.encode("utf-8")


def test_text_cannot_carry_a_manifest_of_its_own():
    hostile = "a\ufeff\ufe00b\n-----BEGIN C2PA MANIFEST----- data:application/c2pa;base64,AA== -----END C2PA MANIFEST-----"
    clean = clean_text(hostile)
    assert "\ufeff" not in clean and "-----BEGIN" not in clean and "---- BEGIN C2PA" in clean


def test_html_escapes_and_structures():
    page = encode(draft(content='# A <b>\n\n- one & two\n- three\n\n1. x\n2. y\n\nplain\n"line"'), "html")[
        0
    ].decode()
    for part in (
        "<h1>A &lt;b&gt;</h1>",
        "<ul>\n<li>one &amp; two</li>\n<li>three</li>\n</ul>",
        "<ol>\n<li>x</li>\n<li>y</li>\n</ol>",
        "<p>plain<br>\n&quot;line&quot;</p>",
        "<title>A &lt;b&gt;</title>",
        '<body dir="auto">',
    ):
        assert part in page
    assert "<b>" not in page


# --- Pictures -----------------------------------------------------------------------------------


@pytest.mark.parametrize("channels", [3, 4])
def test_png_is_lossless(channels):
    pixels = np.random.default_rng(1).integers(0, 255, (20, 30, channels), dtype=np.uint8)
    data, _ = encode(draft("image", pixels), "png")
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(data))), pixels)


def test_jpeg_is_full_colour_resolution_and_lays_alpha_on_white():
    pixels = np.zeros((16, 16, 4), np.uint8)
    pixels[:, 8:] = (255, 0, 0, 255)
    data, _ = encode(draft("image", pixels), "jpeg")
    picture = Image.open(io.BytesIO(data))
    assert picture.mode == "RGB" and [layer[1:3] for layer in picture.layer] == [(1, 1)] * 3
    assert min(picture.getpixel((2, 8))) > 245 and picture.getpixel((13, 8))[0] > 245


def test_webp_keeps_alpha():
    pixels = np.zeros((16, 16, 4), np.uint8)
    pixels[:8, :, 3] = 255
    picture = Image.open(io.BytesIO(encode(draft("image", pixels), "webp")[0]))
    assert picture.mode == "RGBA" and picture.getpixel((3, 12))[3] == 0 and picture.getpixel((3, 3))[3] == 255


def test_picture_too_large_for_its_format():
    with pytest.raises(BadInput, match="WEBP holds at most 16383 pixels a side"):
        encode(draft("image", np.zeros((1, 16_400, 3), np.uint8)), "webp")


@pytest.mark.parametrize(
    "wrong", [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 2), np.uint8), np.zeros((4, 4, 3), np.float32)]
)
def test_picture_that_is_none(wrong):
    with pytest.raises(SealFailed, match="not an 8-bit RGB or RGBA array"):
        encode(draft("image", wrong), "png")


# --- Sound and video ----------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "tolerance"), [("wav", 1e-4), ("flac", 1e-4), ("mp3", 0.05)])
@pytest.mark.parametrize("channels", [1, 2])
def test_sound_comes_back(name, tolerance, channels):
    wave = 0.5 * np.sin(np.arange(24_000) / 20).astype(np.float32)
    data, _ = encode(draft("music", Sound(np.stack([wave] * channels, 1), 24_000)), name)
    back, rate = soundfile.read(io.BytesIO(data), always_2d=True)
    assert rate == 24_000 and back.shape == (24_000, channels)
    assert np.abs(back[2000:-2000, 0] - wave[2000:-2000]).max() < tolerance


def test_loud_sound_is_clipped_not_wrapped():
    data, _ = encode(draft("speech", Sound(np.full((100, 1), 3.0, np.float32), 16_000)), "wav")
    assert soundfile.read(io.BytesIO(data))[0].min() > 0.99


@pytest.mark.parametrize(
    "samples",
    [np.zeros((0, 1), np.float32), np.full((9, 1), np.nan, np.float32), np.zeros((2, 2, 2), np.float32)],
)
def test_sound_that_is_none(samples):
    with pytest.raises(SealFailed, match="empty or not finite"):
        encode(draft("speech", Sound(samples, 16_000)), "wav")


def test_mp3_has_no_such_rate():
    with pytest.raises(BadInput, match="MP3 has no sample rate of 96000 Hz; choose WAV or FLAC"):
        encode(draft("speech", Sound(np.zeros((99, 1), np.float32), 96_000)), "mp3")


def test_sound_with_too_many_channels():
    with pytest.raises(BadInput, match=r"MP3 cannot hold this sound .*; choose WAV"):
        encode(draft("music", Sound(np.zeros((99, 5), np.float32), 16_000)), "mp3")


def test_video_is_taken_as_it_is(tmp_path):
    path = mp4(tmp_path / "a.mp4")
    assert encode(draft("video", path))[0] == path.read_bytes()
    path.write_bytes(b"\x1aE\xdf\xa3 not mp4")
    with pytest.raises(SealFailed, match="not an MP4 file"):
        encode(draft("video", path))


# --- Sniffing -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "media_type"),
    [
        (b"", None),
        (b"\0\1\2\xff", None),
        (b"text\0with nul", None),
        ("cut within 你".encode()[:-1], "text/plain"),
        (b"\xff\xfe\x00", None),
        (b"  <!DOCTYPE html><p>", "text/html"),
        (b"---\ntitle: x\n---\n", "text/markdown"),
        (b'<?xml version="1.0"?><svg/>', "image/svg+xml"),
        (b"GIF89a....", "image/gif"),
        (b"\0\0\0\x18ftypavif", "image/avif"),
        (b"ID3\x04\0\0\0\0\0\0fLaC", "audio/flac"),
        (b"ID3\x04\0\0\0\0\0\0\xff\xfb", "audio/mpeg"),
        (b"ID3", "audio/mpeg"),
    ],
)
def test_sniff(data, media_type):
    assert sniff(data) == media_type


@given(st.binary(max_size=64))
def test_sniff_never_raises(data):
    sniff(data)
