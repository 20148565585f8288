"""Choosing a set to evaluate: what the library's search finds, or files that are dropped."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import gradio as gr

from studio.errors import BadInput
from studio.service import Studio
from studio.sets import PREFIX, LibrarySet
from studio.types import Kind
from studio.ui.controls import offered
from studio.ui.desk import QUIET

NONE, LIBRARY, FILES = "none", "library", "files"
ANY = ""


class SetPicker:
    """Components of one set; `optional` begins with no set at all. `inputs` are what `read` looks at."""

    def __init__(self, studio: Studio, label: str, info: str, elem_id: str, *, optional: bool) -> None:
        self._studio = studio
        choices = [("From the library", LIBRARY), ("Files", FILES)]
        self.where = gr.Radio(
            [("None", NONE), *choices] if optional else choices,
            value=NONE if optional else LIBRARY, label=label, info=info, elem_id=f"{elem_id}-where",
        )  # fmt: skip
        with gr.Group(visible=not optional) as self._library:
            self.model = gr.Radio([("Any", ANY)], value=ANY, label="Made by", elem_id=f"{elem_id}-model")
            self.words = gr.Textbox(
                label="Words", placeholder="Words of brief, text, note; empty takes all", max_length=200,
                elem_id=f"{elem_id}-words",
            )  # fmt: skip
            with gr.Row():
                self.since = gr.Textbox(
                    label="From day", placeholder="2026-03-01", max_length=10, min_width=120
                )
                self.until = gr.Textbox(
                    label="To day", placeholder="2026-03-31", max_length=10, min_width=120
                )
        self.files = gr.File(
            label="Files, or one JSONL or text file with a text on each line",
            file_count="multiple", visible=False, elem_id=f"{elem_id}-files", height=140,
        )  # fmt: skip
        self.inputs = {self.where, self.model, self.words, self.since, self.until, self.files}
        self.where.change(self._show, self.where, [self._library, self.files], **QUIET)

    def models(self, kind: Kind) -> Any:
        """The choice of models for another kind."""
        names = [(model.title, model.name) for model in offered(self._studio, kind)]
        return gr.update(choices=[("Any", ANY), *names], value=ANY)

    def read(self, values: Mapping[Any, Any]) -> str | None:
        """The source as `Asked` takes it. Raises BadInput for a date or files that cannot be read."""
        where = values[self.where]
        if where == NONE:
            return None
        if where == FILES:
            return self._studio.judging.evaluations.drop([Path(path) for path in values[self.files] or []])
        days = "".join(
            f" {name}={given.strip()}"
            for name, given in (("since", values[self.since] or ""), ("until", values[self.until] or ""))
            if given.strip()
        )
        words = " ".join((values[self.words] or "").split())
        if "=" in words:
            raise BadInput("Words are searched for as they stand; choose model and days in their own fields.")
        chosen = LibrarySet.read(PREFIX + days)
        return str(replace(chosen, words=words, model=values[self.model] or None))

    @staticmethod
    def _show(where: str) -> tuple[Any, Any]:
        return gr.update(visible=where == LIBRARY), gr.update(visible=where == FILES)
