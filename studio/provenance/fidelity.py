"""What a mark changes, in the usual measures: PSNR and SSIM of pictures, signal to change of sound."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from studio.provenance.image_plane import flattened
from studio.types import Kind, Sound

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Pixels = NDArray[np.uint8]

UNCHANGED_DB = 120.0
"""Told where nothing changed at all: the measures themselves are infinite there."""


def cost(kind: Kind, before: Any, after: Any) -> dict[str, float]:
    """The facts `mark_psnr` and `mark_ssim`, or `mark_snr`, of a payload and its marked copy; of a film its first frame."""
    if isinstance(before, list):
        before, after = flattened(before[0]), after[0]
    if kind == "image":
        return {"mark_psnr": psnr(before, after), "mark_ssim": ssim(before, after)}
    return {"mark_snr": snr(before, after)} if kind in ("speech", "music") else {}


def psnr(before: Pixels, after: Pixels) -> float:
    """Peak signal to noise over all colours, in dB."""
    import numpy as np

    change = before[..., :3].astype(np.float32) - after[..., :3]
    error = float((change**2).mean())
    return float(10 * np.log10(255**2 / error)) if error else UNCHANGED_DB


def ssim(before: Pixels, after: Pixels) -> float:
    """Mean structural similarity of luma in 7×7 windows side by side (Wang et al. 2004)."""
    import numpy as np
    from PIL import Image

    def mean(field: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.asarray(Image.fromarray(field).reduce(7))

    weights = np.array([0.299, 0.587, 0.114], np.float32)
    a, b = (np.asarray(pixels[..., :3] @ weights, np.float32) - 128 for pixels in (before, after))
    change = b - a
    mean_a, mean_change = mean(a), mean(change)
    var_a = mean(a**2) - mean_a**2
    tied = mean(a * change) - mean_a * mean_change  # covariance of picture and change
    var_b = var_a + 2 * tied + mean(change**2) - mean_change**2
    mean_a = mean_a + 128
    mean_b = mean_a + mean_change
    one, two = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    top = (2 * mean_a * mean_b + one) * (2 * (var_a + tied) + two)
    return float((top / ((mean_a**2 + mean_b**2 + one) * (var_a + var_b + two))).mean())


def snr(before: Sound, after: Sound) -> float:
    """How far the change lies below the sound, in dB."""
    import numpy as np

    change = float(((after.samples - before.samples) ** 2).sum())
    return float(10 * np.log10(float((before.samples**2).sum()) / change)) if change else UNCHANGED_DB
