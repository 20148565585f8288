"""Pictures that a picture is made from, and which pipeline class takes them."""

from __future__ import annotations

import inspect
from typing import Any

from studio.errors import BadInput

LONGEST_SIDE = 1024  # of a result whose size nobody stated
_MULTIPLE = 8


def takes(pipeline: Any) -> frozenset[str]:
    """Names of the arguments of a pipeline's call."""
    return frozenset(inspect.signature(pipeline.__call__).parameters)


def pipeline_for(base: Any, task: str) -> Any | None:
    """A pipeline for "image" or "inpaint" over the components of `base`; None if its family has none."""
    from diffusers import AutoPipelineForImage2Image, AutoPipelineForInpainting

    if ("image" if task == "image" else "mask_image") in takes(base):
        return base
    auto = AutoPipelineForImage2Image if task == "image" else AutoPipelineForInpainting
    try:
        return auto.from_pipe(base)
    except ValueError:  # diffusers knows no such class for this family
        return None


def open_picture(path: str, mode: str, width: int | None, height: int | None) -> Any:
    """The picture as PIL in `mode` ("RGB", or "L" for a mask), upright, its sides multiples of 8.

    Without a wanted size it keeps its own, its longest side at most 1024 px.
    """
    from PIL import Image, ImageOps

    try:
        with Image.open(path) as file:
            picture = ImageOps.exif_transpose(file).convert(mode)
    except (OSError, ValueError, Image.DecompressionBombError) as error:
        raise BadInput("The input picture cannot be read; give a PNG, JPEG or WebP file.") from error
    scale = min(1.0, LONGEST_SIDE / max(picture.size))
    own = [max(_MULTIPLE, round(side * scale / _MULTIPLE) * _MULTIPLE) for side in picture.size]
    size = (width or own[0], height or own[1])
    return picture.resize(size, Image.Resampling.LANCZOS) if size != picture.size else picture
