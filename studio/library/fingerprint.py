"""The perceptual fingerprint of a file: picture, sound or text, decoded with a bound on its size.

A fingerprint is no proof: it says that a file looks like one the library has, never that it is unaltered.
Not covered: video, and drawings in SVG.
"""

from __future__ import annotations

import html
import re
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from studio.errors import BadInput

if TYPE_CHECKING:
    from studio.library.picture_print import View

Medium = Literal["picture", "sound", "text"]

MOST_PIXELS = 64_000_000
MOST_TEXT_BYTES = 20_000_000
_FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "TIFF", "BMP")
_MARKUP = re.compile(r"<(script|style)\b.*?</\1\s*>|<[^>]*>", re.DOTALL | re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """`mark` is compared with the marks of all assets; a picture's `thumb` and `view` then decide."""

    medium: Medium
    mark: bytes
    thumb: bytes = b""
    view: View | None = field(default=None, compare=False, repr=False)


def fingerprint(path: Path, media_type: str, text: str = "") -> Fingerprint | None:
    """The fingerprint of a file, of `text` instead if that is given; None for a medium that is not covered.

    Raises BadInput if the file is too large or not what its media type says.
    """
    family, _, subtype = media_type.partition("/")
    if text or family == "text":
        return _of_text(text or _read(path, subtype))
    if family == "image" and "svg" not in subtype:
        return _of_picture(path)
    if family == "audio":
        from studio.library import sound_print

        return Fingerprint("sound", sound_print.print_of(sound_print.decode(path)).tobytes())
    return None


def _of_text(text: str) -> Fingerprint:
    from studio.library import text_print

    return Fingerprint("text", text_print.print_of(text).tobytes())


def _of_picture(path: Path) -> Fingerprint:
    from PIL import Image

    from studio.library import picture_print

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # Pillow warns of decompression bombs and broken metadata
            with Image.open(path, formats=_FORMATS) as picture:
                if picture.width * picture.height > MOST_PIXELS:
                    raise BadInput(
                        f"{path.name} has more than {MOST_PIXELS // 1_000_000} megapixels; scale it down."
                    )
                view = picture_print.look(picture)
    except BadInput:
        raise
    except Exception as error:  # a decoder may fail on a hostile file in any way
        raise BadInput(f"{path.name} is no picture that can be read ({type(error).__name__}).") from error
    return Fingerprint("picture", picture_print.sketch_of(view), picture_print.thumb_of(view), view)


def _read(path: Path, subtype: str) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(MOST_TEXT_BYTES + 1)
        if len(content) > MOST_TEXT_BYTES:
            raise BadInput(
                f"{path.name} is larger than {MOST_TEXT_BYTES // 1_000_000} MB; give a shorter text."
            )
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise BadInput(f"{path.name} is not UTF-8 text; save it as UTF-8.") from None
    except OSError as error:
        raise BadInput(f"{path.name} cannot be read ({error.strerror}).") from error
    return html.unescape(_MARKUP.sub(" ", text)) if "html" in subtype else text
