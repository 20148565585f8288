"""The seam of imperceptible marks. A `Mark` carries a payload inside the content itself.

Keys are secret bytes of this installation; a detection is only as honest as `p_value`, the chance
that unmarked content would look at least this marked.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

from studio.registry import Registry
from studio.types import Kind

Tokenize = Callable[[str], Sequence[int]]


def _none() -> Sequence[Tokenize]:
    return ()


@dataclass(frozen=True, slots=True)
class Means:
    """What marks may use: `strength` of the policy (1 is the default of each mark), and the tokenizers of
    the language models that are here, opened when asked for."""

    strength: float = 1.0
    tokenizers: Callable[[], Sequence[Tokenize]] = _none


@dataclass(frozen=True, slots=True)
class Detection:
    """`message` is the recovered payload (None if only presence is known), `p_value` under "no mark".

    `segments` are (start, end, p_value) in seconds (sound) or characters (text). `state` is a short word:
    found, likely or part (of a text), absent, or too_little where nothing can be told. `margin` (dB) is how
    far a mark that was just made stands above where reading ends, None where that is not measured.
    """

    found: bool
    p_value: float
    message: bytes | None = None
    detail: str = ""
    segments: tuple[tuple[float, float, float], ...] = field(default=())
    state: str = ""
    margin: float | None = None


class Mark(Protocol):
    """`algorithm` is its name in credentials; it changes when older readers can no longer read the mark."""

    name: ClassVar[str]
    kinds: ClassVar[tuple[Kind, ...]]
    algorithm: ClassVar[str]

    @classmethod
    def open(cls, means: Means) -> Mark: ...

    def message(self, produce_id: str) -> bytes:
        """What of an output's id (hex digits) the mark carries: its beginning; nothing if it tells presence only."""

    def names(self, message: bytes) -> str:
        """The hex digits with which the id of the output begins; "" if the mark names none."""

    def refusal(self, payload: Any) -> str | None:
        """Why this payload cannot carry the mark, as a sentence; None if it can."""

    def embed(self, payload: Any, message: bytes, key: bytes) -> Any:
        """The marked payload, of the same type and shape (see `Draft.payload`). Raises BadInput."""

    def detect(self, payload: Any, key: bytes) -> Detection: ...

    def confirm(self, payload: Any, message: bytes, key: bytes) -> Detection:
        """What `detect` says of content that was marked a moment ago, found faster where that is possible."""

    def stronger(self) -> Mark | None:
        """The same mark, surer and less hidden, for content that lost it; None if there is none."""


marks: Registry[type[Mark]] = Registry("mark", "studio.provenance")
"""All marks by name. For each kind of content there is at most one."""


def mark_for(kind: Kind, means: Means) -> Mark | None:
    """The mark of a kind of content; None if there is none."""
    return next((mark.open(means) for mark in marks.values() if kind in mark.kinds), None)
