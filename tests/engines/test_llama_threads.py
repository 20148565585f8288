"""The number of threads follows what was measured, on machines that are only told of here."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from studio.engines import llama_threads
from studio.engines.llama_threads import ThreadChoice


def run(choice: ThreadChoice, seconds: Callable[[int], float], steps: int) -> list[int]:
    used = []
    for _ in range(steps):
        used.append(choice.now)
        choice.took(1, seconds(choice.now), lambda threads: None)
    return used


@pytest.fixture
def four_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(llama_threads, "usable_cores", lambda: 4)


def test_a_free_machine_keeps_its_threads(four_cores: None) -> None:
    used = run(ThreadChoice(0), lambda threads: 1 / threads, 2000)
    assert used.count(4) / len(used) > 0.97
    assert set(used) == {4, 2, 1}


def test_a_crowded_machine_gets_fewer_and_trials_stay_cheap(four_cores: None) -> None:
    cost = {1: 1.0, 2: 10.0, 4: 30.0}
    used = run(ThreadChoice(0), lambda threads: cost[threads], 4000)
    assert used[-1000:].count(1) > 990
    spent = sum(cost[threads] for threads in used[500:])
    assert spent / len(used[500:]) < 1.1


def test_single_stumbles_do_not_cost_the_threads(four_cores: None) -> None:
    rng = random.Random(1)

    def seconds(threads: int) -> float:
        return 1 / threads * (6 if threads > 1 and rng.random() < 0.05 else 1)

    used = run(ThreadChoice(0), seconds, 6000)
    assert used.count(4) / len(used) > 0.85


def test_it_comes_back_when_the_machine_is_free_again(four_cores: None) -> None:
    choice = ThreadChoice(0)
    run(choice, lambda threads: float(threads), 500)
    assert choice.now == 1
    run(choice, lambda threads: 1 / threads, 3000)
    assert choice.now == 4


def test_a_sudden_stumble_is_answered_within_a_few_steps(four_cores: None) -> None:
    choice = ThreadChoice(0)
    run(choice, lambda threads: 1 / threads, 500)
    used = run(choice, lambda threads: {1: 1.0, 2: 20.0, 4: 20.0}[threads], 100)
    assert used[-1] == 1


def test_a_wish_is_kept(four_cores: None) -> None:
    assert set(run(ThreadChoice(3), lambda threads: 100.0 * threads, 300)) == {3}


def test_steps_over_other_numbers_of_rows_are_not_compared(four_cores: None) -> None:
    choice = ThreadChoice(0)
    for step in range(1000):
        choice.took(1 + step % 2, 1.0 + step % 2, lambda threads: None)
    assert choice.now == 4


def test_usable_cores_are_at_least_one() -> None:
    assert llama_threads.usable_cores() >= 1
