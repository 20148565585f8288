"""Forge: choose a recipe, look at the data, see what it will cost, train, watch, compare, publish.

What is *not* here: the run that is being watched (forge_run.py) and the guided demo (forge_demo.py).
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import gradio as gr

from studio.errors import BadInput, StudioError
from studio.forge.base import recipes
from studio.forge.data import inspect_data
from studio.forge.runs import Request, command
from studio.service import Studio
from studio.ui import forge_view, show
from studio.ui.controls import Form, options_form
from studio.ui.desk import QUIET, Visitor
from studio.ui.forge_compare import compare_panel
from studio.ui.forge_demo import DEMO, Demo
from studio.ui.forge_run import RunPanel
from studio.ui.forge_taste import taste_panel

CHOOSE = ("Choose what to train", "Each recipe says what it does; nothing starts before you press Train.")
OWN_FORMAT = (
    "This recipe reads a folder that its own tool has built (see the user guide); it is checked, "
    "and what is wrong is told, before the first step."
)
MOST_GPUS = 8

# What people come for stands first, language before pictures; then whatever else there is, by name.
FIRST = (
    "finetune_lm",
    "harden_lm",
    "prune",
    "pretrain_lm",
    "finetune_diffusion",
    "distil",
    "pretrain_diffusion",
)
WORDS = {
    "lm": "language model", "prune": "prune language model", "diffusion": "picture model",
    "distil": "distil picture model", "align": "picture judge", "tune": "melodies", "gan": "GAN of pictures",
}  # fmt: skip


class ForgeTab:
    """The asking side on the left, one run on the right, runs side by side below."""

    def __init__(self, studio: Studio, visitor: Visitor, secret: str) -> None:
        self.studio = studio
        self.begin = gr.State({})
        with gr.Row(equal_height=False):
            with gr.Column(scale=5, min_width=320):
                demo_button = gr.Button(
                    "Guided demo: teach a small model a voice in ten minutes", elem_id="forge-demo", size="md"
                )
                self.recipe = gr.Radio(
                    [(_title(name), name) for name in sorted(recipes, key=_place)], label="Recipe",
                    elem_id="forge-recipe", elem_classes="chips",
                )  # fmt: skip
                self.about = gr.HTML(show.empty(*CHOOSE), elem_id="forge-about")
                self.path = gr.Textbox(
                    label="Data", info="A file or folder on this machine, or hand files in below.",
                    elem_id="forge-data", max_length=4000,
                )  # fmt: skip
                with gr.Accordion("Hand in files", open=False):
                    self.upload = gr.File(
                        label="Text, JSONL, CSV, or pictures with captions", file_count="multiple",
                        elem_id="forge-upload",
                    )  # fmt: skip
                self.look = gr.Button("Look at the data", size="sm", elem_id="forge-look")
                self.seen = gr.HTML(elem_id="forge-seen")
                self._asking()
            with gr.Column(scale=6, min_width=320):
                self.run = RunPanel(studio, secret)
                self.demo = Demo(studio, self.run)
        compare_panel(studio)
        taste_panel(studio, visitor, self.run)
        self._wire(demo_button)

    def wire(self, place: gr.Tab) -> None:
        """Find the run that was watched when the tab is opened."""
        place.select(self.run.reattach, self.run.shown, self.run.outputs, **QUIET)

    def _wire(self, demo_button: gr.Button) -> None:
        self.recipe.input(dict, None, self.begin, **QUIET)
        self.recipe.change(_about, self.recipe, self.about, **QUIET)
        self.upload.upload(self._keep_files, self.upload, [self.path, self.seen], **QUIET)
        demo_button.click(
            lambda: (DEMO.options, DEMO.recipe, str(DEMO.data(self.studio.settings))),
            None,
            [self.begin, self.recipe, self.path],
            **QUIET,
        ).then(self._look_at, [self.recipe, self.path], self.seen, **QUIET).then(
            self.demo.introduce, None, self.demo.outputs, **QUIET
        )
        self.look.click(self._look_at, [self.recipe, self.path], self.seen, **QUIET)

    # --- The recipe's own form --------------------------------------------------------------------

    def _asking(self) -> None:
        """Rebuilt for each recipe: its options, the command line it equals, and the buttons."""

        def asking(name: str | None, begin: Mapping[str, Any]) -> None:
            if not name:
                return
            with gr.Accordion("Options, all with a default that works", open=False, elem_id="forge-options"):
                form = options_form(name, recipes.lookup(name).Options, given=begin)
            run_name = gr.Textbox(
                label="Name of the run",
                info="Empty: after the recipe.",
                max_length=64,
                interactive=True,
                elem_id="forge-name",
            )
            with gr.Row():
                measure = gr.Button("Measure the first steps", elem_id="forge-measure")
                train = gr.Button("Train", variant="primary", elem_id="forge-train")
            with gr.Accordion("The same on the command line", open=False):
                several = gr.Slider(1, MOST_GPUS, value=1, step=1, label="GPUs", interactive=True)
                line = gr.HTML(_line(name, form, begin, ""), elem_id="forge-command")
            inputs = {self.path, run_name, several, *form.inputs.values()}
            gr.on(
                [one.change for one in inputs],
                lambda values: _line(
                    name, form, form.read(values), values[self.path], int(values[several]), values[run_name]
                ),
                inputs, line, **QUIET,
            )  # fmt: skip
            for button, only_measure in ((measure, True), (train, False)):
                button.click(
                    self._start(name, form, run_name, only_measure), inputs, self.run.outputs,
                    trigger_mode="once", **QUIET,
                )  # fmt: skip

        gr.render(inputs=[self.recipe, self.begin], triggers=[self.recipe.change])(asking)

    def _start(self, recipe: str, form: Form, run_name: gr.Textbox, measure: bool) -> Any:
        def start(values: dict[Any, Any]) -> dict[Any, Any]:
            try:
                path = (values[self.path] or "").strip()
                if not path:
                    raise BadInput("Say where the data is, or hand files in.")
                run = self.studio.trainings.submit(
                    recipe, Path(path), form.read(values), name=(values[run_name] or "").strip(),
                    measure=measure,
                )  # fmt: skip
            except StudioError as error:
                return self.run.trouble(str(error))
            return self.run.follow(run.name)

        return start

    # --- Data -------------------------------------------------------------------------------------

    def _look_at(self, recipe: str | None, path: str | None) -> str:
        if not (path or "").strip():
            return show.notice("Say where the data is, or hand files in.", trouble=True)
        try:
            if recipe and "columns" not in {one.name for one in fields(recipes.lookup(recipe).Options)}:
                return show.notice(OWN_FORMAT)
            return forge_view.data(inspect_data(Path(str(path)).expanduser()))
        except StudioError as error:
            return show.notice(str(error), trouble=True)

    def _keep_files(self, files: Sequence[str] | None) -> tuple[Any, Any]:
        """What was handed in, in a folder of its own that stays: a run may be resumed next month."""
        if not files:
            return gr.skip(), gr.skip()
        folder = self.studio.settings.home / "training" / time.strftime("%Y%m%d-%H%M%S")
        folder.mkdir(parents=True, mode=0o700)
        for file in map(Path, files):
            shutil.copyfile(file, folder / file.name)
        path = folder / Path(files[0]).name if len(files) == 1 else folder
        return str(path), self._look_at(None, str(path))


def _about(name: str | None) -> str:
    return show.notice(recipes.lookup(name).summary) if name else show.empty(*CHOOSE)


def _line(
    recipe: str, form: Form, options: Mapping[str, Any], path: str | None, processes: int = 1, name: str | None = ""
) -> str:  # fmt: skip
    out = f"runs/{name}" if name else ("runs/shared" if processes > 1 else "")
    line = command(Request(recipe, path or "DATA", dict(options)), out, processes)
    return forge_view.command(line)


def _place(recipe: str) -> tuple[int, str]:
    return (FIRST.index(recipe), "") if recipe in FIRST else (len(FIRST), recipe)


def _title(recipe: str) -> str:
    """ "finetune_lm" as people read it."""
    named = " ".join(WORDS.get(word, word) for word in recipe.split("_"))
    return named[:1].upper() + named[1:]
