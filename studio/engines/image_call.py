"""What one call of a pipeline is given: the words and numbers of the options, the pictures of the brief."""

from __future__ import annotations

from typing import Any

from studio.engines.image_inputs import open_mask, open_picture, takes
from studio.engines.image_options import ImageOptions
from studio.errors import BadInput
from studio.settings import Settings

TASKS = ("text", "image", "inpaint")
_CANNOT = {
    "image": "start from a picture; remove the input",
    "inpaint": "paint a masked part anew; remove the mask",
    "control": "be guided by a ControlNet; leave control empty",
}
# Option, argument of the call, and its name for a person.
_WORDS = (
    ("negative_prompt", "negative prompt"),
    ("style", "style"),
    ("mix_style", "styles to mix"),
    ("transparent", "transparency"),
    ("upscale", "upscaler to switch off"),
)


def task_of(options: ImageOptions, inputs: tuple[str, ...]) -> str:
    """ "text", "image", "inpaint" or "control". Raises BadInput for inputs that make none of them."""
    if len(inputs) > 2:
        raise BadInput("Give one picture to start from, or a picture and its mask: not more.")
    if not options.control:
        return TASKS[len(inputs)]
    if len(inputs) != 1:
        raise BadInput("A ControlNet needs one input picture, which guides the shapes, and no mask.")
    return "control"


def cannot(title: str, task: str) -> BadInput:
    return BadInput(f"{title} cannot {_CANNOT[task]} or choose another model.")


def arguments(
    pipeline: Any, options: ImageOptions, prompt: str, task: str, inputs: tuple[str, ...], settings: Settings,
    title: str,
) -> dict[str, Any]:  # fmt: skip
    """Arguments by name, only such as the pipeline takes. Raises BadInput for what it does not know."""
    names = takes(pipeline)
    wanted = {
        "prompt": prompt,
        "negative_prompt": options.negative_prompt or None,
        "style": options.style or None,
        "mix_style": options.mix_style or None,
        "mix_share": options.mix_share if options.mix_style else None,
        "mix_by": options.mix_by if options.mix_style else None,
        "transparent": options.transparent or None,
        "upscale": None if options.upscale else False,
        "num_inference_steps": options.steps,
        "guidance_scale": options.guidance_scale,
        "width": options.width,
        "height": options.height,
    }
    given = {key: value for key, value in wanted.items() if value is not None}
    for key, word in _WORDS:
        if key in given and key not in names:
            raise BadInput(f"{title} knows no {word}; leave it out.")
    if task != "text":
        given |= _pictures(options, task, inputs, settings, names)
    return {key: value for key, value in given.items() if key in names}


def _pictures(
    options: ImageOptions, task: str, inputs: tuple[str, ...], settings: Settings, names: frozenset[str]
) -> dict[str, Any]:
    picture = open_picture(inputs[0], settings, options.width, options.height)
    size = {"width": picture.width, "height": picture.height}
    if task == "control":
        scale = {"controlnet_conditioning_scale": options.control_scale}
        return size | scale | {"control_image" if "control_image" in names else "image": picture}
    given = size | {"image": picture, "strength": options.strength}
    if task == "inpaint":
        given["mask_image"] = open_mask(inputs[1], inputs[0], settings, picture.size)
    return given
