"""Cutting and mixing of sound in memory: read, trim, join, fade, duck. No models, no file is written.

What is covered: whatever libsndfile reads, up to eight channels and 384 kHz, brought to mono or stereo at
48 kHz at most. What is not: time stretching, noise removal, separating voices from music.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from studio.engines.loudness import loudness
from studio.errors import BadInput
from studio.recordings import opened
from studio.types import Sound

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.floating[Any]]

HIGHEST_RATE = 48_000
BLOCK = 1 << 18
MOST_SAMPLES = 20 * 60 * 2 * HIGHEST_RATE
"""Samples over all channels: 20 minutes of stereo at 48 kHz, 460 MB."""

TAIL_SECONDS = 0.05  # what a shown length may be rounded up by
_SIDE = math.sqrt(0.5)
# ITU-R BS.775-4, table 2, for the channel orders of WAV and FLAC: how much of each goes (left, right).
_L, _R, _C, _NONE, _LS, _RS = (1, 0), (0, 1), (_SIDE, _SIDE), (0, 0), (_SIDE, 0), (0, _SIDE)
DOWNMIX = {
    3: (_L, _R, _C),
    4: (_L, _R, _LS, _RS),
    5: (_L, _R, _C, _LS, _RS),
    6: (_L, _R, _C, _NONE, _LS, _RS),
    7: (_L, _R, _C, _NONE, (0.5, 0.5), _LS, _RS),
    8: (_L, _R, _C, _NONE, _LS, _RS, _LS, _RS),
}


def read(path: Path, name: str, start: float = 0.0, end: float | None = None) -> Sound:
    """The stretch from `start` to `end` (seconds; None: to its end) of a recording, float32 (frames, 1 or 2).

    Raises BadInput, in which `name` is what a person calls it, for what is no recording or not as long.
    """
    import numpy as np
    import soundfile

    try:
        with opened(path) as file:
            rate, channels, length = int(file.samplerate), int(file.channels), file.frames / file.samplerate
            first, last = _stretch(name, length, start, end)
            if (last - first) * min(rate, HIGHEST_RATE) * min(channels, 2) > MOST_SAMPLES:
                raise BadInput(
                    f"{name} has {(last - first) / 60:.0f} minutes, which is more than is edited at once; "
                    "take a part of it."
                )
            file.seek(round(first * rate))
            samples = np.concatenate(list(_blocks(file, round((last - first) * rate))))
    except (soundfile.SoundFileError, OSError, RuntimeError) as error:
        raise BadInput(f"{name} is no recording that can be read; choose a sound.") from error
    if not len(samples):
        raise BadInput(f"{name} is empty; choose another recording.")
    return Sound(samples, min(rate, HIGHEST_RATE))


def _blocks(file: Any, frames: int) -> Iterator[Floats]:
    """Block by block, so that eight channels at 384 kHz need no more memory than what is kept of them."""
    import numpy as np
    import soxr

    rate, channels = int(file.samplerate), int(file.channels)
    fold = np.array(DOWNMIX[channels], np.float32) if channels > 2 else None
    slower = (
        soxr.ResampleStream(rate, HIGHEST_RATE, min(channels, 2), dtype="float32")
        if rate > HIGHEST_RATE
        else None
    )
    yield np.zeros((0, min(channels, 2)), np.float32)
    while frames > 0:
        block = file.read(min(frames, BLOCK), dtype="float32", always_2d=True)
        frames = frames - len(block) if len(block) else 0
        block = np.nan_to_num(block, nan=0.0, posinf=0.0, neginf=0.0)
        block = block if fold is None else block @ fold
        yield slower.resample_chunk(block, last=frames <= 0) if slower else block


def _stretch(name: str, length: float, start: float, end: float | None) -> tuple[float, float]:
    if start >= length:
        raise BadInput(
            f"{name} is {length:.2f} seconds long, so it cannot start at {start:g}; start earlier."
        )
    if end is not None and end > length + TAIL_SECONDS:
        raise BadInput(f"{name} is {length:.2f} seconds long, so it cannot end at {end:g}; end earlier.")
    last = length if end is None else min(end, length)
    if last <= start:
        raise BadInput(f"The end ({end:g} s) must lie after the start ({start:g} s).")
    return start, last


def at_rate(sound: Sound, rate: int) -> Sound:
    import soxr

    if sound.sample_rate == rate:
        return sound
    return Sound(soxr.resample(sound.samples, sound.sample_rate, rate).astype("float32"), rate)


def alike(sounds: Sequence[Sound]) -> list[Sound]:
    """The same sounds at one rate, the highest of them, and with as many channels as the widest."""
    import numpy as np

    rate = max(sound.sample_rate for sound in sounds)
    width = max(sound.samples.shape[1] for sound in sounds)
    made = [at_rate(sound, rate) for sound in sounds]
    return [
        Sound(np.repeat(one.samples, width, axis=1), rate) if one.samples.shape[1] < width else one
        for one in made
    ]


def join(sounds: Sequence[Sound], gap: float, crossfade: float) -> Sound:
    """One after another, with silence of `gap` seconds or an overlap of `crossfade` seconds between them."""
    import numpy as np

    sounds = alike(sounds)
    rate, width = sounds[0].sample_rate, sounds[0].samples.shape[1]
    over, silence = round(crossfade * rate), round(gap * rate)
    if over and any(len(sound.samples) < 2 * over for sound in sounds):
        raise BadInput(
            f"The crossfade of {crossfade:g} s is longer than half of one of the recordings; shorten it."
        )
    step = -over if over else silence
    total = sum(len(sound.samples) for sound in sounds) + step * (len(sounds) - 1)
    _within_reason(total * width)
    out, at = np.zeros((total, width), np.float32), 0
    # Equal power: two unrelated sounds stay as loud in the middle as they were.
    rise = np.sin(np.linspace(0, math.pi / 2, over, dtype=np.float32))[:, None]
    for place, sound in enumerate(sounds):
        samples = sound.samples.copy() if over else sound.samples
        if over and place:
            samples[:over] *= rise
        if over and place < len(sounds) - 1:
            samples[-over:] *= rise[::-1]
        out[at : at + len(samples)] += samples
        at += len(samples) + step
    return Sound(out, rate)


def fade(sound: Sound, fade_in: float, fade_out: float) -> None:
    """Let `sound` (changed in place) rise from silence and sink into it, along a raised cosine."""
    import numpy as np

    rate, frames = sound.sample_rate, len(sound.samples)
    if fade_in + fade_out > frames / rate + TAIL_SECONDS:
        raise BadInput(
            f"The fades take {fade_in + fade_out:g} s and the result is {frames / rate:.2f} s long; shorten them."
        )
    first, last = (min(round(one * rate), frames) for one in (fade_in, fade_out))
    for length, part in ((first, sound.samples[:first]), (last, sound.samples[frames - last :][::-1])):
        if length:
            part *= (0.5 - 0.5 * np.cos(np.linspace(0, math.pi, length)))[:, None].astype(np.float32)


def mix(
    voice: Sound, music: Sound, *, under: float, duck: float, lead_in: float, lead_out: float, repeat: bool
) -> Sound:
    """The voice over the music, which gives way while somebody speaks.

    Before and after the voice, for `lead_in` and `lead_out` seconds, the music is `under` LU softer than the
    voice; under it another `duck` dB. Music that is too short is repeated or ends; the rest fades away.
    """
    import numpy as np

    voice, music = alike([voice, music])
    rate, width = voice.sample_rate, voice.samples.shape[1]
    before, after = round(lead_in * rate), round(lead_out * rate)
    total = before + len(voice.samples) + after
    _within_reason(total * width)
    levels = loudness(voice.samples, rate), loudness(music.samples, rate)
    bed = _stretched(music, total, repeat)
    if all(map(math.isfinite, levels)):  # silence has no loudness, so there is nothing to set it against
        bed *= np.float32(10 ** ((levels[0] - under - levels[1]) / 20))
    spoken = np.zeros(total, np.float32)
    spoken[before : before + len(voice.samples)] = np.abs(voice.samples).max(axis=1)
    bed *= _side_chain(spoken, rate, duck)[:, None]
    fade(Sound(bed, rate), min(0.5, lead_in), min(lead_out, 4.0))
    bed[before : before + len(voice.samples)] += voice.samples
    return Sound(bed, rate)


SEAM_SECONDS = 1.0
FRAME_SECONDS = 0.01
AHEAD_SECONDS, HOLD_SECONDS = 0.25, 0.35
ATTACK_SECONDS, RELEASE_SECONDS = 0.08, 0.4
SPOKEN_DB = -30.0  # below the voice's own loud passages; quieter is breath and room


def _stretched(music: Sound, total: int, repeat: bool) -> Floats:
    """float32 (total, channels): cut, or repeated over a crossfade, or followed by silence."""
    import numpy as np

    samples, rate = music.samples, music.sample_rate
    if repeat and len(samples) < total:
        seam = min(SEAM_SECONDS, len(samples) / rate / 4)
        times = math.ceil((total - len(samples)) / max(len(samples) - round(seam * rate), 1)) + 1
        samples = join([music] * times, 0.0, seam).samples
    bed = np.zeros((total, samples.shape[1]), np.float32)
    bed[: len(samples)] = samples[:total]
    return bed


def _side_chain(spoken: Floats, rate: int, duck: float) -> Floats:
    """float32 (frames,): the music's gain, steered by the voice's envelope; it sinks just before a word."""
    import numpy as np

    hop = round(FRAME_SECONDS * rate)
    peaks = np.maximum.reduceat(spoken, np.arange(0, len(spoken), hop))
    loud = float(np.quantile(peaks[peaks > 0], 0.95)) if (peaks > 0).any() else 0.0
    words = np.flatnonzero(peaks > max(loud * 10 ** (SPOKEN_DB / 20), 1e-4))
    ahead, hold = round(AHEAD_SECONDS / FRAME_SECONDS), round(HOLD_SECONDS / FRAME_SECONDS)
    turns = np.zeros(len(peaks) + 1, np.int64)  # +1 where a word's stretch begins, −1 where it ends
    np.add.at(turns, np.maximum(words - ahead, 0), 1)
    np.add.at(turns, np.minimum(words + hold + 1, len(peaks)), -1)
    attack, release = (
        1 - math.exp(-FRAME_SECONDS / seconds) for seconds in (ATTACK_SECONDS, RELEASE_SECONDS)
    )
    level, curve = 0.0, np.empty(len(peaks))
    for place, speaking in enumerate(np.cumsum(turns[:-1]) > 0):
        wanted = -duck if speaking else 0.0
        level += (wanted - level) * (attack if wanted < level else release)
        curve[place] = level
    decibels = np.interp(np.arange(len(spoken)), (np.arange(len(curve)) + 0.5) * hop, curve)
    gain: Floats = (10 ** (decibels / 20)).astype(np.float32)
    return gain


def _within_reason(samples: int) -> None:
    if samples > MOST_SAMPLES:
        raise BadInput(
            "The result would be longer than is made at once (20 minutes of stereo); give shorter recordings."
        )
