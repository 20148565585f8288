"""Music: a brief becomes a melody, an arrangement and a recording; notes and picture stand beside it."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr

from studio.companions import companions
from studio.errors import StudioError
from studio.library.export import safe_name
from studio.service import Studio
from studio.types import Asset, Brief
from studio.ui import show
from studio.ui.controls import (
    SEED_HINT,
    SOUND_FORMATS,
    TemplateForm,
    follow_model,
    forms,
    model_choice,
    template_form,
)
from studio.ui.desk import QUIET, Desk, Visitor
from studio.ui.tabs import Room, read_seed

EXAMPLES = [
    "A cheerful jig for the opening of a village fair",
    "Calm harp music for a museum, 45 seconds",
    "Solemn march in D major for an award ceremony, with brass",
    "Boss fight in a dark castle, loop",
    "梦幻的圆舞曲，八音盒",
]
SHOWN = (
    "mood",
    "style",
    "mode",
    "metre",
    "tempo",
    "lead",
    "backing",
    "texture",
    "bass",
    "drums",
    "seconds",
    "loop",
)
"""Controls named under a result: what was asked and what the brief decided."""
LABELS = {
    "lead": "melody",
    "backing": "accompaniment",
    "tempo": "beats a minute",
    "seconds": "wished seconds",
}
NOTES = {".mid": "MIDI", ".musicxml": "MusicXML", ".abc": "ABC", ".svg": "Piano roll"}
WAYS = {"given": "Same tune, new arrangement", "continue": "Write it further", "vary": "Vary the tune"}


def music_tab(studio: Studio, visitor: Visitor, secret: str) -> Room:
    with gr.Row(equal_height=False):
        with gr.Column(scale=5, min_width=320):
            prompt = gr.Textbox(
                label="What is the music for?", lines=3, max_length=2000, elem_id="music-brief",
                placeholder="Occasion, mood, instruments, length …",
            )  # fmt: skip
            template = template_form(studio, "music", prompt)
            create = gr.Button("Compose", variant="primary", elem_id="music-create")
            gr.Examples([[one] for one in EXAMPLES], [prompt], label="Examples", api_visibility="private")
            with gr.Row():
                count = gr.Slider(1, 4, value=1, step=1, label="Candidates", elem_id="music-count")
                seed = gr.Textbox(label="Seed", info=SEED_HINT, max_length=12, elem_id="music-seed")
            format_ = gr.Radio(SOUND_FORMATS, value="wav", label="File format")
            choice, models = model_choice(studio, "music")
            options = forms(models, "music-options")
            follow_model(choice, models, options)
        with gr.Column(scale=6, min_width=320):
            desk = Desk(studio, "music", visitor, secret)
            with desk.actions, gr.Column(min_width=480):  # under the buttons, over the scorecard
                beside = _Beside(studio, desk, options)

    def ask(values: Mapping[Any, Any]) -> Brief:
        return _brief(studio, values, (prompt, template, choice, count, seed, format_), options)

    inputs = {prompt, choice, count, seed, format_, *(c for form in options for c in form.inputs.values())}
    if template is not None:
        inputs |= {template.choice, *template.slots}
    room = Room(desk=desk, prompt=prompt, button=create, ask=ask, inputs=inputs, ready=bool(models))
    beside.wire(room)
    return room


def _brief(studio: Studio, values: Mapping[Any, Any], asked: tuple[Any, ...], options: list[Any]) -> Brief:
    prompt, template, choice, count, seed, format_ = asked
    name, slots = template.read(values) if isinstance(template, TemplateForm) else (None, {})
    chosen = values[choice]
    form = next(form for form in options if form.engine == studio.catalog.get(chosen).engine)
    return Brief(
        kind="music",
        prompt="" if name else values[prompt] or "",
        model=chosen,
        options=form.read(values) | slots,
        seed=read_seed(values[seed]),
        count=int(values[count]),
        template=name,
        format=values[format_],
    )


class _Beside:
    """Under the recording: its controls, its piano roll, its notes to take along, and ways on from it."""

    def __init__(self, studio: Studio, desk: Desk, options: list[Any]) -> None:
        self.studio, self.desk, self.options = studio, desk, options
        self.told = gr.HTML(elem_id="music-controls")
        self.roll = gr.HTML(elem_id="music-roll")
        with gr.Row(visible=False) as self.row:
            self.files = [
                gr.DownloadButton(label, size="md", min_width=90, elem_id=f"music{suffix.replace('.', '-')}")
                for suffix, label in NOTES.items()
            ]
        with gr.Row(visible=False) as self.ways:
            self.onward = {
                start: gr.Button(label, size="md", min_width=90, elem_id=f"music-{start}")
                for start, label in WAYS.items()
            }
        self.outputs = [self.told, self.roll, self.row, self.ways, *self.files]
        desk.shown.change(self._show, desk.shown, self.outputs, **QUIET)

    def wire(self, room: Room) -> None:
        """The ways on fill in the form and compose at once, under a fresh seed."""
        form = next((form for form in self.options if "tune" in form.inputs), None)
        if form is None:
            return

        for name, button in self.onward.items():

            def go_on(values: Mapping[Any, Any], start: str = name) -> Brief:
                asset = self.studio.library.get(values[self.desk.shown])
                options = form.read(values) | {"tune": asset.model.settings["abc"], "start": start}
                return Brief("music", asset.brief.prompt, model=asset.model.id, options=options)

            button.click(
                self.desk.create(go_on),
                room.inputs | {self.desk.shown, self.desk.visitor.state},
                self.desk.outputs,
                concurrency_limit=None,
                trigger_mode="once",
                **QUIET,
            )

    def _show(self, asset_id: str) -> list[Any]:
        nothing = [
            "",
            "",
            gr.update(visible=False),
            gr.update(visible=False),
            *(gr.update(value=None) for _ in NOTES),
        ]
        if not asset_id:
            return nothing
        try:
            asset = self.studio.library.get(asset_id)
            found = companions(asset)
        except StudioError as error:  # deleted meanwhile, or a damaged record: the recording still plays
            return [show.notice(str(error), trouble=True), *nothing[1:]]
        if not found:
            return nothing
        there = _public(self.studio, asset, found)
        picture = found[".svg"].decode()
        files = [gr.update(value=str(there[suffix])) for suffix in NOTES]
        return [
            _told(asset.model.settings), f'<figure style="margin:0">{picture}</figure>',
            gr.update(visible=True), gr.update(visible="abc" in asset.model.settings), *files,
        ]  # fmt: skip


def _public(studio: Studio, asset: Asset, found: Mapping[str, bytes]) -> dict[str, Path]:
    """The companions as files that the page may serve, in a folder with an unguessable name."""
    folder = studio.exports / f"{asset.credential.produce_id}-notes"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    stem = Path(safe_name(asset)).stem
    places = {suffix: folder / f"{stem}{suffix}" for suffix in found}
    for suffix, place in places.items():
        if not place.exists():
            place.write_bytes(found[suffix])
    return places


def _told(settings: Mapping[str, Any]) -> str:
    """The controls as they were decided, each with its value."""
    shown = {name: settings[name] for name in SHOWN if settings.get(name) is not None}
    pairs = " · ".join(
        f"{LABELS.get(name, name)} <b>{escape(show_value(value))}</b>" for name, value in shown.items()
    )
    return f'<p class="fine" role="note">As composed: {pairs}</p>'


def show_value(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)
