"""What is said of a job on its way: the events, and the feed from which any number of people hear them."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace

from studio.types import Asset, Progress, State


@dataclass(frozen=True, slots=True)
class Drawn:
    """The engine has made all of a job and may take the next; sealing, scoring and keeping follow."""

    job_id: str


@dataclass(frozen=True, slots=True)
class Ended:
    """The last word on a job; `error` is the sentence a person reads when it failed."""

    job_id: str
    state: State
    error: str | None = None


Event = Progress | Asset | Ended
"""What watchers hear. `Drawn` is for the queue alone."""


class Feed:
    """What a running job has said lately; any number of watchers, who may come late or leave."""

    def __init__(self) -> None:
        self.ended: Ended | None = None
        self._news: deque[tuple[int, Event]] = deque(maxlen=256)
        self._latest: dict[int, Progress] = {}
        self._assets: list[Asset] = []
        self._count = 0
        self._changed = threading.Condition()

    def push(self, event: Event) -> None:
        with self._changed:
            self._count += 1
            self._news.append((self._count, event))
            if isinstance(event, Progress):
                self._latest[event.candidate] = _with_text(event, self._latest.get(event.candidate))
            elif isinstance(event, Asset):
                self._assets.append(event)
            else:
                self.ended = event
            self._changed.notify_all()

    def watch(self, patience: float | None = None) -> Iterator[Event | None]:
        """The present state, then what follows, up to and including `Ended`.

        Yields None whenever nothing has been said for `patience` seconds, so that a watcher can look up.
        """
        with self._changed:
            seen = self._count
            past: list[Event] = [*self._latest.values(), *self._assets]
            if self.ended:
                past.append(self.ended)
        yield from past
        while not (past and isinstance(past[-1], Ended)):
            with self._changed:
                if self._count == seen:
                    self._changed.wait(patience)
                past = [event for number, event in self._news if number > seen]
                seen = self._count
            if not past:
                yield None
            yield from past


def _with_text(event: Progress, before: Progress | None) -> Progress:
    """`event` with the text so far, for those who come late, where it only tells the stage."""
    if event.preview is None and before is not None and isinstance(before.preview, str):
        return replace(event, preview=before.preview)
    return event
