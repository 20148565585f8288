"""The asking side of a tab: a form built from the options that an engine declares, and its way back.

Nothing here knows which options there are: a new engine's `Options` dataclass appears by itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import Field, dataclass, field, fields
from typing import Any, cast, get_args, get_type_hints

import gradio as gr

from studio.catalog import Model
from studio.engines.base import engines
from studio.service import Studio
from studio.templates import Template
from studio.types import Kind

FREE = ""  # the choice "no template"
MOST_SLOTS = 6
MOST_STOPS = 10_000
"""A slider with more is no help: a pixel then moves it by several."""
SOUND_FORMATS = ["wav", "mp3", "flac", ("opus (m4a)", "opus")]
SEED_HINT = "Empty draws a new one; the same seed repeats a result."


@dataclass
class Form:
    """Components of an options dataclass, in a group that is shown while its engine is the chosen one."""

    engine: str
    options: type
    group: gr.Group
    inputs: dict[str, Any] = field(default_factory=dict)

    def read(self, values: Mapping[Any, Any]) -> dict[str, Any]:
        """Only what differs from the defaults, so that records say what a person chose."""
        defaults = {one.name: one.default for one in fields(self.options)}
        hints = get_type_hints(self.options)
        said = {name: _number(values[box], hints[name]) for name, box in self.inputs.items()}
        return {
            name: value
            for name, value in said.items()
            if value != defaults[name] and not (value in ("", None) and not defaults[name])
        }


def _number(value: Any, hint: Any) -> Any:
    """What stands in the text box of a number as that number; what is none stays, to be refused in words."""
    kinds = [kind for kind in (int, float) if kind in (hint, *get_args(hint))]
    if isinstance(value, str) and kinds and str not in (hint, *get_args(hint)):
        with suppress(ValueError):
            return kinds[0](value.strip())
    return value


def model_choice(studio: Studio, kind: Kind) -> tuple[gr.Radio, list[Model]]:
    """A choice among the models that are ready, and these models: a list that follows the catalog.

    Test engines show only where the settings ask for them.
    """
    shown = offered(studio, kind)
    choice = gr.Radio(
        [(model.title, model.name) for model in shown],
        value=shown[0].name if shown else None,
        label="Model",
        info=shown[0].summary if shown else None,
        visible=bool(shown),
        elem_id=f"{kind}-model",
    )
    quiet: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
    engines_here = {model.engine for model in shown}

    def offer() -> Any:
        """What is ready when the page is loaded: a model published meanwhile needs no restart."""
        studio.catalog.refresh()
        shown[:] = [one for one in offered(studio, kind) if one.engine in engines_here]
        return gr.update(choices=[(one.title, one.name) for one in shown], visible=bool(shown))

    choice.change(lambda name: gr.update(info=_summary(studio, name)), choice, choice, **quiet)
    gr.on(None, offer, None, choice, **quiet)
    return choice, shown


def offered(studio: Studio, kind: Kind) -> list[Model]:
    """Models that are ready; test engines only where the settings ask for them."""
    ready = [model for model in studio.models(kind) if studio.catalog.ready(model.name)]
    if studio.settings.test_engines:
        return ready
    return [model for model in ready if model.source["type"] != "builtin"]


def _summary(studio: Studio, name: str | None) -> str | None:
    return studio.catalog.get(name).summary if name in studio.catalog.names else None


def forms(models: list[Model], elem_id: str) -> list[Form]:
    """One form an engine; the first model's is visible."""
    names = list(dict.fromkeys(model.engine for model in models if model.engine))
    with gr.Column(elem_id=elem_id):
        return [
            options_form(name, engines.lookup(name).Options, visible=place == 0)
            for place, name in enumerate(names)
        ]


def follow_model(choice: gr.Radio, models: list[Model], made: list[Form]) -> None:
    """Show the form that belongs to the chosen model."""
    if len(made) < 2:
        return

    def show_form(name: str) -> list[Any]:
        engine = next((model.engine for model in models if model.name == name), None)
        return [gr.update(visible=form.engine == engine) for form in made]

    choice.change(
        show_form, choice, [form.group for form in made], api_visibility="private", show_progress="hidden"
    )


def options_form(
    name: str, options: type, *, visible: bool = True, given: Mapping[str, Any] | None = None
) -> Form:
    """A component for every option; `given` are values to begin with instead of the defaults."""
    hints = get_type_hints(options)
    begin = given or {}
    with gr.Group(visible=visible) as group:
        form = Form(name, options, group)
        plain = [one for one in fields(options) if not one.metadata.get("advanced")]
        rare = [one for one in fields(options) if one.metadata.get("advanced")]
        for one in plain:
            form.inputs[one.name] = _component(one, hints[one.name], begin.get(one.name, one.default))
        if rare:
            with gr.Accordion("More options", open=False):
                for one in rare:
                    form.inputs[one.name] = _component(one, hints[one.name], begin.get(one.name, one.default))
    return form


def _component(one: Field[Any], hint: Any, value: Any) -> Any:
    meta = one.metadata
    # Said outright: Gradio does not find out by itself for a form that is rendered later.
    common = dict(
        value=value, label=meta.get("label", one.name), info=meta.get("hint") or None, interactive=True
    )
    kind = next((kind for kind in get_args(hint) if kind is not type(None)), hint)
    low, high, default = meta.get("low"), meta.get("high"), cast(Any, one.default)
    if meta.get("choices"):
        kind_of = gr.Radio if len(meta["choices"]) <= 8 else gr.Dropdown
        labels = meta.get("labels") or {}
        return kind_of([(labels.get(choice, choice), choice) for choice in meta["choices"]], **common)
    if kind is bool:
        return gr.Checkbox(**common)
    if kind in (int, float) and low is not None and high is not None and default is not None:
        step = meta.get("step") or (1 if kind is int else 0.05)
        if (high - low) / step <= MOST_STOPS and (kind is int or meta.get("step") or default >= step):
            return gr.Slider(low, high, step=step, **common)
    if kind in (int, float):
        step = meta.get("step") or (1 if kind is int else abs(default or 0.5) / 10)
        if value is None:  # Gradio's Number shows, and sends, 0 for what is left open
            return gr.Textbox(max_length=20, **common)
        return gr.Number(precision=0 if kind is int else None, step=step, **common)
    return gr.Textbox(max_length=meta.get("max_length"), **common)


# --- Templates --------------------------------------------------------------------------------------


@dataclass
class TemplateForm:
    """A choice of template and the boxes for its slots; `prompt` is what a free brief is typed into."""

    templates: dict[str, Template]
    choice: gr.Radio
    about: gr.Markdown
    slots: list[gr.Textbox]

    def read(self, values: Mapping[Any, Any]) -> tuple[str | None, dict[str, str]]:
        """The chosen template and its slots as typed; (None, {}) for a free brief."""
        name = values[self.choice]
        if not name:
            return None, {}
        boxes = zip(self.templates[name].slots, self.slots, strict=False)
        return name, {slot.name: values[box] for slot, box in boxes if (values[box] or "").strip()}


def template_form(studio: Studio, kind: Kind, prompt: gr.Textbox) -> TemplateForm | None:
    """None when there are no templates of this kind."""
    mine = {name: one for name, one in studio.templates.items() if one.kind == kind}
    if not mine:
        return None
    choice = gr.Radio(
        [("Free brief", FREE), *((one.title, name) for name, one in mine.items())],
        value=FREE,
        label="Start from",
        elem_classes="templates",
    )
    about = gr.Markdown(visible=False)
    slots = [gr.Textbox(visible=False, max_length=2000) for _ in range(MOST_SLOTS)]
    example = gr.Button("Fill in an example", size="sm", visible=False)

    def show_slots(name: str) -> list[Any]:
        template = mine.get(name)
        updates: list[Any] = [
            gr.update(visible=template is None),
            gr.update(visible=template is not None, value=template.summary if template else ""),
            gr.update(visible=template is not None),
        ]
        for place in range(MOST_SLOTS):
            slot = template.slots[place] if template and place < len(template.slots) else None
            updates.append(
                gr.update(visible=False, value="")
                if slot is None
                else gr.update(
                    visible=True, value="", placeholder=slot.example,
                    label=slot.label if slot.required else f"{slot.label} (optional)", info=slot.hint or None,
                )
            )  # fmt: skip
        return updates

    def fill_example(name: str) -> list[Any]:
        given = mine[name].slots if name in mine else ()
        return [given[place].example if place < len(given) else gr.skip() for place in range(MOST_SLOTS)]

    quiet: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
    choice.change(show_slots, choice, [prompt, about, example, *slots], **quiet)
    example.click(fill_example, choice, slots, **quiet)
    return TemplateForm(mine, choice, about, slots)
