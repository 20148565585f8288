"""What happens to sound on its way: codecs, rooms, telephones, editors. Each attack is seeded and takes and gives a `Sound`."""

from __future__ import annotations

import io
from collections.abc import Callable
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from studio.types import Sound

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.floating[Any]]

Attack = Callable[[Sound, int], Sound]


def codec(name: str, container: str, bit_rate: int, rate: int) -> Attack:
    """Encoded and decoded again by FFmpeg."""

    def attack(sound: Sound, seed: int) -> Sound:
        import av
        import numpy as np

        samples = at_rate(sound, rate).samples
        layout = "mono" if samples.shape[1] == 1 else "stereo"
        file = io.BytesIO()
        with av.open(file, "w", format=container) as out:
            stream = out.add_stream(name, rate=rate, layout=layout)
            stream.bit_rate = bit_rate
            frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples.T), format="fltp", layout=layout)
            frame.sample_rate, frame.time_base, frame.pts = rate, Fraction(1, rate), 0
            fitting = av.AudioResampler(stream.codec_context.format.name, layout, rate)
            fifo = av.AudioFifo()
            for part in [*fitting.resample(frame), *fitting.resample(None)]:
                fifo.write(part)
            size = stream.codec_context.frame_size or 1024
            for part in [*fifo.read_many(size), fifo.read(0, partial=True)]:
                if part is not None:
                    out.mux(stream.encode(part))
            out.mux(stream.encode(None))
        file.seek(0)
        with av.open(file) as back:
            plain = av.AudioResampler("fltp", layout, rate)
            parts = [piece.to_ndarray() for frame in back.decode(audio=0) for piece in plain.resample(frame)]
        return Sound(np.concatenate(parts, axis=1).T.astype(np.float32), rate)

    return attack


def at_rate(sound: Sound, rate: int) -> Sound:
    import soxr

    return (
        sound
        if rate == sound.sample_rate
        else _as(soxr.resample(sound.samples, sound.sample_rate, rate), rate)
    )


def resampled(rate: int) -> Attack:
    return lambda sound, seed: at_rate(sound, rate)


def noise(snr_db: float) -> Attack:
    def attack(sound: Sound, seed: int) -> Sound:
        import numpy as np

        loud = float(np.sqrt((sound.samples**2).mean()))
        hiss = np.random.default_rng(seed).standard_normal(sound.samples.shape)
        return _as(sound.samples + hiss * loud * 10 ** (-snr_db / 20), sound.sample_rate)

    return attack


def gain(factor: float) -> Attack:
    return lambda sound, seed: _as(factor * sound.samples, sound.sample_rate)


def crop(seconds: float) -> Attack:
    def attack(sound: Sound, seed: int) -> Sound:
        import numpy as np

        length = round(seconds * sound.sample_rate)
        first = int(np.random.default_rng(seed).integers(max(1, len(sound.samples) - length)))
        return _as(sound.samples[first : first + length], sound.sample_rate)

    return attack


def filtered(kind: str, hertz: float) -> Attack:
    def attack(sound: Sound, seed: int) -> Sound:
        from scipy.signal import butter, sosfilt

        sections = butter(8 if kind == "lowpass" else 2, hertz, kind, fs=sound.sample_rate, output="sos")
        return _as(sosfilt(sections, sound.samples, axis=0), sound.sample_rate)

    return attack


def stretched(factor: float) -> Attack:
    """Longer by `factor` at the same pitch, by a phase vocoder."""

    def attack(sound: Sound, seed: int) -> Sound:
        from librosa.effects import time_stretch

        return _as(time_stretch(sound.samples.T, rate=1 / factor).T, sound.sample_rate)

    return attack


def played(speed: float) -> Attack:
    """Faster by `speed`, higher with it."""

    def attack(sound: Sound, seed: int) -> Sound:
        import soxr

        return _as(
            soxr.resample(sound.samples, sound.sample_rate * speed, sound.sample_rate), sound.sample_rate
        )

    return attack


def shifted(semitones: float) -> Attack:
    def attack(sound: Sound, seed: int) -> Sound:
        from librosa.effects import pitch_shift

        samples = pitch_shift(sound.samples.T, sr=sound.sample_rate, n_steps=semitones)
        return _as(samples.T, sound.sample_rate)

    return attack


def room(seconds: float) -> Attack:
    """A decaying tail of noise as impulse response; `seconds` is its time to −60 dB."""

    def attack(sound: Sound, seed: int) -> Sound:
        import numpy as np
        from scipy.signal import fftconvolve

        t = np.arange(int(seconds * sound.sample_rate)) / sound.sample_rate
        tail = 0.03 * np.random.default_rng(seed).standard_normal(len(t)) * 10 ** (-3 * t / seconds)
        tail[0] = 1.0
        return _as(fftconvolve(sound.samples, tail[:, None], axes=0), sound.sample_rate)

    return attack


def then(*attacks: Attack) -> Attack:
    def attack(sound: Sound, seed: int) -> Sound:
        for each in attacks:
            sound = each(sound, seed)
        return sound

    return attack


MP3 = codec("libmp3lame", "mp3", 64_000, 44_100)
OPUS = codec("libopus", "ogg", 32_000, 48_000)

# By name; those of the second table lie beyond what the mark is built for and are shown as they are.
ATTACKS: dict[str, Attack] = {
    "none": lambda sound, seed: sound,
    "mp3_64k": MP3,
    "aac_64k": codec("aac", "adts", 64_000, 44_100),
    "opus_32k": OPUS,
    "opus_16k": codec("libopus", "ogg", 16_000, 48_000),
    "rate_16k": resampled(16_000),
    "rate_8k": resampled(8_000),
    "noise_20db": noise(20),
    "gain_0.2": gain(0.2),
    "gain_5_clipped": gain(5),
    "crop_6s": crop(6),
    "crop_3s": crop(3),
    "lowpass_4k": filtered("lowpass", 4_000),
    "highpass_300": filtered("highpass", 300),
    "stretch_0.9": stretched(0.9),
    "stretch_1.1": stretched(1.1),
    "speed_0.95": played(0.95),
    "speed_1.05": played(1.05),
    "mp3_then_crop_6s": then(MP3, crop(6)),
    "speed_1.05_then_opus": then(played(1.05), OPUS),
    "noise_20db_then_mp3": then(noise(20), MP3),
}
BEYOND: dict[str, Attack] = {
    "crop_2s": crop(2.05),
    "lowpass_2k": filtered("lowpass", 2_000),
    "noise_10db": noise(10),
    "stretch_0.8": stretched(0.8),
    "stretch_1.25": stretched(1.25),
    "speed_0.9": played(0.9),
    "speed_1.1": played(1.1),
    "pitch_up_1": shifted(1),
    "pitch_down_1": shifted(-1),
    "room_0.4s": room(0.4),
    "crop_3s_then_opus": then(crop(3), OPUS),
}


def _as(samples: Floats, rate: int) -> Sound:
    import numpy as np

    return Sound(np.ascontiguousarray(np.clip(samples, -1, 1), np.float32), rate)
