"""Photographic pictures that are unsafe for work are held back, by a small classifier that knows photographs.

Drawings are not looked at: the classifier has never seen any (the engine says in `Draft.facts` what it draws).
It judges nudity alone, errs both ways, and knows nothing of violence, people or law.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar

from studio.catalog import Catalog
from studio.errors import Refused
from studio.safety.base import guards
from studio.settings import Settings
from studio.types import Brief, Draft

MODEL = "opennsfw"
OFF = 1.0
_SIDE, _CROP = 256, 224
_MEAN_BGR = (104.0, 117.0, 123.0)  # of the pictures it was trained on


@guards.register
class NotSafeForWork:
    """Rates every photographic picture before it is sealed; refuses from the setting `nsfw_threshold` on."""

    name: ClassVar[str] = "nsfw"

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def check(self, thing: Brief | Draft) -> None:
        limit = self._settings.nsfw_threshold
        if isinstance(thing, Brief) or thing.kind != "image" or "drawing" in thing.facts or limit >= OFF:
            return
        rated = rate(thing.payload, Catalog.read(self._settings).require(MODEL).folder / "model.onnx")
        if rated >= limit:
            raise Refused(
                f"The picture was held back: the guard rates it {rated:.2f} unsafe for work and the limit is"
                f" {limit:.2f}; change the prompt or the seed (an operator sets nsfw_threshold)."
            )


def rate(pixels: Any, weights: Path) -> float:
    """How likely uint8 (height, width, 3 or 4) is unsafe for work, 0 to 1. Transparent parts count as white."""
    import numpy as np
    from PIL import Image

    picture = Image.fromarray(pixels)
    if picture.mode == "RGBA":
        picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)
    small = np.asarray(picture.convert("RGB").resize((_SIDE, _SIDE), Image.Resampling.BILINEAR), np.float32)
    edge = (_SIDE - _CROP) // 2
    middle = small[edge : edge + _CROP, edge : edge + _CROP, ::-1] - np.array(_MEAN_BGR, np.float32)
    session = _session(weights)
    told = session.run(None, {session.get_inputs()[0].name: middle[None]})[0]
    return float(told[0, 1])


@lru_cache(maxsize=1)
def _session(weights: Path) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1  # 20 ms a picture; more threads would take them from the engine
    return onnxruntime.InferenceSession(str(weights), options, providers=["CPUExecutionProvider"])
