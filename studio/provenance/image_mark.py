"""The picture mark: which output a picture is, carried in its blue, unseen and readable with the key alone.

What is covered: JPEG, WebP, resizing, noise, blur, brightness, contrast, flips, quarter turns, small turns
and crops, and their chains. What is not: pictures turned grey or recoloured, repainted by a model, or
small pieces of a picture. Who holds the key can read the mark, and can also forge it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from studio.errors import BadInput
from studio.provenance.base import Detection
from studio.provenance.image_code import MESSAGE_BYTES
from studio.types import Kind

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Pixels = NDArray[np.uint8]

MIN_SIDE = 256
MAX_ASPECT = 3.0
MAX_PIXELS = 64_000_000


def can_carry(pixels: Pixels) -> str | None:
    """Why this picture (uint8, (h, w, 3 or 4)) cannot hold a mark, as a sentence; None if it can."""
    height, width = pixels.shape[:2]
    if min(height, width) < MIN_SIDE:
        return f"A picture mark needs at least {MIN_SIDE} pixels a side; this one has {width} × {height}."
    if max(height, width) > MAX_ASPECT * min(height, width):
        return f"A picture mark needs sides within 1 : {MAX_ASPECT:g}; this one has {width} × {height}."
    if height * width > MAX_PIXELS:
        return (
            f"A picture mark takes at most {MAX_PIXELS // 10**6} megapixels; this one has {width} × {height}."
        )
    if pixels.shape[2] == 4 and (pixels[..., 3] > 127).mean() < 0.15:
        return "A picture mark needs something to be seen; more than 85 % of this one is transparent."
    return None


@dataclass(frozen=True, slots=True)
class ImageMark:
    """`strength` is the change of blue on flat fills (RMS, levels of 255); 2.2 is meant to stay unseen."""

    name: ClassVar[str] = "image"
    kinds: ClassVar[tuple[Kind, ...]] = ("image",)
    strength: float = 2.2

    def embed(self, payload: Pixels, message: bytes, key: bytes) -> Pixels:
        """A marked copy: same shape, uint8; only blue changes. `message` is five bytes.

        Raises BadInput if the picture cannot carry a mark (`can_carry` says why).
        """
        from studio.provenance.image_embed import marked

        _check(payload)
        if reason := can_carry(payload):
            raise BadInput(reason)
        if len(message) != MESSAGE_BYTES:
            raise ValueError("a picture mark carries exactly five bytes")
        return marked(payload, message, key, self.strength)

    def detect(self, payload: Pixels, key: bytes) -> Detection:
        """`p_value` is the chance that an unmarked picture reads as marked; 1.0 where nothing was found."""
        from studio.provenance.image_detect import FALSE_ALARM, read

        _check(payload)
        reading = read(payload, key)
        if reading.message is None:
            return Detection(False, 1.0, None, "No picture mark of this studio was found.")
        return Detection(
            True, FALSE_ALARM, reading.message, f"Pilots {reading.clarity:.1f} deviations clear."
        )


def _check(pixels: Pixels) -> None:
    if pixels.dtype != "uint8" or pixels.ndim != 3 or pixels.shape[2] not in (3, 4) or not pixels.size:
        raise BadInput(
            "A picture mark needs 8-bit pixels with three or four channels; convert the picture first."
        )
