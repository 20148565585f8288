"""How a picture shall look: style, shape, background; and which of all options the chosen model has."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from studio.catalog import Model
from studio.engines.image_offers import Offers, offers
from studio.service import Studio
from studio.ui.controls import Form
from studio.ui.image_tab_mix import MIXED

AS_WRITTEN = ""
SHAPES = {
    "Square": 1.0,
    "Portrait 3:4": 3 / 4,
    "Tall 9:16": 9 / 16,
    "Landscape 4:3": 4 / 3,
    "Wide 16:9": 16 / 9,
}
FORMATS = ("png", "jpeg", "webp")
TRACED = "svg"  # only of drawings: a photograph becomes thousands of patches
# Options that stand elsewhere in the tab than in the form of the rest.
PLACED = ("style", "transparent", "strength", "live", *MIXED)


@dataclass(frozen=True, slots=True)
class Preset:
    """One look: `words` are added to the prompt, `without` to the negative one."""

    title: str
    words: str
    without: str


def presets(assets: Path) -> dict[str, Preset]:
    """The looks of assets/styles/pictures.toml by name."""
    with (assets / "styles" / "pictures.toml").open("rb") as file:
        return {
            name: Preset(one["title"], one["words"], one["without"])
            for name, one in tomllib.load(file).items()
        }


def offers_of(model: Model | None) -> Offers:
    """Of any image model; engines other than diffusers say nothing, so they are shown the least."""
    if model is not None and model.engine == "image_diffusers":
        return offers(model)
    return Offers(frozenset({"text", "image"}), {}, 512)


def size_of(shape: str, side: int) -> tuple[int, int] | None:
    """Width and height of about side² pixels, in steps the model can draw; None for its own square."""
    ratio = SHAPES[shape]
    if ratio == 1:
        return None
    step = 64 if side >= 512 else 8
    width, height = side * math.sqrt(ratio), side / math.sqrt(ratio)
    return max(step, round(width / step) * step), max(step, round(height / step) * step)


class Look:
    """Builds style, shape and background; `read` turns them into prompt and options."""

    def __init__(self, studio: Studio, models: list[Model]) -> None:
        self.studio = studio
        self._models = {model.name: model for model in models}
        self._presets = presets(studio.settings.assets)
        first = self.offers(models[0].name if models else None)
        self.style = gr.Radio(
            self._styles(first),
            value=AS_WRITTEN,
            label="Style",
            elem_id="image-style",
            elem_classes="chips",
            visible=bool(first.arguments),
        )
        with gr.Row():
            self.shape = gr.Radio(
                list(SHAPES), value="Square", label="Shape", elem_id="image-shape", elem_classes="chips",
                visible=first.has("width"),
            )  # fmt: skip
        self.transparent = gr.Checkbox(
            label="Transparent background", elem_id="image-transparent", visible=first.has("transparent")
        )
        self.format = gr.Radio(
            self._formats(first),
            value="png",
            label="File format",
            elem_id="image-format",
            elem_classes="chips",
        )

    @property
    def inputs(self) -> set[Any]:
        return {self.style, self.shape, self.transparent, self.format}

    def offers(self, name: str | None) -> Offers:
        return offers_of(self._models.get(name or ""))

    @staticmethod
    def _formats(found: Offers) -> list[str]:
        return [*FORMATS, TRACED] if found.styles else list(FORMATS)

    def _styles(self, found: Offers) -> list[tuple[str, str]]:
        own = [(style if style[0].isdigit() else style.capitalize(), style) for style in found.styles]
        looks = [(one.title, name) for name, one in self._presets.items()] if found.arguments else []
        return [("As written", AS_WRITTEN), *(own or looks)]

    def follow(self, name: str | None, forms: list[Form]) -> dict[Any, Any]:
        """Updates that leave only what the chosen model has."""
        found = self.offers(name)
        updates: dict[Any, Any] = {
            self.style: gr.update(
                choices=self._styles(found), value=AS_WRITTEN, visible=bool(found.arguments)
            ),
            self.shape: gr.update(visible=found.has("width")),
            self.transparent: gr.update(visible=found.has("transparent"), value=False),
            self.format: gr.update(choices=self._formats(found), value="png"),
        }
        for form in forms:
            if form.engine == "image_diffusers":
                for option, component in form.inputs.items():
                    if option not in PLACED:
                        updates[component] = gr.update(visible=found.has(option), **_bounds(option, found))
        return updates

    def read(
        self, values: Mapping[Any, Any], model: str, prompt: str, options: dict[str, Any]
    ) -> tuple[str, dict[str, Any]]:
        """The prompt with the look's words and the options with style, size and background."""
        found = self.offers(model)
        kept = {
            key: value
            for key, value in options.items()
            if not found.arguments or (found.has(key) and value != _own(key, found))
        }
        style = values[self.style]
        if style and style in found.styles:
            kept["style"] = style
        elif style in self._presets and prompt.strip():
            look = self._presets[style]
            prompt = f"{prompt.rstrip().rstrip('.,')}, {look.words}"
            if found.has("negative_prompt"):
                kept.setdefault("negative_prompt", look.without)
        if values[self.transparent] and found.has("transparent"):
            kept["transparent"] = True
        size = size_of(values[self.shape], found.side) if found.has("width") else None
        if size and not {"width", "height"} & set(kept):
            kept["width"], kept["height"] = size
        return prompt, kept


def _own(option: str, found: Offers) -> Any:
    """What the model takes when nobody says anything; None where that is not known."""
    if option in ("width", "height"):
        return found.side
    value = found.arguments.get({"steps": "num_inference_steps"}.get(option, option))
    return value if option in ("steps", "guidance_scale") and isinstance(value, int | float) else None


def _bounds(option: str, found: Offers) -> dict[str, Any]:
    """Choices that fit the model, and its own value in the box of a number."""
    if option == "scheduler":
        return {"choices": list(found.schedulers), "value": "own"}
    own = _own(option, found)
    return {} if own is None else {"value": f"{own:g}"}  # numbers that may be left open stand in a text box


def hide_placed(forms: list[Form], found: Offers) -> None:
    """Before the page is shown: what stands elsewhere, and what the first model has not."""
    for form in forms:
        for option, component in form.inputs.items():
            if option in PLACED or (form.engine == "image_diffusers" and not found.has(option)):
                component.visible = False
            for key, value in _bounds(option, found).items() if form.engine == "image_diffusers" else ():
                setattr(component, key, [(v, v) for v in value] if key == "choices" else value)
