"""A picture as an SVG of plain paths, by tracing its areas of colour (vtracer).

Made for flat art: a photograph becomes thousands of patches. What is written is paths and fills alone, no
script, style, link or entity. A pixel watermark does not survive tracing, so none is put in.
"""

from __future__ import annotations

import io
import re
from typing import Any

from studio.errors import BadInput, SealFailed

MOST_PIXELS = 2048 * 2048
MOST_BYTES = 16 * 2**20
_SVG = "http://www.w3.org/2000/svg"


def trace(payload: Any) -> bytes:
    """SVG of uint8 (height, width, 3 or 4); what is transparent stays so."""
    import vtracer
    from PIL import Image

    height, width = payload.shape[:2]
    if height * width > MOST_PIXELS:
        raise BadInput("SVG is traced from at most 4 megapixels; choose PNG or a smaller picture.")
    picture = io.BytesIO()
    Image.fromarray(payload).save(picture, "PNG", compress_level=1)
    try:
        traced: str = vtracer.convert_raw_image_to_svg(
            picture.getvalue(), img_format="png", colormode="color", hierarchical="stacked", mode="spline",
            filter_speckle=4, color_precision=6, layer_difference=16, corner_threshold=60, path_precision=2,
        )  # fmt: skip
    except BaseException as error:  # the tracer panics, which is no Exception
        if isinstance(error, KeyboardInterrupt | SystemExit):
            raise
        raise SealFailed("The picture could not be traced; choose PNG.") from error
    paths = re.findall(r'<path d="[-MLCZ\d. ]*" fill="#[0-9A-Fa-f]{6}"[^<>]*/>', traced)
    head = f'<svg xmlns="{_SVG}" width="{width}" height="{height}" viewBox="0 0 {width} {height}">'
    data = "\n".join(['<?xml version="1.0" encoding="UTF-8"?>', head, *paths, "</svg>", ""]).encode()
    if len(data) > MOST_BYTES:
        raise BadInput("The picture has too many patches for an SVG; choose PNG, or the flat style.")
    return data
