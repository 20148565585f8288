"""Pictures that a picture is made from, and which pipeline class takes them."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

from studio.errors import BadInput
from studio.pictures import read_picture
from studio.settings import Settings

LONGEST_SIDE = 1024  # of a result whose size nobody stated
_MULTIPLE = 8
SAME_SHAPE = 0.02  # by how much the shapes of picture and mask may differ, as a share
FEATHER = 2.0  # radius in pixels over which the old and the new part of a picture meet


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


def open_picture(path: str, settings: Settings, width: int | None, height: int | None) -> Any:
    """The picture as RGB, upright, on white where it was transparent, its sides multiples of 8.

    Without a wanted size it keeps its own, its longest side at most 1024 px.
    """
    from PIL import Image

    picture = read_picture(_raster(path), settings)
    if picture.mode == "RGBA":
        picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture).convert("RGB")
    scale = min(1.0, LONGEST_SIDE / max(picture.size))
    own = [max(_MULTIPLE, round(side * scale / _MULTIPLE) * _MULTIPLE) for side in picture.size]
    size = (width or own[0], height or own[1])
    return picture.resize(size, Image.Resampling.LANCZOS) if size != picture.size else picture


def open_mask(path: str, picture_path: str, settings: Settings, size: tuple[int, int]) -> Any:
    """The mask in "L", white where to paint anew, at `size`; its shape must be that of the picture as it came."""
    from PIL import Image

    mask, picture = read_picture(_raster(path), settings), read_picture(_raster(picture_path), settings)
    ours, theirs = mask.width / mask.height, picture.width / picture.height
    if abs(ours / theirs - 1) > SAME_SHAPE:
        raise BadInput(
            f"The mask is {mask.width} × {mask.height} and the picture {picture.width} × {picture.height}; "
            "give a mask of the picture's shape."
        )
    if mask.mode == "RGBA":  # what is transparent in a mask is not painted
        mask = Image.alpha_composite(Image.new("RGBA", mask.size, "black"), mask)
    grey = mask.convert("L").resize(size, Image.Resampling.BILINEAR)
    if max(grey.tobytes()) < 128:
        raise BadInput("The mask is empty; paint white over what is to be drawn anew.")
    return grey


def keep_rest(pictures: Any, original: Any, mask: Any) -> Any:
    """uint8 (n, height, width, 3): the new pictures where the mask is white, the original elsewhere.

    A pipeline takes the whole picture through its decoder; without this the part that nobody painted over
    would change as well.
    """
    import numpy as np
    from PIL import ImageFilter

    if pictures.shape[1:] != (original.height, original.width, 3):
        return pictures  # cut out, or drawn at a size of its own: there is no pixel to lay it on
    soft = np.asarray(mask.filter(ImageFilter.GaussianBlur(FEATHER)), np.float32)[..., None] / 255
    mixed = pictures * soft + np.asarray(original, np.float32) * (1 - soft)
    return mixed.round().clip(0, 255).astype(np.uint8)


def _raster(path: str) -> Path:
    file = Path(path)
    if file.suffix in (".svg", ".mp4"):
        what = "An SVG" if file.suffix == ".svg" else "A film"
        raise BadInput(f"{what} cannot be taken further; make the picture as PNG and use that.")
    return file
