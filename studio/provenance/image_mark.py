"""The picture mark: which output a picture is, carried in its blue, unseen and readable with the key alone.

What is covered: JPEG, WebP, resizing, noise, blur, brightness, contrast, flips, quarter turns, small turns
and crops, and their chains. What is not: pictures turned grey or recoloured, repainted by a model, or
small pieces of a picture. Who holds the key can read the mark, and can also forge it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from studio.errors import BadInput
from studio.provenance.base import Detection, Means, marks
from studio.provenance.image_code import MESSAGE_BYTES, message_of
from studio.types import Kind

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Pixels = NDArray[np.uint8]

STRENGTH = 1.0
STRONGER = 1.4
MIN_SIDE, MIN_READ_SIDE = 256, 96
MAX_ASPECT, MAX_READ_ASPECT = 3.0, 6.0
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


@marks.register
@dataclass(frozen=True, slots=True)
class ImageMark:
    """`strength` is the change of blue on flat fills (RMS, levels of 255); 1 is not seen at four times its size."""

    name: ClassVar[str] = "image"
    kinds: ClassVar[tuple[Kind, ...]] = ("image",)
    algorithm: ClassVar[str] = "org.signet.mark.image.1"
    strength: float = STRENGTH

    @classmethod
    def open(cls, means: Means) -> ImageMark:
        return cls(STRENGTH * means.strength)

    def message(self, produce_id: str) -> bytes:
        return message_of(produce_id)

    def names(self, message: bytes) -> str:
        return message.hex()

    def refusal(self, payload: Pixels) -> str | None:
        return can_carry(payload)

    def stronger(self) -> ImageMark:
        return ImageMark(STRONGER * self.strength)

    def embed(self, payload: Pixels, message: bytes, key: bytes) -> Pixels:
        """A marked copy: same shape, uint8; blue changes, red and green hardly. `message` is five bytes.

        Raises BadInput if the picture cannot carry a mark (`can_carry` says why).
        """
        from studio.provenance.image_embed import marked

        _check(payload)
        if reason := can_carry(payload):
            raise BadInput(reason)
        if len(message) != MESSAGE_BYTES:
            raise ValueError("a picture mark carries exactly five bytes")
        return marked(payload, message, key, self.strength)

    def confirm(self, payload: Pixels, message: bytes, key: bytes) -> Detection:
        """Reads at the place and size that a fresh picture has; searches only if that fails.

        `margin` is the worst of plain, JPEG 50 and JPEG 75, less what reading needs.
        """
        from studio.provenance.image_detect import FALSE_ALARM
        from studio.provenance.image_fresh import NEEDED, confirmed

        margin = confirmed(payload, message, key)
        if margin is None:
            return self.detect(payload, key)
        detail = "The mark was read where it was put."
        return Detection(True, FALSE_ALARM, message, detail, state="found", margin=margin - NEEDED)

    def detect(self, payload: Pixels, key: bytes) -> Detection:
        """`p_value` is the chance that an unmarked picture reads as marked; 1.0 where nothing was found."""
        from studio.provenance.image_detect import FALSE_ALARM, read

        _check(payload)
        if min(payload.shape[:2]) < MIN_READ_SIDE:
            short = f"A picture mark cannot be read in a picture of less than {MIN_READ_SIDE} pixels a side."
            return Detection(False, 1.0, None, short, state="too_little")
        if max(payload.shape[:2]) > MAX_READ_ASPECT * min(payload.shape[:2]):
            narrow = (
                f"A picture mark cannot be read in a strip longer than {MAX_READ_ASPECT:g} times its width."
            )
            return Detection(False, 1.0, None, narrow, state="too_little")
        reading = read(payload, key)
        if reading.message is None:
            return Detection(
                False, 1.0, None, "No picture mark of this studio's key was found.", state="absent"
            )
        detail = f"The mark was read; its known waves stand {reading.clarity:.1f} deviations clear of chance."
        return Detection(True, FALSE_ALARM, reading.message, detail, state="found")


def _check(pixels: Pixels) -> None:
    if pixels.dtype != "uint8" or pixels.ndim != 3 or pixels.shape[2] not in (3, 4) or not pixels.size:
        raise BadInput(
            "A picture mark needs 8-bit pixels with three or four channels; convert the picture first."
        )
