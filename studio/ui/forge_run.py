"""One training on the right of the Forge tab: how it stands, its curves and pictures, and what to do with it.

The browser keeps the run's name; a timer reads its folder while it goes on, so nothing is lost on reload.
"""

from __future__ import annotations

from typing import Any

import gradio as gr

from studio.errors import NotFound, StudioError
from studio.forge.publish_made import part_of
from studio.forge.runs import Run
from studio.service import Studio
from studio.ui import forge_view, show
from studio.ui.desk import QUIET, Updates

NOTHING = ("No training yet", "Choose a recipe and data, then measure the first steps or train at once.")
LOOK_SECONDS = 1.5
SHOWN_RUNS = 12
TABS = {"text": "Text", "image": "Image", "music": "Music"}  # where a published model is chosen


class RunPanel:
    def __init__(self, studio: Studio, secret: str) -> None:
        self.studio, self.door = studio, studio.trainings
        self.shown = gr.BrowserState("", storage_key="signet-training", secret=secret)
        self.timer = gr.Timer(LOOK_SECONDS, active=False)
        self.runs = gr.Dropdown(
            [], label="Runs, newest first", visible=False, elem_id="forge-runs", filterable=False
        )
        self.status = gr.HTML(show.empty(*NOTHING), elem_id="forge-status")
        with gr.Row(visible=False) as self.actions:
            self.stop = gr.Button("Stop", variant="stop", elem_id="forge-stop", size="md", min_width=90)
            self.resume = gr.Button(
                "Resume", variant="primary", elem_id="forge-resume", size="md", min_width=90
            )
            self.delete = gr.Button("Delete", elem_id="forge-delete", size="md", min_width=90)
            self.sure = gr.Button(
                "Really delete all it has made", variant="stop", visible=False, elem_id="forge-sure"
            )
        self.said = gr.HTML(elem_id="forge-said")
        self.curves = gr.HTML(elem_id="forge-curves")
        self.pictures = gr.HTML(elem_id="forge-pictures")
        with gr.Accordion("What it printed, and the command line", open=False, visible=False) as self.words:
            self.log = gr.HTML(elem_id="forge-log")
        self.part = gr.HTML(elem_id="forge-part")
        self._publishing()
        self.outputs = [
            self.shown, self.timer, self.runs, self.status, self.actions, self.stop, self.resume, self.delete,
            self.sure, self.said, self.curves, self.pictures, self.words, self.log, self.publishing,
            self.part,
        ]  # fmt: skip
        self._wire()

    def _publishing(self) -> None:
        with gr.Accordion("Publish", open=False, visible=False, elem_id="forge-publish") as self.publishing:
            self.name = gr.Textbox(
                label="Name in the catalog", info="Small letters, digits, '.', '_' and '-'.", max_length=64,
                elem_id="forge-publish-name",
            )  # fmt: skip
            self.licence = gr.Textbox(
                label="Licence of the data, where it says none",
                info="An SPDX id such as CC-BY-4.0; LicenseRef-own-work for your own; LicenseRef-unknown if nobody knows.",
                max_length=80, elem_id="forge-publish-licence",
            )  # fmt: skip
            self.own = gr.Textbox(
                label="Licence of the model, if it is asked for",
                info="Of one trained from nothing, or of a base that is in no catalog.",
                max_length=80, elem_id="forge-publish-own",
            )  # fmt: skip
            self.publish = gr.Button("Publish", variant="primary", elem_id="forge-publish-go")
            self.published = gr.HTML(elem_id="forge-published")

    def _wire(self) -> None:
        self.timer.tick(self.refresh, self.shown, self.outputs, **QUIET)
        self.runs.input(self.follow, self.runs, self.outputs, **QUIET)
        for button, act in ((self.stop, self._stop), (self.resume, self._resume), (self.sure, self._delete)):
            button.click(act, self.shown, self.outputs, trigger_mode="once", **QUIET)
        self.delete.click(lambda: gr.update(visible=True), None, self.sure, **QUIET)
        self.publish.click(
            self._publish, [self.shown, self.name, self.licence, self.own], self.published, trigger_mode="once",
            concurrency_limit=2, **QUIET,
        )  # fmt: skip

    # --- Events -----------------------------------------------------------------------------------

    def follow(self, name: str) -> Updates:
        """Show this run from now on."""
        try:
            run = self.door.get(name)
        except StudioError as error:
            return self.trouble(str(error))
        return self._face(run) | {
            self.shown: name, self.said: "", self.sure: gr.update(visible=False),
            self.runs: self._choices(name),
        }  # fmt: skip

    def reattach(self, name: str) -> Updates:
        """What the tab shows when it is opened: the run that was watched, else the newest."""
        runs = self.door.runs()
        if not runs:
            return {self.shown: ""}
        known = {run.name for run in runs}
        return self.follow(name if name in known else runs[0].name)

    def refresh(self, name: str) -> Updates:
        try:
            return self._face(self.door.get(name))
        except NotFound:
            return {self.timer: gr.Timer(active=False)}

    def trouble(self, sentence: str) -> Updates:
        return {self.said: show.notice(sentence, trouble=True)}

    def _face(self, run: Run) -> Updates:
        state, part = run.status.state, part_of(run)
        return {
            self.timer: gr.Timer(active=not run.over),
            self.status: forge_view.standing(run),
            self.actions: gr.update(visible=True),
            self.stop: gr.update(visible=not run.over),
            self.resume: gr.update(visible=state in ("stopped", "failed")),
            self.delete: gr.update(visible=run.over),
            self.curves: forge_view.curves(run),
            self.pictures: forge_view.pictures(run),
            self.words: gr.update(visible=True),
            self.log: forge_view.log(run) + forge_view.command(forge_view.line_of(run)),
            self.publishing: gr.update(visible=state == "done" and not part),
            self.part: show.notice(part) if part and state == "done" else "",
            **({self.runs: self._choices(run.name)} if run.over else {}),
        }

    def _choices(self, name: str) -> Any:
        runs = self.door.runs()[:SHOWN_RUNS]
        choices = [(f"{run.name} · {run.status.state}", run.name) for run in runs]
        return gr.update(choices=choices, value=name, visible=len(runs) > 1)

    def _stop(self, name: str) -> Updates:
        return self._after(name, self.door.stop)

    def _resume(self, name: str) -> Updates:
        return self._after(name, self.door.resume)

    def _after(self, name: str, act: Any) -> Updates:
        try:
            act(name)
        except StudioError as error:
            return self.trouble(str(error))
        return self.follow(name)

    def _delete(self, name: str) -> Updates:
        try:
            self.door.delete(name)
        except StudioError as error:
            return self.trouble(str(error))
        if self.door.runs():
            return self.reattach("")
        hidden = gr.update(visible=False)
        return {
            self.shown: "", self.status: show.empty(*NOTHING), self.actions: hidden, self.runs: hidden,
            self.curves: "", self.pictures: "", self.words: hidden, self.publishing: hidden,
            self.part: "",
        }  # fmt: skip

    def _publish(self, run: str, name: str | None, licence: str | None, own: str | None) -> Any:
        yield show.notice("Writing the files and proving them in the engine that will run them…")
        try:
            model = self.studio.publish(
                run, (name or "").strip(), (licence or "").strip(), (own or "").strip()
            )
        except StudioError as error:
            yield show.notice(str(error), trouble=True)
            return
        yield show.notice(
            f"{model.title} is in the catalog ({model.licence}, commercial use: {model.commercial}); "
            + (
                f"choose it as a model in the {TABS[model.kind]} tab."
                if model.engine
                else f"name it as LoRA in the Image tab, with the base it was trained on: {model.name}."
            )
        )
