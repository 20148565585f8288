"""From score to sound: the SoundFont played by midirenderer, trimmed and brought to a stated loudness.

A loop is played three times and its middle turn kept, so that what rings over its end is there at its
beginning: it repeats without a seam.
"""

from __future__ import annotations

import io
from typing import Any

from studio.engines.loudness import bring_to
from studio.engines.music_score import Score, midi
from studio.errors import ModelBroken

SAMPLE_RATE = 48_000  # what midirenderer gives
RING = 1.6  # seconds after the last bar that are kept while anything sounds


def render(score: Score, font: bytes, loop: bool, target_lufs: float) -> tuple[Any, float]:
    """float32 (frames, 2) at 48 kHz, and the loudness reached; `font` is an SF2 file."""
    import midirenderer
    import soundfile

    try:
        wave = midirenderer.render_wave_from(font, midi(score, repeats=3 if loop else 1))
    except Exception as error:  # the binding has no exception of its own
        raise ModelBroken(
            "The SoundFont cannot be played; get it again with: python -m studio models pull fluid-r3-mono"
        ) from error
    samples, rate = soundfile.read(io.BytesIO(wave), dtype="float32", always_2d=True)
    if rate != SAMPLE_RATE or not len(samples):
        raise ModelBroken("The music renderer gave no usable sound; install midirenderer 0.1.3.")
    length = round(score.seconds(score.ticks) * SAMPLE_RATE)
    samples = _turn(samples, length) if loop else _faded(samples[: length + round(RING * SAMPLE_RATE)])
    return samples, bring_to(samples, SAMPLE_RATE, target_lufs)


def _turn(samples: Any, length: int) -> Any:
    """The middle turn of three. Its last 10 ms go over into what stood before it, since chorus and reverb
    are not quite the same in every turn: so the last sample is the true neighbour of the first."""
    import numpy as np

    turn = np.array(samples[length : 2 * length])
    seam = SAMPLE_RATE // 100
    mix = np.linspace(0.0, 1.0, seam, dtype=np.float32)[:, None]
    turn[-seam:] = turn[-seam:] * (1 - mix) + samples[length - seam : length] * mix
    return turn


def _faded(samples: Any) -> Any:
    """Without the silence after the last sound, and no click at the end."""
    import numpy as np

    loud = np.flatnonzero(np.abs(samples).max(axis=1) > 0.0006)
    end = min(len(samples), (int(loud[-1]) if len(loud) else 0) + SAMPLE_RATE // 20)
    samples = np.array(samples[: max(end, SAMPLE_RATE // 10)], np.float32)
    fade = np.linspace(1.0, 0.0, min(SAMPLE_RATE // 2, len(samples)), dtype=np.float32) ** 2
    samples[len(samples) - len(fade) :] *= fade[:, None]
    return samples
