"""Pictures while one types: few steps of the chosen model, shown as previews, nothing kept.

Each pause in typing makes one small job of its own; the newest words win. What is shown never leaves as a
file: the Paint button makes the finished picture, with the same seed, through the whole line.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from studio.errors import StudioError
from studio.safety.limits import has_visible
from studio.service import Studio
from studio.types import Brief, Progress
from studio.ui import show
from studio.ui.desk import Desk, Visitor

PAUSE = 0.25  # seconds without a new letter before anything is painted
STEPS = 6
SEED = 7  # as long as nobody chose one, so that only the words change the picture


def live(
    studio: Studio, desk: Desk, ask: Callable[[Mapping[Any, Any]], Brief], switch: Any, prompt: Any
) -> Callable[[dict[Any, Any]], Iterator[dict[Any, Any]]]:
    """The handler of typing; `switch` says whether live mode is on."""

    def paint(values: dict[Any, Any]) -> Iterator[dict[Any, Any]]:
        if not values[switch] or not has_visible(values[prompt] or ""):
            return
        time.sleep(PAUSE)
        started = time.monotonic()
        try:
            for event in studio.run(_quick(ask(values)), f"{Visitor.owner(values[desk.visitor.state])}-live"):
                if isinstance(event, Progress) and isinstance(event.preview, bytes):
                    took = time.monotonic() - started
                    yield desk.quick(event.preview, f"Live, {took:.1f} s; Paint makes the finished picture.")
                elif isinstance(event, Progress) and event.stage in ("loading", "reading"):
                    yield {desk.status: show.notice(event.message)}
        except StudioError as error:
            yield {desk.status: show.notice(str(error), trouble=True)}

    return paint


def _quick(brief: Brief) -> Brief:
    """The same brief at few steps, one candidate, previews only."""
    dropped = ("to_prompt", "frames")
    options = {name: value for name, value in brief.options.items() if name not in dropped}
    options |= {"live": True, "steps": min(int(options.get("steps") or STEPS), STEPS)}
    seed = SEED if brief.seed is None else brief.seed
    return replace(brief, options=options, count=1, seed=seed, format=None)
