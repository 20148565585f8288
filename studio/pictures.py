"""Decoding a picture that nobody vouches for, and bringing it to 8 bits of sRGB.

What an engine works on is `read_picture`: upright, 8 bits, sRGB. Whether a file is taken at all, by its kind
and size, is `safety.uploads`' to say.
"""

from __future__ import annotations

import io
import struct
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from studio.errors import BadInput
from studio.settings import Settings

if TYPE_CHECKING:
    from PIL.Image import Image

MAX_SIDE = 16_384


def decode(path: Path, settings: Settings) -> Image:
    """The decoded picture. Its size is looked at before a pixel is unpacked."""
    from PIL import Image

    too_large = BadInput(f"The picture has more than {settings.max_megapixels} megapixels; make it smaller.")
    try:
        with path.open("rb") as file:
            # Pillow warns of and refuses very large pictures by itself; both mean the same here.
            with warnings.catch_warnings(action="error", category=Image.DecompressionBombWarning):
                image = Image.open(file, formats=("PNG", "JPEG", "WEBP"))
            if image.width * image.height > settings.max_megapixels * 1_000_000:
                raise too_large
            if max(image.size) > MAX_SIDE or min(image.size) < 1:
                raise BadInput(
                    f"The picture is {image.width} × {image.height} pixels; no side may exceed {MAX_SIDE:,}."
                )
            # MPO is how cameras write a JPEG with a second view; its first frame is the picture.
            if getattr(image, "is_animated", False) and image.format != "MPO":
                raise BadInput("The picture is animated; save the frame you want as PNG.")
            image.load()
            if image.format == "PNG":
                _png_to_its_end(file, path.stat().st_size)
    except BadInput:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning, MemoryError):
        raise too_large from None
    except Exception as error:  # a damaged picture makes Pillow's decoders raise nearly anything
        raise BadInput(
            f"The picture is damaged and cannot be read ({short(error)}); save it again."
        ) from None
    return image


def read_picture(path: Path, settings: Settings) -> Image:
    """The picture as people see it: upright, 8 bits a channel, sRGB; mode "RGB" or "RGBA"."""
    return upright(decode(path, settings))


def upright(image: Image) -> Image:
    """A decoded picture turned as its EXIF says, in "RGB", or "RGBA" where parts of it are transparent."""
    from PIL import ImageOps

    image = eight_bits(image)
    transparent = "transparency" in image.info or image.mode in ("RGBA", "LA", "PA", "La", "RGBa")
    image = ImageOps.exif_transpose(to_srgb(image))
    return image.convert("RGBA" if transparent else "RGB")


def _png_to_its_end(file: BinaryIO, size: int) -> None:
    """Pillow is content when it has all rows; a file that breaks off behind them is truncated all the same."""
    place, kind = 8, b""
    while kind != b"IEND":
        file.seek(place)
        length, kind = struct.unpack(">I4s", file.read(8))
        place += 12 + length
        if place > size:
            raise ValueError("it is cut off")


def eight_bits(image: Image) -> Image:
    """Grey pictures of 16 bits come as "I;16" or "I"; colour ones Pillow has brought to 8 already."""
    if not image.mode.startswith("I"):
        return image
    import numpy as np
    from PIL import Image

    grey: Any = np.clip(np.asarray(image, dtype=np.int32) >> 8, 0, 255).astype(np.uint8)
    return Image.fromarray(grey)


def to_srgb(image: Image) -> Image:
    """Colours by the picture's own profile, if it has a usable one; EXIF is kept for the orientation."""
    profile = image.info.get("icc_profile")
    if not profile or image.mode not in ("RGB", "RGBA", "CMYK", "L"):
        return image

    from PIL import ImageCms

    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        target = ImageCms.createProfile("sRGB")
        mode = "RGBA" if image.mode == "RGBA" else "RGB"
        converted = ImageCms.profileToProfile(image, source, target, outputMode=mode)
    except (ImageCms.PyCMSError, OSError, ValueError):
        return image  # a profile that nothing can read: the numbers are taken as sRGB, as browsers do
    if converted is None:
        return image
    converted.info |= {key: image.info[key] for key in ("exif", "transparency") if key in image.info}
    return converted


def short(error: BaseException) -> str:
    """The first line of an error, short enough for a sentence."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0][-120:].rstrip(".")
