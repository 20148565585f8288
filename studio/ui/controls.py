"""The asking side of a tab: a form built from the options that an engine declares, and its way back.

Nothing here knows which options there are: a new engine's `Options` dataclass appears by itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import Field, dataclass, field, fields
from typing import Any, get_args, get_type_hints

import gradio as gr

from studio.catalog import Model
from studio.engines.base import engines
from studio.service import Studio
from studio.templates import Template
from studio.types import Kind

FREE = ""  # the choice "no template"
MOST_SLOTS = 6
SEED_HINT = "Empty draws a new one; the same seed repeats a result."


@dataclass
class Form:
    """Components of one engine's options, in a group that is shown while a model of it is chosen."""

    engine: str
    group: gr.Group
    inputs: dict[str, Any] = field(default_factory=dict)

    def read(self, values: Mapping[Any, Any]) -> dict[str, Any]:
        """Only what differs from the engine's defaults, so that records say what a person chose."""
        defaults = {one.name: one.default for one in fields(engines.lookup(self.engine).Options)}
        return {
            name: values[component]
            for name, component in self.inputs.items()
            if values[component] != defaults[name]
            and not (values[component] in ("", None) and not defaults[name])
        }


def model_choice(studio: Studio, kind: Kind) -> tuple[gr.Radio, list[Model]]:
    """A choice among the models that are ready; test engines show only where the settings ask for them."""
    ready = [model for model in studio.models(kind) if studio.catalog.ready(model.name)]
    shown = [model for model in ready if model.source["type"] != "builtin"]
    if studio.settings.test_engines:
        shown = ready
    choice = gr.Radio(
        [(model.title, model.name) for model in shown],
        value=shown[0].name if shown else None,
        label="Model",
        info=shown[0].summary if shown else None,
        visible=bool(shown),
        elem_id=f"{kind}-model",
    )
    about = {model.name: model.summary for model in shown}
    choice.change(
        lambda name: gr.update(info=about.get(name)),
        choice,
        choice,
        api_visibility="private",
        show_progress="hidden",
    )
    return choice, shown


def forms(models: list[Model], elem_id: str) -> list[Form]:
    """One form an engine; the first model's is visible."""
    names = list(dict.fromkeys(model.engine for model in models if model.engine))
    with gr.Column(elem_id=elem_id):
        return [_form(name, visible=place == 0) for place, name in enumerate(names)]


def follow_model(choice: gr.Radio, models: list[Model], made: list[Form]) -> None:
    """Show the form that belongs to the chosen model."""
    if len(made) < 2:
        return
    engine_of = {model.name: model.engine for model in models}

    def show_form(name: str) -> list[Any]:
        return [gr.update(visible=form.engine == engine_of.get(name)) for form in made]

    choice.change(
        show_form, choice, [form.group for form in made], api_visibility="private", show_progress="hidden"
    )


def _form(engine: str, *, visible: bool) -> Form:
    options = engines.lookup(engine).Options
    hints = get_type_hints(options)
    with gr.Group(visible=visible) as group:
        form = Form(engine, group)
        plain = [one for one in fields(options) if not one.metadata.get("advanced")]
        rare = [one for one in fields(options) if one.metadata.get("advanced")]
        for one in plain:
            form.inputs[one.name] = _component(one, hints[one.name])
        if rare:
            with gr.Accordion("More options", open=False):
                for one in rare:
                    form.inputs[one.name] = _component(one, hints[one.name])
    return form


def _component(one: Field[Any], hint: Any) -> Any:
    meta = one.metadata
    label, info = meta.get("label", one.name), meta.get("hint") or None
    kind = next((kind for kind in get_args(hint) if kind is not type(None)), hint)
    low, high = meta.get("low"), meta.get("high")
    if meta.get("choices"):
        kind_of = gr.Radio if len(meta["choices"]) <= 8 else gr.Dropdown
        return kind_of(list(meta["choices"]), value=one.default, label=label, info=info)
    if kind is bool:
        return gr.Checkbox(value=one.default, label=label, info=info)
    if kind in (int, float) and low is not None and high is not None and one.default is not None:
        step = meta.get("step") or (1 if kind is int else 0.05)
        return gr.Slider(low, high, value=one.default, step=step, label=label, info=info)
    if kind in (int, float):
        return gr.Number(value=one.default, label=label, info=info, precision=0 if kind is int else None)
    return gr.Textbox(value=one.default, label=label, info=info, max_length=meta.get("max_length"))


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
