"""Writes docs/reference.md from the code itself: `python -m studio.parts docs/reference.md` (`make docs`)."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

from studio.bench.base import benches
from studio.engines.base import engines
from studio.forge.base import recipes
from studio.quality.base import metrics
from studio.settings import Settings
from studio.templates import read_templates


def reference(settings: Settings) -> str:
    """The page: every engine, metric, recipe, template and benchmark with its own words."""
    lines = ["# Reference", "", "Written from the code by `make docs`.", "", "## Engines", ""]
    for engine in engines.values():
        lines += [
            f"### `{engine.name}` ({engine.kind})",
            "",
            _words(engine),
            "",
            *_options(engine.Options),
            "",
        ]
    lines += ["## Scores", "", "| score | kinds | what it says |", "|---|---|---|"]
    lines += [f"| `{one.name}` | {', '.join(one.kinds)} | {_words(one)} |" for one in metrics.values()]
    lines += ["", "## Recipes", ""]
    for recipe in recipes.values():
        lines += [f"### `{recipe.name}`", "", recipe.summary, "", *_options(recipe.Options), ""]
    lines += ["## Templates", "", "| template | field | summary |", "|---|---|---|"]
    templates = read_templates(settings.assets / "templates").values()
    lines += [f"| `{one.name}` | {one.field} | {one.summary} |" for one in templates]
    lines += ["", "## Benchmarks", "", "| name | measures |", "|---|---|"]
    lines += [f"| `{name}` | {_words(run)} |" for name, run in benches().items()]
    return "\n".join(lines) + "\n"


def _words(thing: Any) -> str:
    """The first paragraph of a docstring on one line."""
    return " ".join((thing.__doc__ or "").strip().split("\n\n")[0].split()).replace("|", "\\|")


def _options(options: type) -> Iterator[str]:
    yield "| option | label | default | bounds |"
    yield "|---|---|---|---|"
    for one in fields(options):
        meta = one.metadata
        bounds = ", ".join(meta.get("choices") or ()) or (
            f"{meta['low']:g} – {meta['high']:g}"
            if meta.get("low") is not None and meta.get("high") is not None
            else ""
        )
        yield f"| `{one.name}` | {meta.get('label', one.name)} | {one.default!r} | {bounds} |"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(reference(Settings.read()), "utf-8")
