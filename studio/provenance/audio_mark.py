"""The audio mark: a keyed, blind spread-spectrum watermark of speech and music that carries 36 bits.

What is covered: sound at 8 to 192 kHz, mono or stereo, from two seconds; copies that were compressed,
filtered, resampled, cropped to two or three seconds, spliced, stretched by 0.8–1.25, played 10 % faster
or slower, or shifted by a semitone. What is not: whoever holds the key can find, copy and remove the
mark; a copy re-spoken or re-synthesised loses it; sound with nothing between its few steady tones, or
with less than two seconds of content, cannot carry it and is refused. One payload is reported for a
recording; `segments` are the stretches that carry that one.

One key across many outputs: signs repeat after 7.7 s and each output starts at a place of the pattern
that depends on its message (480 places), so an average over many files keeps about a tenth of the
pattern. A long recording folded at its own period still shows its pattern, and whoever has many files
and finds how they line up can average them: that is the limit of one key per installation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from studio.errors import BadInput
from studio.provenance.audio_code import CHANCE, encode, message_of
from studio.provenance.audio_embed import change
from studio.provenance.audio_locate import AS_IT_IS, READINGS_PER_WINDOW, Find, find, windows
from studio.provenance.audio_pattern import first_hop, pattern_of
from studio.provenance.audio_plane import RATE, resampled, seen
from studio.provenance.audio_segments import segments
from studio.provenance.base import Detection, Means, marks
from studio.types import Kind, Sound

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.floating[Any]]

__all__ = ["AudioMark", "can_carry", "message_of"]

LOWEST_RATE, HIGHEST_RATE = 8_000, 192_000
LEAST_SECONDS, MOST_SECONDS = 2.0, 3_600.0
LEAST_SNR_DB = 25.3
_SILENCE = 1e-4  # −80 dBFS
_LOUDEST = 1e3


@marks.register
class AudioMark:
    """`message` is five bytes whose last four bits are zero: see `message_of`."""

    name: ClassVar[str] = "audio_spread_spectrum"
    kinds: ClassVar[tuple[Kind, ...]] = ("speech", "music")
    algorithm: ClassVar[str] = "org.signet.mark.audio.1"

    @classmethod
    def open(cls, means: Means) -> AudioMark:
        return cls()  # its strength is bound to the sound: 25.3 dB below it, whatever the policy

    def message(self, produce_id: str) -> bytes:
        return message_of(produce_id)

    def names(self, message: bytes) -> str:
        return message.hex()[:9]

    def refusal(self, payload: Sound) -> str | None:
        return can_carry(payload)

    def stronger(self) -> None:
        return None

    def embed(self, payload: Sound, message: bytes, key: bytes) -> Sound:
        """The same sound with the mark in it, 25.3 dB or more below it.

        Raises BadInput where `can_carry` gives a reason, and where the mark cannot be read back.
        """
        if (reason := can_carry(payload)) is not None:
            raise BadInput(reason)
        coded, pattern, start = encode(message, key), pattern_of(key), first_hop(message, key)
        mono = resampled(_mid(payload.samples), payload.sample_rate, RATE)
        delta = change(mono, pattern, coded, start)
        added = _fitted(resampled(delta, RATE, payload.sample_rate), len(payload.samples))
        marked = _added(payload.samples, _spread(payload.samples, added))
        plane, _ = seen(resampled(_mid(marked), payload.sample_rate, RATE))
        reads = (find(plane[part], pattern, key, AS_IT_IS) for part in windows(len(plane)))
        if not any(read is not None and read.message == message for read in reads):
            raise BadInput(
                "This sound cannot carry the audio mark: there is too little between its tones to hide it in."
            )
        return Sound(marked, payload.sample_rate)

    def confirm(self, payload: Sound, message: bytes, key: bytes) -> Detection:
        return self.detect(payload, key)

    def detect(self, payload: Sound, key: bytes) -> Detection:
        """Whether the sound carries a mark of this key.

        `p_value` bounds the chance that unmarked sound passes: readings allowed × 2^-28. Raises BadInput
        for sound that cannot be read at all; sound too short or silent is answered with `detail`.
        """
        if (reason := can_carry(payload)) is not None:
            return Detection(False, 1.0, detail=reason, state="too_little")
        pattern = pattern_of(key)
        plane, heard = seen(resampled(_mid(payload.samples), payload.sample_rate, RATE))
        parts = windows(len(plane))
        for tried, part in enumerate(parts, start=1):
            found = find(plane[part], pattern, key)
            if found is not None:
                return Detection(
                    True,
                    min(1.0, tried * READINGS_PER_WINDOW * CHANCE),
                    found.message,
                    _story(found),
                    segments(plane, heard, found, pattern, key),
                    "found",
                )
        return Detection(False, 1.0, detail="No audio mark of this studio's key was found.", state="absent")


def can_carry(sound: Sound) -> str | None:
    """None, or the sentence that says why this sound can neither take nor show a mark.

    Raises BadInput for what is no sound: other than finite float32 (frames, channels) near −1…1.
    """
    import numpy as np

    samples = sound.samples
    if not isinstance(samples, np.ndarray) or samples.dtype != np.float32 or samples.ndim != 2:
        raise BadInput("Sound must be a float32 array of frames and channels; decode the file again.")
    if not np.isfinite(samples).all():
        raise BadInput("This sound contains values that are no numbers; export it again.")
    if samples.size and float(np.abs(samples).max()) > _LOUDEST:
        raise BadInput("This sound is far beyond full scale; normalise it to the range from −1 to 1.")
    if samples.shape[1] not in (1, 2):
        return f"The audio mark is for one or two channels, this sound has {samples.shape[1]}; mix it down first."
    if not LOWEST_RATE <= sound.sample_rate <= HIGHEST_RATE:
        return (
            f"The audio mark is for 8 to 192 kHz, this sound has {sound.sample_rate} Hz; resample it first."
        )
    seconds = len(samples) / sound.sample_rate
    if seconds < LEAST_SECONDS:
        return f"The audio mark needs {LEAST_SECONDS:.0f} seconds of sound, this has {seconds:.1f}."
    if seconds > MOST_SECONDS:
        return "The audio mark is read in recordings of up to an hour; cut this one into parts."
    mid = np.abs(_mid(samples))
    heard = np.maximum.reduceat(mid, np.arange(0, len(mid), sound.sample_rate // 10)) > _SILENCE
    if heard.sum() < 10 * LEAST_SECONDS - 1:
        return f"The audio mark needs {LEAST_SECONDS:.0f} seconds that are not silent (left and right mixed)."
    return None


def _mid(samples: Floats) -> Floats:
    return samples.mean(axis=1, dtype=samples.dtype)  # type: ignore[no-any-return]


def _spread(samples: Floats, added: Floats) -> Floats:
    """The change of the mid channel, dealt to the channels by their power; their mean stays `added`."""
    import numpy as np
    from scipy.ndimage import uniform_filter1d

    if samples.shape[1] == 1:
        return added[:, None]
    power = np.maximum(uniform_filter1d(samples**2, 4096, axis=0, mode="nearest"), 0.0) + 1e-12
    left = uniform_filter1d(2 * power[:, 0] / power.sum(axis=1), 4096, mode="nearest") * added
    return np.stack([left, 2 * added - left], axis=1)


def _added(samples: Floats, change: Floats) -> Floats:
    """Both together, the change held `LEAST_SNR_DB` below the sound and the sum within full scale."""
    import numpy as np

    signal, noise = float((samples**2).sum()), float((change**2).sum())
    change = change * np.float32(min(1.0, (signal / 10 ** (LEAST_SNR_DB / 10) / max(noise, 1e-20)) ** 0.5))
    peak = max(1.0, float(np.abs(samples).max()))
    out: Floats = np.clip(samples + change, -peak, peak).astype(np.float32)
    return out


def _fitted(samples: Floats, length: int) -> Floats:
    import numpy as np

    return np.pad(samples[:length], (0, max(0, length - len(samples))))


def _story(found: Find) -> str:
    time, pitch = found.warp.time, found.warp.pitch
    if time == pitch == 1.0:
        return "The mark was read at the original's speed and pitch."
    return (
        f"The mark was read in a copy {time:.3g} times as long and {pitch:.3g} times as high as the original."
    )
