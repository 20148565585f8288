"""Continuous batching on a fake context: fairness, shared prompts, long texts, errors, closing.

The fake checks what llama.cpp would: positions without gaps, no slot too full, memory as it was built.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pytest

from studio.engines.llama_batch import COMPANY_TOKENS, Batcher
from studio.engines.llama_model import BATCH_TOKENS, Row
from studio.engines.llama_slots import Writing
from studio.engines.llama_threads import ThreadChoice
from studio.engines.sampling import Floats, Sampler, TextOptions, TextStream
from studio.errors import ModelBroken, OutOfMemory, WorkerLost

CELLS, VOCABULARY, END, POISON = 256, 128, 0, 62
GREEDY = TextOptions(temperature=0.0)


class FakeContext:
    """After token t comes t + 1; 127 is followed by the end, POISON by nonsense."""

    def __init__(self, slots: int) -> None:
        self.slots, self.room = slots, CELLS // slots
        self.memory: list[list[int]] = [[] for _ in range(slots)]
        self.batches: list[list[Row]] = []
        self.copies: list[tuple[int, int]] = []
        self.fail: Exception | None = None
        self.gate = threading.Event()
        self.gate.set()
        self.closed = False

    def decode(self, rows: Sequence[Row]) -> None:
        assert self.gate.wait(10) and not self.closed
        if self.fail is not None:
            error, self.fail = self.fail, None
            raise error
        assert 0 < len(rows) <= BATCH_TOKENS
        for row in rows:
            assert row.position == len(self.memory[row.slot]) < self.room
            self.memory[row.slot].append(row.token)
        self.batches.append(list(rows))

    def logits(self, row: int) -> Floats:
        assert self.batches[-1][row].wanted
        token = self.batches[-1][row].token
        logits = np.zeros(VOCABULARY, np.float32)
        logits[(token + 1) % VOCABULARY] = 9.0 if token != POISON else np.nan
        return logits

    def truncate(self, slot: int, length: int) -> bool:
        assert length <= len(self.memory[slot])
        del self.memory[slot][length:]
        return True

    def copy(self, source: int, target: int) -> None:
        self.copies.append((source, target))
        self.memory[target] = list(self.memory[source])

    def set_threads(self, threads: int) -> None: ...

    def close(self) -> None:
        self.closed = True


class Desk:
    """Submits texts and waits for their ends."""

    def __init__(self) -> None:
        self.no_room = False
        self.ended: queue.SimpleQueue[Writing] = queue.SimpleQueue()
        self.contexts: list[FakeContext] = []
        self.batcher = Batcher(
            self._open, lambda token: bytes([token]), lambda token: token == END, ThreadChoice(1)
        )

    def _open(self, slots: int) -> FakeContext:
        if self.no_room:
            raise OutOfMemory("no room")
        self.contexts.append(FakeContext(slots))
        return self.contexts[-1]

    @property
    def context(self) -> FakeContext:
        return self.contexts[-1]

    def write(
        self,
        prompt: list[int],
        max_tokens: int = 5,
        group: object = None,
        cancelled: Callable[[], bool] = lambda: False,
        stops: Sequence[str] = (),
        count: int = 1,
    ) -> list[Writing]:
        group = group or object()
        writings = [
            Writing(group, prompt, Sampler(GREEDY, 0), TextStream(stops), max_tokens, cancelled, self._tell)
            for _ in range(count)
        ]
        self.batcher.submit(writings)
        return writings

    def _tell(self, writing: Writing) -> None:
        if writing.ended:
            self.ended.put(writing)

    def wait(self, count: int) -> list[Writing]:
        return [self.ended.get(timeout=10) for _ in range(count)]


@pytest.fixture
def desk() -> Iterator[Desk]:
    one = Desk()
    yield one
    for context in one.contexts:
        context.gate.set()
    one.batcher.close()
    assert all(context.closed for context in one.contexts)


def prompt(length: int, last: int = 64) -> list[int]:
    return [(7 * i + length) % 60 + 1 for i in range(length - 1)] + [last]


def test_a_text_goes_on_to_its_limit_stop_string_or_end(desk: Desk) -> None:
    [limit] = desk.write(prompt(10))
    [stop] = desk.write(prompt(11), 20, stops=("D",))
    [end] = desk.write(prompt(12, 125), 20)
    desk.wait(3)
    assert (limit.ended, limit.stream.text, limit.tokens) == ("length", "ABCDE", [65, 66, 67, 68, 69])
    assert (stop.ended, stop.stream.text) == ("stop", "ABC")
    assert (end.ended, end.stream.text) == ("end", "~\x7f")
    assert limit.logprob < 0 and limit.first_token_at > 0


def test_candidates_of_a_brief_read_their_prompt_once(desk: Desk) -> None:
    writings = desk.write(prompt(24), 4, count=4)
    desk.wait(4)
    read = sum(len(batch) for batch in desk.context.batches)
    assert read == 24 + 3 + 3 * (1 + 3)  # the whole prompt once, its last token for each, then the texts
    assert [one.reused for one in writings] == [0, 23, 23, 23]
    assert len({one.stream.text for one in writings}) == 1


def test_a_prompt_that_begins_like_an_earlier_one_is_not_read_again(desk: Desk) -> None:
    desk.write(prompt(20))
    desk.wait(1)
    [again] = desk.write(prompt(20)[:15] + [50, 51, 70])
    desk.wait(1)
    assert again.reused == 15
    assert again.stream.text == "GHIJK"


def test_earlier_prompts_are_remembered_while_slots_are_free(desk: Desk) -> None:
    head = prompt(12)
    briefs = [[*head, 30 + i, *prompt(14)] for i in range(8)]
    for brief in [*briefs, *briefs]:
        [one] = desk.write(brief, 2)
        desk.wait(1)
    assert one.reused == len(brief) - 1
    [again] = desk.write(briefs[0], 2)
    desk.wait(1)
    assert again.reused == len(briefs[0]) - 1


def test_nobody_takes_more_than_half_and_newcomers_come_first(desk: Desk) -> None:
    desk.context.gate.clear()
    many = desk.write(prompt(9), 6, count=12)
    few = [desk.write(prompt(9 + i), 6)[0] for i in range(1, 4)]
    desk.context.gate.set()
    order = desk.wait(15)
    assert max(len({row.slot for row in batch}) for batch in desk.context.batches) <= 8
    assert {order.index(one) for one in few} <= set(range(8))
    assert sum(one in many for one in order[:8]) >= 4


def test_a_long_text_recuts_the_context_and_a_crowd_recuts_it_back(desk: Desk) -> None:
    [short] = desk.write(prompt(9))
    [long] = desk.write(prompt(150), 60)
    behind = [desk.write(prompt(10 + i), 6)[0] for i in range(6)]
    desk.wait(8)
    assert [context.slots for context in desk.contexts] == [8, 1, 8]
    assert len(long.tokens) == 60
    assert {one.ended for one in [short, long, *behind]} == {"length"}


def test_reading_a_long_prompt_does_not_stall_who_is_writing(desk: Desk) -> None:
    [writing] = desk.write(prompt(4), 28)
    desk.write([*prompt(20), *prompt(9)], 3)  # together too long for one stretch beside a writer
    desk.wait(2)
    assert writing.ended == "length"
    both = [batch for batch in desk.context.batches if len({row.slot for row in batch}) == 2]
    assert all(len(batch) <= 2 + COMPANY_TOKENS for batch in both)


def test_a_cancelled_text_leaves_at_the_next_step_or_from_the_queue(desk: Desk) -> None:
    flag = threading.Event()
    desk.context.gate.clear()
    [writing] = desk.write(prompt(9), 20, cancelled=flag.is_set)
    waiting = desk.write(prompt(9), 20, group=object(), cancelled=flag.is_set, count=12)
    [other] = desk.write(prompt(10), 3)
    flag.set()
    desk.context.gate.set()
    desk.wait(14)
    assert {one.ended for one in [writing, *waiting]} == {"cancelled"}
    assert other.ended == "length"


def test_one_broken_text_does_not_harm_the_others(desk: Desk) -> None:
    [bad] = desk.write(prompt(9, POISON))
    [good] = desk.write(prompt(10))
    desk.wait(2)
    assert bad.ended == "error" and isinstance(bad.error, ModelBroken)
    assert good.stream.text == "ABCDE"


def test_an_error_of_the_device_reaches_those_who_write_and_then_all_goes_on(desk: Desk) -> None:
    desk.context.fail = OutOfMemory("no room")
    [lost] = desk.write(prompt(9))
    desk.wait(1)
    assert lost.error is not None and str(lost.error) == "no room"
    [next_one] = desk.write(prompt(9))
    desk.wait(1)
    assert next_one.stream.text == "ABCDE"
    assert next_one.reused == 0


def test_a_context_that_cannot_be_cut_anew_fails_the_long_text_only(desk: Desk) -> None:
    desk.no_room = True
    [long] = desk.write(prompt(150), 60)
    desk.wait(1)
    assert isinstance(long.error, OutOfMemory)
    [short] = desk.write(prompt(9))
    desk.wait(1)
    assert short.stream.text == "ABCDE"
    desk.no_room = False
    [long] = desk.write(prompt(150), 10)
    desk.wait(1)
    assert long.ended == "length"


def test_closing_ends_what_is_written_and_refuses_more(desk: Desk) -> None:
    desk.context.gate.clear()
    writings = desk.write(prompt(9), 20, count=9)
    closer = threading.Thread(target=desk.batcher.close)
    closer.start()
    desk.context.gate.set()
    closer.join(10)
    assert all(isinstance(one.error, WorkerLost) for one in writings if one.ended != "length")
    assert all(one.ended for one in writings)
    with pytest.raises(WorkerLost):
        desk.write(prompt(9))


def test_many_threads_get_what_each_asked_for() -> None:
    desk = Desk()
    asked = [desk.write(prompt(8 + i % 5, 64 + i % 40), 3 + i % 4)[0] for i in range(60)]
    desk.wait(60)
    for i, one in enumerate(asked):
        first = 65 + i % 40
        assert one.tokens == list(range(first, first + 3 + i % 4))
    desk.batcher.close()
