"""How the studio is measured: figure and baseline in turn in one run, so that the ratio holds on a noisy machine.

A benchmark is one decorated function; `studio bench` finds it by its name. What each must reach stands
beside it and is printed, whether reached or not.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from statistics import median

from studio.errors import NotFound

RUNS = 5


@dataclass(frozen=True, slots=True)
class Figure:
    """`figure` is a median of `n` runs; `ratio` is the median of figure/baseline, run by run.

    `reached` is None where the benchmark has no target of its own.
    """

    name: str
    figure: float
    unit: str
    n: int
    reach: str
    reached: bool | None
    baseline: float | None = None
    ratio: float | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a benchmark may work: an empty folder, swept away afterwards."""

    folder: Path


Bench = Callable[[Place], list[Figure]]
_benches: dict[str, Bench] = {}


def bench(name: str) -> Callable[[Bench], Bench]:
    """Decorator: makes a function known as the benchmark `name`; it may return several figures."""

    def keep(function: Bench) -> Bench:
        if name in _benches:
            raise ValueError(f"there is already a benchmark called {name!r}")
        _benches[name] = function
        return function

    return keep


def benches(names: Sequence[str] = ()) -> dict[str, Bench]:
    """The benchmarks asked for, all without names; "text" means all that begin with "text."."""
    package = import_module("studio.bench")
    for module in iter_modules(package.__path__):
        import_module(f"studio.bench.{module.name}")
    if not names:
        return dict(sorted(_benches.items()))
    chosen: dict[str, Bench] = {}
    for name in names:
        fitting = {key: one for key, one in _benches.items() if key == name or key.startswith(f"{name}.")}
        if not fitting:
            raise NotFound(f"There is no benchmark {name!r}; choose from: {', '.join(sorted(_benches))}.")
        chosen |= fitting
    return chosen


def paired(
    figure: Callable[[], float], baseline: Callable[[], float], runs: int = RUNS
) -> tuple[float, float, float]:
    """Medians of both and of their ratio, measured in turn after one warm-up of each."""
    figure(), baseline()
    pairs = [(figure(), baseline()) for _ in range(runs)]
    return median(a for a, _ in pairs), median(b for _, b in pairs), median(a / b for a, b in pairs)


def repeated(figure: Callable[[], float], runs: int = RUNS) -> float:
    """The median after one warm-up."""
    figure()
    return median(figure() for _ in range(runs))


def seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started
