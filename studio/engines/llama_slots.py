"""Who writes where: texts in progress, the slots of the context, and who comes next.

A prompt that begins like one a slot already holds is copied, not computed, so that the candidates of
one brief read it once. Texts too long for a slot wait until the context can be cut into fewer slots.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from studio.engines.llama_model import Row
from studio.engines.sampling import Floats, Sampler, TextStream

SHAPES = (8, 4, 2, 1)
LEAST_SHARED = 8  # a shorter common beginning is sooner computed than copied


class Context(Protocol):
    """What is needed of a `LlamaContext`: `slots` memories of `room` tokens."""

    slots: int
    room: int

    def decode(self, rows: Sequence[Row]) -> None: ...
    def logits(self, row: int) -> Floats: ...
    def truncate(self, slot: int, length: int) -> bool: ...
    def copy(self, source: int, target: int) -> None: ...
    def set_threads(self, threads: int) -> None: ...
    def close(self) -> None: ...


@dataclass(eq=False)
class Writing:
    """One text on its way. `tell` is called by the batching thread when there is news, and must be quick.

    `group` is the same for all candidates of a brief. `ended` is "" while it is written, then "end" (the
    model's own), "stop" (a stop string), "length", "cancelled" or "error". `logprob` is the sum over its
    tokens; `reused` counts prompt tokens that came from the cache.
    """

    group: object
    prompt: list[int]
    sampler: Sampler
    stream: TextStream
    max_tokens: int
    cancelled: Callable[[], bool]
    tell: Callable[[Writing], None]
    tokens: list[int] = field(default_factory=list)
    logprob: float = 0.0
    reused: int = 0
    first_token_at: float = 0.0
    told_at: float = 0.0
    ended: str = ""
    error: BaseException | None = None

    @property
    def need(self) -> int:
        return len(self.prompt) + self.max_tokens

    def end(self, why: str, error: BaseException | None = None) -> None:
        self.stream.finish()
        self.ended, self.error = why, error
        self.tell(self)


@dataclass(eq=False)
class Slot:
    """`cached` are the tokens whose keys and values it holds; they stay after a text has ended."""

    index: int
    cached: list[int] = field(default_factory=list)
    writing: Writing | None = None
    turn: int = 0

    @property
    def reading(self) -> bool:
        return self.writing is not None and len(self.cached) < len(self.writing.prompt)


class Slots:
    """The context and its slots. `open_context(n)` cuts the same number of cells into n slots."""

    def __init__(self, open_context: Callable[[int], Context]) -> None:
        self._open = open_context
        self.context = open_context(SHAPES[0])
        self.cells = self.context.room * self.context.slots
        self._slots = [Slot(i) for i in range(self.context.slots)]
        self._turn = 0

    def active(self) -> list[tuple[Slot, Writing]]:
        """Slots in use; those that write come before those that still read their prompt."""
        pairs = [(slot, slot.writing) for slot in self._slots if slot.writing is not None]
        return sorted(pairs, key=lambda pair: pair[0].reading)

    def next(self, waiting: Sequence[Writing]) -> Writing | None:
        """Whose turn it is: the first of those who hold the fewest slots; none takes more than half.

        A text too long for a slot bars those behind it until the context is cut anew, lest it wait for
        ever; one whose prompt another is just reading lets others pass, and copies it later.
        """
        held = Counter(id(writing.group) for _, writing in self.active())
        for writing in sorted(waiting, key=lambda one: held[id(one.group)]):
            if held[id(writing.group)] >= max(len(self._slots) // 2, 1) or not self._fits(writing, waiting):
                return None
            if not self._read_just_now(writing):
                return writing
        return None

    def seat(self, writing: Writing) -> None:
        """Give `writing` a free slot, with as much of its prompt as some slot already holds.

        What another prompt left is kept as long as a slot is free that was used less lately.
        """
        free = [slot for slot in self._slots if slot.writing is None]
        best = max(self._slots, key=lambda slot: (shared(slot.cached, writing.prompt), slot in free))
        common = shared(best.cached, writing.prompt)
        nearly_the_same = 2 * common >= len(writing.prompt)
        target = best if best in free and nearly_the_same else min(free, key=lambda slot: slot.turn)
        target.cached, target.writing = [], writing
        if best is not target:
            if common >= LEAST_SHARED:
                self.context.copy(best.index, target.index)
            else:
                common = 0
        writing.reused = common if self.context.truncate(target.index, common) else 0
        target.cached = writing.prompt[: writing.reused]

    def leave(self, slot: Slot) -> None:
        """The text of `slot` has ended; what was cached stays for the next that begins alike."""
        self._turn += 1
        slot.writing, slot.turn = None, self._turn

    def clear(self) -> list[Writing]:
        """Forget everything, also what is being written, and return that."""
        lost = [writing for _, writing in self.active()]
        for slot in self._slots:
            slot.writing, slot.cached = None, []
            self.context.truncate(slot.index, 0)
        return lost

    def _fits(self, writing: Writing, waiting: Sequence[Writing]) -> bool:
        """Whether there is a free slot long enough; cuts the context anew if that is needed and possible."""
        slots = next((n for n in SHAPES if self.cells // n >= writing.need), 1)
        crowded = len(waiting) > len(self._slots) < slots
        if writing.need > self.context.room or crowded:
            if self.active():
                return False
            context = self._open(slots)
            self.context.close()
            self.context, self._slots = context, [Slot(i) for i in range(slots)]
        return any(slot.writing is None for slot in self._slots)

    def _read_just_now(self, writing: Writing) -> bool:
        held = max(shared(slot.cached, writing.prompt) for slot in self._slots)
        coming = [other.prompt for slot, other in self.active() if slot.reading]
        return any(shared(prompt, writing.prompt) >= held + LEAST_SHARED for prompt in coming)


def shared(have: list[int], prompt: list[int]) -> int:
    """Tokens that `have` and `prompt` begin with alike; the prompt's last is always computed anew."""
    most = min(len(have), len(prompt) - 1)
    if have[:most] == prompt[:most]:
        return most
    return next(i for i in range(most) if have[i] != prompt[i])
