"""Edit: recordings of the library or of one's own are cut, joined, levelled or laid over each other."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import gradio as gr

from studio.engines.base import engines
from studio.errors import BadInput, NotFound
from studio.service import Studio
from studio.types import Asset, Brief, Kind
from studio.ui.controls import SOUND_FORMATS, options_form
from studio.ui.desk import QUIET, Desk, Visitor
from studio.ui.tabs import REMEMBERED, Room

OFFERED = 60
KINDS: list[tuple[str, Kind]] = [("Speech", "speech"), ("Music or other sound", "music")]
HONEST = (
    "No model takes part here, so nothing is labelled as AI-generated that was not so before. What you give is named "
    "in the credential of the result and keeps its own credential and labels. "
    "Cloning a voice is not offered."
)


class Slot:
    """One recording: an output chosen from the library, or a file or microphone recording of one's own."""

    def __init__(self, studio: Studio, name: str, label: str) -> None:
        self.studio = studio
        self.pick = gr.Dropdown(
            [], label=label, info="An output of this studio …", value=None, elem_id=f"edit-{name}-pick"
        )
        self.file = gr.Audio(
            label="… or a recording of yours", sources=["upload", "microphone"], type="filepath", format=None,
            editable=False, buttons=[], elem_id=f"edit-{name}-file",
        )  # fmt: skip
        self.pick.input(self.hear, self.pick, self.file, **QUIET)
        for event in (self.file.upload, self.file.stop_recording, self.file.clear):
            event(lambda: None, None, self.pick, **QUIET)

    def hear(self, asset_id: str | None) -> Any:
        """The chosen output, to be listened to."""
        return str(self.studio.public_copy(self.studio.library.get(asset_id))) if asset_id else None

    def choose(self, asset_id: str) -> tuple[Any, Any]:
        """Put an output here."""
        if not asset_id:
            return gr.skip(), gr.skip()
        return gr.update(choices=offered(self.studio, asset_id), value=asset_id), self.hear(asset_id)

    def read(self, values: Mapping[Any, Any], kind: Kind) -> tuple[str, Kind, str] | None:
        """(key for the brief, kind, what a person calls it); None where nothing was chosen."""
        if values[self.pick]:
            asset = self.studio.library.get(values[self.pick])
            return asset.id, asset.kind, _title(asset)
        if values[self.file]:
            path = Path(values[self.file])
            return self.studio.uploads.stage(path, kind), kind, path.name
        return None


def edit_tab(studio: Studio, visitor: Visitor, secret: str) -> tuple[Room, Slot, Any]:
    """The room, its first slot, and the event handler that offers what the library holds now."""
    with gr.Row(equal_height=False):
        with gr.Column(scale=5, min_width=320):
            first = Slot(studio, "first", "Recording")
            with gr.Accordion("A second recording", open=False, elem_id="edit-more"):
                second = Slot(studio, "second", "Second recording")
            about = gr.Textbox(
                label="What it is", max_length=500, elem_id="edit-brief",
                placeholder="Opening of the podcast, shortened (optional; it helps to find it again)",
            )  # fmt: skip
            make = gr.Button("Edit", variant="primary", elem_id="edit-create")
            kind = gr.Radio(KINDS, value="speech", label="A recording of yours is", elem_id="edit-kind")
            format_ = gr.Radio(SOUND_FORMATS, value="wav", label="File format")
            form = options_form("edit_speech", engines.lookup("edit_speech").Options)
            gr.Markdown(HONEST, elem_classes="fine")
        with gr.Column(scale=6, min_width=320):
            desk = Desk(studio, "music", visitor, secret, name="edit")

    def ask(values: Mapping[Any, Any]) -> Brief:
        given = [one for one in (slot.read(values, values[kind]) for slot in (first, second)) if one]
        if not given:
            raise BadInput("There is nothing to edit yet; choose a recording or give one.")
        options = form.read(values)
        if options.get("arrange") == "mix" and len(given) < 2:
            raise BadInput("Mixing takes a second recording: the voice first, then the music.")
        of = given[0][1]
        return Brief(
            kind=of,
            prompt=(values[about] or "").strip() or f"Edited: {given[0][2]}",
            engine=f"edit_{of}",
            options=options,
            inputs=tuple(key for key, _, _ in given),
            format=values[format_],
        )

    def offer() -> list[Any]:
        return [gr.update(choices=offered(studio))] * 2

    inputs = {first.pick, first.file, second.pick, second.file, about, kind, format_, *form.inputs.values()}
    room = Room(desk=desk, prompt=about, button=make, ask=ask, inputs=inputs, ready=True)
    return room, first, (offer, None, [first.pick, second.pick])


def edit_button(source: Desk, slot: Slot, tabs: gr.Tabs, tab: str) -> gr.Button:
    """On a spoken or composed result: go on with it in the Edit tab."""
    button = gr.Button("Edit", size="md", min_width=90, elem_id=f"{source.name}-edit")
    # What is sent to components of a tab that is just being built is lost, so wait for it.
    button.click(lambda: gr.Tabs(selected=tab), None, tabs, **QUIET).then(
        None, None, None, js=REMEMBERED, **QUIET
    ).then(slot.choose, source.shown, [slot.pick, slot.file], **QUIET)
    return button


def offered(studio: Studio, also: str = "") -> list[tuple[str, str]]:
    """(words, id) of the newest sounds in the library, and of `also`."""
    found = [
        asset for kind in ("speech", "music") for asset in studio.library.search(kind=kind, limit=OFFERED)
    ]
    found = sorted(found, key=lambda asset: asset.created_at, reverse=True)[:OFFERED]
    if also and also not in {asset.id for asset in found}:
        with suppress(NotFound):  # deleted meanwhile
            found.insert(0, studio.library.get(also))
    return [(f"{_title(asset)} · {asset.kind}, {asset.created_at:%d %b %H:%M}", asset.id) for asset in found]


def _title(asset: Asset) -> str:
    words = " ".join(asset.brief.prompt.split()) or asset.id[:12]
    return words if len(words) <= 70 else words[:69].rstrip() + "…"
