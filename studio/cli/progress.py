"""Progress on stderr: a Rich bar on a terminal, a plain line a stage elsewhere."""

from __future__ import annotations

import sys
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from studio.types import Progress


class Meter:
    def __init__(self, *, quiet: bool = False) -> None:
        self._console = Console(stderr=True)
        self._bar: Bar | None = None
        self._quiet = quiet or not sys.stderr.isatty()
        self._stage = ""

    def __enter__(self) -> Meter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.clear()

    def show(self, progress: Progress) -> None:
        self.tell(progress.fraction, progress.message or progress.stage, progress.stage)

    def tell(self, fraction: float | None, message: str, stage: str) -> None:
        """`fraction` 0–1 or None; `stage` is what a plain log prints once."""
        if self._quiet:
            if stage != self._stage and sys.stderr.isatty() is False and stage:
                print(f"{stage}…", file=sys.stderr, flush=True)
            self._stage = stage
            return
        if self._bar is None:
            self._bar = Bar(
                TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn(),
                console=self._console, transient=True,
            )  # fmt: skip
            self._bar.add_task(message, total=1.0)
            self._bar.start()
        total = None if fraction is None else 1.0
        self._bar.update(self._bar.task_ids[0], description=message, total=total, completed=fraction or 0.0)

    def clear(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None
