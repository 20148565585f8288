"""Pictures while one types: drawn in few steps, shown as previews, nothing kept.

Where a model was distilled from the chosen one, that draws them; else the chosen one itself, in fewer steps. Each
pause in typing makes one small job of its own; the newest words win. What is shown never leaves as a file: the
Paint button makes the finished picture, with the same seed, through the whole line.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from studio.catalog import Catalog, Model
from studio.errors import StudioError
from studio.safety.limits import has_visible
from studio.service import Studio
from studio.types import Brief, Progress
from studio.ui import show
from studio.ui.desk import Desk, Visitor

PAUSE = 0.25  # seconds without a new letter before anything is painted
STEPS = 6
FEW = 4  # steps that a distilled model takes at most
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
        owner = f"{Visitor.owner(values[desk.visitor.state])}-live"
        try:
            brief = quick(ask(values), studio.catalog)
            title = studio.catalog.get(brief.model or "").title
            for event in studio.run(brief, owner):
                if isinstance(event, Progress) and isinstance(event.preview, bytes):
                    took = time.monotonic() - started
                    words = f"Live by {title}, {took:.1f} s; Paint makes the finished picture."
                    yield desk.quick(event.preview, words)
                elif isinstance(event, Progress) and event.stage in ("loading", "reading"):
                    yield {desk.status: show.notice(event.message)}
        except StudioError as error:
            yield {desk.status: show.notice(str(error), trouble=True)}

    return paint


def quick(brief: Brief, catalog: Catalog) -> Brief:
    """The same brief for the quickest model there is, one candidate, previews only."""
    dropped = {"to_prompt", "frames"}
    model = distilled(brief.model or "", catalog)
    if model is not None:  # which has its steps and its guidance built in
        dropped |= {"steps", "guidance_scale", "scheduler"}
    options = {name: value for name, value in brief.options.items() if name not in dropped}
    options["live"] = True
    if model is None:
        options["steps"] = min(int(options.get("steps") or STEPS), STEPS)
    seed = SEED if brief.seed is None else brief.seed
    name = model.name if model else brief.model
    return replace(brief, model=name, options=options, count=1, seed=seed, format=None)


def distilled(name: str, catalog: Catalog) -> Model | None:
    """The model `name` if it draws in few steps, else one made from it that does and is here."""
    for model in sorted(catalog.of_kind("image"), key=lambda one: one.name != name):
        steps = model.options.get("steps")
        family = model.name == name or name in model.base
        if family and isinstance(steps, int) and steps <= FEW and catalog.ready(model.name):
            return model
    return None
