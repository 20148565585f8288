"""One blocking library call as a stream: it runs in a thread beside, and what it tells comes out as it goes.

The call leaves at the next thing it tells when the job is cancelled or nobody reads the stream any more.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

Step = TypeVar("Step")
Result = TypeVar("Result")


class Stop(Exception):
    """Leaves a call on its way; raise it in a callback of the library, which lets it through."""


@dataclass(frozen=True, slots=True)
class Made(Generic[Result]):
    """What the call returned."""

    value: Result


class Teller(Generic[Step]):
    """What the call is given: `tell(step)` hands a step on, `check()` only looks. Both raise Stop."""

    def __init__(self, cancelled: Callable[[], bool]) -> None:
        self._cancelled = cancelled
        self.told: queue.Queue[Step | BaseException | Made[Any]] = queue.Queue()
        self.left = threading.Event()

    def tell(self, step: Step) -> None:
        self.told.put(step)
        self.check()

    def check(self) -> None:
        if self.left.is_set() or self._cancelled():
            raise Stop


def stream(
    call: Callable[[Teller[Step]], Result], cancelled: Callable[[], bool]
) -> Iterator[Step | Made[Result]]:
    """The steps that `call` tells, then what it made; nothing made if it was stopped. Its errors are raised here."""
    teller: Teller[Step] = Teller(cancelled)

    def work() -> None:
        try:
            teller.told.put(Made(call(teller)))
        except BaseException as error:  # handed to the thread that waits for it
            teller.told.put(error)

    worker = threading.Thread(target=work, name="aside", daemon=True)
    worker.start()
    try:
        while True:
            got = teller.told.get()
            if isinstance(got, Stop):
                return
            if isinstance(got, BaseException):
                raise got
            if isinstance(got, Made) and cancelled():  # what was stopped on the way is only a part
                return
            yield got
            if isinstance(got, Made):
                return
    finally:
        teller.left.set()
        worker.join()
