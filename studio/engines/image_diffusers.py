"""Any diffusers pipeline: text to picture, and from pictures where the pipeline can.

The number of `brief.inputs` decides: none makes a picture from text, one starts from that picture, two are
a picture and the mask of what is to be painted anew (white); with a ControlNet the one guides the shapes.
Several candidates run as one batch, each with a generator of its own, so that a seed gives the same picture
alone and among others (up to the rounding of the device's arithmetic).
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import replace
from typing import Any, ClassVar

from studio.catalog import Model
from studio.engines.base import Device, engines
from studio.engines.devices import fast_bfloat16, pick_device
from studio.engines.image_addons import add_lora, controlled, lora_file, remove_lora
from studio.engines.image_call import arguments, cannot, task_of
from studio.engines.image_embeddings import Embeddings, cache_embeddings, forget_embeddings
from studio.engines.image_inputs import keep_rest, pipeline_for, takes
from studio.engines.image_memory import (
    Plan,
    Weight,
    channels_last,
    empty_cache,
    is_out_of_memory,
    plan,
    result_megapixels,
    weigh,
)
from studio.engines.image_options import ImageOptions
from studio.engines.image_pipeline import load_pipeline, scheduler_for
from studio.engines.image_preview import Preview
from studio.engines.image_run import Step, run
from studio.engines.image_walk import film_wanted, shares, sheet
from studio.engines.image_words import read_prompt
from studio.errors import BadInput, OutOfMemory
from studio.options import options_dict, read_options
from studio.settings import Settings
from studio.types import Draft, Job, Kind, Progress

Mix = tuple[str, str, float]  # prompt, the one it is blended into, and how far


@engines.register
class Diffusers:
    """One pipeline on one device; `capabilities` says what it can do once it is loaded."""

    name: ClassVar[str] = "image_diffusers"
    kind: ClassVar[Kind] = "image"
    Options: ClassVar[type] = ImageOptions
    concurrency: ClassVar[int] = 1

    def __init__(self, model: Model, device: Device, settings: Settings) -> None:
        self._model, self._device, self._settings = model, device, settings
        self._pipelines: dict[str, Any] = {}
        self._plan: Plan | None = None
        self._weight = Weight(0.0, 0.0)
        self._scheduler: Any = None
        self._lora: tuple[str, float] | None = None

    def load(self) -> None:
        self._weight = weigh(self._model.folder)
        made = self._planned(0.25, 1)
        if not made.fits:
            raise OutOfMemory(
                f"{self._model.title} needs about {made.needs_mb:,} MB on {self._device.name} and "
                f"{self._device.free_mb:,} MB are free; close other programs or choose a smaller model."
            )
        pipeline = load_pipeline(self._model, made)
        if made.offload == "model":
            pipeline.enable_model_cpu_offload(device=self._device.name)
        elif made.offload == "sequential":
            pipeline.enable_sequential_cpu_offload(device=self._device.name)
        else:
            pipeline.to(self._device.name)
        channels_last(pipeline)
        cache_embeddings(pipeline)
        self._plan, self._scheduler = made, getattr(pipeline, "scheduler", None)
        self._pipelines = {"text": pipeline}

    def close(self) -> None:
        self._pipelines, self._plan, self._scheduler, self._lora = {}, None, None, None
        empty_cache(self._device.name)

    @property
    def capabilities(self) -> frozenset[str]:
        """Of "text2image", "image2image", "inpaint", "negative_prompt", "lora", "steps" (reported)."""
        pipeline = self._pipelines["text"]
        names = takes(pipeline)
        marks = {
            "text2image": True,
            "image2image": self._for_task("image") is not None,
            "inpaint": self._for_task("inpaint") is not None,
            "negative_prompt": "negative_prompt" in names,
            "lora": hasattr(pipeline, "load_lora_weights"),
            "steps": "callback_on_step_end" in names,
        }
        return frozenset(name for name, there in marks.items() if there)

    def generate(self, job: Job) -> Iterator[Progress | Draft]:
        """Progress at every step, previews as JPEG, one Draft per candidate: uint8 (height, width, 3 or 4).

        Asked for the format mp4, the pictures between two prompts stay a list of frames.
        """
        options = read_options(ImageOptions, {**self._model.options, **job.brief.options})
        title, inputs = self._model.title, job.brief.inputs
        prompt = read_prompt(job.brief.prompt, self._model, self._settings)
        toward = read_prompt(options.to_prompt, self._model, self._settings)
        if prompt != job.brief.prompt:
            yield Progress(job.id, None, "reading", f"Read as: {prompt}")
        film = film_wanted(job.brief.format, toward, options.frames)
        task = task_of(options, inputs)
        if toward and task != "text":
            raise BadInput("Blending two prompts starts from text alone; remove the input picture.")
        pipeline = self._for_task(task, options.control)
        if pipeline is None:
            raise cannot(title, task)
        if toward and not isinstance(getattr(pipeline, "encode_prompt", None), Embeddings):
            raise BadInput(f"{title} cannot blend two prompts; leave to_prompt empty.")
        self._prepare(pipeline, options)
        given = arguments(pipeline, options, prompt, task, inputs, self._settings, title)
        if job.brief.seed is None:
            job = replace(job, brief=replace(job.brief, seed=secrets.randbits(31)))
        seed = int(job.brief.seed or 0)
        preview = (
            Preview(given.get("width"), given.get("height"), fine=options.live)
            if options.previews or options.live
            else None
        )
        if options.live:
            for step in run(pipeline, given, [seed], lambda: job.cancelled, preview, live=True):
                if isinstance(step, Step):
                    yield _told(job, step, 0, step.done / step.total)
            return
        mixes = [(prompt, toward, share) for share in shares(options.frames)] if toward else [None]
        batch, done = self._planned(result_megapixels(given, pipeline), job.brief.count).batch, 0
        while done < job.brief.count:
            seeds = [seed + place for place in range(done, min(done + batch, job.brief.count))]
            started = time.perf_counter()
            try:
                made = yield from self._paint(job, pipeline, given, seeds, mixes, preview)
            except (RuntimeError, MemoryError) as error:
                batch = self._smaller(error, len(seeds), given, pipeline)
                continue
            if job.cancelled:
                return
            seconds = (time.perf_counter() - started) / len(seeds)
            read_as = {"prompt_read_as": prompt} if prompt != job.brief.prompt else {}
            for place, one in enumerate(seeds):
                frames = [frame[place] for frame in made]
                yield self._draft(frames, film, options, one, seconds, read_as)
            done += len(seeds)

    def _paint(
        self, job: Job, pipeline: Any, given: dict[str, Any], seeds: list[int], mixes: Sequence[Mix | None],
        preview: Preview | None,
    ) -> Generator[Progress, None, list[Any]]:  # fmt: skip
        """Progress; returns one batch (pictures, height, width, channels) for each of `mixes`, fewer if cancelled."""
        made: list[Any] = []
        first = seeds[0] - int(job.brief.seed or 0)
        for mix in mixes:
            with pipeline.encode_prompt.blended(*mix) if mix else nullcontext():
                for step in run(pipeline, given, seeds, lambda: job.cancelled, preview):
                    if isinstance(step, Step):
                        part = (len(made) + step.done / step.total) / len(mixes)
                        yield _told(job, step, first, len(seeds) * part)
                    else:
                        made.append(step.pixels)
            if job.cancelled:
                break
        if "mask_image" in given:
            made = [keep_rest(one, given["image"], given["mask_image"]) for one in made]
        return made

    def _smaller(self, error: BaseException, size: int, given: dict[str, Any], pipeline: Any) -> int:
        """Half the batch after memory ran out; raises OutOfMemory for a single picture, `error` if it is another."""
        if not is_out_of_memory(error):
            raise error
        empty_cache(self._device.name)
        if size == 1:
            raise OutOfMemory(
                f"{self._device.title} has no room for a picture of {result_megapixels(given, pipeline):.2f} megapixels;"
                " lower width and height."
            ) from error
        return size // 2

    # --- what the pipeline is given ---

    def _for_task(self, task: str, control: str = "") -> Any | None:
        """The pipeline of the task over the components of the one that is loaded, or None."""
        if task == "control":
            return self._controlled(control)
        if task not in self._pipelines:
            made = pipeline_for(self._pipelines["text"], task)
            if made is None:
                return None
            made.set_progress_bar_config(disable=True)
            if self._plan and self._plan.offload == "model" and made is not self._pipelines["text"]:
                made.enable_model_cpu_offload(device=self._device.name)
            cache_embeddings(made)
            self._pipelines[task] = made
        return self._pipelines[task]

    def _controlled(self, name: str) -> Any:
        """The pipeline with that ControlNet; the one before makes room for it."""
        key = f"control:{name}"
        if key not in self._pipelines:
            for old in [one for one in self._pipelines if one.startswith("control:")]:
                del self._pipelines[old]
            made = controlled(self._pipelines["text"], name, self._settings, self._model.title)
            cache_embeddings(made)
            self._pipelines[key] = made
        return self._pipelines[key]

    def _prepare(self, pipeline: Any, options: ImageOptions) -> None:
        """Scheduler, LoRA and memory switches for this job."""
        if self._scheduler is not None:
            pipeline.scheduler = scheduler_for(pipeline, options.scheduler, self._scheduler)
        wanted = (options.lora, options.lora_scale) if options.lora else None
        if wanted != self._lora:
            base = self._pipelines["text"]
            remove_lora(base)
            self._lora = None
            for made in self._pipelines.values():
                forget_embeddings(made)
            if wanted:
                add_lora(base, lora_file(options.lora, self._settings), options.lora_scale, self._model.title)
            self._lora = wanted
        plan_ = self._plan
        if plan_ and plan_.attention_slicing and hasattr(pipeline, "enable_attention_slicing"):
            pipeline.enable_attention_slicing()
        vae: Any = getattr(pipeline, "vae", None)
        if plan_ and plan_.vae_slicing and hasattr(vae, "enable_slicing"):
            vae.enable_slicing()
        if plan_ and plan_.vae_tiling and hasattr(vae, "enable_tiling"):
            vae.enable_tiling()

    def _planned(self, megapixels: float, count: int) -> Plan:
        device = self._device
        loaded = self._plan is not None
        if loaded:  # the weights are in place, so what is free now is for the pictures
            device = pick_device(self._settings)
        free = device.free_mb + self._resident_mb()
        return plan(
            round(2 * self._weight.total), free, device.name, largest_mb=round(2 * self._weight.largest),
            megapixels=megapixels, count=count, bfloat16=fast_bfloat16(device.name),
        )  # fmt: skip

    def _resident_mb(self) -> int:
        if self._plan is None or self._plan.offload != "none":
            return 0
        return round(self._weight.total * (4 if self._plan.dtype == "float32" else 2))

    def _draft(
        self, frames: list[Any], film: bool, options: ImageOptions, seed: int, seconds: float,
        more: dict[str, Any],
    ) -> Draft:  # fmt: skip
        picture = frames[0] if film or len(frames) == 1 else sheet(frames)
        height, width = picture.shape[:2]
        used = options_dict(options) | {"width": width, "height": height} | more
        drawing = getattr(self._pipelines["text"], "domain", "") == "drawing"
        return Draft(
            kind=self.kind,
            payload=frames if film else picture,
            model_id=self._model.name,
            revision=self._model.revision,
            seed=seed,
            device=self._device.name,
            dtype=self._plan.dtype if self._plan else "float32",
            seconds=seconds,
            settings=used,
            facts={"drawing": 1.0} if drawing else {},
        )


def _told(job: Job, step: Step, first: int, done: float) -> Progress:
    """`first` candidates are finished, and of those being painted as much as `done` candidates make."""
    fraction = 0.98 * (first + done) / job.brief.count
    return Progress(job.id, fraction, "painting", f"step {step.done} of {step.total}", step.preview, first)
