"""Sound as Opus in an MP4 container (`.m4a`), because Ogg has no place for a C2PA credential and MP4 has.

Encapsulation of Opus in ISO Base Media File Format 0.8.1; the edit list cuts the encoder's delay, so what is
decoded begins where the sound does. At 48 kHz, whatever rate it comes with; the same sound gives the same bytes.
"""

from __future__ import annotations

import io
from typing import Any

from studio.errors import SealFailed
from studio.types import Sound

RATE = 48_000
BITS_A_CHANNEL = 64_000


def opus(sound: Sound) -> bytes:
    """The bytes of the file. Raises SealFailed for sound that is no sound, and where FFmpeg has no encoder."""
    import av
    import numpy as np

    samples = np.asarray(sound.samples, np.float32)
    if (
        samples.ndim != 2
        or samples.shape[1] not in (1, 2)
        or not len(samples)
        or not np.isfinite(samples).all()
    ):
        raise SealFailed("The engine's sound is empty or not finite, so it was not saved; try another seed.")
    out, layout = io.BytesIO(), "mono" if samples.shape[1] == 1 else "stereo"
    try:
        with av.open(out, "w", format="mp4", options={"brand": "M4A "}) as file:
            stream = file.add_stream("libopus", rate=RATE, layout=layout)
            stream.bit_rate = BITS_A_CHANNEL * samples.shape[1]
            stream.codec_context.format = "flt"
            change = av.AudioResampler(format="flt", layout=layout, rate=RATE)
            for frame in (_frame(samples.clip(-1, 1), layout, sound.sample_rate), None):
                for one in change.resample(frame):
                    file.mux(stream.encode(one))
            file.mux(stream.encode(None))
    except (av.FFmpegError, ValueError) as error:
        raise SealFailed(f"The sound could not be encoded as Opus ({error}); choose WAV.") from error
    return out.getvalue()


def _frame(samples: Any, layout: str, rate: int) -> Any:
    import av
    import numpy as np

    frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples).reshape(1, -1), "flt", layout)
    frame.sample_rate = rate
    return frame
