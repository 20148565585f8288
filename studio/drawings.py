"""The studio's own SVG files as pixels: plain paths only.

A file with anything else in it (images, styles, scripts, references, entities) is refused unread, so nothing
outside of it is ever opened or fetched.
"""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from studio.errors import BadInput

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MOST_BYTES = 64 * 2**20
MOST_SIDE = 4096
_HEAD = re.compile(
    rb'\s*(?:<\?xml version="1\.0" encoding="UTF-8"\?>\s*)?<svg((?:\s+[\w:]+="[^"<>&]*")*)\s*>'
)
_PATHS = re.compile(
    rb'(?:\s*<path d="[-MLCZ\d. ]*" fill="#[0-9A-Fa-f]{6}"(?: transform="translate\([-\d.]+,[-\d.]+\)")?(?: opacity="[\d.]+")?\s*/>)*'
    rb"\s*</svg>\s*"
)
_SIDES = re.compile(rb'\s(width|height)="(\d{1,4})"')


def without_metadata(data: bytes) -> bytes:
    """The file without its first `metadata` element, which is where labels and credential stand."""
    start = data.find(b"<metadata")
    end = data.find(b"</metadata>", start)
    return data if start < 0 or end < 0 else data[:start] + data[end + len(b"</metadata>") :]


def read_drawing(path: Path) -> NDArray[np.uint8]:
    """uint8 (height, width, 4). Raises BadInput for an SVG that is not plain paths, or too large."""
    import numpy as np
    from PIL import Image

    with path.open("rb") as file:
        data = file.read(MOST_BYTES + 1)
    plain = without_metadata(data) if len(data) <= MOST_BYTES else b""
    head = _HEAD.match(plain)
    sides = dict(_SIDES.findall(head[1])) if head else {}
    if head is None or len(sides) < 2 or not _PATHS.fullmatch(plain, head.end()):
        raise BadInput(f"{path.name} is not an SVG of plain paths as the studio makes them; save it as PNG.")
    width, height = (min(MOST_SIDE, max(1, int(sides[key]))) for key in (b"width", b"height"))
    import resvg_py

    drawn: Any = resvg_py.svg_to_bytes(svg_string=plain.decode("ascii"), width=width, height=height)
    return np.asarray(Image.open(io.BytesIO(bytes(drawn))).convert("RGBA"))
