"""Image: a prompt becomes a picture; a picture given is taken further (image to image)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gradio as gr

from studio.service import Studio
from studio.types import Brief
from studio.ui.controls import SEED_HINT, follow_model, forms, model_choice
from studio.ui.desk import Desk, Visitor
from studio.ui.tabs import Room, read_seed

EXAMPLES = ["a red apple", "a smiling cat face", "a blue heart", "a snowy mountain"]


def image_tab(studio: Studio, visitor: Visitor, secret: str) -> Room:
    with gr.Row(equal_height=False):
        with gr.Column(scale=5, min_width=320):
            prompt = gr.Textbox(
                label="Prompt",
                lines=3,
                max_length=2000,
                elem_id="image-brief",
                placeholder="What should be seen?",
            )
            paint = gr.Button("Paint", variant="primary", elem_id="image-create")
            with gr.Row():
                count = gr.Slider(
                    1,
                    8,
                    value=1,
                    step=1,
                    label="Candidates",
                    info="The best comes first.",
                    elem_id="image-count",
                )
                seed = gr.Textbox(label="Seed", info=SEED_HINT, max_length=12, elem_id="image-seed")
            format_ = gr.Radio(["png", "jpeg", "webp"], value="png", label="File format")
            choice, models = model_choice(studio, "image")
            options = forms(models, "image-options")
            follow_model(choice, models, options)
            with gr.Accordion("Start from a picture", open=False):
                given = gr.File(
                    label="Picture (PNG, JPEG or WebP)",
                    file_types=[".png", ".jpg", ".jpeg", ".webp"],
                    elem_id="image-given",
                )
            gr.Examples([[one] for one in EXAMPLES], [prompt], label="Examples", api_visibility="private")
        with gr.Column(scale=6, min_width=320):
            desk = Desk(studio, "image", visitor, secret)

    def ask(values: Mapping[Any, Any]) -> Brief:
        chosen = values[choice]
        form = next(form for form in options if form.engine == studio.catalog.get(chosen).engine)
        inputs = (studio.uploads.stage(Path(values[given]), "image"),) if values[given] else ()
        return Brief(
            kind="image",
            prompt=values[prompt] or "",
            model=chosen,
            options=form.read(values),
            count=int(values[count]),
            seed=read_seed(values[seed]),
            inputs=inputs,
            format=values[format_],
        )

    asked = {
        prompt,
        count,
        seed,
        format_,
        choice,
        given,
        *(one for form in options for one in form.inputs.values()),
    }
    return Room(desk=desk, prompt=prompt, button=paint, ask=ask, inputs=asked, ready=bool(models))
