"""The picture mark on pictures made here: it survives what pictures go through, hides, and never speaks falsely."""

import io
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageEnhance

from studio.bench.image_attacks import picture
from studio.bench.seal_image import mottle
from studio.errors import BadInput
from studio.provenance.image_code import CODED_BITS, MESSAGE_BYTES, decode, encode, message_of
from studio.provenance.image_detect import FALSE_ALARM
from studio.provenance.image_fresh import margin
from studio.provenance.image_mark import ImageMark, can_carry
from studio.provenance.image_room import tipping

KEY, OTHER = b"k" * 32, b"o" * 32
MESSAGE = message_of("0123456789abcdef0123456789abcdef")
MARK = ImageMark()


def sticker(size=512, background=(255, 255, 255)):
    """Flat fills with an outline, as on a sticker."""
    picture = Image.new("RGB", (1024, 1024), background)
    draw = ImageDraw.Draw(picture)
    draw.ellipse((130, 130, 890, 890), (250, 200, 60), (90, 60, 20), 14)
    draw.ellipse((330, 350, 420, 470), (60, 40, 30))
    draw.ellipse((600, 350, 690, 470), (60, 40, 30))
    draw.rounded_rectangle((350, 600, 680, 720), 50, (210, 70, 70))
    return np.asarray(picture.resize((size, size), Image.Resampling.LANCZOS))


def gradient(height=512, width=512):
    across, down = np.linspace(0, 1, width), np.linspace(0, 1, height)[:, None]
    planes = [60 + 150 * across + 0 * down, 90 + 100 * down + 0 * across, 200 - 90 * across * down]
    return np.round(np.stack(planes, axis=2)).astype(np.uint8)


def coded(pixels, form, quality):
    held = io.BytesIO()
    Image.fromarray(pixels).save(held, form, quality=quality)
    return np.asarray(Image.open(held).convert("RGB"))


def scaled(pixels, factor):
    size = round(pixels.shape[1] * factor), round(pixels.shape[0] * factor)
    return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.LANCZOS))


ATTACKS = {
    "none": lambda p: p,
    "jpeg 50": lambda p: coded(p, "JPEG", 50),
    "webp 80": lambda p: coded(p, "WEBP", 80),
    "half": lambda p: scaled(p, 0.5),
    "double": lambda p: scaled(p, 2),
    "noise": lambda p: np.clip(p + np.random.default_rng(1).normal(0, 5.1, p.shape), 0, 255).astype(np.uint8),
    "contrast": lambda p: np.asarray(ImageEnhance.Contrast(Image.fromarray(p)).enhance(1.5)),
    "brightness": lambda p: np.asarray(ImageEnhance.Brightness(Image.fromarray(p)).enhance(1.5)),
    "crop": lambda p: p[30:473, 50:493],
    "turn": lambda p: np.asarray(Image.fromarray(p).rotate(5, Image.Resampling.BICUBIC)),
    "mirror": lambda p: p[:, ::-1],
    "quarter turn": lambda p: np.rot90(p),
    "social": lambda p: coded(scaled(p, 0.7), "JPEG", 75),
}


@pytest.fixture(scope="module")
def pictures():
    return {
        name: MARK.embed(one, MESSAGE, KEY)
        for name, one in (("sticker", sticker()), ("gradient", gradient()))
    }


@pytest.mark.parametrize("attack", ATTACKS)
def test_the_message_survives(pictures, attack):
    for name, one in pictures.items():
        found = MARK.detect(ATTACKS[attack](one), KEY)
        assert found.found and found.message == MESSAGE, name
        assert found.p_value == FALSE_ALARM <= 1e-6


@pytest.mark.parametrize(
    ("seed", "attack"), [(13, "contrast"), (15, "contrast"), (22, "brightness"), (82, "brightness")]
)
def test_where_light_swallows_all_blue_luma_carries_on_unseen(seed, attack):
    """Bright yellow, violet and cyan gradients, and a sticker: at ×1.5 their blue is 0 or 255 nearly everywhere."""
    before = picture(seed)
    after = MARK.embed(before, MESSAGE, KEY)
    lit = ATTACKS[attack](after)
    assert np.isin(lit[..., 2], (0, 255)).mean() > 0.7
    assert MARK.detect(lit, KEY).message == MESSAGE
    change = after[..., :2].astype(float) - before[..., :2]
    assert np.quantile(np.abs(change), 0.97) <= 1 and change.std() < 0.6


def test_it_is_slight_and_the_margin_says_how_clear(pictures):
    for name, before in (("sticker", sticker()), ("gradient", gradient())):
        change = pictures[name].astype(float) - before
        assert 10 * np.log10(255**2 / (change**2).mean()) >= 42
        assert abs(change[..., :2]).mean() < 0.3, "hardly anything but blue changes where there is no texture"
        assert margin(pictures[name], MESSAGE, KEY) > 1 > margin(before, MESSAGE, KEY)


def test_a_fresh_picture_is_confirmed_with_its_margin_and_a_changed_one_searched(pictures):
    one = pictures["sticker"]
    fresh = MARK.confirm(one, MESSAGE, KEY)
    assert fresh.found and fresh.message == MESSAGE and fresh.p_value == FALSE_ALARM
    assert fresh.margin == pytest.approx(margin(one, MESSAGE, KEY) - 1)
    turned = MARK.confirm(np.ascontiguousarray(one[:, ::-1]), MESSAGE, KEY)
    assert turned.message == MESSAGE and turned.margin is None
    assert not MARK.confirm(one, MESSAGE, OTHER).found
    assert MARK.confirm(one, bytes(5), KEY).message == MESSAGE, (
        "what stands there counts, not what was hoped for"
    )
    assert not MARK.confirm(sticker(), MESSAGE, KEY).found


def test_white_keeps_a_smooth_tint(pictures):
    """On white the change stays under a just noticeable difference of yellow-blue and has no fine grain."""
    blue = pictures["sticker"][:60, :60, 2].astype(float)
    assert 255 - blue.min() <= 14
    assert np.abs(np.diff(blue, axis=1)).max() <= 3


def test_unmarked_pictures_and_other_keys_are_silent(pictures):
    assert not MARK.detect(sticker(), KEY).found
    assert not MARK.detect(pictures["sticker"], OTHER).found
    noise = np.random.default_rng(2).integers(0, 256, (300, 300, 3), dtype=np.uint8)
    assert MARK.detect(noise, KEY).p_value == 1.0


def test_a_copied_pattern_with_another_tag_is_refused():
    """The tag belongs to the key: words coded under another key do not read."""
    soft = 1.0 - 2.0 * encode(MESSAGE, KEY).astype(np.float32)
    assert decode(soft[None], KEY) == [MESSAGE]
    assert decode(soft[None], OTHER) == [None]


def test_the_code_corrects_and_random_words_do_not_pass():
    rng = np.random.default_rng(3)
    for _ in range(20):
        message = rng.bytes(MESSAGE_BYTES)
        soft = 1.0 - 2.0 * encode(message, KEY).astype(np.float32)
        assert decode((soft + rng.normal(0, 1.2, CODED_BITS))[None], KEY) == [message]
    assert decode(rng.normal(size=(50, CODED_BITS)), KEY) == [None] * 50


def test_transparent_pictures_keep_alpha_and_read_on_paper():
    pixels = np.dstack([sticker(), np.full((512, 512), 255, np.uint8)])
    pixels[:, :80, 3] = 0
    marked = MARK.embed(pixels, MESSAGE, KEY)
    assert (marked[..., 3] == pixels[..., 3]).all()
    assert (marked[:, :80] == pixels[:, :80]).all()
    assert MARK.detect(marked, KEY).message == MESSAGE
    paper = Image.new("RGBA", (512, 512), "white")
    paper.alpha_composite(Image.fromarray(marked))
    assert MARK.detect(coded(np.asarray(paper.convert("RGB")), "JPEG", 80), KEY).message == MESSAGE


@pytest.mark.parametrize("shape", [(256, 256), (400, 900), (1100, 700)])
def test_other_shapes(shape):
    assert MARK.detect(MARK.embed(gradient(*shape), MESSAGE, KEY), KEY).message == MESSAGE


def test_averaging_outputs_of_one_key_does_not_bring_out_the_pattern():
    grey = np.full((512, 512, 3), 128, np.uint8)
    rng = np.random.default_rng(4)
    changes = [MARK.embed(grey, rng.bytes(5), KEY)[..., 2] - 128.0 for _ in range(6)]
    assert np.mean(changes, axis=0).std() < 0.6 * np.mean([one.std() for one in changes])


def test_what_cannot_carry_says_why():
    assert can_carry(sticker()) is None
    assert "256" in can_carry(sticker(200))
    assert "1 : 3" in can_carry(gradient(256, 1000))
    assert "transparent" in can_carry(np.dstack([sticker(), np.zeros((512, 512), np.uint8)]))
    with pytest.raises(BadInput, match="256"):
        MARK.embed(sticker(200), MESSAGE, KEY)
    with pytest.raises(BadInput, match="8-bit"):
        MARK.detect(sticker().astype(np.float32), KEY)
    with pytest.raises(ValueError, match="five bytes"):
        MARK.embed(sticker(), b"four", KEY)


@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 900, 3), (700, 2, 4), (100, 900, 3)])
def test_tiny_pictures_and_strips_are_too_little(shape):
    found = MARK.detect(np.full(shape, 200, np.uint8), KEY)
    assert not found.found and found.state == "too_little"


def test_wide_even_fills_stand_where_a_codec_cannot_decide():
    """JPEG rounds the mean chroma of a fill to steps (17/8 at quality 50): see `tipping`."""
    for fill in ((255, 255, 255), (250, 200, 60), (128, 128, 128), (0, 0, 0)):
        moved = tipping(np.full((64, 64, 3), fill, np.uint8))
        assert np.ptp(moved) < 1e-3 and 0 <= fill[2] + moved[0, 0] <= 255 and abs(moved[0, 0]) <= 4
    assert not tipping(gradient()).any(), "a gradient decides for itself"


def test_tipping_is_what_lets_faint_waves_through_jpeg(monkeypatch):
    white = np.full((512, 512, 3), 255, np.uint8)
    tipped = margin(MARK.embed(white, MESSAGE, KEY), MESSAGE, KEY)
    monkeypatch.setattr(
        "studio.provenance.image_embed.tipping", lambda rgb: np.full((256, 256), 1e-6, np.float32)
    )
    assert margin(MARK.embed(white, MESSAGE, KEY), MESSAGE, KEY) < tipped - 1


def test_even_fills_stay_even_to_the_eye():
    """White, cream and yellow at four times their size (8 pixels a degree): CIE L*a*b* after the eye's own blur."""
    for fill in ((255, 255, 255), (250, 240, 215), (250, 200, 60)):
        assert mottle(MARK, fill, pixels_per_degree=8) < 0.6, fill


def test_a_clear_picture_is_marked_more_faintly_than_a_weak_one():
    """Strength follows need: texture reads clearly at the first pass, a slow gradient in muted colours does not."""
    loud = np.std(MARK.embed(picture(10), MESSAGE, KEY)[..., 2].astype(float) - picture(10)[..., 2])
    flat = np.full((512, 512, 3), (250, 240, 215), np.uint8)
    quiet = np.std(MARK.embed(flat, MESSAGE, KEY)[..., 2].astype(float))
    assert quiet < 1.2 < 1.6 < loud


def test_importing_stays_cheap():
    code = "import sys, studio.provenance.image_mark; print([m for m in ('numpy', 'scipy', 'PIL') if m in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
