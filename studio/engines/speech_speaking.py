"""A script spoken by some voice model: sentence by sentence, the first within a second, resumed after a kill.

Two pieces are in the making at once, so that every core has work; they are handed out in order. The whole is
brought to a stated loudness at the end (EBU R 128), the previews on the way by what is measured so far. A
stopped job breaks off the sentences in the making, so that the next job has the cores at once.

What is *not* here: how a script is read (speech_reader) and what one call of a model is (speech_kokoro, …).
"""

from __future__ import annotations

import hashlib
import io
import json
import time
from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, TimeoutError
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from studio.catalog import Model
from studio.engines.loudness import Meter, bring_to, true_peak
from studio.engines.speech_reader import Reader
from studio.engines.speech_script import Piece
from studio.engines.speech_take import Take
from studio.errors import BadInput, ModelBroken
from studio.types import Draft, Job, Progress, Sound

AT_ONCE = 2  # pieces in the making; more would wait for the same cores
LOOK_SECONDS = 0.02  # between two looks at the stop flag


@dataclass(frozen=True, slots=True)
class Delivery:
    """How a script is to be spoken; pauses are seconds after a sentence and a paragraph."""

    voice: str
    speed: float
    cast: str
    loudness_lufs: float
    pauses: tuple[float, float]


@dataclass(frozen=True, slots=True)
class Speaker:
    """A voice model that is loaded. `sound` is one call of it, float32 (frames,), that `run.terminate` breaks
    off; `takes` is where unfinished speech is kept."""

    model: Model
    sample_rate: int
    dtype: str
    voices: Collection[str]
    takes: Path
    sound: Callable[[Piece, Any], Any]

    def speak(
        self, job: Job, reader: Reader, delivery: Delivery, settings: Mapping[str, Any]
    ) -> Iterator[Progress | Draft]:
        """Progress with each piece as a playable WAV (16 bit), then one Draft, nothing if the job is stopped.

        `settings` are the options really used. Raises BadInput for a script that cannot be spoken.
        """
        started = time.perf_counter()
        if job.brief.count != 1:
            raise BadInput("A script is spoken once; set the number of candidates to 1.")
        reading = reader.read(job.brief.prompt, delivery.voice, delivery.speed, delivery.cast, self.voices)
        if reading.dropped:
            yield Progress(job.id, 0.0, "reading", _left_out(reading.dropped))
        pieces = reader.pieces(reading, delivery.pauses)
        letters = sum(len(sentence.text) for sentence in reading.sentences)
        take = Take.open(self.takes, job.id, self._key(job, settings))
        first_audio = 0.0
        for progress in self._told(job, pieces, take, letters, delivery.loudness_lufs):
            first_audio = first_audio or time.perf_counter() - started
            yield progress
        if job.cancelled:
            take.discard()
            return
        samples = take.copy()
        yield Progress(job.id, 0.99, "levelling")
        reached = bring_to(samples, self.sample_rate, delivery.loudness_lufs)
        yield Draft(
            kind="speech",
            payload=Sound(samples.reshape(-1, 1), self.sample_rate),
            model_id=self.model.name,
            revision=self.model.revision,
            seed=job.brief.seed or 0,
            device="cpu",
            dtype=self.dtype,
            seconds=time.perf_counter() - started,
            settings=settings,
            facts={
                "characters": len(job.brief.prompt),
                "sentences": len(reading.sentences),
                "seconds_to_first_audio": first_audio,
                "audio_seconds": len(samples) / self.sample_rate,
                "loudness_lufs": reached,
                "true_peak_dbtp": true_peak(samples),
            },
        )
        take.discard()

    def _told(
        self, job: Job, pieces: Iterator[Piece], take: Take, letters: int, target_lufs: float
    ) -> Iterator[Progress]:
        """Make all pieces, in order, onto the take; what an earlier attempt finished is played again."""
        meter = Meter(self.sample_rate)
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
                _wav(samples, self.sample_rate, meter, target_lufs),
            )

    def _made(self, job: Job, pieces: Iterator[Piece], take: Take) -> Iterator[tuple[Piece, Any]]:
        from onnxruntime import RunOptions

        for place, piece in enumerate(islice(pieces, take.finished)):
            yield piece, take.piece(place)
        waiting: deque[tuple[Piece, Future[Any], RunOptions]] = deque()
        pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="speech")
        try:
            ahead = 1  # the first piece has all cores to itself: it is what a person waits for
            while not job.cancelled:
                for upcoming in islice(pieces, ahead - len(waiting)):
                    run = RunOptions()
                    waiting.append((upcoming, pool.submit(self._piece, upcoming, run), run))
                if not waiting:
                    return
                piece, future, _ = waiting[0]
                samples = _result(future, job)
                if samples is None:
                    return
                waiting.popleft()
                yield piece, samples
                ahead = AT_ONCE + 1
        finally:
            for _, _, run in waiting:
                run.terminate = True
            pool.shutdown(wait=False, cancel_futures=True)

    def _piece(self, piece: Piece, run: Any) -> Any:
        """The sound of a piece, silence trimmed to what it asks for: float32 (frames,)."""
        import numpy as np

        pause = np.zeros(round(piece.pause * self.sample_rate), np.float32)
        samples = self.sound(piece, run)
        if not np.isfinite(samples).all():
            raise ModelBroken(f"{self.model.title} gave no usable sound; pull it again.")
        return np.concatenate([_trimmed(samples, self.sample_rate), pause])

    def _key(self, job: Job, settings: Mapping[str, Any]) -> str:
        said = json.dumps(
            [job.brief.prompt, dict(settings), self.model.name, self.model.revision, job.brief.seed or 0]
        )
        return hashlib.sha256(said.encode()).hexdigest()


def _result(future: Future[Any], job: Job) -> Any:
    """The result of `future`, or None as soon as the job is cancelled."""
    while not job.cancelled:
        try:
            return future.result(timeout=LOOK_SECONDS)
        except TimeoutError:
            continue
    return None


def _trimmed(samples: Any, sample_rate: int) -> Any:
    """Without the silence before and after, faded in and out over 5 ms so that no edge clicks."""
    import numpy as np

    loud = np.flatnonzero(np.abs(samples) > max(0.004, 0.01 * float(np.abs(samples).max(initial=0.0))))
    if not len(loud):
        return samples[:0]
    start = max(int(loud[0]) - sample_rate * 30 // 1000, 0)
    end = min(int(loud[-1]) + sample_rate * 60 // 1000, len(samples))
    samples = np.array(samples[start:end], np.float32)
    fade = np.linspace(0.0, 1.0, min(sample_rate // 200, len(samples)), dtype=np.float32)
    samples[: len(fade)] *= fade
    samples[len(samples) - len(fade) :] *= fade[::-1]
    return samples


def _wav(samples: Any, sample_rate: int, meter: Meter, target_lufs: float) -> bytes:
    """A preview: the piece at the gain that what was heard so far asks for, its peak under −1 dBFS."""
    import numpy as np
    import soundfile

    heard = meter.integrated()
    gain = 10 ** ((target_lufs - heard) / 20) if np.isfinite(heard) else 1.0
    peak = float(np.abs(samples).max(initial=0.0))
    gain = min(gain, 0.89 / peak) if peak else gain
    buffer = io.BytesIO()
    soundfile.write(buffer, samples * np.float32(gain), sample_rate, format="WAV", subtype="PCM_16")
    return buffer.getvalue()


def _left_out(dropped: tuple[str, ...]) -> str:
    shown = " ".join(dropped[:12]) + (" …" if len(dropped) > 12 else "")
    return f"Left out what cannot be spoken: {shown}"


def _spoken_time(seconds: float) -> str:
    return f"{seconds / 60:.0f} min" if seconds >= 90 else f"{seconds:.0f} s"
