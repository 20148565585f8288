"""Continuous batching: one thread decodes all texts in progress together and chooses their tokens.

A text that has a slot reads its prompt in stretches between the others' steps, then gets one token a
step. What is *not* here: who gets a slot (llama_slots.py), prompts (chat.py), options (text_llama.py).
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence

from studio.engines.llama_model import BATCH_TOKENS, Row
from studio.engines.llama_slots import Context, Slot, Slots, Writing
from studio.engines.llama_threads import ThreadChoice
from studio.errors import StudioError, WorkerLost

COMPANY_TOKENS = 32  # most prompt tokens a step while others write, so that they do not stall
TELL_SECONDS = 0.1  # of each text; what a person reads as flowing, and what eight at once can afford


class Batcher:
    """Owns a context; `submit` may be called from any thread until `close`."""

    def __init__(
        self,
        open_context: Callable[[int], Context],
        piece: Callable[[int], bytes],
        is_end: Callable[[int], bool],
        threads: ThreadChoice,
    ) -> None:
        self._piece, self._is_end, self._threads = piece, is_end, threads
        self._slots = Slots(open_context)
        self._waiting: deque[Writing] = deque()
        self._news = threading.Condition()
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="llama-batch", daemon=True)
        self._thread.start()

    @property
    def longest(self) -> int:
        """Most tokens of prompt and text together."""
        return self._slots.cells

    def submit(self, writings: Sequence[Writing]) -> None:
        with self._news:
            if self._closing:
                raise WorkerLost("The language model was closed; send the brief again.")
            self._waiting.extend(writings)
            self._news.notify()

    def close(self) -> None:
        """End what is being written and free the context."""
        with self._news:
            self._closing = True
            self._news.notify()
        self._thread.join()

    def _run(self) -> None:
        while self._wait():
            try:
                self._admit()
                self._step()
            except Exception as error:  # this thread serves all: those who write now get it, else who waits
                for writing in self._slots.clear() or self._drain():
                    writing.end("error", error)
        for writing in [*self._slots.clear(), *self._drain()]:
            writing.end("error", WorkerLost("The language model was closed; send the brief again."))
        self._slots.context.close()

    def _wait(self) -> bool:
        """Sleep until there is something to do; False when it is time to close."""
        with self._news:
            while not self._closing and not self._waiting and not self._slots.active():
                self._news.wait()
            return not self._closing

    def _admit(self) -> None:
        """Seat all that can be seated now. Only this thread takes from the queue."""
        with self._news:
            waiting = list(self._waiting)
        for writing in [one for one in waiting if one.cancelled()]:
            self._leave_queue(writing, waiting)
            writing.end("cancelled")
        while (turn := self._slots.next(waiting)) is not None:
            self._leave_queue(turn, waiting)
            self._slots.seat(turn)

    def _leave_queue(self, writing: Writing, waiting: list[Writing]) -> None:
        waiting.remove(writing)
        with self._news:
            self._waiting.remove(writing)

    def _drain(self) -> list[Writing]:
        with self._news:
            waiting = list(self._waiting)
            self._waiting.clear()
        return waiting

    def _step(self) -> None:
        rows, wanted = self._rows()
        if not rows:
            return
        began = time.perf_counter()
        self._slots.context.decode(rows)
        self._threads.took(len(rows), time.perf_counter() - began, self._slots.context.set_threads)
        for row, slot, writing in wanted:
            try:
                token, logprob = writing.sampler.choose(writing.tokens, self._slots.context.logits(row))
            except StudioError as error:
                self._slots.leave(slot)
                writing.end("error", error)
                continue
            self._take(slot, writing, token, logprob)

    def _rows(self) -> tuple[list[Row], list[tuple[int, Slot, Writing]]]:
        """The next batch, and which of its rows give a token to whom."""
        rows: list[Row] = []
        wanted: list[tuple[int, Slot, Writing]] = []
        active = self._slots.active()
        left = BATCH_TOKENS if all(slot.reading for slot, _ in active) else len(active) + COMPANY_TOKENS
        for slot, writing in active:
            if writing.cancelled():
                self._slots.leave(slot)
                writing.end("cancelled")
                continue
            done = len(slot.cached)
            ahead = (writing.prompt[done:] or writing.tokens[-1:])[:left]
            left -= len(ahead)
            slot.cached += ahead
            last = len(ahead) - 1 if ahead and not slot.reading else -1
            rows += [Row(token, done + i, slot.index, i == last) for i, token in enumerate(ahead)]
            if last >= 0:
                wanted.append((len(rows) - 1, slot, writing))
        return rows, wanted

    def _take(self, slot: Slot, writing: Writing, token: int, logprob: float) -> None:
        """`token` is the next of `writing`: its text grows or ends."""
        writing.first_token_at = writing.first_token_at or time.perf_counter()
        why = "end" if self._is_end(token) else ""
        if not why:
            writing.tokens.append(token)
            writing.logprob += logprob
            if writing.stream.feed(self._piece(token)):
                why = "stop"
            elif len(writing.tokens) >= writing.max_tokens:
                why = "length"
        if why:
            self._slots.leave(slot)
            writing.end(why)
        elif writing.stream.text and time.perf_counter() - writing.told_at >= TELL_SECONDS:
            writing.told_at = time.perf_counter()
            writing.tell(writing)
