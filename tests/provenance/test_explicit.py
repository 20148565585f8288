"""Labels that people notice: height, place, contrast, wording, rhythm; and nothing where nothing is asked."""

import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from label_files import policy

from studio.errors import BadInput
from studio.provenance.explicit import label_picture, label_sound, label_text, make_explicit, overlay, rhythm
from studio.provenance.labels import read_labels
from studio.types import Draft, Sound

CN = policy("cn")


def draft(kind, payload):
    return Draft(kind, payload, "m", "1", 0, "cpu", "float32", 0.1)


def ink(width, height, rules):
    """The box (top, bottom, left, right) of the label's white pixels."""
    white = overlay(width, height, rules)[..., :3].min(axis=2) > 128
    rows, columns = np.flatnonzero(white.any(1)), np.flatnonzero(white.any(0))
    return rows[0], rows[-1] + 1, columns[0], columns[-1] + 1


@pytest.mark.parametrize(
    "size", [(512, 512), (1024, 640), (640, 1024), (256, 256), (2000, 300), (64, 64), (96, 900)]
)
@pytest.mark.parametrize("corner", ["bottom-right", "bottom-left", "top-right", "top-left"])
@pytest.mark.parametrize("wording", ["AI生成", "AI-generated"])
def test_the_text_is_high_enough_and_in_its_corner(size, corner, wording):
    width, height = size
    top, bottom, left, right = ink(width, height, replace(CN, corner=corner, wording=wording))
    assert bottom - top >= 0.05 * min(size)
    assert 0 < top < bottom < height and 0 < left < right < width
    near, far = (top, height - bottom) if corner.startswith("top") else (height - bottom, top)
    assert near <= far and near <= 0.1 * min(size) + 12
    near, far = (left, width - right) if corner.endswith("left") else (width - right, left)
    assert near <= far + 12


def test_the_capitals_alone_are_high_enough():
    """The A of "AI" is measured, not a descender or a taller Chinese character."""
    for side in (333, 512, 777, 1500):
        top, bottom, *_ = ink(side, side, replace(CN, wording="AI"))
        assert bottom - top >= 0.05 * side


@pytest.mark.parametrize("shade", [0, 128, 255])
@pytest.mark.parametrize("channels", [3, 4])
def test_the_label_reads_on_any_ground(shade, channels):
    plain = np.full((300, 400, channels), shade, np.uint8)
    shown = label_picture(plain, CN)
    assert shown.shape == plain.shape and shown.dtype == np.uint8
    changed = np.flatnonzero((shown != plain).any(axis=(1, 2)))
    assert changed[0] > 220 and np.array_equal(shown[:220], plain[:220])
    region = shown[changed[0] :, :, :3].astype(float) / 255
    bright, dark = region.max() + 0.05, region[region[..., 0] < 0.9].min() + 0.05
    assert bright / dark > 2


def test_a_transparent_picture_shows_its_label():
    shown = label_picture(np.zeros((300, 400, 4), np.uint8), CN)
    assert (shown[..., 3] == 255).sum() > 100 and (shown[:200, :, 3] == 0).all()


def test_a_picture_without_room_is_refused_with_a_remedy():
    with pytest.raises(BadInput, match="larger"):
        label_picture(np.zeros((4, 4, 3), np.uint8), CN)


def test_a_letter_that_the_font_lacks_is_named():
    with pytest.raises(BadInput, match="Ж"):
        overlay(500, 500, replace(CN, wording="AI Ж"))


@pytest.mark.parametrize("edge", ["start", "end", "both"])
@pytest.mark.parametrize("wording", ["AI生成", "AI-generated"])
def test_the_line_is_seen_by_the_reader_and_stands_once(edge, wording):
    rules = replace(CN, text_edge=edge, wording=wording)
    text = label_text("First line.\n\nLast line.\n", rules)
    assert label_text(text, rules) == text
    assert len(re.findall(re.escape(wording), text)) == (2 if edge == "both" else 1)
    found = read_labels(text.encode(), "text/plain")
    assert len(found.visible) == (2 if edge == "both" else 1) and found.says == "generated"


@settings(max_examples=50)
@given(st.text(max_size=200))
def test_the_text_itself_is_kept(text):
    assert text.strip("\n") in label_text(text, CN)


@pytest.mark.parametrize("rate", [8000, 22050, 48000])
@pytest.mark.parametrize("channels", [1, 2])
def test_the_rhythm_is_short_long_short_short(rate, channels):
    noise = np.random.default_rng(1).uniform(-0.3, 0.3, (rate, channels)).astype(np.float32)
    labelled = label_sound(Sound(noise, rate), CN)
    before = labelled.samples[: len(labelled.samples) - rate]
    assert np.array_equal(labelled.samples[-rate:], noise) and labelled.samples.dtype == np.float32
    assert np.abs(before).max() <= 0.5
    window = rate // 100
    loud = np.abs(before[: len(before) // window * window, 0]).reshape(-1, window).max(1) > 0.02
    edges = np.flatnonzero(np.diff(np.r_[0, loud.astype(int), 0]))
    tones = (edges[1::2] - edges[::2]) / 100
    assert len(tones) == 4
    assert np.allclose(tones, [0.12, 0.36, 0.12, 0.12], atol=0.025)


def test_the_rhythm_can_be_heard_before_silence_and_before_nothing():
    for frames in (0, 1000):
        labelled = label_sound(Sound(np.zeros((frames, 1), np.float32), 16000), CN)
        assert np.abs(labelled.samples).max() >= 0.09
    assert rhythm(48000).size == pytest.approx(48000 * 0.12 * 15, abs=4)


@pytest.mark.parametrize(("rate", "channels"), [(8000, 1), (24000, 1), (44100, 2)])
def test_the_spoken_notice_stands_before_the_sound(rate, channels):
    policy = replace(CN, audible_sound="spoken")
    loud = np.full((rate, channels), 0.3, np.float32)
    labelled = label_sound(Sound(loud, rate), policy)
    added = len(labelled.samples) - rate
    assert 3 < added / rate < 5 and labelled.samples.dtype == np.float32
    assert np.array_equal(labelled.samples[added:], loud)
    said, pause = labelled.samples[: added - rate // 2], labelled.samples[added - rate // 4 : added]
    assert 0.2 < np.abs(said).max() <= 0.5 and not pause.any()


def test_policies_decide():
    picture, sound = np.zeros((100, 100, 3), np.uint8), Sound(np.zeros((100, 1), np.float32), 8000)
    drafts = [draft("text", "words"), draft("image", picture), draft("speech", sound), draft("music", sound)]
    for one in drafts:
        assert make_explicit(one, policy("eu")) is one
        assert make_explicit(one, policy("minimal")) is one
        assert make_explicit(one, CN).payload is not one.payload
    film = draft("video", "film.mp4")
    assert make_explicit(film, CN) is film
