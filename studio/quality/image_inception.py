"""Features of an Inception network that the user has: what FID and KID are defined in.

The studio ships no such weights: those of FID are published as a pickle, which it does not open. Export the network
once as ONNX, from float32 (n, 3, 299, 299) in −1…1 to its pooled activations (n, 2048), and put it into
`checkpoints/inception-v3/` (docs/scores.md says how). Values agree with published FIDs only as far as the export
and the resizing (here bicubic with antialiasing, as in clean-fid) do, so they are called FD (inception-v3).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from studio.errors import ModelBroken
from studio.quality.base import Sample
from studio.quality.features import features
from studio.quality.picture import on_white
from studio.types import Kind

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

MODEL = "inception-v3"
SIDE = 299


@lru_cache(maxsize=1)
def _session(folder: Path) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    path = folder / "model.onnx"
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime has no common class of errors
        raise ModelBroken(f"{path.name} of {MODEL} cannot be read as ONNX; export it again.") from error


@features.register
class InceptionFeatures:
    """Pooled activations, d = 2048: objects and textures of photographs."""

    name: ClassVar[str] = MODEL
    kinds: ClassVar[tuple[Kind, ...]] = ("image",)
    needs: ClassVar[tuple[str, ...]] = (MODEL,)

    def vectors(self, samples: Sequence[Sample]) -> Floats:
        import numpy as np

        session = _session(samples[0].models[MODEL])
        rows = np.stack([_squeezed(sample.pixels) for sample in samples])
        try:
            found: Floats = session.run(None, {session.get_inputs()[0].name: rows})[0].astype(np.float64)
        except Exception as error:
            raise ModelBroken(
                f"{MODEL} does not take float32 (n, 3, {SIDE}, {SIDE}); export it so."
            ) from error
        if found.ndim != 2 or len(found) != len(samples):
            raise ModelBroken(f"{MODEL} gives {found.shape} and not one row for each picture; export it so.")
        return found


def _squeezed(pixels: Any) -> Any:
    """float32 (3, SIDE, SIDE) in −1…1: the whole picture, whatever its shape, channel by channel in float."""
    import numpy as np
    from PIL import Image

    planes = [
        np.asarray(Image.fromarray(plane).resize((SIDE, SIDE), Image.Resampling.BICUBIC))
        for plane in np.ascontiguousarray(np.moveaxis(on_white(pixels), 2, 0))
    ]
    return (np.stack(planes).clip(0, 255) / 127.5 - 1).astype(np.float32)
