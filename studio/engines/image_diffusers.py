"""Any diffusers pipeline: text to picture, and from pictures where the pipeline can.

The number of `brief.inputs` decides: none makes a picture from text, one starts from that picture, two are
a picture and the mask of what is to be painted anew (white). Several candidates run as one batch, each
with a generator of its own, so that a seed gives the same picture alone and among others (up to the
rounding of the device's arithmetic).
"""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from studio.catalog import Model
from studio.engines.base import Device, engines
from studio.engines.devices import pick_device
from studio.engines.image_embeddings import cache_embeddings, forget_embeddings
from studio.engines.image_inputs import open_picture, pipeline_for, takes
from studio.engines.image_memory import (
    Plan,
    Weight,
    empty_cache,
    is_out_of_memory,
    plan,
    result_megapixels,
    weigh,
)
from studio.engines.image_pipeline import SCHEDULERS, add_lora, load_pipeline, remove_lora, scheduler_for
from studio.engines.image_preview import Preview
from studio.engines.image_run import Step, run
from studio.errors import BadInput, NotFound, OutOfMemory
from studio.options import option, options_dict, read_options
from studio.settings import Settings
from studio.types import Draft, Job, Kind, Progress


@dataclass(frozen=True)
class ImageOptions:
    """Empty values are the pipeline's own defaults."""

    negative_prompt: str = option("", "What should not be there", max_length=2000)
    steps: int | None = option(None, "Steps", low=1, high=150)
    guidance_scale: float | None = option(
        None, "Guidance", low=0.0, high=30.0, step=0.5, hint="How closely to follow the prompt"
    )
    width: int | None = option(None, "Width (px)", low=16, high=2048, step=8)
    height: int | None = option(None, "Height (px)", low=16, high=2048, step=8)
    strength: float = option(0.7, "Change of the input picture", low=0.05, high=1.0, step=0.05)
    style: str = option("", "Style", max_length=40, hint="For models that have styles of their own")
    transparent: bool = option(False, "Transparent background", hint="For models that can cut out")
    scheduler: str = option("own", "Scheduler", choices=("own", *SCHEDULERS), advanced=True)
    lora: str = option(
        "", "LoRA", hint="A folder of checkpoints that holds one .safetensors file", advanced=True
    )
    lora_scale: float = option(1.0, "LoRA strength", low=-2.0, high=2.0, step=0.1, advanced=True)
    previews: bool = option(True, "Show the picture on the way", advanced=True)


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
        """Progress at every step, previews as JPEG, one Draft per candidate: uint8 (height, width, 3)."""
        options = read_options(ImageOptions, {**self._model.options, **job.brief.options})
        task = ("text", "image", "inpaint")[min(len(job.brief.inputs), 2)]
        if len(job.brief.inputs) > 2:
            raise BadInput("Give one picture to start from, or a picture and its mask: not more.")
        pipeline = self._for_task(task)
        if pipeline is None:
            words = "start from a picture" if task == "image" else "paint a masked part anew"
            raise BadInput(f"{self._model.title} cannot {words}; remove the input or choose another model.")
        self._prepare(pipeline, options)
        given = self._arguments(pipeline, options, job, task)
        seed = job.brief.seed if job.brief.seed is not None else secrets.randbits(31)
        preview = Preview(given.get("width"), given.get("height")) if options.previews else None
        megapixels = result_megapixels(given, pipeline)
        batch = self._planned(megapixels, job.brief.count).batch
        done = 0
        while done < job.brief.count:
            seeds = [seed + place for place in range(done, min(done + batch, job.brief.count))]
            started = time.perf_counter()
            pictures = None
            try:
                for step in run(pipeline, given, seeds, lambda: job.cancelled, preview):
                    if isinstance(step, Step):
                        yield _told(job, step, done, len(seeds))
                    else:
                        pictures = step.pixels
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
                empty_cache(self._device.name)
                if len(seeds) == 1:
                    raise OutOfMemory(
                        f"{self._device.title} has no room for a picture of {megapixels:.2f} megapixels; "
                        f"lower width and height."
                    ) from error
                batch = len(seeds) // 2
                continue
            if pictures is None:  # cancelled
                return
            seconds = (time.perf_counter() - started) / len(seeds)
            for one, picture in zip(seeds, pictures, strict=True):
                yield self._draft(picture, options, one, seconds)
            done += len(seeds)

    # --- what the pipeline is given ---

    def _for_task(self, task: str) -> Any | None:
        """The pipeline of the task over the components of the one that is loaded, or None."""
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
                add_lora(base, self._lora_file(options.lora), options.lora_scale, self._model.title)
            self._lora = wanted
        plan_ = self._plan
        if plan_ and plan_.attention_slicing and hasattr(pipeline, "enable_attention_slicing"):
            pipeline.enable_attention_slicing()
        vae: Any = getattr(pipeline, "vae", None)
        if plan_ and plan_.vae_slicing and hasattr(vae, "enable_slicing"):
            vae.enable_slicing()
        if plan_ and plan_.vae_tiling and hasattr(vae, "enable_tiling"):
            vae.enable_tiling()

    def _lora_file(self, name: str) -> Path:
        if not re.fullmatch(r"[\w.-]{1,80}", name) or name.startswith("."):
            raise BadInput(
                "A LoRA is named by its folder in checkpoints: letters, digits, dot, dash and underscore."
            )
        found = sorted((self._settings.checkpoints / name).glob("*.safetensors"))
        if len(found) != 1:
            have = sorted(
                path.parent.name for path in self._settings.checkpoints.glob("*/*lora*.safetensors")
            )
            raise NotFound(
                f"There is no LoRA {name!r} with one .safetensors file; found: {', '.join(have) or 'none'}."
            )
        return found[0]

    def _arguments(self, pipeline: Any, options: ImageOptions, job: Job, task: str) -> dict[str, Any]:
        names = takes(pipeline)
        wanted = {
            "prompt": job.brief.prompt,
            "negative_prompt": options.negative_prompt or None,
            "style": options.style or None,
            "transparent": options.transparent or None,
            "num_inference_steps": options.steps,
            "guidance_scale": options.guidance_scale,
            "width": options.width,
            "height": options.height,
        }
        given = {key: value for key, value in wanted.items() if value is not None}
        for key, word in (
            ("negative_prompt", "negative prompt"),
            ("style", "style"),
            ("transparent", "transparency"),
        ):
            if given.get(key) and key not in names:
                raise BadInput(f"{self._model.title} knows no {word}; leave it out.")
        if task != "text":
            picture = open_picture(job.brief.inputs[0], "RGB", options.width, options.height)
            given |= {
                "image": picture,
                "strength": options.strength,
                "width": picture.width,
                "height": picture.height,
            }
            if task == "inpaint":
                given["mask_image"] = open_picture(job.brief.inputs[1], "L", picture.width, picture.height)
        return {key: value for key, value in given.items() if key in names}

    def _planned(self, megapixels: float, count: int) -> Plan:
        bfloat16 = False
        device = self._device
        if device.name.startswith("cuda"):
            import torch

            bfloat16 = torch.cuda.is_bf16_supported()
        loaded = self._plan is not None
        if loaded:  # the weights are in place, so what is free now is for the pictures
            device = pick_device(self._settings)
        free = device.free_mb + self._resident_mb()
        return plan(
            round(2 * self._weight.total), free, device.name, largest_mb=round(2 * self._weight.largest),
            megapixels=megapixels, count=count, bfloat16=bfloat16,
        )  # fmt: skip

    def _resident_mb(self) -> int:
        if self._plan is None or self._plan.offload != "none":
            return 0
        return round(self._weight.total * (4 if self._plan.dtype == "float32" else 2))

    def _draft(self, picture: Any, options: ImageOptions, seed: int, seconds: float) -> Draft:
        used = options_dict(options) | {"width": picture.shape[1], "height": picture.shape[0]}
        return Draft(
            kind=self.kind,
            payload=picture,
            model_id=self._model.name,
            revision=self._model.revision,
            seed=seed,
            device=self._device.name,
            dtype=self._plan.dtype if self._plan else "float32",
            seconds=seconds,
            settings=used,
        )


def _told(job: Job, step: Step, first: int, size: int) -> Progress:
    fraction = 0.98 * (first + size * step.done / step.total) / job.brief.count
    return Progress(job.id, fraction, "painting", f"step {step.done} of {step.total}", step.preview, first)
