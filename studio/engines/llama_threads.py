"""How many threads decode: measured while decoding, because nobody knows what else runs on the machine.

llama.cpp's threads wait for each other after every layer. While another program holds a core, two
threads were measured ten times slower than one; on a free machine they are nearly twice as fast.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable
from statistics import fmean

FIRST_GAP = 32
LONGEST_GAP = 1024
TRIAL_STEPS = 8
WINDOW = 16


class ThreadChoice:
    """Tries another number of threads now and then, and keeps what was faster. For one thread.

    `wanted` fixes the number; 0 chooses between 1 and the cores this process may use.
    """

    def __init__(self, wanted: int) -> None:
        self.most = wanted or usable_cores()
        self.now = self.most
        self._fixed = wanted > 0 or self.most == 1
        self._choices = sorted({max(self.most >> shift, 1) for shift in range(self.most.bit_length())})
        self._next = 0
        self._home = self.now
        self._rows = 0
        self._gap = FIRST_GAP
        self._since = 0  # steps since the last trial
        self._usual = 0.0  # what a step took when that ended
        self._steps: deque[float] = deque(maxlen=WINDOW)  # the last ones with `_home` threads
        self._trial: list[float] = []

    def took(self, rows: int, seconds: float, apply: Callable[[int], None]) -> None:
        """One step over `rows` tokens took `seconds`; may call `apply` with another number of threads.

        Only steps over the same number of rows are compared, by their mean: that single steps stumble
        on a shared machine says little.
        """
        if self._fixed:
            return
        if rows != self._rows:
            self._rows, self._usual = rows, 0.0
            self._steps.clear()
            self._end_trial(apply)
        elif self.now == self._home:
            self._steps.append(seconds)
            self._since += 1
            if len(self._steps) >= TRIAL_STEPS and (self._since >= self._gap or self._slower()):
                self._use(self._other(), apply)
        else:
            self._trial.append(seconds)
            self._judge(apply)

    def _slower(self) -> bool:
        """Whether steps take half as long again as they did: another program has come."""
        lately = list(self._steps)[-TRIAL_STEPS:]
        if self._usual == 0.0:
            self._usual = fmean(lately)
        if fmean(lately) < 1.5 * self._usual:
            return False
        self._gap = FIRST_GAP
        return True

    def _judge(self, apply: Callable[[int], None]) -> None:
        trial, home = fmean(self._trial), fmean(self._steps)
        hopeless = len(self._trial) >= 2 and trial > 3 * home
        if len(self._trial) < TRIAL_STEPS and not hopeless:
            return
        if trial < 0.97 * home:
            self._home, self._gap, self._usual = self.now, FIRST_GAP, trial
            self._steps.clear()
        else:
            self._gap, self._usual = min(2 * self._gap, LONGEST_GAP), home
        self._end_trial(apply)

    def _end_trial(self, apply: Callable[[int], None]) -> None:
        self._trial, self._since = [], 0
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
