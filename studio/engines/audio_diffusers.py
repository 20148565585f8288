"""Sound from text by diffusion: Stable Audio (Evans et al. 2024) through diffusers.

What is not here: AudioLDM 2. Its pipeline in diffusers generates with a GPT2Model, which transformers 5 no longer
lets it do (diffusers, issue 12630); a folder of it is refused with that reason.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

from studio.catalog import Model
from studio.engines.audio_hub import Tell, memory, perform
from studio.engines.base import Device, engines
from studio.engines.image_memory import empty_cache, plan, weigh
from studio.engines.image_pipeline import check_folder, load_pipeline
from studio.errors import BadInput, ModelBroken, OutOfMemory
from studio.options import option, read_options
from studio.settings import Settings
from studio.types import Draft, Job, Kind, Progress


@dataclass(frozen=True)
class DiffusionSoundOptions:
    seconds: float = option(
        10.0, "Seconds", low=1.0, high=47.0, step=0.5, hint="Stable Audio makes 47 at most"
    )
    steps: int = option(50, "Steps", low=1, high=500, hint="More is finer and slower")
    guidance_scale: float = option(
        5.0, "Guidance", low=1.0, high=15.0, step=0.1, hint="Closeness to the words"
    )
    negative_prompt: str = option("", "Not wanted", max_length=500, hint="Such as low quality, hiss")
    loudness_lufs: float = option(-16.0, "Loudness (LUFS)", low=-31.0, high=-9.0, step=0.5, advanced=True)


@dataclass(frozen=True, slots=True)
class Family:
    """How a pipeline calls the length, and where it keeps its sample rate."""

    seconds: str
    part: str


FAMILIES = {
    "StableAudioPipeline": Family("audio_end_in_s", "vae"),
}
UNUSABLE = {
    "AudioLDM2Pipeline": "the AudioLDM 2 pipeline of diffusers does not run with transformers 5; choose Stable Audio"
}


@engines.register
class AudioDiffusers:
    """Music, sounds and ambience from text; not speech."""

    name: ClassVar[str] = "audio_diffusers"
    kind: ClassVar[Kind] = "music"
    Options: ClassVar[type] = DiffusionSoundOptions
    concurrency: ClassVar[int] = 1

    def __init__(self, model: Model, device: Device, settings: Settings) -> None:
        self._model, self._device = model, device
        self._pipeline: Any = None
        self._dtype = "float32"

    def load(self) -> None:
        name = check_folder(self._model)
        if name in UNUSABLE:
            raise ModelBroken(f"{self._model.title} cannot be played: {UNUSABLE[name]}.")
        if name not in FAMILIES:
            raise ModelBroken(
                f"{self._model.title} is a {name[:60]}; this engine takes {' and '.join(FAMILIES)}."
            )
        weight = weigh(self._model.folder)
        planned = plan(
            round(2 * weight.total),
            self._device.free_mb,
            self._device.name,
            largest_mb=round(2 * weight.largest),
        )
        if not planned.fits:
            raise OutOfMemory(
                f"{self._model.title} needs about {planned.needs_mb:,} MB on {self._device.name} and "
                f"{self._device.free_mb:,} MB are free; close other programs or choose a smaller model."
            )
        self._pipeline, self._dtype = load_pipeline(self._model, planned), planned.dtype
        if planned.offload == "model":
            self._pipeline.enable_model_cpu_offload(device=self._device.name)
        elif planned.offload == "sequential":
            self._pipeline.enable_sequential_cpu_offload(device=self._device.name)
        else:
            self._pipeline.to(self._device.name)

    def close(self) -> None:
        if self._pipeline is not None:
            self._pipeline = None
            empty_cache(self._device.name)

    def generate(self, job: Job) -> Iterator[Progress | Draft]:
        options = read_options(DiffusionSoundOptions, {**self._model.options, **job.brief.options})
        if not job.brief.prompt.strip():
            raise BadInput("Say in a few words what is to be heard.")
        yield from perform(
            job, type(self), self._model, self._device, self._dtype, options,
            lambda seed, tell: self._diffuse(job.brief.prompt, options, seed, tell),
        )  # fmt: skip

    @property
    def _family(self) -> Family:
        return FAMILIES[type(self._pipeline).__name__]

    def _diffuse(self, prompt: str, options: DiffusionSoundOptions, seed: int, tell: Tell) -> tuple[Any, int]:
        """float32 (channels, frames) or (frames,), and the rate."""
        import torch

        def on_step(step: int, timestep: Any, latents: Any) -> None:
            tell(step + 1, options.steps)

        try:
            with memory(self._model, self._device), torch.inference_mode():
                made = self._pipeline(
                    prompt, negative_prompt=options.negative_prompt or None, num_inference_steps=options.steps,
                    guidance_scale=options.guidance_scale, generator=torch.Generator("cpu").manual_seed(seed),
                    callback=on_step, callback_steps=1, output_type="pt", **{self._family.seconds: options.seconds},
                )  # fmt: skip
        except ValueError as error:
            raise BadInput(
                f"This model cannot work with these options: {str(error).splitlines()[0][:200]}"
            ) from error
        rate = int(getattr(self._pipeline, self._family.part).config.sampling_rate)
        return torch.as_tensor(made.audios[0]).float().cpu().numpy(), rate
