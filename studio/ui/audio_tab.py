"""Audio: a script is spoken; the first sentence plays while the rest is made."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gradio as gr

from studio.service import Studio
from studio.types import Brief
from studio.ui.controls import SEED_HINT, SOUND_FORMATS, follow_model, forms, model_choice
from studio.ui.desk import Desk, Visitor
from studio.ui.tabs import Room, read_seed

EXAMPLES = [
    "Welcome to the museum. Please keep your ticket until the end of your visit.",
    "The next train to the coast leaves at 9:45 from platform 3. Tickets are £12.50.",
    "Take one tablet twice a day with a glass of water, and ask your pharmacist if anything is unclear.",
]


def audio_tab(studio: Studio, visitor: Visitor, secret: str) -> Room:
    with gr.Row(equal_height=False):
        with gr.Column(scale=5, min_width=320):
            script = gr.Textbox(
                label="Script", lines=8, max_length=studio.settings.max_prompt_chars, elem_id="speech-brief",
                placeholder="The words to be spoken.",
            )  # fmt: skip
            speak = gr.Button("Speak", variant="primary", elem_id="speech-create")
            gr.Examples([[one] for one in EXAMPLES], [script], label="Examples", api_visibility="private")
            with gr.Row():
                format_ = gr.Radio(SOUND_FORMATS, value="wav", label="File format")
                seed = gr.Textbox(
                    label="Seed", info=SEED_HINT, max_length=12, elem_id="speech-seed", visible=False
                )
            choice, models = model_choice(studio, "speech")
            options = forms(models, "speech-options")
            follow_model(choice, models, options)
        with gr.Column(scale=6, min_width=320):
            desk = Desk(studio, "speech", visitor, secret)

    def ask(values: Mapping[Any, Any]) -> Brief:
        chosen = values[choice]
        form = next(form for form in options if form.engine == studio.catalog.get(chosen).engine)
        return Brief(
            kind="speech",
            prompt=values[script] or "",
            model=chosen,
            options=form.read(values),
            seed=read_seed(values[seed]),
            format=values[format_],
        )

    asked = {script, format_, seed, choice, *(one for form in options for one in form.inputs.values())}
    return Room(desk=desk, prompt=script, button=speak, ask=ask, inputs=asked, ready=bool(models))
