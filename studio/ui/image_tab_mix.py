"""Two in one: two prompts as a sheet or a film of what lies between them, two styles in one picture."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gradio as gr

from studio.engines.image_offers import Offers

FILM = "mp4"
NO_STYLE = ""
# Options of the engine that stand here instead of in the form of the rest.
MIXED = ("to_prompt", "frames", "mix_style", "mix_share", "mix_by")


class Mix:
    """Two accordions; `read` gives their options and the file format that they ask for."""

    def __init__(self, found: Offers) -> None:
        with gr.Accordion(
            "Mix two styles", open=False, visible=found.has("mix_style"), elem_id="image-mix"
        ) as self.mixing:
            self.other = gr.Radio(
                _styles(found), value=NO_STYLE, label="Second style", elem_id="image-mix-style", elem_classes="chips",
                info="The first is the style chosen above.",
            )  # fmt: skip
            self.share = gr.Slider(
                0.0, 1.0, value=0.5, step=0.05, label="How much of it", elem_id="image-mix-share"
            )
            self.by = gr.Radio(
                [("Both all through", "weight"), ("Shapes of the first, surfaces of the second", "steps")],
                value="weight", label="How", elem_id="image-mix-by",
            )  # fmt: skip
        with gr.Accordion(
            "Blend two prompts", open=False, visible=found.has("to_prompt"), elem_id="image-blend"
        ) as self.blend:
            self.second = gr.Textbox(
                label="Second prompt", max_length=2000, elem_id="image-second",
                info="Filled in, the result is what lies between the first prompt and this one.",
            )  # fmt: skip
            self.film = gr.Radio(
                [("One sheet of pictures", ""), ("A film, there and back (MP4)", FILM)], value="", label="As",
                elem_id="image-film",
            )  # fmt: skip
            self.frames = gr.Slider(
                2, 72, value=9, step=1, label="Pictures on the way", elem_id="image-frames",
                info="A sheet holds up to 24; a film shows 12 a second.",
            )  # fmt: skip

    @property
    def inputs(self) -> set[Any]:
        return {self.other, self.share, self.by, self.second, self.film, self.frames}

    @property
    def outputs(self) -> list[Any]:
        return [self.mixing, self.other, self.blend, self.second]

    def follow(self, found: Offers) -> dict[Any, Any]:
        """Another model was chosen: what it cannot mix is not shown and empty."""
        return {
            self.mixing: gr.update(visible=found.has("mix_style")),
            self.other: gr.update(choices=_styles(found), value=NO_STYLE),
            self.blend: gr.update(visible=found.has("to_prompt")),
            self.second: "",
        }

    def read(self, values: Mapping[Any, Any], found: Offers) -> tuple[dict[str, Any], str | None]:
        """Options of the engine, and "mp4" for a film, else None."""
        options: dict[str, Any] = {}
        if values[self.other] and found.has("mix_style"):
            options |= {
                "mix_style": values[self.other], "mix_share": values[self.share], "mix_by": values[self.by]
            }  # fmt: skip
        if not (values[self.second] or "").strip() or not found.has("to_prompt"):
            return options, None
        between = {"to_prompt": values[self.second], "frames": int(values[self.frames])}
        return options | between, values[self.film] or None


def _styles(found: Offers) -> list[tuple[str, str]]:
    return [
        ("None", NO_STYLE),
        *((style if style[0].isdigit() else style.capitalize(), style) for style in found.styles),
    ]
