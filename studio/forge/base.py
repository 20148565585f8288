"""The seam of every training: a `Recipe` turns data into a checkpoint folder and can be resumed.

A recipe is one module in this package. Its class registers itself; torch is imported inside `run`.
It brings a `Task` (what to learn from) to `loop.train` (how to learn), and never loops itself.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, Protocol

from studio.forge.track import Track
from studio.registry import Registry


class Recipe(Protocol):
    """`summary` explains to a lay person what the recipe does; `Options` is a dataclass of options.

    `run` trains in `track.folder`, continues there when `track.resume` is set, and returns the folder
    of the finished checkpoint. It raises StudioError for whatever a person can mend.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    Options: ClassVar[type]

    def run(self, data: Path, options: Any, track: Track) -> Path: ...


recipes: Registry[type[Recipe]] = Registry("recipe", "studio.forge")
