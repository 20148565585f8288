"""A blocking call as a stream: its steps in order, its error where it is read, and an end as soon as nobody wants it."""

from __future__ import annotations

import threading

import pytest

from studio.engines.aside import Made, Stop, Teller, stream


def counting(upto: int, seen: list[int]):
    def call(teller: Teller[int]) -> str:
        for step in range(upto):
            seen.append(step)
            teller.tell(step)
        return "whole"

    return call


def test_steps_come_in_order_and_what_was_made_comes_last():
    assert list(stream(counting(5, []), lambda: False)) == [0, 1, 2, 3, 4, Made("whole")]


def test_an_error_of_the_call_is_raised_where_the_stream_is_read():
    def call(teller: Teller[int]) -> None:
        teller.tell(1)
        raise KeyError("gone")

    steps = stream(call, lambda: False)
    assert next(steps) == 1
    with pytest.raises(KeyError, match="gone"):
        next(steps)


def test_a_cancelled_call_leaves_at_its_next_step_and_makes_nothing():
    flag, seen = threading.Event(), []
    got = []
    for step in stream(counting(100_000, seen), flag.is_set):
        got.append(step)
        flag.set()
    assert got == list(range(len(got))) and len(seen) < 100_000


def test_what_is_made_after_the_stop_is_thrown_away():
    flag = threading.Event()

    def call(teller: Teller[int]) -> str:
        flag.set()  # while the library computes, and it never calls back
        return "a part"

    assert list(stream(call, flag.is_set)) == []


def test_a_stream_that_nobody_reads_on_ends_its_thread():
    seen: list[int] = []
    steps = stream(counting(10**9, seen), lambda: False)
    next(steps)
    steps.close()
    assert not [thread for thread in threading.enumerate() if thread.name == "aside"]


def test_a_call_may_leave_by_itself():
    def call(teller: Teller[int]) -> None:
        teller.tell(1)
        raise Stop

    assert list(stream(call, lambda: False)) == [1]
