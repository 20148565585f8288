"""DNSMOS: how clean and natural speech would sound to listeners, as a network learned from their votes.

Reddy, Gopal & Cutler 2022 (DNSMOS P.835). Trained on noise-suppressed recordings of people; it ranks
noise and distortion well, and cannot tell right words from wrong ones. Never on music.
"""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from studio.quality.base import Sample, Withheld, metrics
from studio.quality.sound_level import need_sound
from studio.types import Kind, Score

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

RATE = 16_000
WINDOW = int(9.01 * RATE)
LEAST_SECONDS = 1.0
LEAST_SPEECH = 0.3
BATCH = 4
# A window costs a third of a second of a core: one for each nine seconds spoken, and no more than so many,
# keep scoring a small share of the time to speak.
MOST_WINDOWS = 4
# Published calibration of the raw outputs (signal, background, overall): a x² + b x + c.
CALIBRATION = (
    (-0.08397278, 1.22083953, 0.0052439),
    (-0.13166888, 1.60915514, -0.39604546),
    (-0.06766283, 1.11546468, 0.04602535),
)


def dnsmos(mono: NDArray[np.float32], folder: Path, most: int | None = None) -> tuple[float, float, float]:
    """Signal, background and overall opinion (1–5) of `mono` at 16 kHz.

    Windows of 9.01 s every second, as the published tool takes them; shorter sound is repeated to fill
    one. With `most`, that many of the windows, evenly spaced.
    """
    import numpy as np

    while len(mono) < WINDOW:
        mono = np.concatenate([mono, mono])
    count = max(1, int(np.floor(len(mono) / RATE) - 9.01) + 1)
    starts = np.linspace(0, count - 1, min(count, most or count)).round().astype(int) * RATE
    windows = [mono[start : start + WINDOW] for start in starts if start + WINDOW <= len(mono)]
    session = _session(folder)
    raw = np.concatenate([
        session.run(None, {"input_1": np.stack(windows[i : i + BATCH])})[0] for i in range(0, len(windows), BATCH)
    ])  # fmt: skip
    signal, background, overall = (
        float(np.polyval(curve, raw[:, i].astype(np.float64)).mean()) for i, curve in enumerate(CALIBRATION)
    )
    return signal, background, overall


@lru_cache(maxsize=1)
def _session(folder: Path) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    # Twice as soon on two cores. Threads that wait do not spin, so they take nothing from the next job's engine.
    options.intra_op_num_threads = min(2, os.cpu_count() or 1)
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(
        str(folder / "sig_bak_ovr.onnx"), options, providers=["CPUExecutionProvider"]
    )


def at_16k(sample: Sample) -> NDArray[np.float32]:
    """The sample's mono sound at 16 kHz, within −1…1."""
    import numpy as np
    import soxr

    mono = sample.mono
    if sample.sound.sample_rate != RATE:
        mono = soxr.resample(mono, sample.sound.sample_rate, RATE)
    result: NDArray[np.float32] = np.clip(mono, -1, 1).astype(np.float32)
    return result


def speech_share(mono: NDArray[np.float32]) -> float:
    """The share of the time (0–1) in which the Silero detector hears a voice, at 16 kHz."""
    from faster_whisper.vad import get_speech_timestamps

    spans = get_speech_timestamps(mono)
    return float(sum(span["end"] - span["start"] for span in spans)) / max(1, len(mono))


@metrics.register
class Dnsmos:
    name: ClassVar[str] = "dnsmos"
    kinds: ClassVar[tuple[Kind, ...]] = ("speech",)
    needs: ClassVar[tuple[str, ...]] = ("dnsmos",)
    relative = True

    def score(self, sample: Sample) -> Score:
        need_sound(sample, LEAST_SECONDS)
        mono = at_16k(sample)
        share = speech_share(mono)
        if share < LEAST_SPEECH:
            raise Withheld(f"judges speech only, and speech is heard in {share:.0%} of this sound")
        windows = min(MOST_WINDOWS, -(-len(mono) // WINDOW))
        signal, background, overall = dnsmos(mono, sample.models["dnsmos"], windows)
        return Score(
            self.name, overall, "opinion, 1–5", "higher", "one person speaking, 1 s and more; not music, not the words",
            "DNSMOS P.835", "sig_bak_ovr", detail=f"voice {signal:.2f}, background {background:.2f}",
        )  # fmt: skip
