"""Kokoro-82M through onnxruntime, on the processor: English and Japanese at 24 kHz in five voices.

Kokoro has no seed: the same script, voice and options give the same sound. How a script becomes pieces and
pieces become a whole stands in speech_reader and speech_speaking.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

from studio.catalog import Model
from studio.engines.base import Device, engines
from studio.engines.speech_figures import FIGURES, best_first, told
from studio.engines.speech_graph import products_are_exact, with_products
from studio.engines.speech_reader import LANGUAGES, Reader
from studio.engines.speech_script import Piece
from studio.engines.speech_speaking import Delivery, Speaker
from studio.engines.speech_take import sweep
from studio.errors import ModelBroken, ModelMissing
from studio.options import option, options_dict, read_options
from studio.settings import Settings
from studio.types import Draft, Job, Kind, Progress

SAMPLE_RATE = 24_000
_KINDS = {
    "jf_alpha": "woman", "jf_gongitsune": "woman", "jf_nezumi": "woman", "jf_tebukuro": "woman", "jm_kumo": "man"
}  # fmt: skip
VOICES = best_first(_KINDS)


@dataclass(frozen=True)
class SpeechOptions:
    voice: str = option(
        VOICES[0],
        "Voice",
        choices=VOICES,
        labels=told({voice: _KINDS[voice] for voice in VOICES}),
        hint=FIGURES,
    )
    language: str = option("en-us", "Language", choices=tuple(LANGUAGES), labels=LANGUAGES)
    speed: float = option(1.0, "Speed", low=0.5, high=2.0, step=0.05)
    cast: str = option("", "Speakers", hint="Anna=jf_alpha, Ben=jm_kumo: then lines such as “Anna: Hello.”")
    loudness_lufs: float = option(
        -16.0, "Loudness (LUFS)", low=-31.0, high=-9.0, step=0.5, hint="−16 podcast, −23 broadcast"
    )
    sentence_pause: float = option(
        0.35, "Pause between sentences (s)", low=0.0, high=5.0, step=0.05, advanced=True
    )
    paragraph_pause: float = option(
        0.8, "Pause between paragraphs (s)", low=0.0, high=10.0, step=0.1, advanced=True
    )


@engines.register
class Kokoro:
    """Speech at 24 kHz, mono. The lexicon for English is the catalog entry `english-lexicon`."""

    name: ClassVar[str] = "speech_kokoro"
    kind: ClassVar[Kind] = "speech"
    Options: ClassVar[type] = SpeechOptions
    concurrency: ClassVar[int] = 1

    def __init__(self, model: Model, device: Device, settings: Settings) -> None:
        self._model, self._settings = model, settings
        self._lexicon = settings.checkpoints / "english-lexicon"
        self._takes = settings.home / "work"
        self._readers: dict[str, Reader] = {}
        self._session: Any = None
        self._voices: dict[str, Any] = {}
        self._vocabulary: dict[str, int] = {}

    def load(self) -> None:
        import onnxruntime

        folder = self._model.folder
        for file in ("model.onnx", "voices.npz", "vocab.json"):
            if not (folder / file).is_file():
                raise ModelMissing(
                    f"{self._model.title} is not here; get it with: python -m studio models pull {self._model.name}"
                )
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = self._settings.threads or os.cpu_count() or 1
        # Waiting threads that spin take the cores from the sentence made beside this one.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = 3
        try:
            path = folder / "model.onnx"
            graph = with_products(path) if products_are_exact() else str(path)
            self._session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
            self._voices = _voices(folder / "voices.npz")
            self._vocabulary = json.loads((folder / "vocab.json").read_text("utf-8"))["vocab"]
        except Exception as error:  # onnxruntime has its own exceptions for a broken graph
            raise ModelBroken(
                f"{self._model.title} cannot be read; remove it and pull it again: "
                f"python -m studio models pull {self._model.name}"
            ) from error
        if self._lexicon.is_dir():  # most scripts are English: ready before the first one comes
            self._reader("en-us")
        sweep(self._takes, self._settings.keep_temporary_days)

    def close(self) -> None:
        self._session = None
        self._voices, self._readers = {}, {}

    def generate(self, job: Job) -> Iterator[Progress | Draft]:
        """Progress with each sentence as a playable WAV (16 bit), then one Draft; the engine has no seed."""
        options = read_options(SpeechOptions, job.brief.options)
        speaker = Speaker(self._model, SAMPLE_RATE, "int8", VOICES, self._takes, self._sound)
        delivery = Delivery(
            options.voice, options.speed, options.cast, options.loudness_lufs,
            (options.sentence_pause, options.paragraph_pause),
        )  # fmt: skip
        yield from speaker.speak(job, self._reader(options.language), delivery, options_dict(options))

    def _sound(self, piece: Piece, run: Any) -> Any:
        """One call of the model: float32 (frames,)."""
        import numpy as np

        tokens = [self._vocabulary[c] for c in piece.phonemes if c in self._vocabulary]
        if not tokens:
            return np.zeros(0, np.float32)
        styles = self._voices[piece.voice]
        (samples,) = self._session.run(
            None,
            {
                "tokens": np.array([[0, *tokens, 0]], np.int64),
                "style": styles[min(len(tokens), len(styles)) - 1].reshape(1, -1),
                "speed": np.array([piece.speed], np.float32),
            },
            run,
        )
        return samples.ravel()

    def _reader(self, language: str) -> Reader:
        if language not in self._readers:
            self._readers[language] = Reader(language, self._lexicon)
        return self._readers[language]


def _voices(path: Any) -> dict[str, Any]:
    import numpy as np

    with np.load(path, allow_pickle=False) as file:
        voices = {name: np.asarray(file[name], np.float32) for name in VOICES}
    if any(style.ndim != 3 or style.shape[1:] != (1, 256) for style in voices.values()):
        raise ValueError("voice styles have another shape than (lengths, 1, 256)")
    return voices
