"""How likely a photograph is unsafe for work: the rating that the guard of photographs decides by, shown."""

from __future__ import annotations

from typing import ClassVar

from studio.nsfw import MODEL, rate
from studio.quality.base import Sample, metrics
from studio.quality.picture import need_photograph, need_size
from studio.types import Kind, Score

LEAST = 64


@metrics.register
class UnsafeForWork:
    name: ClassVar[str] = "unsafe_for_work"
    kinds: ClassVar[tuple[Kind, ...]] = ("image",)
    needs: ClassVar[tuple[str, ...]] = (MODEL,)

    def score(self, sample: Sample) -> Score:
        need_size(sample.luma, LEAST)
        need_photograph(sample)
        value = rate(sample.pixels, sample.models[MODEL] / "model.onnx")
        domain = "nudity in photographs; errs both ways, knows nothing of violence, people or law"
        return Score(self.name, value, "likelihood 0–1", "lower", domain, MODEL, "0.1.0")
