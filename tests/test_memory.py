from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from studio.errors import OutOfMemory
from studio.memory import Residents


class Model:
    def __init__(self, name: str, log: list[str]) -> None:
        self.name, self.log = name, log
        log.append(f"+{name}")

    def close(self) -> None:
        self.log.append(f"-{self.name}")


def loader(name: str, log: list[str]) -> Callable[[], Model]:
    return lambda: Model(name, log)


def test_the_least_recently_used_model_leaves_first() -> None:
    log: list[str] = []
    residents: Residents[Model] = Residents(budget_mb=100)
    for name in ("a", "b", "a", "c"):
        with residents.use(name, 50, loader(name, log)) as model:
            assert model.name == name
    assert log == ["+a", "+b", "-b", "+c"]
    assert residents.names() == ["a", "c"]


def test_a_model_in_use_never_leaves_and_the_next_waits_for_it() -> None:
    log: list[str] = []
    residents: Residents[Model] = Residents(budget_mb=100)
    entered = threading.Event()

    def second() -> None:
        with residents.use("b", 80, loader("b", log)):
            entered.set()

    with residents.use("a", 80, loader("a", log)):
        thread = threading.Thread(target=second)
        thread.start()
        assert not entered.wait(0.1)
    assert entered.wait(5)
    thread.join()
    assert log == ["+a", "-a", "+b"]


def test_a_model_larger_than_the_budget_is_loaded_alone() -> None:
    log: list[str] = []
    residents: Residents[Model] = Residents(budget_mb=100)
    with residents.use("small", 10, loader("small", log)), residents.use("tiny", 10, loader("tiny", log)):
        pass
    with residents.use("huge", 500, loader("huge", log)):
        assert residents.names() == ["huge"]


def test_many_threads_load_one_model_once() -> None:
    log: list[str] = []
    residents: Residents[Model] = Residents(budget_mb=100)

    def use() -> None:
        with residents.use("a", 50, loader("a", log)):
            pass

    threads = [threading.Thread(target=use) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert log == ["+a"]


def test_a_model_that_fails_to_load_leaves_no_seat_behind() -> None:
    residents: Residents[Model] = Residents(budget_mb=100)

    def fail() -> Model:
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"), residents.use("a", 100, fail):
        pass
    with residents.use("b", 100, loader("b", [])):
        assert residents.names() == ["b"]


def test_running_out_of_memory_frees_what_is_idle_and_the_model_itself() -> None:
    log: list[str] = []
    residents: Residents[Model] = Residents(budget_mb=100)
    with residents.use("idle", 20, loader("idle", log)):
        pass
    with pytest.raises(OutOfMemory), residents.use("big", 20, loader("big", log)):
        raise OutOfMemory("lower something")
    assert residents.names() == []
    assert sorted(log) == ["+big", "+idle", "-big", "-idle"]
