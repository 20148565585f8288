"""What a language model was made from: written beside it, read when it is trained further or published.

model/lineage.json    {"base": ["smollm2-135m"], "data": [...], "steps": [{"recipe": "finetune_lm", ...}]}
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from studio.catalog import DataSource
from studio.errors import ModelBroken
from studio.forge.data import Data

FILE = "lineage.json"


@dataclass(frozen=True, slots=True)
class Lineage:
    """`base` are catalog names; `data` all training data after them; `steps` the recipes, oldest first.

    `unlisted` is a base that is in no catalog: its licence is asked for when a result is published. A
    licence of "" among the data is asked for as well.
    """

    base: tuple[str, ...] = ()
    data: tuple[DataSource, ...] = ()
    steps: tuple[Mapping[str, Any], ...] = field(default_factory=tuple)
    unlisted: str = ""

    def after(
        self, recipe: str, data: Data, options: Mapping[str, Any], report: Mapping[str, Any]
    ) -> Lineage:
        """This lineage with one training more."""
        source = data.source or DataSource(data.path.name, "")
        step = {"recipe": recipe, "options": dict(options), "data": data.digest, "report": dict(report)}
        known = self.data if source in self.data else (*self.data, source)
        return Lineage(self.base, known, (*self.steps, step), self.unlisted)

    def write(self, folder: Path) -> None:
        (folder / FILE).write_text(json.dumps(asdict(self), indent=1) + "\n", "utf-8")


def read_lineage(folder: Path) -> Lineage | None:
    """The lineage beside a model, None if there is none. Raises ModelBroken if it cannot be read."""
    file = folder / FILE
    if not file.exists():
        return None
    try:
        raw = json.loads(file.read_text("utf-8"))
        return Lineage(
            base=tuple(map(str, raw["base"])),
            data=tuple(DataSource(str(d["name"]), str(d["licence"]), str(d["url"])) for d in raw["data"]),
            steps=tuple(dict(step) for step in raw["steps"]),
            unlisted=str(raw["unlisted"]),
        )
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise ModelBroken(f"{file} is damaged ({error}); train the model again.") from None
