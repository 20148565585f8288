"""Text: a brief or a filled template becomes copy, streamed while it is written."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gradio as gr

from studio.brands import brand_folders, brand_names
from studio.service import Studio
from studio.types import Brief
from studio.ui.controls import SEED_HINT, follow_model, forms, model_choice, template_form
from studio.ui.desk import Desk, Visitor
from studio.ui.tabs import Room, read_seed

EXAMPLES = [
    "Write a short product description for a handmade ceramic mug that keeps coffee warm.",
    "Give three reasons to visit a small seaside town in winter.",
    "Explain to a ten-year-old why the sky is blue.",
]


def text_tab(studio: Studio, visitor: Visitor, secret: str) -> Room:
    with gr.Row(equal_height=False):
        with gr.Column(scale=5, min_width=320):
            prompt = gr.Textbox(
                label="Brief", lines=5, max_length=studio.settings.max_prompt_chars, elem_id="text-brief",
                placeholder="What should be written, for whom, in what tone?",
                render=False,
            )  # fmt: skip
            template = template_form(studio, "text", prompt)
            prompt.render()
            write = gr.Button("Write", variant="primary", elem_id="text-create")
            gr.Examples([[one] for one in EXAMPLES], [prompt], label="Examples", api_visibility="private")
            with gr.Row():
                count = gr.Slider(
                    1,
                    8,
                    value=1,
                    step=1,
                    label="Candidates",
                    info="The best comes first.",
                    elem_id="text-count",
                )
                seed = gr.Textbox(label="Seed", info=SEED_HINT, max_length=12, elem_id="text-seed")
            brand = _brand_choice(studio)
            choice, models = model_choice(studio, "text")
            options = forms(models, "text-options")
            follow_model(choice, models, options)
        with gr.Column(scale=6, min_width=320):
            desk = Desk(studio, "text", visitor, secret)

    def ask(values: Mapping[Any, Any]) -> Brief:
        name, slots = template.read(values) if template else (None, {})
        chosen = values[choice]
        form = next(form for form in options if form.engine == studio.catalog.get(chosen).engine)
        return Brief(
            kind="text",
            prompt="" if name else values[prompt] or "",
            model=chosen,
            template=name,
            brand=(values[brand] or None) if brand else None,
            options={**form.read(values), **slots},
            count=int(values[count]),
            seed=read_seed(values[seed]),
        )

    asked = {prompt, count, seed, choice, *(one for form in options for one in form.inputs.values())}
    if template:
        asked |= {template.choice, *template.slots}
    if brand:
        asked.add(brand)
    return Room(desk=desk, prompt=prompt, button=write, ask=ask, inputs=asked, ready=bool(models))


def _brand_choice(studio: Studio) -> gr.Radio | None:
    """None where no brand was written down."""
    names = brand_names(brand_folders(studio.settings))
    if not names:
        return None
    return gr.Radio(
        [("No brand", ""), *((name, name) for name in names)], value="", label="Brand",
        info="Its phrases are asked for and ruled out in the scores.", elem_id="text-brand",
    )  # fmt: skip
