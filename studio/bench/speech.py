"""Speech: seconds of audio a second through the whole line, and how soon the first sentence plays."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import Any

from studio.bench.base import RUNS, Figure, Place, bench, paired
from studio.catalog import Catalog
from studio.engines.speech_kokoro import SAMPLE_RATE
from studio.engines.speech_reader import Reader
from studio.service import Studio
from studio.settings import Settings
from studio.types import Brief, Progress

SCRIPT = (
    "Welcome to the harbour museum. The building was a rope factory until 1962. On the ground floor you will see "
    "the old machines, still oiled and turning. Upstairs there is a café with a view of the boats. Please keep your "
    "ticket until the end of your visit, and do not touch the ropes. The last tour leaves at half past four."
)
VOICE = "jm_kumo"
BARE_PHONEMES = 510  # what kokoro-onnx gives the model at once


@bench("speech.speed")
def speed(place: Place) -> list[Figure]:
    """Seconds of audio made, levelled, sealed and scored in one second, against the bare model on the same phonemes.

    The bare side is kokoro-onnx where it is installed, which needs a phonemiser under the GPL; else the same
    calls of onnxruntime on the same file with its default settings, one batch after another.
    """
    settings = Settings.read(home=place.folder, device="cpu")
    with Studio(settings, serve=True) as studio:
        bare, name = _bare(settings)

        def ours() -> float:
            began = time.perf_counter()
            (asset,) = studio.make(
                Brief("speech", SCRIPT, model="kokoro-82m", options={"voice": VOICE}, seed=1)
            )
            return _seconds(asset.path) / (time.perf_counter() - began)

        def theirs() -> float:
            began = time.perf_counter()
            samples = bare()
            return len(samples) / SAMPLE_RATE / (time.perf_counter() - began)

        figure, baseline, ratio = paired(ours, theirs)
    return [
        Figure(
            "speech.speed", figure, "× real time", RUNS, "≥ 1.0 of bare", ratio >= 1.0, baseline, ratio,
            note=f"baseline: {name}, sound only; ours sealed and scored",
        )
    ]  # fmt: skip


def _bare(settings: Settings) -> tuple[Callable[[], Any], str]:
    """A call that gives the samples of SCRIPT, and what it is called."""
    import numpy as np
    import onnxruntime

    folder = Catalog.read(settings).get("kokoro-82m").folder
    reader = Reader("en-us", settings.checkpoints / "english-lexicon")
    reading = reader.read(SCRIPT, VOICE, 1.0, "", (VOICE,))
    phonemes = " ".join(piece.phonemes for piece in reader.pieces(reading, (0.0, 0.0)))
    if all(find_spec(name) for name in ("kokoro_onnx", "phonemizer", "espeakng_loader")):
        bare = import_module("kokoro_onnx").Kokoro(str(folder / "model.onnx"), str(folder / "voices.npz"))
        return lambda: bare.create(phonemes, VOICE, is_phonemes=True)[0], "kokoro-onnx"
    session = onnxruntime.InferenceSession(str(folder / "model.onnx"), providers=["CPUExecutionProvider"])
    vocabulary = json.loads((folder / "vocab.json").read_text("utf-8"))["vocab"]
    with np.load(folder / "voices.npz", allow_pickle=False) as voices:
        styles = voices[VOICE]
    tokens = [vocabulary[symbol] for symbol in phonemes if symbol in vocabulary]
    batches = [tokens[start : start + BARE_PHONEMES] for start in range(0, len(tokens), BARE_PHONEMES)]

    def speak() -> Any:
        return np.concatenate([
            session.run(None, {
                "tokens": np.array([[0, *batch, 0]], np.int64),
                "style": styles[min(len(batch), len(styles)) - 1].reshape(1, -1),
                "speed": np.ones(1, np.float32),
            })[0].ravel()
            for batch in batches
        ])  # fmt: skip

    return speak, "bare onnxruntime on the same file"


@bench("speech.first_audio")
def first_audio(place: Place) -> list[Figure]:
    """Milliseconds from submit to the first playable, marked sentence of a long script, model loaded.

    Once on an idle studio, and once straight after another script was stopped. Every preview is verified.
    """
    with Studio(Settings.read(home=place.folder, device="cpu"), serve=True) as studio:
        studio.make(Brief("speech", "Good morning.", model="kokoro-82m", seed=1))
        _first(studio, RUNS)
        idle, after = [], []
        for seed in range(RUNS):
            time.sleep(1.0)
            idle.append(_first(studio, seed))
            after.append(_first(studio, RUNS + seed))  # the script before was stopped just now
        marked = all(_is_marked(studio, preview, place) for _, preview in idle + after)
    note = "every preview carries mark and credential" if marked else "NOT every preview carries the mark"
    figures = []
    for name, runs, reach, most in (
        ("speech.first_audio", idle, "≤ 1,000", 1000.0),
        ("speech.after_stop", after, "≤ 1,200", 1200.0),
    ):
        figure = median(took for took, _ in runs)
        figures.append(Figure(name, figure, "ms", RUNS, reach, marked and figure <= most, note=note))
    return figures


def _first(studio: Studio, seed: int) -> tuple[float, bytes]:
    """Milliseconds to the first preview, and the preview; the script is stopped there."""
    began = time.perf_counter()
    job_id = studio.submit(
        Brief("speech", SCRIPT * 4, model="kokoro-82m", options={"voice": VOICE}, seed=seed)
    )
    for event in studio.watch(job_id):
        if isinstance(event, Progress) and isinstance(event.preview, bytes):
            took = 1000 * (time.perf_counter() - began)
            studio.cancel(job_id)
            return took, event.preview
    raise RuntimeError("nothing was spoken")


def _is_marked(studio: Studio, preview: bytes, place: Place) -> bool:
    path = place.folder / "preview.wav"
    path.write_bytes(preview)
    report = studio.verifier.verify(path)
    found = {layer.layer for layer in report.layers if layer.found}
    return report.verdict == "intact" and {"credential", "watermark"} <= found


def _seconds(path: Path) -> float:
    import soundfile

    return float(soundfile.info(str(path)).duration)
