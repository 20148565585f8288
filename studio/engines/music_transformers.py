"""MusicGen and its kin through transformers: text to music, token by token (Copet et al. 2023).

What is not here: melody conditioning and continuing a recording.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

from studio.engines.audio_hub import Tell, Transformers, counted, memory, perform
from studio.engines.base import engines
from studio.errors import BadInput
from studio.options import option, read_options
from studio.types import Draft, Job, Kind, Progress


@dataclass(frozen=True)
class MusicHubOptions:
    seconds: float = option(10.0, "Seconds", low=1.0, high=30.0, step=0.5, hint="It was trained on 30")
    guidance_scale: float = option(
        3.0, "Guidance", low=1.0, high=10.0, step=0.1, hint="Closeness to the words"
    )
    temperature: float = option(1.0, "Temperature", low=0.1, high=2.0, step=0.05, advanced=True)
    top_k: int = option(250, "Top-k", low=1, high=2048, advanced=True)
    loudness_lufs: float = option(-16.0, "Loudness (LUFS)", low=-31.0, high=-9.0, step=0.5, advanced=True)


@engines.register
class MusicTransformers(Transformers):
    """A folder with MusicGen weights as safetensors, as the hub has them."""

    name: ClassVar[str] = "music_transformers"
    kind: ClassVar[Kind] = "music"
    Options: ClassVar[type] = MusicHubOptions
    families = {"musicgen": "MusicgenForConditionalGeneration"}

    def load(self) -> None:
        self.open()

    def generate(self, job: Job) -> Iterator[Progress | Draft]:
        options = read_options(MusicHubOptions, job.brief.options)
        if not job.brief.prompt.strip():
            raise BadInput("Say in a few words what the music is to be like.")
        yield from perform(
            job, type(self), self._model, self._device, self._dtype, options,
            lambda seed, tell: self._write(job.brief.prompt, options, seed, tell),
        )  # fmt: skip

    def _write(self, prompt: str, options: MusicHubOptions, seed: int, tell: Tell) -> tuple[Any, int]:
        """float32 (channels, frames), and the rate."""
        import torch

        frames = round(options.seconds * self._net.config.audio_encoder.frame_rate)
        given = self._words([prompt], return_tensors="pt", truncation=True, padding=True).to(
            self._device.name
        )
        with memory(self._model, self._device), torch.inference_mode():
            torch.manual_seed(seed)
            made = self._net.generate(
                input_ids=given["input_ids"], attention_mask=given["attention_mask"], do_sample=True,
                guidance_scale=options.guidance_scale, temperature=options.temperature, top_k=options.top_k,
                max_new_tokens=frames, stopping_criteria=counted(tell, frames),
            )  # fmt: skip
        return made[0].float().cpu().numpy(), int(self._net.config.audio_encoder.sampling_rate)
