"""Speech to text by Whisper (CTranslate2): running text or captions, in the language that is spoken.

The input is one recording, an upload or a library asset. With the options `script` the words are known and
only their times are asked for, which gives captions without a recogniser's slips.

Not covered: telling speakers apart, live microphones (the page hands over a finished recording), video.
Source: Radford et al. 2023, "Robust speech recognition via large-scale weak supervision".
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from studio.catalog import Model
from studio.engines import captions
from studio.engines.base import Device, engines
from studio.engines.captions import Word
from studio.errors import BadInput, ModelBroken, Refused
from studio.options import option, options_dict, read_options
from studio.recordings import opened
from studio.settings import Settings
from studio.types import Draft, Job, Kind, Progress

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

RATE = 16_000
MOST_SECONDS = 2 * 3600
SURE = 0.5  # a language named with less than this share of belief is told as a guess


@dataclass(frozen=True)
class ListenOptions:
    language: str = option(
        "", "Language spoken", max_length=5, hint="Two letters, such as en, de, zh; empty finds it out"
    )
    translate: bool = option(False, "Into English", hint="Writes English whatever is spoken")
    script: str = option(
        "",
        "Words known to be spoken",
        max_length=200_000,
        advanced=True,
        hint="Only their times are looked for: captions without mishearings",
    )


@engines.register
class ListenWhisper:
    name: ClassVar[str] = "listen_whisper"
    kind: ClassVar[Kind] = "text"
    Options: ClassVar[type] = ListenOptions
    concurrency: ClassVar[int] = 1
    formats: ClassVar[tuple[str, ...]] = ("srt", "vtt")  # beyond those of every text

    def __init__(self, model: Model, device: Device, settings: Settings) -> None:
        self._entry, self._device, self._settings = model, device, settings
        self._model: Any = None

    def load(self) -> None:
        from faster_whisper import WhisperModel

        cuda = self._device.name.startswith("cuda")
        place, _, number = self._device.name.partition(":")
        try:
            self._model = WhisperModel(
                str(self._entry.folder),
                device=place if cuda else "cpu",
                device_index=int(number or 0) if cuda else 0,
                compute_type="float16" if cuda else "int8",
                cpu_threads=self._settings.threads or min(os.cpu_count() or 1, 4),
                local_files_only=True,
            )
        except (RuntimeError, ValueError, OSError) as error:
            raise ModelBroken(f"{self._entry.title} cannot be loaded ({error}); pull it again.") from None

    def close(self) -> None:
        self._model = None

    def generate(self, job: Job) -> Iterator[Progress | Draft]:
        """The text as it is heard, then one Draft: captions if `brief.format` is srt or vtt.

        Facts: seconds_of_sound, words, language_share (0–1). Raises BadInput for a wrong input or language,
        Refused if nothing is said.
        """
        began = time.perf_counter()
        options = read_options(ListenOptions, job.brief.options)
        self._check(job, options)
        sound = read_16k(Path(job.brief.inputs[0]))
        seconds = len(sound) / RATE
        segments, info = self._model.transcribe(
            sound,
            language=options.language.lower() or None,
            task="translate" if options.translate else "transcribe",
            beam_size=5,
            temperature=0.0,
            condition_on_previous_text=False,  # else one slip is repeated to the end
            word_timestamps=True,
            vad_filter=True,  # else silence is filled with inventions
        )
        words: list[Word] = []
        for segment in segments:
            if job.cancelled:
                return
            words += [Word(float(word.start), float(word.end), word.word) for word in segment.words or ()]
            text = captions.paragraphs(words)
            yield Progress(job.id, min(segment.end / seconds, 1.0), "listening", preview=text)
        if not words:
            raise Refused("Nothing was said in this recording that could be understood; try a clearer one.")
        if options.script.strip():
            words = captions.align(options.script, words)
        yield Draft(
            kind="text",
            payload=layout(words, job.brief.format),
            model_id=self._entry.name,
            revision=self._entry.revision,
            seed=job.brief.seed or 0,
            device=self._device.name if self._device.name.startswith("cuda") else "cpu",
            dtype="float16" if self._device.name.startswith("cuda") else "int8",
            seconds=time.perf_counter() - began,
            settings=options_dict(options) | {"language": info.language},
            facts={
                "seconds_of_sound": seconds,
                "words": len(words),
                "language_share": float(info.language_probability),
            },
        )

    def _check(self, job: Job, options: ListenOptions) -> None:
        if len(job.brief.inputs) != 1 or job.brief.count != 1:
            raise BadInput("Listening takes one recording at a time and writes it down once.")
        known = self._model.supported_languages
        if options.language and options.language.lower() not in known:
            raise BadInput(
                f"Whisper knows no language {options.language!r}; choose one of: {', '.join(known)}."
            )
        if options.translate and options.script.strip():
            raise BadInput("A script is matched with what is said, so it cannot be translated; choose one.")


def layout(words: Sequence[Word], format: str | None) -> str:
    """Captions for srt and vtt, else running text."""
    name = (format or "").lower().lstrip(".")
    if name == "srt":
        return captions.srt(captions.cues(words))
    if name == "vtt":
        return captions.vtt(captions.cues(words))
    return captions.paragraphs(words)


def read_16k(path: Path) -> NDArray[np.float32]:
    """Mono at 16 kHz, float32 (samples,), read in blocks. Raises BadInput for what cannot be listened to."""
    import numpy as np
    import soundfile
    import soxr

    parts: list[NDArray[np.float32]] = []
    try:
        with opened(path) as sound:
            if sound.frames > MOST_SECONDS * sound.samplerate:
                raise BadInput(f"The recording is longer than {MOST_SECONDS // 3600} hours; cut it.")
            stream = soxr.ResampleStream(sound.samplerate, RATE, 1, dtype="float32")
            for block in sound.blocks(sound.samplerate * 10, dtype="float32", always_2d=True):
                parts.append(stream.resample_chunk(block.mean(axis=1)))
            parts.append(stream.resample_chunk(np.zeros(0, np.float32), last=True))
    except (soundfile.SoundFileError, OSError, RuntimeError, ValueError) as error:
        raise BadInput(
            f"The recording cannot be played ({str(error)[:120]}); save it again as WAV."
        ) from None
    whole = np.concatenate(parts) if parts else np.zeros(0, np.float32)
    if not np.isfinite(whole).all():
        raise BadInput("The recording contains values that are no numbers; export it again as WAV.")
    if len(whole) < RATE // 10:
        raise BadInput("The recording is shorter than a tenth of a second; choose another one.")
    return whole
