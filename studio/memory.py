"""What stays in memory: models under a byte budget, the least recently used leaving first.

A model is in use while a `use` block is open and never leaves then. A model larger than the budget is
loaded alone rather than refused: the device itself has the last word (`OutOfMemory`).
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

from studio.errors import OutOfMemory


class Closable(Protocol):
    def close(self) -> None: ...


Thing = TypeVar("Thing", bound=Closable)


@dataclass
class _Seat(Generic[Thing]):
    size_mb: int
    thing: Thing | None = None
    users: int = 0
    loading: threading.Lock = field(default_factory=threading.Lock)


class Residents(Generic[Thing]):
    """Loaded models by name. Safe for many threads; one model is loaded by one thread only."""

    def __init__(self, budget_mb: int) -> None:
        self.budget_mb = budget_mb
        self._seats: OrderedDict[str, _Seat[Thing]] = OrderedDict()
        self._room = threading.Condition()

    @contextmanager
    def use(self, name: str, size_mb: int, load: Callable[[], Thing]) -> Iterator[Thing]:
        """The model `name`, loaded if need be; waits for room when all that could leave is in use."""
        seat = self._sit(name, size_mb)
        try:
            with seat.loading:
                if seat.thing is None:
                    seat.thing = load()
            yield seat.thing
        except OutOfMemory:
            with self._room:
                seat.users -= 1
                self._leave(needed_mb=self.budget_mb)  # whatever is idle makes room for the next job
                seat.users += 1
            raise
        finally:
            with self._room:
                seat.users -= 1
                if seat.thing is None and not seat.users:
                    self._seats.pop(name, None)
                self._room.notify_all()

    def names(self) -> list[str]:
        """Loaded models, the most recently used last."""
        with self._room:
            return [name for name, seat in self._seats.items() if seat.thing is not None]

    def clear(self) -> None:
        """Let every idle model go."""
        with self._room:
            self._leave(needed_mb=self.budget_mb)

    def _sit(self, name: str, size_mb: int) -> _Seat[Thing]:
        with self._room:
            while name not in self._seats:
                if self._leave(needed_mb=size_mb):
                    self._seats[name] = _Seat(size_mb)
                else:
                    self._room.wait()
            seat = self._seats[name]
            seat.users += 1
            self._seats.move_to_end(name)
            return seat

    def _leave(self, needed_mb: int) -> bool:
        """Close idle models, oldest first, until `needed_mb` fit; False if they do not."""
        for name, seat in list(self._seats.items()):
            if self._used_mb() + needed_mb <= self.budget_mb:
                break
            if not seat.users:
                del self._seats[name]
                if seat.thing is not None:
                    seat.thing.close()
        return not self._seats or self._used_mb() + needed_mb <= self.budget_mb

    def _used_mb(self) -> int:
        return sum(seat.size_mb for seat in self._seats.values())
