"""Speech of hub models through transformers: Bark (Suno, 2023) and Dia (Nari Labs, 2025).

Both say what they please where the script ends or holds what they do not know; they take short scripts. Their
voices are drawn with the seed: none is a given person's, and a recording to imitate is not taken.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from studio.catalog import Catalog, Model
from studio.engines.audio_hub import (
    Tell,
    Transformers,
    broken,
    check_folder,
    counted,
    load_pretrained,
    memory,
    perform,
)  # fmt: skip
from studio.engines.base import Device, engines
from studio.errors import BadInput, ModelBroken
from studio.options import option, read_options
from studio.settings import Settings
from studio.types import Draft, Job, Kind, Progress

LONGEST = 600  # characters of a script; both models were trained on less than half a minute


@dataclass(frozen=True)
class SpeechHubOptions:
    seconds: float = option(15.0, "Longest, in seconds", low=1.0, high=30.0, step=0.5, hint="It stops there")
    temperature: float = option(1.0, "Temperature", low=0.1, high=2.0, step=0.05)
    guidance_scale: float = option(
        3.0, "Guidance", low=1.0, high=10.0, step=0.1, hint="Dia only", advanced=True
    )
    loudness_lufs: float = option(-16.0, "Loudness (LUFS)", low=-31.0, high=-9.0, step=0.5, advanced=True)


@engines.register
class SpeechTransformers(Transformers):
    """A folder with Bark or Dia weights as safetensors; Dia's codec (DAC) is the model that its `base` names."""

    name: ClassVar[str] = "speech_transformers"
    kind: ClassVar[Kind] = "speech"
    Options: ClassVar[type] = SpeechHubOptions
    families = {"bark": "BarkModel", "dia": "DiaForConditionalGeneration"}

    def __init__(self, model: Model, device: Device, settings: Settings) -> None:
        super().__init__(model, device, settings)
        self._say: Callable[..., tuple[Any, int]] = self._bark

    def load(self) -> None:
        import transformers

        if self.open() == "bark":
            self._words, self._say = transformers.BarkProcessor(self._words), self._bark
            return
        with broken(self._model):
            folder = self._model.folder
            feature = transformers.DiaFeatureExtractor.from_pretrained(folder, local_files_only=True)
            self._words = transformers.DiaProcessor(feature, self._words, self._codec())
        self._say = self._dia

    def _codec(self) -> Any:
        import transformers

        if not self._model.base:
            raise ModelBroken(f"{self._model.title} names no codec as its base in the catalog.")
        entry = Catalog.read(self._settings).require(self._model.base[0])
        if (found := check_folder(entry, Path(entry.folder))) != "dac":
            raise ModelBroken(f"{entry.title} is a {found[:40]} model, not the codec dac.")
        return load_pretrained(transformers.DacModel, entry, entry.folder, self._device)[0]

    def generate(self, job: Job) -> Iterator[Progress | Draft]:
        options = read_options(SpeechHubOptions, job.brief.options)
        script = " ".join(job.brief.prompt.split())
        if not script:
            raise BadInput("The script is empty; write what is to be spoken.")
        if len(script) > LONGEST:
            raise BadInput(
                f"The script has {len(script):,} characters and {self._model.title} speaks {LONGEST} at once; "
                "shorten it, or take Kokoro, which reads long scripts."
            )

        def call(seed: int, tell: Tell) -> tuple[Any, int]:
            import torch

            with memory(self._model, self._device), torch.inference_mode():
                torch.manual_seed(seed)
                return self._say(script, options, tell)

        yield from perform(job, type(self), self._model, self._device, self._dtype, options, call)

    def _bark(self, script: str, options: SpeechHubOptions, tell: Tell) -> tuple[Any, int]:
        """float32 (frames,) and the rate. Three models in a row: meaning, coarse sound, fine sound."""
        semantic = self._net.generation_config.semantic_config
        most = round(options.seconds * semantic["semantic_rate_hz"])
        given = self._words(script, return_tensors="pt").to(self._device.name)
        coarse = round(
            options.seconds * 2 * self._net.generation_config.coarse_acoustics_config["coarse_rate_hz"]
        )
        total = most + coarse
        made = self._net.generate(
            **given, do_sample=True, semantic_temperature=options.temperature,
            coarse_temperature=options.temperature, semantic_max_new_tokens=most,
            semantic_stopping_criteria=counted(tell, total),
            coarse_stopping_criteria=counted(lambda done, _: tell(min(most + done, total), total), total),
        )  # fmt: skip
        return made[0].float().cpu().numpy(), int(self._net.generation_config.sample_rate)

    def _dia(self, script: str, options: SpeechHubOptions, tell: Tell) -> tuple[Any, int]:
        """float32 (frames,) and the rate. A script without speakers is spoken by the first."""
        said = script if script.startswith("[S") else f"[S1] {script}"
        codec = self._words.audio_tokenizer
        most = round(options.seconds * codec.config.sampling_rate / codec.config.hop_length)
        given = self._words(text=[said], padding=True, return_tensors="pt").to(self._device.name)
        made = self._net.generate(
            **given, do_sample=True, temperature=options.temperature, guidance_scale=options.guidance_scale,
            max_new_tokens=most, stopping_criteria=counted(tell, most),
        )  # fmt: skip
        (sound,) = self._words.batch_decode(made)
        return sound.float().cpu().numpy(), int(codec.config.sampling_rate)
