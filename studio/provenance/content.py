"""What a file shows or says, decoded from its bytes, for marks to be read from: words, pixels, samples.

Every decoder has a bound; BadInput says in one sentence what could not be read. Foreign files may make a
decoder fail in any way, so everything it raises is caught here. Not covered: drawings in SVG.
"""

from __future__ import annotations

import html
import io
import itertools
import re
import struct
import warnings
from typing import TYPE_CHECKING, Any

from studio.errors import BadInput
from studio.provenance import armour
from studio.provenance.label_text import without_front_matter
from studio.types import Kind, Sound

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL import Image

MOST_PIXELS, MOST_FRAME_PIXELS = 64_000_000, 9_500_000
MOST_PACKETS = 300  # of a film, read until a frame comes
MOST_SECONDS = 600
LEAST_RATE, MOST_CHANNELS = 4_000, 8
_FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "TIFF", "BMP")
_PNG, _TELLING = b"\x89PNG\r\n\x1a\n", (b"tRNS", b"eXIf")
_UNSEEN = re.compile(r"<(script|style|head|template)\b.*?</\1\s*>|<!--.*?-->", re.DOTALL | re.IGNORECASE)
_BREAK = re.compile(
    r"</?(?:p|div|li|ul|ol|h[1-6]|br|tr|table|section|article|blockquote|pre)\b[^>]{0,2000}>", re.I
)
_TAG = re.compile(r"<[^>]{0,2000}>")
_SELECTORS = re.compile("[\ufe00-\ufe0f\U000e0100-\U000e01ef]{2,}|\ufeff")


def kinds_of(media_type: str | None) -> tuple[Kind, ...]:
    """What a file of this type may hold: sound may be speech or music."""
    family, _, subtype = (media_type or "").partition("/")
    if family == "image" and "svg" not in subtype:
        return ("image",)
    if family == "text" and media_type in armour.TEXT_TYPES:
        return ("text",)
    if media_type in ("video/mp4", "video/quicktime"):
        return ("video",)
    return ("speech", "music") if family == "audio" else ()


def content(
    data: bytes, media_type: str, *, most_pixels: int | None = None, most_seconds: int | None = None
) -> Any:
    """The payload of a file, as in `Draft.payload`, of a film a few stills; None for a type that is not covered.

    What a foreign file is read for may be bounded: larger pictures are shrunk, the rest of a sound is left out.
    Raises BadInput.
    """
    family = next(iter(kinds_of(media_type)), None)
    if family == "text":
        return words(data, media_type)
    if family == "image":
        return pixels(data, most_pixels)
    if family == "video":
        return stills(data)
    return sound(data, most_seconds) if family == "speech" else None


def words(data: bytes, media_type: str) -> str:
    """The text as it was written, without credential, front matter and tags."""
    try:
        frame = armour.find(data)
    except ValueError:
        frame = None
    if frame is not None:
        data = data[: frame.start] + data[frame.end :]
    text = _SELECTORS.sub("", data.decode("utf-8", "replace").replace("\r\n", "\n"))
    if media_type == "text/html":
        text = html.unescape(_TAG.sub("", _BREAK.sub("\n", _UNSEEN.sub("", text))))
        text = re.sub(r"\n{3,}", "\n\n", text).lstrip()
    elif media_type == "text/markdown":
        text = without_front_matter(text).lstrip("\n")
    return text.rstrip()


def pixels(data: bytes, most: int | None = None) -> NDArray[np.uint8]:
    """uint8 (height, width, 3 or 4), upright."""
    import numpy as np
    from PIL import Image, ImageOps

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow warns of large pictures and broken metadata
            with Image.open(io.BytesIO(_core(data)), formats=_FORMATS) as opened:
                if opened.width * opened.height > MOST_PIXELS:
                    raise BadInput(
                        f"It has more than {MOST_PIXELS // 10**6} megapixels, so it was not looked at."
                    )
                # A large picture is shrunk before anything else: every copy of it costs 4 bytes a pixel.
                picture: Image.Image = opened
                large = most and opened.width * opened.height > most
                if large and opened.mode in ("RGB", "L", "CMYK", "YCbCr"):
                    picture = _shrunk(opened, most or 0)
                    picture.info = dict(opened.info)
                ImageOps.exif_transpose(picture, in_place=True)
                clear = "A" in picture.getbands() or "transparency" in picture.info
                picture = picture.convert("RGBA" if clear else "RGB")
                if most and picture.width * picture.height > most:
                    picture = _shrunk(picture, most)
                return np.asarray(picture)
    except BadInput:
        raise
    except Exception as error:
        raise BadInput(f"Its pixels cannot be read ({type(error).__name__}).") from error


def _core(data: bytes) -> bytes:
    """A PNG without metadata: a damaged credential must not hide the picture. Anything else as it is."""
    if not data.startswith(_PNG):
        return data
    kept, at = [_PNG], len(_PNG)
    while at + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, at)
        kind, end = data[at + 4 : at + 8], at + 12 + length
        if not kind[0] & 0x20 or kind in _TELLING:
            kept.append(data[at:end])
        at = end
    return b"".join(kept)


def _shrunk(picture: Image.Image, most: int) -> Image.Image:
    from PIL import Image

    shrink = (most / (picture.width * picture.height)) ** 0.5
    size = (max(1, int(picture.width * shrink)), max(1, int(picture.height * shrink)))
    return picture.resize(size, Image.Resampling.BOX)


def stills(data: bytes) -> list[NDArray[np.uint8]]:
    """Frames of a film as uint8 (height, width, 3): its first, and the one that can be opened nearest its middle."""
    import av

    found: dict[int | None, NDArray[np.uint8]] = {}
    try:
        with av.open(io.BytesIO(data)) as file:
            if not file.streams.video:
                raise BadInput("It holds sound alone, no frames.")
            stream = file.streams.video[0]
            stream.codec_context.thread_count = 1
            for place in (0, (file.duration or 0) // 2):
                if place:
                    file.seek(place)
                _check_frame(stream.codec_context)
                packets = itertools.islice(file.demux(stream), MOST_PACKETS)
                frame = next((one for packet in packets for one in packet.decode()), None)
                if frame is not None:
                    _check_frame(frame)
                    found.setdefault(frame.pts, frame.to_ndarray(format="rgb24"))
    except BadInput:
        raise
    except Exception as error:
        if not found:
            raise BadInput(f"Its frames cannot be read ({type(error).__name__}).") from error
    if not found:
        raise BadInput("It holds no frame that can be read.")
    return list(found.values())


def _check_frame(shape: Any) -> None:
    if shape.width * shape.height > MOST_FRAME_PIXELS:
        raise BadInput(f"Its frames have {shape.width} × {shape.height} pixels, so they were not looked at.")


def sound(data: bytes, most: int | None = None) -> Sound:
    """float32 (frames, channels) of what libsndfile or FFmpeg reads; values that are no numbers become 0."""
    import numpy as np
    import soundfile

    try:
        with soundfile.SoundFile(io.BytesIO(data)) as file:
            file.seek(0)  # as in studio/recordings.py
            rate = int(file.samplerate)
            wanted = min(file.frames, (most or MOST_SECONDS * 100) * rate)
            samples = file.read(wanted, dtype="float32", always_2d=True)
    except (soundfile.LibsndfileError, RuntimeError):
        rate, samples = _by_ffmpeg(data, most or MOST_SECONDS * 100)
    except Exception as error:
        raise BadInput(f"Its sound cannot be read ({type(error).__name__}).") from error
    if rate < LEAST_RATE or samples.shape[1] > MOST_CHANNELS:
        raise BadInput(f"Its sound has {samples.shape[1]} channels at {rate} Hz, which are not looked at.")
    return Sound(np.nan_to_num(samples, nan=0.0, posinf=0.0, neginf=0.0), rate)


def _by_ffmpeg(data: bytes, most: int) -> tuple[int, Any]:
    import av
    import numpy as np

    pieces: list[Any] = []
    try:
        with av.open(io.BytesIO(data)) as file:
            stream = file.streams.audio[0]
            rate, length = int(stream.rate), 0
            change = av.AudioResampler(format="fltp", layout=stream.layout, rate=rate)
            for frame in file.decode(stream):
                pieces += [one.to_ndarray().T for one in change.resample(frame)]
                length += len(pieces[-1]) if pieces else 0
                if length > most * rate:
                    break
    except Exception as error:
        raise BadInput(f"Its sound cannot be read ({type(error).__name__}).") from error
    if not pieces:
        raise BadInput("It holds no sound that can be read.")
    return rate, np.ascontiguousarray(np.concatenate(pieces), np.float32)
