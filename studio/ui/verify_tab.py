"""Verify: what can, and what cannot, be proved about any file or text."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import gradio as gr

from studio.errors import StudioError
from studio.service import Studio
from studio.types import Report
from studio.ui import show
from studio.ui.desk import QUIET
from studio.ui.verify_case import examine
from studio.ui.verify_view import Shown, report

HINT = (
    "Drop a file or paste a text. The file stays on this machine and is not kept. "
    "Nothing found is the most that absence allows: it never means that a person made it."
)
NOTHING = ("Nothing checked yet", "Drop a file or paste a text on the left.")


def verify_tab(studio: Studio) -> None:
    with gr.Row(equal_height=False):
        with gr.Column(scale=4, min_width=320):
            # gr.File hands over the very bytes; gr.Image and gr.Audio may re-encode them.
            given = gr.File(label="File", elem_id="verify-file")
            text = gr.Textbox(label="Or a text", lines=6, elem_id="verify-text", max_length=1_000_000)
            check = gr.Button("Check the text", variant="primary", elem_id="verify-create")
            gr.Markdown(HINT)
            gr.HTML(
                '<p><a href="/verify" target="_blank" rel="noopener">Open this as a page of its own</a></p>'
            )
        with gr.Column(scale=7, min_width=320):
            found = gr.HTML(show.empty(*NOTHING), elem_id="verify-report")

    def check_file(path: str | None) -> str:
        return _answer(lambda: examine(studio, Path(path))) if path else show.empty(*NOTHING)

    def check_text(words: str | None) -> str:
        if not (words or "").strip():
            return show.notice("Paste a text first.", trouble=True)
        return _answer(lambda: examine(studio, words or ""))

    given.change(check_file, given, found, **QUIET)
    check.click(check_text, text, found, **QUIET)


def _answer(examined: Callable[[], tuple[Report, Shown]]) -> str:
    try:
        return report(*examined())
    except StudioError as error:
        return show.notice(str(error), trouble=True)
