"""Image: a prompt becomes a picture; a picture is taken further, a part of it drawn anew, or varied."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import gradio as gr

from studio.errors import BadInput
from studio.service import Studio
from studio.types import Brief
from studio.ui.controls import SEED_HINT, follow_model, forms, model_choice
from studio.ui.desk import QUIET, Desk, Visitor
from studio.ui.image_tab_live import live
from studio.ui.image_tab_look import Look, hide_placed
from studio.ui.image_tab_mix import Mix
from studio.ui.image_tab_start import NO_PIXELS, Start
from studio.ui.tabs import Room, read_seed

EXAMPLES = ["a red apple", "a smiling cat face", "a blue heart", "a snowy mountain"]
VARIATIONS, VARIED = 4, 0.55


def image_tab(studio: Studio, visitor: Visitor, secret: str) -> Room:
    return _ImageTab(studio, visitor, secret).room


class _ImageTab:
    """The asking side on the left, the desk on the right, and what connects them."""

    def __init__(self, studio: Studio, visitor: Visitor, secret: str) -> None:
        self.studio, self.visitor = studio, visitor
        with gr.Row(equal_height=False):
            with gr.Column(scale=5, min_width=320):
                self._build()
            with gr.Column(scale=6, min_width=320):
                self.desk = Desk(studio, "image", visitor, secret)
        offered = self.look.offers(self.models[0].name if self.models else None)
        with self.desk.actions:
            changes = "image" in offered.tasks
            self.vary = gr.Button("Variations", elem_id="image-vary", visible=changes, min_width=90)
            self.further = gr.Button("Take further", elem_id="image-further", visible=changes, min_width=90)
            self.keep = gr.Button("Keep the seed", elem_id="image-keep-seed", min_width=90)
        self.room = Room(
            desk=self.desk, prompt=self.prompt, button=self.paint, ask=self.ask, inputs=self.inputs,
            ready=bool(self.models),
        )  # fmt: skip
        self._wire()

    # --- Building ---------------------------------------------------------------------------------

    def _build(self) -> None:
        self.prompt = gr.Textbox(
            label="Prompt", lines=3, max_length=2000, elem_id="image-brief", placeholder="What should be seen?"
        )  # fmt: skip
        with gr.Row():
            self.paint = gr.Button("Paint", variant="primary", elem_id="image-create", scale=3)
            self.live = gr.Checkbox(label="Live while I type", elem_id="image-live", scale=2, min_width=160)
        gr.Examples([[one] for one in EXAMPLES], [self.prompt], label="Examples", api_visibility="private")
        with gr.Row():
            self.count = gr.Slider(
                1, 8, value=1, step=1, label="Candidates", info="The best comes first.", elem_id="image-count"
            )  # fmt: skip
            self.seed = gr.Textbox(label="Seed", info=SEED_HINT, max_length=12, elem_id="image-seed")
        self.choice, self.models = model_choice(self.studio, "image")
        self.look = Look(self.studio, self.models)
        first = self.look.offers(self.models[0].name if self.models else None)
        self.live.visible = bool(first.arguments)
        self.start = Start(self.studio, image="image" in first.tasks, inpaint="inpaint" in first.tasks)
        self.mix = Mix(first)
        with gr.Accordion("Settings", open=False, elem_id="image-settings"):
            self.forms = forms(self.models, "image-options")
            hide_placed(self.forms, first)
        follow_model(self.choice, self.models, self.forms)

    @property
    def inputs(self) -> set[Any]:
        asked = {self.prompt, self.count, self.seed, self.choice} | self.mix.inputs
        return (
            asked
            | self.look.inputs
            | self.start.inputs
            | {one for form in self.forms for one in form.inputs.values()}
        )

    def _wire(self) -> None:
        desk, inputs = self.desk, self.inputs | {self.visitor.state}
        outputs = [
            self.look.style, self.look.shape, self.look.transparent, self.look.format, self.live, self.vary, self.further,
            *self.mix.outputs, self.start.panel, self.start.masks, self.start.given, *self.start.outputs,
            *(one for form in self.forms for one in form.inputs.values()),
        ]  # fmt: skip
        self.choice.change(self.follow, self.choice, outputs, **QUIET)
        self.prompt.input(
            live(self.studio, desk, self.ask, self.live, self.prompt), inputs | {self.live}, desk.outputs,
            trigger_mode="always_last", concurrency_limit=None, **QUIET,
        )  # fmt: skip
        self.vary.click(
            desk.create(self.ask_variations), inputs | {desk.shown}, desk.outputs, trigger_mode="once",
            concurrency_limit=None, **QUIET,
        )  # fmt: skip
        further = [self.start.panel, *self.start.outputs]
        self.start.fill(
            self.further.click(self.take_further, [desk.shown, self.start.masks], further, **QUIET)
        )
        self.keep.click(self.keep_seed, desk.shown, self.seed, **QUIET)

    # --- Events -----------------------------------------------------------------------------------

    def ask(self, values: Mapping[Any, Any]) -> Brief:
        """The brief as the page stands. Raises BadInput for what cannot be meant."""
        chosen = values[self.choice]
        form = next(form for form in self.forms if form.engine == self.studio.catalog.get(chosen).engine)
        prompt, options = self.look.read(values, chosen, values[self.prompt] or "", form.read(values))
        inputs, more = self.start.read(values)
        if inputs:
            options = {key: one for key, one in options.items() if key not in ("width", "height")}
            options |= more if self.look.offers(chosen).has("strength") else {}
        mixed, film = self.mix.read(values, self.look.offers(chosen))
        return Brief(
            kind="image", prompt=prompt, model=chosen, options=options | mixed, count=int(values[self.count]),
            seed=read_seed(values[self.seed]), inputs=inputs, format=film or values[self.look.format],
        )  # fmt: skip

    def ask_variations(self, values: Mapping[Any, Any]) -> Brief:
        """Four pictures that begin at the one shown, each from noise of its own."""
        if not values[self.desk.shown]:
            raise BadInput("Paint something first; then it can be varied.")
        brief, given = self.ask(values), self.studio.library.get(values[self.desk.shown])
        if given.media_type in NO_PIXELS:
            raise BadInput(
                f"{NO_PIXELS[given.media_type]} cannot be varied; make the picture as PNG and vary that."
            )
        dropped = ("to_prompt", "frames", "width", "height")
        options = {name: value for name, value in brief.options.items() if name not in dropped}
        return replace(
            brief, prompt=brief.prompt or given.brief.prompt, inputs=(given.id,), count=VARIATIONS, seed=None,
            options=options | {"strength": VARIED},
        )  # fmt: skip

    def follow(self, name: str) -> dict[Any, Any]:
        """Another model was chosen: leave what it has."""
        found = self.look.offers(name)
        return (
            self.look.follow(name, self.forms)
            | self.start.follow(found.tasks)
            | self.mix.follow(found)
            | {
                self.live: gr.update(visible=bool(found.arguments), value=False),
                self.vary: gr.update(visible="image" in found.tasks),
                self.further: gr.update(visible="image" in found.tasks),
            }
        )

    def take_further(self, asset_id: str, masks: bool) -> dict[Any, Any]:
        return self.start.take(self.studio.library.get(asset_id), masks) if asset_id else {}

    def keep_seed(self, asset_id: str) -> Any:
        return str(self.studio.library.get(asset_id).model.seed) if asset_id else gr.skip()
