"""Editing of recordings without any model: trim, fade, gain, loudness, joining, music under a voice.

The inputs are uploads or library assets; the draft's `edits` say what was done, so that the seal can say
honestly where the content came from. Cloning a voice is not offered (docs/sound-editing.md).
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from studio.catalog import Model
from studio.engines import edit_sound
from studio.engines.base import Device, engines
from studio.engines.loudness import bring_to, limit, loudness, true_peak
from studio.errors import BadInput
from studio.options import option, options_dict, read_options
from studio.settings import Settings
from studio.types import Draft, Job, Kind, Progress, Sound

CEILING_DBTP = -1.0
JOIN, MIX = "join", "mix"


@dataclass(frozen=True)
class EditOptions:
    arrange: str = option(
        JOIN,
        "Two recordings",
        choices=(JOIN, MIX),
        labels={JOIN: "One after another", MIX: "A voice over music"},
    )
    start: float = option(
        0.0, "Start", low=0.0, high=7200.0, step=0.1, hint="Seconds into the first recording"
    )
    end: float | None = option(
        None, "End", low=0.0, high=7200.0, hint="Seconds; empty keeps all of the first recording"
    )
    fade_in: float = option(0.0, "Fade in", low=0.0, high=30.0, step=0.1, hint="Seconds")
    fade_out: float = option(0.0, "Fade out", low=0.0, high=30.0, step=0.1, hint="Seconds")
    gain_db: float = option(
        0.0, "Gain", low=-60.0, high=40.0, step=0.5, hint="dB, before the loudness is set"
    )
    loudness_lufs: float | None = option(
        None, "Loudness", low=-31.0, high=-9.0, hint="LUFS (EBU R 128): −16 for podcasts; empty leaves it"
    )
    gap: float = option(0.0, "Pause between", low=0.0, high=30.0, step=0.1, hint="Seconds", advanced=True)
    crossfade: float = option(
        0.0, "Crossfade", low=0.0, high=10.0, step=0.1, hint="Seconds of overlap", advanced=True
    )
    under: float = option(
        6.0,
        "Music below the voice",
        low=-6.0,
        high=30.0,
        step=0.5,
        hint="LU, where nobody speaks",
        advanced=True,
    )
    duck_db: float = option(
        10.0, "Give way by", low=0.0, high=40.0, step=0.5, hint="dB more while somebody speaks", advanced=True
    )
    lead_in: float = option(
        2.0, "Music before", low=0.0, high=60.0, step=0.5, hint="Seconds before the voice", advanced=True
    )
    lead_out: float = option(
        3.0, "Music after", low=0.0, high=60.0, step=0.5, hint="Seconds after it, fading away", advanced=True
    )
    repeat: bool = option(True, "Repeat short music", hint="Until the voice has ended", advanced=True)
    given_licence: str = option(
        "", "Licence of what you give", max_length=80, advanced=True,
        hint="Such as CC-BY-4.0; own for your own recording; empty says that it is not known",
    )  # fmt: skip


class _Editor:
    """Sound in, sound out; the same inputs and options give the same samples."""

    kind: ClassVar[Kind]
    Options: ClassVar[type] = EditOptions
    concurrency: ClassVar[int] = 1

    def __init__(self, model: Model, device: Device, settings: Settings) -> None:
        self._model = model

    def load(self) -> None:
        """Nothing to load."""

    def close(self) -> None:
        """Nothing to free."""

    def generate(self, job: Job) -> Iterator[Progress | Draft]:
        started = time.perf_counter()
        options = read_options(EditOptions, job.brief.options)
        _check(options, len(job.brief.inputs), job.brief.count)
        sounds: list[Sound] = []
        for place, path in enumerate(job.brief.inputs):
            if job.cancelled:
                return
            yield Progress(job.id, 0.5 * place / len(job.brief.inputs), "reading", f"recording {place + 1}")
            name = "The recording" if len(job.brief.inputs) == 1 else f"Recording {place + 1}"
            cut = (options.start, options.end) if place == 0 else (0.0, None)
            sounds.append(edit_sound.read(Path(path), name, *cut))
        yield Progress(job.id, 0.5, "editing")
        sound = _arranged(sounds, options)
        if job.cancelled:
            return
        reached = _levelled(sound, options, touched=len(sounds) > 1)
        yield Progress(job.id, 0.95, "editing")
        yield Draft(
            kind=self.kind,
            payload=sound,
            model_id=self._model.name,
            revision=self._model.revision,
            seed=job.brief.seed or 0,
            device="cpu",
            dtype="float32",
            seconds=time.perf_counter() - started,
            settings=options_dict(options),
            facts={"audio_seconds": len(sound.samples) / sound.sample_rate, "loudness_lufs": reached},
            edits=actions(options, len(sounds)),
        )


@engines.register
class EditSpeech(_Editor):
    """Speech, or a voice over music, edited without a model: trim, fade, loudness, joining, ducking."""

    name: ClassVar[str] = "edit_speech"
    kind: ClassVar[Kind] = "speech"


@engines.register
class EditMusic(_Editor):
    """Music and any other sound, edited without a model: trim, fade, loudness, joining."""

    name: ClassVar[str] = "edit_music"
    kind: ClassVar[Kind] = "music"


def actions(options: EditOptions, inputs: int) -> tuple[str, ...]:
    """What was done, as C2PA 2.4 calls it; c2pa.mixed is for parts that sound together."""
    mixed = inputs > 1 and options.arrange == MIX
    done = {
        "c2pa.trimmed": options.start > 0 or options.end is not None,
        "c2pa.edited": bool(
            options.fade_in or options.fade_out or options.gain_db or (inputs > 1 and not mixed)
        )
        or options.loudness_lufs is not None,
        "c2pa.mixed": mixed,
    }
    return tuple(action for action, so in done.items() if so) or ("c2pa.transcoded",)


def _check(options: EditOptions, inputs: int, count: int) -> None:
    if not inputs:
        raise BadInput("There is nothing to edit yet; give a recording.")
    if count != 1:
        raise BadInput("An edit has one result; set the count to 1.")
    if options.arrange == MIX and inputs > 2:
        raise BadInput("Music under a voice takes two recordings: the voice, then the music.")
    if options.gap and options.crossfade:
        raise BadInput("Recordings cannot both pause and overlap; set the pause or the crossfade to 0.")


def _arranged(sounds: list[Sound], options: EditOptions) -> Sound:
    if len(sounds) == 1:
        return sounds[0]
    if options.arrange == JOIN:
        return edit_sound.join(sounds, options.gap, options.crossfade)
    return edit_sound.mix(
        sounds[0], sounds[1], under=options.under, duck=options.duck_db, lead_in=options.lead_in,
        lead_out=options.lead_out, repeat=options.repeat,
    )  # fmt: skip


def _levelled(sound: Sound, options: EditOptions, touched: bool) -> float:
    """Gain, fades and loudness, in place; the loudness reached. Peaks are held where anything became louder."""
    import numpy as np

    samples, rate = sound.samples, sound.sample_rate
    if options.gain_db:
        np.multiply(samples, np.float32(10 ** (options.gain_db / 20)), out=samples)
    edit_sound.fade(sound, options.fade_in, options.fade_out)
    if options.loudness_lufs is not None:
        reached = bring_to(samples, rate, options.loudness_lufs, CEILING_DBTP)
        if reached == -float("inf"):
            raise BadInput("The recording is silent, so it has no loudness to be set; leave Loudness empty.")
        return reached
    if (touched or options.gain_db > 0) and true_peak(samples) > CEILING_DBTP:
        limit(samples, rate, CEILING_DBTP)
    return max(loudness(samples, rate), -100.0)
