"""Kokoro-82M through onnxruntime: a script spoken sentence by sentence, the first within a second.

Two sentences are in the making at once, so that every core has work; they are handed out in order. The
whole is brought to a stated loudness at the end (EBU R 128), the previews on the way by what is measured
so far. Kokoro has no seed: the same script, voice and options give the same sound.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, TimeoutError
from dataclasses import dataclass
from itertools import islice
from typing import Any, ClassVar

from studio.catalog import Model
from studio.engines.base import Device, engines
from studio.engines.loudness import Meter, bring_to, true_peak
from studio.engines.speech_graph import products_are_exact, with_products
from studio.engines.speech_reader import LANGUAGES, Reader
from studio.engines.speech_script import Piece
from studio.engines.speech_take import Take, sweep
from studio.errors import BadInput, ModelBroken, ModelMissing
from studio.options import option, options_dict, read_options
from studio.settings import Settings
from studio.types import Draft, Job, Kind, Progress, Sound

SAMPLE_RATE = 24_000
VOICES = ("jf_alpha", "jf_gongitsune", "jf_nezumi", "jf_tebukuro", "jm_kumo")
AT_ONCE = 2  # pieces in the making; more would wait for the same cores


@dataclass(frozen=True)
class SpeechOptions:
    voice: str = option("jm_kumo", "Voice", choices=VOICES, hint="jm_… is a man, jf_… are women")
    language: str = option("en-us", "Language", choices=tuple(LANGUAGES))
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
        started = time.perf_counter()
        options = read_options(SpeechOptions, job.brief.options)
        if job.brief.count != 1:
            raise BadInput(
                "Kokoro speaks a script the same way every time; set the number of candidates to 1."
            )
        reader = self._reader(options.language)
        reading = reader.read(job.brief.prompt, options.voice, options.speed, options.cast, VOICES)
        if reading.dropped:
            yield Progress(job.id, 0.0, "reading", _left_out(reading.dropped))
        pieces = reader.pieces(reading, (options.sentence_pause, options.paragraph_pause))
        letters = sum(len(sentence.text) for sentence in reading.sentences)
        take = Take.open(self._takes, job.id, self._key(job, options))
        first_audio = 0.0
        for progress in self._speak(job, pieces, take, letters, options.loudness_lufs):
            first_audio = first_audio or time.perf_counter() - started
            yield progress
        if job.cancelled:
            take.discard()
            return
        samples = take.copy()
        yield Progress(job.id, 0.99, "levelling")
        reached = bring_to(samples, SAMPLE_RATE, options.loudness_lufs)
        seconds = len(samples) / SAMPLE_RATE
        yield Draft(
            kind=self.kind,
            payload=Sound(samples.reshape(-1, 1), SAMPLE_RATE),
            model_id=self._model.name,
            revision=self._model.revision,
            seed=job.brief.seed or 0,
            device="cpu",
            dtype="int8",
            seconds=time.perf_counter() - started,
            settings=options_dict(options),
            facts={
                "characters": len(job.brief.prompt),
                "sentences": len(reading.sentences),
                "seconds_to_first_audio": first_audio,
                "audio_seconds": seconds,
                "loudness_lufs": reached,
                "true_peak_dbtp": true_peak(samples),
            },
        )
        take.discard()

    # --- speaking ---

    def _speak(
        self, job: Job, pieces: Iterator[Piece], take: Take, letters: int, target_lufs: float
    ) -> Iterator[Progress]:
        """Make all pieces, in order, onto the take; what an earlier attempt finished is played again."""
        meter = Meter(SAMPLE_RATE)
        done, total, before = 0, 1.1 * letters, take.finished
        started = time.perf_counter()
        made_here = 0
        for place, (piece, samples) in enumerate(self._made(job, pieces, take)):
            if place >= before:
                take.add(samples)
                made_here += len(piece.phonemes)
            meter.add(samples)
            done += len(piece.phonemes)
            fraction = min(0.98, done / max(total, done))
            left = (time.perf_counter() - started) / max(made_here, 1) * max(total - done, 0)
            yield Progress(
                job.id,
                fraction,
                "speaking",
                f"about {_spoken_time(left)} left" if made_here and left > 3 else "",
                _wav(samples, meter, target_lufs),
            )

    def _made(self, job: Job, pieces: Iterator[Piece], take: Take) -> Iterator[tuple[Piece, Any]]:
        for place, piece in enumerate(islice(pieces, take.finished)):
            yield piece, take.piece(place)
        first = next(pieces, None)
        if first is None or job.cancelled:
            return
        pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="kokoro")
        try:
            # The first piece has all cores to itself: it is what a person waits for.
            waiting: deque[tuple[Piece, Future[Any]]] = deque([(first, pool.submit(self._sound, first))])
            ahead = 0
            while waiting:
                piece, future = waiting.popleft()
                samples = _result(future, job)
                if samples is None:
                    return
                yield piece, samples
                ahead = AT_ONCE + 1
                for upcoming in islice(pieces, ahead - len(waiting)):
                    waiting.append((upcoming, pool.submit(self._sound, upcoming)))
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

    def _sound(self, piece: Piece) -> Any:
        """One call of the model: float32 (frames,), silence trimmed to what the piece asks for."""
        import numpy as np

        tokens = [self._vocabulary[c] for c in piece.phonemes if c in self._vocabulary]
        pause = np.zeros(round(piece.pause * SAMPLE_RATE), np.float32)
        if not tokens:
            return pause
        styles = self._voices[piece.voice]
        (samples,) = self._session.run(
            None,
            {
                "tokens": np.array([[0, *tokens, 0]], np.int64),
                "style": styles[min(len(tokens), len(styles)) - 1].reshape(1, -1),
                "speed": np.array([piece.speed], np.float32),
            },
        )
        samples = samples.ravel()
        if not np.isfinite(samples).all():
            raise ModelBroken(f"{self._model.title} gave no usable sound; pull it again.")
        return np.concatenate([_trimmed(samples), pause])

    def _reader(self, language: str) -> Reader:
        if language not in self._readers:
            self._readers[language] = Reader(language, self._lexicon)
        return self._readers[language]

    def _key(self, job: Job, options: SpeechOptions) -> str:
        said = json.dumps([job.brief.prompt, options_dict(options), self._model.name, self._model.revision])
        return hashlib.sha256(said.encode()).hexdigest()


def _result(future: Future[Any], job: Job) -> Any:
    """The result of `future`, or None as soon as the job is cancelled."""
    while not job.cancelled:
        try:
            return future.result(timeout=0.1)
        except TimeoutError:
            continue
    return None


def _voices(path: Any) -> dict[str, Any]:
    import numpy as np

    with np.load(path, allow_pickle=False) as file:
        voices = {name: np.asarray(file[name], np.float32) for name in VOICES}
    if any(style.ndim != 3 or style.shape[1:] != (1, 256) for style in voices.values()):
        raise ValueError("voice styles have another shape than (lengths, 1, 256)")
    return voices


def _trimmed(samples: Any) -> Any:
    """Without the silence before and after, faded in and out over 5 ms so that no edge clicks."""
    import numpy as np

    loud = np.flatnonzero(np.abs(samples) > max(0.004, 0.01 * float(np.abs(samples).max(initial=0.0))))
    if not len(loud):
        return samples[:0]
    start = max(int(loud[0]) - SAMPLE_RATE * 30 // 1000, 0)
    end = min(int(loud[-1]) + SAMPLE_RATE * 60 // 1000, len(samples))
    samples = np.array(samples[start:end], np.float32)
    fade = np.linspace(0.0, 1.0, min(SAMPLE_RATE // 200, len(samples)), dtype=np.float32)
    samples[: len(fade)] *= fade
    samples[len(samples) - len(fade) :] *= fade[::-1]
    return samples


def _wav(samples: Any, meter: Meter, target_lufs: float) -> bytes:
    """A preview: the piece at the gain that what was heard so far asks for, its peak under −1 dBFS."""
    import numpy as np
    import soundfile

    heard = meter.integrated()
    gain = 10 ** ((target_lufs - heard) / 20) if np.isfinite(heard) else 1.0
    peak = float(np.abs(samples).max(initial=0.0))
    gain = min(gain, 0.89 / peak) if peak else gain
    buffer = io.BytesIO()
    soundfile.write(buffer, samples * np.float32(gain), SAMPLE_RATE, format="WAV", subtype="PCM_16")
    return buffer.getvalue()


def _left_out(dropped: tuple[str, ...]) -> str:
    shown = " ".join(dropped[:12]) + (" …" if len(dropped) > 12 else "")
    return f"Left out what cannot be spoken: {shown}"


def _spoken_time(seconds: float) -> str:
    return f"{seconds / 60:.0f} min" if seconds >= 90 else f"{seconds:.0f} s"
