"""How likely a photograph is unsafe for work, by open_nsfw: what the guard holds back by and the score shows.

Nudity alone, in photographs; it errs both ways and knows nothing of violence, people or law.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

MODEL = "opennsfw"
_SIDE, _CROP = 256, 224
_MEAN_BGR = (104.0, 117.0, 123.0)  # of the pictures it was trained on


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
