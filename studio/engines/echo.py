"""The smallest complete engines, one for each kind: no weights, no waiting, the same bytes for a seed.

They let the whole studio run and be tested on any machine, and show an author what an engine is.
"""

from __future__ import annotations

import colorsys
import io
import time
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from studio.catalog import Model
from studio.engines.base import Device, engines
from studio.options import option, options_dict, read_options
from studio.settings import Settings
from studio.types import Draft, Job, Kind, Progress, Sound


@dataclass(frozen=True)
class EchoOptions:
    steps: int = option(4, "Steps", low=1, high=10_000, hint="Words of progress on the way")
    seconds_per_step: float = option(0.0, "Seconds a step", low=0.0, high=10.0, hint="Slows it down")


class Echo:
    """Says the brief back; subclasses make it text, a picture or a tone."""

    name: ClassVar[str] = "echo"
    kind: ClassVar[Kind] = "text"
    Options: ClassVar[type] = EchoOptions
    concurrency: ClassVar[int] = 8

    def __init__(self, model: Model, device: Device, settings: Settings) -> None:
        self._model = model

    def load(self) -> None:
        """Nothing to load."""

    def close(self) -> None:
        """Nothing to free."""

    def generate(self, job: Job) -> Iterator[Progress | Draft]:
        options = read_options(EchoOptions, job.brief.options)
        for candidate in range(job.brief.count):
            started = time.perf_counter()
            seed = (job.brief.seed or 0) + candidate
            for step in range(options.steps):
                if job.cancelled:
                    return
                time.sleep(options.seconds_per_step)
                fraction = (candidate + (step + 1) / options.steps) / job.brief.count
                preview = self.preview(job.brief.prompt, seed, (step + 1) / options.steps)
                yield Progress(job.id, fraction, "echoing", f"step {step + 1}", preview, candidate)
            yield Draft(
                kind=self.kind,
                payload=self.payload(job.brief.prompt, seed),
                model_id=self._model.name,
                revision=self._model.revision,
                seed=seed,
                device="cpu",
                dtype="none",
                seconds=time.perf_counter() - started,
                settings=options_dict(options),
                facts={"drawing": 1.0} if self.kind == "image" else {},
            )

    def payload(self, prompt: str, seed: int) -> Any:
        return f"{prompt} ({seed})" if seed else prompt

    def preview(self, prompt: str, seed: int, done: float) -> str | bytes | None:
        text = str(Echo.payload(self, prompt, seed))
        return text[: round(len(text) * done)]


class EchoImage(Echo):
    """A 256×256 gradient whose hue is drawn from prompt and seed."""

    name: ClassVar[str] = "echo_image"
    kind: ClassVar[Kind] = "image"

    def payload(self, prompt: str, seed: int) -> Any:
        hue = (zlib.crc32(prompt.encode()) / 2**32 + seed * 0.13) % 1.0
        low = np.array(colorsys.hsv_to_rgb(hue, 0.7, 0.35))
        high = np.array(colorsys.hsv_to_rgb((hue + 0.15) % 1, 0.5, 0.95))
        ramp = (np.add.outer(np.arange(256), np.arange(256)) / 510)[..., None]
        return np.uint8(np.round((low + (high - low) * ramp) * 255))

    def preview(self, prompt: str, seed: int, done: float) -> str | bytes | None:
        from PIL import Image

        buffer = io.BytesIO()
        Image.fromarray(self.payload(prompt, seed)).resize((64, 64)).save(buffer, "JPEG")
        return buffer.getvalue()


class EchoSpeech(Echo):
    """A tone: one second and one step of a scale for every twenty characters, five seconds at most."""

    name: ClassVar[str] = "echo_speech"
    kind: ClassVar[Kind] = "speech"

    def payload(self, prompt: str, seed: int) -> Any:
        seconds = min(1 + len(prompt) // 20, 5)
        time_axis = np.arange(24_000 * seconds) / 24_000
        pitch = 220 * 2 ** ((np.floor(time_axis * 2) % 8 + seed % 12) / 12)
        tone = 0.2 * np.sin(2 * np.pi * np.cumsum(pitch) / 24_000)
        return Sound(tone[:, None].astype(np.float32), 24_000)

    def preview(self, prompt: str, seed: int, done: float) -> str | bytes | None:
        return None


for _engine in (Echo, EchoImage, EchoSpeech):
    engines.register(_engine)
