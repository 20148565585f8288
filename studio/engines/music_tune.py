"""signet-tune: a brief becomes a melody of the studio's own model, arranged by rules and played.

    brief ─► controls ─► form ─► melodies, the best kept ─► chords, players ─► sound

A melody that repeats 16 intervals of the training tunes is never handed out. The score itself is kept with
the asset (`settings["score"]`), so that `companions` can write MIDI, MusicXML, ABC and a picture at any time.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

from studio.catalog import Catalog, Model
from studio.engines.base import Device, engines
from studio.engines.music_arrange import Setting, arrange
from studio.engines.music_brief import Controls, Likeness, read_brief
from studio.engines.music_font import unpack as unpack_font
from studio.engines.music_form import Form
from studio.engines.music_melody import compose, given_tune
from studio.engines.music_options import AUTO, KEYS, MusicOptions
from studio.engines.music_players import presets
from studio.engines.music_score import Score, midi, pack, unpack
from studio.engines.music_sheet import abc, musicxml, roll
from studio.errors import BadInput, ModelBroken, ModelMissing
from studio.nets.tune_tokens import MODES, Tune, notes_of
from studio.options import options_dict, read_options
from studio.settings import Settings
from studio.types import Draft, Job, Kind, Progress, Sound

SOUNDFONT, EMBEDDING = "fluid-r3-mono", "minilm-l6-v2"


@engines.register
class TuneEngine:
    """Music at 48 kHz, stereo. The SoundFont is the catalog entry `fluid-r3-mono`."""

    name: ClassVar[str] = "music_tune"
    kind: ClassVar[Kind] = "music"
    Options: ClassVar[type] = MusicOptions
    concurrency: ClassVar[int] = 1

    def __init__(self, model: Model, device: Device, settings: Settings) -> None:
        self._model, self._settings = model, settings
        self._net: Any = None
        self._known: Any = None
        self._font = b""
        self._likeness: Likeness | None = None

    def load(self) -> None:
        from safetensors import SafetensorError
        from safetensors.numpy import load_file

        from studio.nets.tune import TuneModel

        catalog = Catalog.read(self._settings)
        font = catalog.verify(SOUNDFONT)  # 15 ms, and an altered file would be played for ever
        try:
            self._net = TuneModel.load(self._model.folder)
            self._known = load_file(self._model.folder / "known-runs.safetensors")["runs"]
        except FileNotFoundError as error:
            raise ModelMissing(f"{self._model.title} is not here: {error.filename} is missing.") from None
        except (OSError, ValueError, TypeError, KeyError, RuntimeError, SafetensorError) as error:
            raise ModelBroken(
                f"{self._model.title} cannot be read ({error}); put the right files back into {self._model.folder}."
            ) from error
        self._font = unpack_font((font.folder / font.files[0].path).read_bytes(), presets())
        if catalog.ready(EMBEDDING):
            self._likeness = _likeness(catalog.get(EMBEDDING))

    def close(self) -> None:
        self._net = self._known = self._likeness = None
        self._font = b""

    def generate(self, job: Job) -> Iterator[Progress | Draft]:
        options = read_options(MusicOptions, job.brief.options)
        if not job.brief.prompt.strip():
            raise BadInput(
                "Say in a few words what the music is for, such as “calm harp music for a museum”."
            )
        given = given_tune(options)
        for candidate in range(job.brief.count):
            if job.cancelled:
                return
            yield from self._piece(job, options, given, candidate)

    @staticmethod
    def companions(settings: Mapping[str, Any], note: str) -> dict[str, bytes]:
        """What stands beside a piece, by suffix: MIDI, a lead sheet in MusicXML, the melody in ABC, a piano roll.

        `settings` are those of the asset; `note` is a sentence on origin and licence that each of them carries.
        Raises BadInput if the recorded score was damaged.
        """
        score = unpack(str(settings.get("score", "")))
        return {
            ".mid": midi(score, note),
            ".musicxml": musicxml(score, note).encode(),
            ".abc": (f"% {' '.join(note.split())}\n" + str(settings.get("abc", ""))).encode(),
            ".svg": roll(score).encode(),
        }

    def _piece(
        self, job: Job, options: MusicOptions, given: Tune | None, candidate: int
    ) -> Iterator[Progress | Draft]:
        started = time.perf_counter()
        seed = (job.brief.seed or 0) + candidate
        share = 1 / job.brief.count
        from_here = candidate * share
        if given is not None:
            options = replace(options, metre=given.metre, mode=given.mode)
        controls = read_brief(job.brief.prompt, options, self._likeness, seed)
        said = "; ".join(controls.because)
        if self._likeness is None:
            said = "The mood is told by words only, since all-MiniLM-L6-v2 is not here. " + said
        yield Progress(job.id, from_here + 0.05 * share, "composing", said, candidate=candidate)
        made = compose(self._net, self._known, controls, given, seed, lambda: job.cancelled)
        if made is None:
            return
        yield Progress(
            job.id, from_here + 0.5 * share, "playing", _summary(controls, made.form), candidate=candidate
        )
        score = arrange(made.tune, made.form, _setting(job.brief.prompt, controls), seed)
        samples, reached = self._play(score, controls.options)
        if job.cancelled:
            return
        yield Draft(
            kind=self.kind,
            payload=Sound(samples, _rate()),
            model_id=self._model.name,
            revision=self._model.revision,
            seed=seed,
            device="cpu",
            dtype="float32",
            seconds=time.perf_counter() - started,
            settings=options_dict(controls.options) | {"abc": abc(score, made.tune), "score": pack(score)},
            facts={
                "audio_seconds": len(samples) / _rate(),
                "bars": score.bars,
                "quarters_per_minute": made.form.bpm,
                "notes": sum(len(voice.notes) for voice in score.voices),
                "notes_in_mode": _in_mode(made.tune),
                "melodies_drawn": made.drawn,
                "melodies_refused_as_copies": made.refused,
                "loudness_lufs": reached,
            },
        )

    def _play(self, score: Score, options: MusicOptions) -> tuple[Any, float]:
        from studio.engines.music_render import render

        return render(score, self._font, options.loop, options.loudness_lufs)


def _setting(prompt: str, controls: Controls) -> Setting:
    options = controls.options
    return Setting(
        title=" ".join(prompt.encode("utf-8", "replace").decode().split())[:80],
        lead=options.lead,
        second=controls.second,
        backing=options.backing,
        bass=options.bass,
        texture=options.texture,
        contrast=controls.contrast,
        drums=options.drums,
        key=None if options.key == AUTO else KEYS.index(options.key),
        loop=options.loop,
    )


def _summary(controls: Controls, form: Form) -> str:
    options = controls.options
    return (
        f"{options.mood} {options.style} in {options.mode}, {options.metre}, {form.bpm:.0f} quarters a minute, "
        f"{options.lead} with {options.backing}, form {' '.join(form.pattern)}"
    )


def _in_mode(tune: Tune) -> float:
    pitches = [pitch for pitch, _ in notes_of(tune)]
    return sum(pitch % 12 in MODES[tune.mode] for pitch in pitches) / max(len(pitches), 1)


def _likeness(model: Model) -> Likeness:
    from studio.embedding import embed

    def near(text: str, sentences: Sequence[str]) -> list[float]:
        vectors = embed([text, *sentences], model.folder)
        return [float(value) for value in vectors[1:] @ vectors[0]]

    return near


def _rate() -> int:
    from studio.engines.music_render import SAMPLE_RATE

    return SAMPLE_RATE
