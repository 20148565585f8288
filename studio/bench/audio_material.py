"""Sound to measure with: lines in the studio's voices; from a seed, syllables with pauses and plucked chords over a beat."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from studio.types import Brief, Draft, Job, Sound

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.floating[Any]]

_VOWELS = ((730, 1090, 2440), (270, 2290, 3010), (300, 870, 2240), (530, 1840, 2480), (570, 840, 2410))


def syllables(seed: int, seconds: float, rate: int = 24_000) -> Sound:
    """Mono: a buzz through moving formants, hisses between, a pause now and then. Not words, but speech-like."""
    import numpy as np
    from scipy.signal import lfilter

    draw = np.random.default_rng(seed)
    parts: list[Floats] = []
    length, pitch = 0, float(draw.uniform(90, 220))
    while length < seconds * rate:
        frames = int(draw.uniform(0.09, 0.28) * rate)
        t = np.arange(frames) / rate
        pitch = float(np.clip(pitch * draw.uniform(0.9, 1.1), 80, 260))
        phase = np.cumsum(pitch * (1 + 0.05 * np.sin(2 * np.pi * draw.uniform(2, 5) * t))) / rate
        source = (np.diff(phase % 1.0, prepend=0) < 0).astype(float) + 0.02 * draw.standard_normal(frames)
        for formant in _VOWELS[int(draw.integers(len(_VOWELS)))]:
            angle, radius = 2 * np.pi * formant * draw.uniform(0.95, 1.05) / rate, 0.985
            source = lfilter([1 - radius], [1, -2 * radius * np.cos(angle), radius**2], source)
            source /= np.abs(source).max() + 1e-9
        voiced = source * np.sin(np.pi * np.arange(frames) / frames) ** 0.5 * draw.uniform(0.4, 1)
        hiss = 0.1 * np.diff(draw.standard_normal(int(draw.uniform(0.02, 0.09) * rate)), prepend=0)
        pause = np.zeros(int(rate * (draw.uniform(0.2, 0.5) if draw.random() < 0.12 else 0.01)))
        parts += [voiced, hiss, pause]
        length += len(voiced) + len(hiss) + len(pause)
    samples = np.concatenate(parts)[: int(seconds * rate), None]
    samples = samples + 1e-4 * draw.standard_normal(samples.shape)  # a quiet room
    return Sound((0.4 * samples / np.abs(samples).max()).astype(np.float32), rate)


def tune(seed: int, seconds: float, rate: int = 44_100) -> Sound:
    """Stereo: plucked notes with decaying overtones, chords below, and in half of the tunes a beat of noise."""
    import numpy as np

    draw = np.random.default_rng(seed)
    samples = np.zeros((int(seconds * rate), 2))
    step = float(draw.choice([0.15, 0.2, 0.25]))
    scale = (0, 2, 4, 5, 7, 9, 11) if draw.random() < 0.5 else (0, 2, 3, 5, 7, 8, 10)
    root, drums, melody = int(draw.integers(45, 57)), draw.random() < 0.5, 7

    def add(wave: Floats, at: float, pan: float) -> None:
        start = int(at * rate)
        wave = wave[: len(samples) - start]
        samples[start : start + len(wave)] += wave[:, None] * (1 - pan, pan)

    def note(degree: int, octave: int, length: float, gain: float) -> Floats:
        key = root + scale[degree % 7] + 12 * (degree // 7 + octave)
        t = np.arange(int(length * rate)) / rate
        wave = sum(
            np.sin(2 * np.pi * h * 440 * 2 ** ((key - 69) / 12) * t + draw.uniform(0, 6))
            * np.exp(-t * (1.5 + h) / 1.2)
            / h**1.2
            for h in range(1, 9)
        )
        pluck = draw.standard_normal(len(t)) * np.exp(-t * 60) * 0.2
        return gain * (wave + pluck) * np.minimum(1, (length - t) / 0.02)  # type: ignore[no-any-return]

    for beat in range(int(seconds / step)):
        if draw.random() < 0.7:
            melody = int(np.clip(melody + draw.integers(-2, 3), 4, 16))
            add(note(melody, 0, 0.8, draw.uniform(0.3, 0.7)), beat * step, 0.35)
        if beat % 8 == 0:
            degree = int(draw.integers(7))
            for third in (0, 2, 4):
                add(note(degree + third, -1, 8 * step, 0.3), beat * step, 0.65)
        if drums:
            t = np.arange(int(0.12 * rate)) / rate
            add(0.3 * draw.standard_normal(len(t)) * np.exp(-t * (80 if beat % 2 else 30)), beat * step, 0.5)
    samples += 1e-4 * draw.standard_normal(samples.shape)
    return Sound((0.5 * samples / np.abs(samples).max()).astype(np.float32), rate)


_LINES = (
    "The lighthouse on the northern point was built in eighteen sixty two, and its keeper walked down to the harbour.",
    "Our new running shoes weigh less than an apple, and yet they carry you further. Try them for thirty days.",
    "Please keep your ticket until the end of the journey. The next train leaves from platform four in seven minutes.",
    "A good soup begins with patience. Let the onions soften slowly, then add the carrots and the stock.",
    "Last winter the river froze for the first time in thirty years, and children met in the middle to play.",
)


def spoken(home: Path) -> list[Sound]:
    """One line in each voice of the studio. Raises ModelMissing with the command that gets the voices."""
    from studio.catalog import Catalog
    from studio.engines.devices import cpu
    from studio.engines.speech_kokoro import VOICES, Kokoro
    from studio.settings import Settings

    settings = Settings.read({}, home=home, device="cpu")
    engine = Kokoro(Catalog.read(settings).require("kokoro-82m"), cpu(), settings)
    engine.load()
    sounds = []
    for seed, (voice, line) in enumerate(zip(VOICES, _LINES, strict=True)):
        brief = Brief("speech", line, options={"voice": voice}, seed=seed)
        job = Job(voice, brief, "bench", "running", datetime.now(UTC))
        sounds += [step.payload for step in engine.generate(job) if isinstance(step, Draft)]
    engine.close()
    return sounds
