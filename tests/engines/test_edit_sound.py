"""Cutting and mixing: lengths, levels and curves as promised; whatever cannot be is one sentence."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from studio.engines import edit_sound
from studio.engines.loudness import loudness
from studio.errors import BadInput
from studio.types import Sound

RATE = 16_000


def tone(seconds=1.0, rate=RATE, channels=1, hertz=440.0, level=0.3):
    wave = level * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)
    return Sound(np.repeat(wave[:, None], channels, axis=1).astype(np.float32), rate)


def wav(path: Path, sound: Sound, **options) -> Path:
    soundfile.write(path, sound.samples, sound.sample_rate, **options)
    return path


def test_a_stretch_is_the_very_samples_between_its_ends(tmp_path):
    sound = tone(2.0)
    path = wav(tmp_path / "a.wav", sound, subtype="FLOAT")
    found = edit_sound.read(path, "It", 0.5, 1.25)
    assert found.sample_rate == RATE
    assert np.array_equal(found.samples, sound.samples[8_000:20_000])
    assert np.array_equal(
        edit_sound.read(path, "It", 0.0, 2.04).samples, sound.samples
    )  # as rounded in a player


@pytest.mark.parametrize(
    ("start", "end", "words"),
    [(2.0, None, "cannot start at 2"), (0.0, 9.0, "cannot end at 9"), (1.5, 1.0, "must lie after")],
)
def test_a_stretch_outside_the_length_is_refused_with_the_length(tmp_path, start, end, words):
    path = wav(tmp_path / "a.wav", tone(2.0))
    with pytest.raises(BadInput, match=words):
        edit_sound.read(path, "It", start, end)


@pytest.mark.parametrize("content", [b"", b"RIFF", b"\0" * 4000, b"RIFF\x24\0\0\0WAVEfmt "])
def test_what_is_no_recording_is_refused(tmp_path, content):
    path = tmp_path / "x.wav"
    path.write_bytes(content)
    with pytest.raises(BadInput, match="no recording that can be read|is empty"):
        edit_sound.read(path, "It")


def test_no_samples_are_no_recording(tmp_path):
    path = wav(tmp_path / "a.wav", Sound(np.zeros((0, 1), np.float32), RATE))
    with pytest.raises(BadInput, match="cannot start|is empty"):
        edit_sound.read(path, "It")


def test_eight_channels_at_192_khz_become_stereo_at_48_with_the_centre_in_both(tmp_path):
    samples = np.zeros((192_000, 8), np.float32)
    samples[:, 2] = tone(1.0, 192_000).samples[:, 0]  # the centre
    samples[:, 3] = 0.9  # the low-frequency channel is left out, as the standard has it
    found = edit_sound.read(wav(tmp_path / "a.wav", Sound(samples, 192_000), subtype="FLOAT"), "It")
    assert found.sample_rate == 48_000 and found.samples.shape == (48_000, 2)
    middle = found.samples[4_800:-4_800]
    assert np.abs(middle).max() == pytest.approx(0.3 * np.sqrt(0.5), rel=0.01)
    assert np.array_equal(middle[:, 0], middle[:, 1])


def test_values_that_are_no_numbers_become_silence(tmp_path):
    sound = tone()
    sound.samples[100:200] = np.nan
    found = edit_sound.read(wav(tmp_path / "a.wav", sound, subtype="FLOAT"), "It")
    assert np.isfinite(found.samples).all() and not found.samples[100:200].any()


def test_more_than_can_be_held_is_refused_before_it_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr(edit_sound, "MOST_SAMPLES", 4 * RATE)
    path = wav(tmp_path / "a.wav", tone(5.0))
    with pytest.raises(BadInput, match="more than is edited at once"):
        edit_sound.read(path, "It")
    assert len(edit_sound.read(path, "It", 1.0, 4.0).samples) == 3 * RATE
    with pytest.raises(BadInput, match="longer than is made at once"):
        edit_sound.join([tone(3.0), tone(3.0)], 0.0, 0.0)


@settings(max_examples=40, deadline=None)
@given(
    lengths=st.lists(st.floats(0.3, 2.0), min_size=2, max_size=4),
    gap=st.floats(0.0, 1.0),
    over=st.booleans(),
)
def test_joined_parts_are_as_long_as_their_sum(lengths, gap, over):
    parts = [tone(length) for length in lengths]
    crossfade = 0.1 if over else 0.0
    made = edit_sound.join(parts, 0.0 if over else gap, crossfade)
    step = -round(crossfade * RATE) if over else round(gap * RATE)
    assert len(made.samples) == sum(len(part.samples) for part in parts) + step * (len(parts) - 1)
    head = len(parts[0].samples) - round(crossfade * RATE)
    assert np.array_equal(made.samples[:head], parts[0].samples[:head])


def test_parts_of_other_rates_and_widths_are_brought_to_the_best():
    made = edit_sound.join([tone(1.0, 16_000), tone(1.0, 44_100, channels=2)], 0.0, 0.0)
    assert made.sample_rate == 44_100 and made.samples.shape == (88_200, 2)


def test_a_crossfade_keeps_the_power_and_must_fit():
    draw = np.random.default_rng(3)
    parts = [Sound(0.1 * draw.standard_normal((2 * RATE, 1)).astype(np.float32), RATE) for _ in range(2)]
    made = edit_sound.join(parts, 0.0, 1.0)
    power = [float((made.samples[a : a + RATE // 4] ** 2).mean()) for a in range(0, 3 * RATE, RATE // 4)]
    assert min(power) > 0.85 * max(power)
    with pytest.raises(BadInput, match="longer than half"):
        edit_sound.join(parts, 0.0, 1.5)


def test_fades_begin_and_end_in_silence_and_must_fit():
    sound = tone(2.0)
    before = sound.samples.copy()
    edit_sound.fade(sound, 0.5, 0.25)
    assert sound.samples[0] == sound.samples[-1] == 0.0
    assert np.array_equal(sound.samples[8_000:28_000], before[8_000:28_000])
    with pytest.raises(BadInput, match="2.00 s long"):
        edit_sound.fade(sound, 1.5, 1.0)


def speech_with_a_pause():
    """Two seconds of "voice", two of silence, two of voice."""
    voice = tone(6.0, hertz=200)
    voice.samples[2 * RATE : 4 * RATE] = 0
    return voice


def bed(mixed, voice, lead_in):
    music = mixed.samples.copy()
    at = round(lead_in * RATE)
    music[at : at + len(voice.samples)] -= voice.samples
    return music


def level(samples):
    return 10 * np.log10(float((samples**2).mean()) + 1e-12)


def test_music_gives_way_to_the_voice_and_comes_back_in_its_pauses():
    voice, music = speech_with_a_pause(), tone(12.0, hertz=700, level=0.05)
    made = edit_sound.mix(voice, music, under=6, duck=12, lead_in=2.0, lead_out=3.0, repeat=True)
    assert len(made.samples) == 11 * RATE
    alone = bed(made, voice, 2.0)
    second = lambda at, seconds=0.4: alone[round(at * RATE) : round((at + seconds) * RATE)]  # noqa: E731
    free, spoken, pause = level(second(1.0)), level(second(3.0)), level(second(5.5, 0.2))
    assert free - spoken == pytest.approx(12, abs=0.5)
    assert free - pause < 3
    assert level(second(1.85, 0.1)) < free - 3  # it sinks before the first word
    assert loudness(voice.samples, RATE) - loudness(second(0.8, 0.8), RATE) == pytest.approx(6, abs=1.5)
    assert level(alone[-RATE // 10 :]) < free - 20  # and fades away


def test_short_music_is_repeated_over_its_seams_or_ends():
    voice, music = tone(6.0, hertz=200), tone(2.0, hertz=700, level=0.1)
    whole = {"under": 0, "duck": 0, "lead_in": 0.0, "lead_out": 0.0}
    again = bed(edit_sound.mix(voice, music, repeat=True, **whole), voice, 0.0)
    once = bed(edit_sound.mix(voice, music, repeat=False, **whole), voice, 0.0)
    tenths = [level(again[a : a + RATE // 10]) for a in range(0, 6 * RATE, RATE // 10)]
    assert min(tenths) > max(tenths) - 8  # two copies of one tone may partly cancel in a seam
    assert np.abs(once[3 * RATE :]).max() < 1e-6 and level(once[:RATE]) > -30


@pytest.mark.parametrize("silent", ["voice", "music", "both"])
def test_silence_can_be_mixed(silent):
    nothing = Sound(np.zeros((3 * RATE, 1), np.float32), RATE)
    voice = nothing if silent in ("voice", "both") else tone(3.0)
    music = nothing if silent in ("music", "both") else tone(3.0)
    made = edit_sound.mix(voice, music, under=6, duck=10, lead_in=1.0, lead_out=1.0, repeat=True)
    assert np.isfinite(made.samples).all() and len(made.samples) == 5 * RATE
