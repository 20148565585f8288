"""The picture mark in films: every frame carries the same mark, so a still, a cut or another codec leaves it readable.

What is covered: films that are made here as frames, H.264 and its like at usual rates, smaller sizes, cuts.
What is not: films that an engine writes as a file, and what the picture mark itself does not withstand.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar

from studio.errors import BadInput
from studio.provenance.base import Detection, Means, marks
from studio.provenance.image_mark import ImageMark
from studio.types import Kind

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Pixels = NDArray[np.uint8]

STILLS = 2
"""Frames of a film that are read at most; the odds pay for each."""


@marks.register
@dataclass(frozen=True, slots=True)
class FilmMark:
    """Payloads are lists of frames, uint8 (height, width, 3 or 4) of one size; to read, of a few stills."""

    name: ClassVar[str] = "film"
    kinds: ClassVar[tuple[Kind, ...]] = ("video",)
    algorithm: ClassVar[str] = "org.signet.mark.film.1"
    still: ImageMark = field(default_factory=ImageMark)

    @classmethod
    def open(cls, means: Means) -> FilmMark:
        return cls(ImageMark.open(means))

    def message(self, produce_id: str) -> bytes:
        return self.still.message(produce_id)

    def names(self, message: bytes) -> str:
        return self.still.names(message)

    def refusal(self, payload: Any) -> str | None:
        if not isinstance(payload, list) or not payload:
            return "A film that an engine wrote as a file carries no watermark."
        return self.still.refusal(payload[0])

    def stronger(self) -> FilmMark:
        return FilmMark(self.still.stronger())

    def embed(self, payload: list[Pixels], message: bytes, key: bytes) -> list[Pixels]:
        """Marked copies without alpha, on white, as a film shows them. Raises BadInput as the picture mark does."""
        from studio.provenance.image_plane import flattened

        if reason := self.refusal(payload):
            raise BadInput(reason)
        return [self.still.embed(flattened(frame), message, key) for frame in payload]

    def confirm(self, payload: list[Pixels], message: bytes, key: bytes) -> Detection:
        """What the weakest of the stills says: a fresh film must read wherever it is opened."""
        found = [self.still.confirm(frame, message, key) for frame in payload[:STILLS]]
        weakest = min(found, key=lambda one: (one.found, one.margin if one.margin is not None else -20.0))
        return _among(weakest, len(found))

    def detect(self, payload: list[Pixels], key: bytes) -> Detection:
        """The first still that reads; `p_value` is the chance that any of an unmarked film's stills does."""
        for at, frame in enumerate(payload[:STILLS], 1):
            found = self.still.detect(frame, key)
            if found.found or at == min(len(payload), STILLS):
                return _among(found, at)
        return Detection(False, 1.0, None, "There is no frame to read.", state="too_little")


def _among(found: Detection, stills: int) -> Detection:
    return replace(found, p_value=min(1.0, stills * found.p_value))
