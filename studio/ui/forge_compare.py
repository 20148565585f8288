"""Runs side by side: what was asked differently, how each went, their losses in one chart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gradio as gr

from studio.errors import StudioError
from studio.service import Studio
from studio.ui import forge_view, show
from studio.ui.desk import QUIET

SHOWN_RUNS = 12
MOST = 4  # columns and line styles that can be told apart


def compare_panel(studio: Studio) -> None:
    with gr.Accordion("Compare runs", open=False, elem_id="forge-compare") as panel:
        chosen = gr.CheckboxGroup([], label="Runs, newest first", elem_id="forge-compare-runs")
        table = gr.HTML(elem_id="forge-compare-table")

    def offer() -> Any:
        return gr.update(choices=[run.name for run in studio.trainings.runs()[:SHOWN_RUNS]], value=[])

    def compare(names: Sequence[str]) -> str:
        try:
            return forge_view.side_by_side([studio.trainings.get(name) for name in names[:MOST]])
        except StudioError as error:
            return show.notice(str(error), trouble=True)

    panel.expand(offer, None, chosen, **QUIET)
    chosen.change(compare, chosen, table, **QUIET)
