"""How many threads decode: measured while decoding, because nobody knows what else runs on the machine.

llama.cpp's threads wait for each other after every layer. While another program holds a core, two
threads were measured ten times slower than one; on a free machine they are nearly twice as fast.
"""

from __future__ import annotations

import os
from collections.abc import Callable

FIRST_GAP = 16
LONGEST_GAP = 1024
TRIAL_STEPS = 3


class ThreadChoice:
    """Tries another number of threads now and then, and keeps what was faster. For one thread.

    `wanted` fixes the number; 0 chooses between 1 and the cores this process may use.
    """

    def __init__(self, wanted: int) -> None:
        self.most = wanted or usable_cores()
        self.now = self.most
        self._fixed = wanted > 0 or self.most == 1
        self._rows = 0
        self._before: list[float] = []
        self._trial: list[float] = []
        self._home = self.now
        self._gap = FIRST_GAP
        self._choices = sorted({max(self.most >> shift, 1) for shift in range(self.most.bit_length())})
        self._next = 0

    def took(self, rows: int, seconds: float, apply: Callable[[int], None]) -> None:
        """One step over `rows` tokens took `seconds`; may call `apply` with another number of threads.

        Only steps over the same number of rows are compared.
        """
        if self._fixed:
            return
        if rows != self._rows:
            self._rows, self._before, self._trial = rows, [], []
            self._use(self._home, apply)
            return
        if self.now == self._home:
            self._before.append(seconds)
            stumbled = len(self._before) > TRIAL_STEPS and seconds > 4 * min(self._before)
            if stumbled:  # another program came
                self._gap = FIRST_GAP
            if stumbled or len(self._before) >= self._gap:
                self._use(self._other(), apply)
            return
        self._trial.append(seconds)
        usual = sorted(self._before[-TRIAL_STEPS:])[len(self._before[-TRIAL_STEPS:]) // 2]
        if len(self._trial) < TRIAL_STEPS and min(self._trial) < 2 * usual:
            return
        if min(self._trial) < 0.95 * usual:
            self._home, self._gap = self.now, FIRST_GAP
        else:
            self._gap = min(2 * self._gap, LONGEST_GAP)
        self._before, self._trial = [], []
        self._use(self._home, apply)

    def _other(self) -> int:
        """The next of the most, half as many, a quarter … and 1 that is not in use."""
        self._next = (self._next + 1) % len(self._choices)
        if self._choices[self._next] == self._home:
            self._next = (self._next + 1) % len(self._choices)
        return self._choices[self._next]

    def _use(self, threads: int, apply: Callable[[int], None]) -> None:
        if threads != self.now:
            self.now = threads
            apply(threads)


def usable_cores() -> int:
    """Physical cores this process may run on; a container's limit counts."""
    import psutil

    cores: int = psutil.cpu_count(logical=False) or os.cpu_count() or 1
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else cores
    return max(min(cores, allowed), 1)
