"""Evaluate: whole sets judged and compared, and models ranked by people."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr

from studio.errors import Cancelled, NotFound, StudioError
from studio.evaluation import Asked, Done
from studio.service import Studio
from studio.types import Kind
from studio.ui import show
from studio.ui.desk import QUIET, Updates, Visitor, _left
from studio.ui.people_panel import PeoplePanel
from studio.ui.set_picker import SetPicker

KINDS: tuple[tuple[str, Kind], ...] = (
    ("Text", "text"), ("Image", "image"), ("Speech", "speech"), ("Music", "music"),
)  # fmt: skip
HINT = (
    "Every figure names its least number of outputs and is withheld below it. "
    "Files stay on this machine. References are what the outputs are held against: "
    "translations or texts of your own, line by line or name by name, or another collection."
)
NOTHING = ("No report yet", "Choose a set on the left and press Evaluate.")
SHOWN_REPORTS = 20
# Where form and report stand one under the other (a phone), what was asked for would appear out of sight.
SHOW_STATUS = """() => document.getElementById("evaluate-status").scrollIntoView({block: "nearest", behavior: "smooth"})"""


def evaluate_tab(studio: Studio, visitor: Visitor, secret: str) -> EvaluateTab:
    with gr.Tabs():
        with gr.Tab("Whole sets", id="evaluate-sets"):
            tab = EvaluateTab(studio, secret)
        with gr.Tab("People", id="evaluate-people") as people_place:
            people = PeoplePanel(studio, visitor)
    people_place.select(people.next, [people.kind, visitor.state], people.outputs, **QUIET)
    return tab


class EvaluateTab:
    """The asking side on the left, the report of one evaluation on the right."""

    def __init__(self, studio: Studio, secret: str) -> None:
        self.studio, self.runs = studio, studio.judging.evaluations
        self.running = gr.BrowserState("", storage_key="signet-evaluation", secret=secret)
        with gr.Row(equal_height=False):
            with gr.Column(scale=4, min_width=320):
                self.kind = gr.Radio(list(KINDS), value="text", label="Kind", elem_id="evaluate-kind")
                self.candidates = SetPicker(
                    studio, "Outputs to judge", "", "evaluate-candidates", optional=False
                )
                self.against = SetPicker(
                    studio, "Compare with", "Another model, another day: with significance.",
                    "evaluate-against", optional=True,
                )  # fmt: skip
                self.references = SetPicker(
                    studio, "References", "For overlap (BLEU, ROUGE) and distances.",
                    "evaluate-references", optional=True,
                )  # fmt: skip
                self.go = gr.Button("Evaluate", variant="primary", elem_id="evaluate-create")
                gr.Markdown(HINT)
            with gr.Column(scale=7, min_width=320):
                self.past = gr.Radio(
                    [], label="Reports, newest first", visible=False, elem_id="evaluate-past"
                )
                self.status = gr.HTML(show.empty(*NOTHING), elem_id="evaluate-status")
                self.stop = gr.Button("Stop", variant="stop", visible=False, elem_id="evaluate-stop")
                self.report = gr.HTML(elem_id="evaluate-report")
                self.files = gr.Files(
                    label="Download as page, JSON and CSV", visible=False, interactive=False,
                    elem_id="evaluate-download",
                )  # fmt: skip
        self._pickers = (self.candidates, self.against, self.references)
        self.outputs = [self.running, self.past, self.status, self.stop, self.files, self.report]
        self._wire()

    def _wire(self) -> None:
        inputs = {self.kind, *(one for picker in self._pickers for one in picker.inputs)}
        self.go.click(self._run, inputs, self.outputs, trigger_mode="once", concurrency_limit=None, **QUIET)
        for event in (self.go.click, self.past.input):
            event(fn=None, js=SHOW_STATUS, api_visibility="private")
        self.kind.change(self._models, self.kind, [picker.model for picker in self._pickers], **QUIET)
        self.stop.click(self._stop, self.running, self.stop, **QUIET)
        self.past.input(self._choose, self.past, self.outputs, **QUIET)

    def wire(self, page: gr.Blocks, place: gr.Tab) -> None:
        """Name the models when the page loads; pick up a running evaluation when the tab is opened.

        Not at load: what streams into a tab that was never opened is lost.
        """
        page.load(self._models, self.kind, [picker.model for picker in self._pickers], **QUIET)
        place.select(
            self._reattach, self.running, self.outputs, trigger_mode="once", concurrency_limit=None, **QUIET
        )

    # --- Events -----------------------------------------------------------------------------------

    def _models(self, kind: Kind) -> list[Any]:
        return [picker.models(kind) for picker in self._pickers]

    def _run(self, values: dict[Any, Any]) -> Iterator[Updates]:
        try:
            key = self.runs.start(self._ask(values))
        except StudioError as error:
            yield {self.status: show.notice(str(error), trouble=True)}
            return
        yield {
            self.running: key,
            self.stop: gr.update(visible=True),
            self.report: "",
            self.files: gr.update(visible=False),
        }
        yield from self._follow(key)

    def _ask(self, values: Mapping[Any, Any]) -> Asked:
        candidates, against, references = (picker.read(values) for picker in self._pickers)
        return Asked(values[self.kind], candidates or "", references, against)

    def _follow(self, key: str) -> Iterator[Updates]:
        began = time.monotonic()
        try:
            for event in self.runs.watch(key):
                # The button again each time: what comes while the tab is being built is lost.
                yield {
                    self.status: show.meter(event, _left(event, time.monotonic() - began)),
                    self.stop: gr.update(visible=True),
                }
            yield self._finished(self.runs.done(key))
        except Cancelled as stopped:
            yield self._ended(show.notice(str(stopped)))
        except StudioError as error:
            yield self._ended(show.notice(str(error), trouble=True))

    def _reattach(self, key: str) -> Iterator[Updates]:
        yield {self.past: self._reports("")}
        if not key:
            return
        try:
            yield self._finished(self.runs.done(key))
        except NotFound:
            if self.runs.pid(key):
                yield {self.stop: gr.update(visible=True)}
                yield from self._follow(key)

    def _stop(self, key: str) -> Any:
        self.runs.stop(key)
        return gr.update(visible=False)

    def _choose(self, key: str) -> Updates:
        try:
            return self._finished(self.runs.done(key))
        except NotFound as error:
            return self._ended(show.notice(str(error), trouble=True))

    # --- What the page shows ----------------------------------------------------------------------

    def _ended(self, words: str) -> Updates:
        return {self.running: "", self.status: words, self.stop: gr.update(visible=False)}

    def _finished(self, done: Done) -> Updates:
        files = [str(path) for path in self.studio.judging.publish(done)]
        page = next(path for path in files if path.endswith("report.html"))
        return {
            self.running: done.id,
            self.past: self._reports(done.id),
            self.status: show.notice(f"{_title(done)}. The report is kept on this machine."),
            self.stop: gr.update(visible=False),
            self.files: gr.update(value=files, visible=True),
            self.report: _framed(Path(page).read_text("utf-8")),
        }

    def _reports(self, chosen: str) -> Any:
        choices = [(_title(one), one.id) for one in self.runs.finished()[:SHOWN_REPORTS]]
        return gr.update(choices=choices, value=chosen or None, visible=len(choices) > 0)


def _framed(page: str) -> str:
    """The report in a frame that may run nothing and reach nothing."""
    return (
        f'<iframe class="report" sandbox title="Report of the evaluation" srcdoc="{escape(page, quote=True)}">'
        "</iframe>"
    )


def _title(done: Done) -> str:
    against = f" against {_short(done.asked.against)}" if done.asked.against else ""
    held = f", references {_short(done.asked.references)}" if done.asked.references else ""
    return f"{done.created_at:%Y-%m-%d %H:%M} · {done.asked.kind} · {_short(done.asked.candidates)}{against}{held}"


def _short(source: str) -> str:
    return source if source.startswith("library:") else Path(source).name
