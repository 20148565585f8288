"""The seam of imperceptible marks. A `Mark` carries a payload inside the content itself.

Keys are secret bytes of this installation; a detection is only as honest as `p_value`, the chance
that unmarked content would look at least this marked.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

from studio.registry import Registry
from studio.types import Kind


@dataclass(frozen=True, slots=True)
class Detection:
    """`message` is the recovered payload (None if only presence is known), `p_value` under "no mark".

    `segments` are (start, end, p_value) in seconds (sound) or characters (text).
    """

    found: bool
    p_value: float
    message: bytes | None = None
    detail: str = ""
    segments: tuple[tuple[float, float, float], ...] = field(default=())


class Mark(Protocol):
    name: ClassVar[str]
    kinds: ClassVar[tuple[Kind, ...]]

    def embed(self, payload: Any, message: bytes, key: bytes) -> Any:
        """The marked payload, of the same type and shape (see `Draft.payload`)."""

    def detect(self, payload: Any, key: bytes) -> Detection: ...


marks: Registry[type[Mark]] = Registry("mark", "studio.provenance")
