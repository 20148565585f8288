"""The audio mark: read back after what happens to sound, never read where there is none, honest about what it cannot carry."""

from __future__ import annotations

import io
import subprocess
import sys
from functools import cache

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.signal import butter, resample_poly, sosfiltfilt

from studio.bench.audio_material import syllables, tune
from studio.errors import BadInput
from studio.provenance.audio_code import CODED_BITS, decode, encode, message_of
from studio.provenance.audio_mark import AudioMark, can_carry
from studio.provenance.audio_pattern import BANDS, HOPS, SLOTS, first_hop, pattern_of
from studio.provenance.audio_plane import feature, seen, spectra
from studio.types import Sound

KEY, OTHER_KEY = b"k" * 32, b"o" * 32
MESSAGE = message_of("0123456789abcdef0123456789abcdef")
MARK = AudioMark()
Samples = NDArray[np.float32]


@cache
def plain(kind: str) -> Sound:
    return syllables(3, 8.0) if kind == "speech" else tune(3, 8.0)


@cache
def marked(kind: str) -> Sound:
    return MARK.embed(plain(kind), MESSAGE, KEY)


def snr_db(before: Samples, after: Samples) -> float:
    return float(10 * np.log10((before**2).sum() / ((after - before) ** 2).sum()))


def as_float(samples: Samples) -> Samples:
    return np.clip(samples, -1, 1).astype(np.float32)


# --- The code ---------------------------------------------------------------------------------------

messages = st.integers(0, 2**36 - 1).map(lambda n: (n << 4).to_bytes(5, "big"))


@settings(max_examples=50, deadline=None)
@given(messages, st.binary(min_size=16, max_size=64), st.integers(0, 2**32 - 1))
def test_a_message_survives_noise_as_strong_as_its_bits(message: bytes, key: bytes, seed: int) -> None:
    sent = 1.0 - 2.0 * encode(message, key).astype(np.float32)
    noise = np.random.default_rng(seed).standard_normal(CODED_BITS).astype(np.float32)
    assert decode(sent + 0.8 * noise, key) == message
    assert decode(sent, key + b"x") is None


def test_the_code_is_the_published_one() -> None:
    # A lone 1 followed by zeros reads out the generators 557, 663 and 711 (octal), newest bit first.
    zero, one = (encode(bytes([first, 0, 0, 0, 0]), KEY) for first in (0x00, 0x80))
    response = (zero ^ one)[: 9 * 3].reshape(9, 3).T
    assert [int("".join(map(str, row)), 2) for row in response] == [0o557, 0o663, 0o711]


def test_noise_alone_never_passes_the_tag() -> None:
    draw = np.random.default_rng(0)
    assert all(decode(draw.standard_normal(CODED_BITS).astype(np.float32), KEY) is None for _ in range(300))


@pytest.mark.parametrize("message", [b"", b"\0" * 4, b"\0" * 6, b"\0\0\0\0\1"])
def test_only_five_bytes_with_four_last_zeros_are_a_message(message: bytes) -> None:
    with pytest.raises(ValueError, match="five bytes"):
        encode(message, KEY)


def test_a_message_names_its_output() -> None:
    assert MESSAGE.hex() == "0123456780"


# --- The pattern ------------------------------------------------------------------------------------


def test_patterns_belong_to_their_key_and_stay_the_same() -> None:
    one, other = pattern_of(KEY), pattern_of(OTHER_KEY)
    assert abs(float((one.signs * other.signs).mean())) < 5 / np.sqrt(SLOTS * BANDS)
    assert abs(float(one.signs.mean())) < 5 / np.sqrt(SLOTS * BANDS)
    # These very signs are in published files: a change here makes them unreadable.
    assert "".join("+" if sign > 0 else "-" for sign in one.signs[0, :16]) == FIRST_SIGNS
    assert one.owner[0, :8].tolist() == FIRST_OWNERS


FIRST_SIGNS = "-+++----+++--+-+"
FIRST_OWNERS = [77, 195, -1, -1, -1, 23, -1, -1]


def test_outputs_start_all_over_the_pattern() -> None:
    starts = {first_hop(message_of(f"{n:09x}"), KEY) for n in range(2000)}
    assert len(starts) > 0.95 * HOPS


def test_an_average_of_many_outputs_blurs_the_pattern() -> None:
    """What somebody sees who averages what 100 outputs of one key changed, against one output alone."""
    changes = []
    for n in range(100):
        message = message_of(f"{n * 7919:09x}")
        carrying = pattern_of(KEY).carrying(encode(message, KEY))
        hops = (np.arange(HOPS) + first_hop(message, KEY)) // 5 % SLOTS
        changes.append(carrying[hops])
    average = np.mean(changes, axis=0)
    assert np.sqrt((average**2).mean()) < 0.15  # 0.1 if all were independent; 1 if all lay alike


# --- What is heard ----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["speech", "music"])
def test_the_mark_is_faint_exact_and_repeatable(kind: str) -> None:
    before, after = plain(kind), marked(kind)
    assert after.samples.shape == before.samples.shape
    assert after.samples.dtype == np.float32 and after.sample_rate == before.sample_rate
    assert snr_db(before.samples, after.samples) >= 25.29
    assert np.array_equal(after.samples, MARK.embed(before, MESSAGE, KEY).samples)
    read = MARK.detect(after, KEY)
    assert read.found and read.message == MESSAGE and read.p_value < 1e-7


@pytest.mark.parametrize("kind", ["speech", "music"])
def test_nothing_is_found_without_the_mark_or_its_key(kind: str) -> None:
    for sound, key in ((plain(kind), KEY), (marked(kind), OTHER_KEY)):
        read = MARK.detect(sound, key)
        assert not read.found and read.message is None and read.p_value == 1.0 and not read.segments


def test_a_loop_as_long_as_the_pattern_is_not_taken_for_a_mark() -> None:
    draw = np.random.default_rng(1)
    frame = draw.standard_normal((24 * 5 * 128 * 3, 1)).astype(np.float32) * 0.1
    assert not MARK.detect(Sound(np.tile(frame, (6, 1)), 24_000), KEY).found


# --- What happens to sound --------------------------------------------------------------------------


def mp3(sound: Sound) -> Sound:
    file = io.BytesIO()
    soundfile.write(
        file, sound.samples, sound.sample_rate, format="MP3", bitrate_mode="CONSTANT", compression_level=0.8
    )
    file.seek(0)
    samples, rate = soundfile.read(file, dtype="float32", always_2d=True)
    return Sound(samples, rate)


def noise(sound: Sound) -> Sound:
    loud = float(np.sqrt((sound.samples**2).mean()))
    hiss = np.random.default_rng(5).standard_normal(sound.samples.shape) * loud / 10
    return Sound(as_float(sound.samples + hiss), sound.sample_rate)


def crop(sound: Sound, seconds: float) -> Sound:
    first, rate = round(2.345 * sound.sample_rate), sound.sample_rate
    return Sound(sound.samples[first : first + round(seconds * rate)], rate)


def low_pass(sound: Sound) -> Sound:
    filtered = sosfiltfilt(butter(8, 4000, fs=sound.sample_rate, output="sos"), sound.samples, axis=0)
    return Sound(as_float(filtered), sound.sample_rate)


def played(sound: Sound, up: int, down: int) -> Sound:
    return Sound(as_float(resample_poly(sound.samples, up, down, axis=0)), sound.sample_rate)


def loudly(sound: Sound) -> Sound:
    return Sound(as_float(5 * sound.samples), sound.sample_rate)


def backwards(sound: Sound) -> Sound:
    return Sound(np.ascontiguousarray(sound.samples[:, ::-1]), sound.sample_rate)


ATTACKS = {
    "mp3": mp3,
    "noise 20 dB": noise,
    "3 s": lambda sound: crop(sound, 3.0),
    "low-pass 4 kHz": low_pass,
    "faster 5 %": lambda sound: played(sound, 100, 105),
    "slower 5 %": lambda sound: played(sound, 105, 100),
    "8 kHz": lambda sound: Sound(
        as_float(resample_poly(sound.samples, 8000, sound.sample_rate, axis=0)), 8000
    ),
    "gain 5, clipped": loudly,
    "gain 0.2": lambda sound: Sound(0.2 * sound.samples, sound.sample_rate),
    "channels swapped": backwards,
    "one channel": lambda sound: Sound(np.ascontiguousarray(sound.samples[:, -1:]), sound.sample_rate),
    "16 bit": lambda sound: Sound(
        np.round(sound.samples * 32767).astype(np.float32) / 32767, sound.sample_rate
    ),
}


@pytest.mark.parametrize("attack", ATTACKS)
@pytest.mark.parametrize("kind", ["speech", "music"])
def test_the_message_is_read_exactly_after(kind: str, attack: str) -> None:
    read = MARK.detect(ATTACKS[attack](marked(kind)), KEY)
    assert read.found and read.message == MESSAGE


@pytest.mark.parametrize("kind", ["speech", "music"])
def test_a_splice_is_located(kind: str) -> None:
    samples, rate = plain(kind).samples.copy(), plain(kind).sample_rate
    samples[4 * rate :] = marked(kind).samples[4 * rate :]
    ((start, end, p_value),) = MARK.detect(Sound(samples, rate), KEY).segments
    assert abs(start - 4.0) < 0.5 and abs(end - 8.0) < 0.1 and p_value < 1e-9


def test_a_cut_inside_a_marked_recording_is_followed() -> None:
    sound = marked("speech")
    cut = np.concatenate([sound.samples[: 3 * 24_000], sound.samples[4 * 24_000 :]])
    read = MARK.detect(Sound(cut, 24_000), KEY)
    covered = sum(end - start for start, end, _ in read.segments)
    assert read.message == MESSAGE and covered > 6.5


def test_blocks_of_a_long_recording_join() -> None:
    long = syllables(9, 64.0, rate=8_000)
    read = MARK.detect(Sound(MARK.embed(long, MESSAGE, KEY).samples[-8_000 * 38 : -8_000 * 28], 8_000), KEY)
    assert read.message == MESSAGE
    ((start, end, _),) = read.segments
    assert start < 0.2 and end > 9.8


def test_blocks_of_a_long_reading_join() -> None:
    """Two minutes and a half, read in blocks of a minute: the same as read in one."""
    long = syllables(2, 150.0, rate=8_000).samples[:, 0]
    plane, heard = seen(long)
    whole = feature(spectra(long))
    assert plane.shape == whole.shape and heard.shape == (len(whole),)
    assert np.corrcoef(plane.ravel(), whole.ravel())[0, 1] > 0.99


@settings(max_examples=8, deadline=None)
@given(
    messages,
    st.binary(min_size=32, max_size=32),
    st.sampled_from([8_000, 11_025, 22_050, 44_100, 48_000]),
    st.integers(0, 2**31),
    st.booleans(),
)
def test_any_message_key_and_rate(message: bytes, key: bytes, rate: int, seed: int, stereo: bool) -> None:
    sound = syllables(seed, 4.0, rate)
    if stereo:
        sound = Sound(sound.samples * np.array([0.9, 0.3], np.float32), rate)
    after = MARK.embed(sound, message, key)
    assert MARK.detect(after, key).message == message
    assert snr_db(sound.samples, after.samples) >= 25.29


# --- What cannot carry it ---------------------------------------------------------------------------


def silent(frames: int, channels: int = 1) -> Samples:
    return np.zeros((frames, channels), np.float32)


@pytest.mark.parametrize(
    ("sound", "words"),
    [
        (Sound(syllables(0, 1.5).samples, 24_000), "needs 2 seconds"),
        (Sound(silent(100_000), 24_000), "not silent"),
        (Sound(np.pad(syllables(0, 1.0).samples, ((0, 96_000), (0, 0))), 24_000), "not silent"),
        (Sound(tune(0, 3.0).samples * np.array([1, 0], np.float32) - silent(1), 4_000), "4000 Hz"),
        (Sound(silent(100_000, 6), 48_000), "has 6"),
        (Sound(silent(0), 48_000), "needs 2 seconds"),
    ],
)
def test_what_cannot_carry_it_is_refused_in_words(sound: Sound, words: str) -> None:
    reason = can_carry(sound)
    assert reason is not None and words in reason
    with pytest.raises(BadInput, match=words):
        MARK.embed(sound, MESSAGE, KEY)
    read = MARK.detect(sound, KEY)
    assert not read.found and read.detail == reason


def test_channels_that_cancel_are_refused() -> None:
    one = syllables(0, 4.0).samples
    assert "mixed" in (can_carry(Sound(np.concatenate([one, -one], axis=1), 24_000)) or "")


def test_a_lone_tone_is_refused() -> None:
    t = np.arange(6 * 24_000) / 24_000
    tone = Sound((0.3 * np.sin(2 * np.pi * 5000 * t)).astype(np.float32)[:, None], 24_000)
    with pytest.raises(BadInput, match="too little between its tones"):
        MARK.embed(tone, MESSAGE, KEY)


@pytest.mark.parametrize(
    "samples",
    [
        np.zeros(48_000, np.float32),
        np.zeros((48_000, 1), np.float64),
        np.full((48_000, 1), np.nan, np.float32),
        np.full((48_000, 1), 1e30, np.float32),
        [[0.0]] * 48_000,
    ],
)
def test_what_is_no_sound_is_bad_input(samples: object) -> None:
    for work in (lambda s: MARK.embed(s, MESSAGE, KEY), lambda s: MARK.detect(s, KEY)):
        with pytest.raises(BadInput):
            work(Sound(samples, 24_000))


@pytest.mark.parametrize("rate", [8_000, 44_101, 191_999])
@pytest.mark.parametrize("shape", ["impulses", "constant", "square", "noise", "beyond full scale", "faint"])
def test_strange_sound_is_marked_or_refused_and_never_fails(shape: str, rate: int) -> None:
    frames = 3 * rate
    t, hiss = np.arange(frames) / rate, np.random.default_rng(2).standard_normal(frames)
    strange = {
        "impulses": (np.arange(frames) % (rate // 7) == 0).astype(float),
        "constant": np.full(frames, 0.5),
        "square": np.sign(np.sin(2 * np.pi * 220 * t)),
        "noise": hiss / 4,
        "beyond full scale": 100 * hiss,
        "faint": 2e-4 * hiss,
    }[shape]
    sound = Sound(strange[:, None].astype(np.float32), rate)
    with np.errstate(all="raise", under="ignore"):
        assert not MARK.detect(sound, KEY).found
        try:
            after = MARK.embed(sound, MESSAGE, KEY)
        except BadInput:
            return
        assert MARK.detect(after, KEY).message == MESSAGE


def test_importing_the_mark_is_cheap() -> None:
    code = (
        "import sys, studio.provenance.audio_mark; sys.exit('numpy' in sys.modules or 'scipy' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
