"""Listen: a recording becomes text or captions; captions of what the studio spoke itself use its script."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gradio as gr

from studio.errors import BadInput
from studio.service import Studio
from studio.types import Brief
from studio.ui.controls import follow_model, forms
from studio.ui.desk import QUIET, Desk, Visitor
from studio.ui.tabs import Room

FORMATS = [("Text", "txt"), ("Captions, SubRip (srt)", "srt"), ("Captions, WebVTT (vtt)", "vtt")]


def listen_tab(studio: Studio, visitor: Visitor, secret: str) -> Room:
    models = [model for model in studio.listeners() if studio.catalog.ready(model.name)]
    with gr.Row(equal_height=False):
        with gr.Column(scale=5, min_width=320):
            recording = gr.Audio(
                label="Recording", sources=["upload", "microphone"], type="filepath", format=None,
                elem_id="listen-recording",
            )  # fmt: skip
            about = gr.Textbox(
                label="What it is", max_length=500, elem_id="listen-brief",
                placeholder="Interview on the harbour, second take (optional; it helps to find it again)",
            )  # fmt: skip
            write = gr.Button("Write down", variant="primary", elem_id="listen-create")
            format_ = gr.Radio(FORMATS, value="txt", label="Write as", elem_id="listen-format")
            choice = gr.Radio(
                [(model.title, model.name) for model in models],
                value=models[0].name if models else None,
                label="Model",
                visible=len(models) > 1,
            )
            options = forms(models, "listen-options")
            follow_model(choice, models, options)
        with gr.Column(scale=6, min_width=320):
            desk = Desk(studio, "text", visitor, secret, name="listen")

    def ask(values: Mapping[Any, Any]) -> Brief:
        if not values[recording]:
            raise BadInput("There is nothing to listen to yet; choose a recording or make one.")
        form = next(form for form in options if form.engine == studio.catalog.get(values[choice]).engine)
        return Brief(
            kind="text",
            prompt=values[about] or "",
            model=values[choice],
            options=form.read(values),
            inputs=(studio.uploads.stage(Path(values[recording]), "text"),),
            format=values[format_],
        )

    asked = {recording, about, format_, choice, *(one for form in options for one in form.inputs.values())}
    return Room(desk=desk, prompt=about, button=write, ask=ask, inputs=asked, ready=bool(models))


def captions_button(studio: Studio, speech: Desk, listen: Room, tabs: gr.Tabs, tab: str) -> gr.Button:
    """On a spoken result: write its captions, in the Listen tab."""
    button = gr.Button("Captions", size="md", min_width=90, elem_id="speech-captions", visible=listen.ready)

    def ask(values: Mapping[Any, Any]) -> Brief:
        asset = studio.library.get(values[speech.shown])
        script = asset.brief.prompt
        return Brief(
            kind="text",
            prompt=f"Captions: {script[:200]}",
            engine="listen_whisper",
            options={} if script.lstrip().startswith("<speak") else {"script": script},
            inputs=(asset.id,),
            format="srt",
        )

    button.click(lambda: gr.Tabs(selected=tab), None, tabs, **QUIET).then(
        listen.desk.create(ask),
        {speech.shown, speech.visitor.state},
        listen.desk.outputs,
        api_visibility="private",
        show_progress="hidden",
        concurrency_limit=None,
    )
    return button
