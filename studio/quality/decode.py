"""From a sealed file to what the metrics look at. Every decoder has a bound and one clear sentence.

Not covered: scores of video (no metric judges it yet), and formats the studio neither makes nor takes in.
"""

from __future__ import annotations

import re
import warnings
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING, Any

from studio.drawings import read_drawing
from studio.errors import BadInput
from studio.recordings import opened
from studio.types import Sound

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MAX_TEXT_BYTES = 20_000_000
MAX_PIXELS = 64_000_000
MAX_SAMPLES = 200_000_000

# A C2PA manifest in text (C2PA 2.1, A.7) is U+FEFF and a run of variation selectors. A single
# VS15/VS16 belongs to an emoji and stays.
_CREDENTIAL = re.compile("\ufeff?(?:[\ufe00-\ufe0f]{2,}|[\U000e0100-\U000e01ef])+[\ufe00-\ufe0f]*")
_ARMOUR = re.compile(r"<!-- *-----BEGIN C2PA MANIFEST-----.*?-----END C2PA MANIFEST----- *-->", re.DOTALL)
_FRONT_MATTER = re.compile(r"\A---[ \t]*\n.*?\n(?:---|\.\.\.)[ \t]*(?:\n|\Z)", re.DOTALL)
_TIMING = re.compile(r"^(?:WEBVTT.*|\d+(?=\n[\d:,.]+ -->)|[\d:,.]+ --> .*)$", re.MULTILINE)
_MARKDOWN = (
    (re.compile(r"<!--.*?-->", re.DOTALL), ""),
    (re.compile(r"^[ \t]*(?:```|~~~).*$", re.MULTILINE), ""),
    (re.compile(r"!?\[([^\]\n]*)\]\([^)\n]*\)"), r"\1"),
    (re.compile(r"^[ \t]*(?:#{1,6}[ \t]+|>[ \t]?|[-*+][ \t]+|\d+\.[ \t]+)", re.MULTILINE), ""),
    (re.compile(r"(\*\*|__|\*|`)(?=\S)(.+?)(?<=\S)\1"), r"\2"),
)
_BLOCK_TAGS = "p div br li ul ol tr h1 h2 h3 h4 h5 h6 section article blockquote pre table hr"
_BLOCKS = frozenset(_BLOCK_TAGS.split())
_SILENT = frozenset(("script", "style", "head", "template"))


def read_text(path: Path, media_type: str) -> str:
    """The words of a TXT, Markdown, HTML or caption file. Raises BadInput if it is no UTF-8 or too large."""
    text = plain_text(_utf8(path), media_type)
    return " ".join(_TIMING.sub("", text).split()) if path.suffix in (".srt", ".vtt") else text


def read_written(path: Path, media_type: str) -> str:
    """The text as it was written, Markdown's list numbers and emphasis included; HTML gives its words."""
    return written_text(_utf8(path), media_type)


def _utf8(path: Path) -> str:
    with path.open("rb") as file:
        data = file.read(MAX_TEXT_BYTES + 1)
    if len(data) > MAX_TEXT_BYTES:
        raise BadInput(f"{path.name} is larger than {MAX_TEXT_BYTES // 1_000_000} MB; give a shorter text.")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        raise BadInput(f"{path.name} is not UTF-8 text; save it as UTF-8.") from None


def plain_text(text: str, media_type: str) -> str:
    """`text` without invisible credential, front matter and mark-up."""
    text = written_text(text, media_type)
    if "markdown" in media_type:
        for pattern, replacement in _MARKDOWN:
            text = pattern.sub(replacement, text)
    return text.strip()


def written_text(text: str, media_type: str) -> str:
    """`text` without front matter and credential, whether invisible or in a comment."""
    text = text.replace("\r\n", "\n")
    if not text.isascii():  # the search for what cannot be seen takes longer than all else here
        text = _CREDENTIAL.sub("", text).replace("\ufeff", "")
    if "html" in media_type:
        reader = _Words()
        reader.feed(text)
        reader.close()
        text = "".join(reader.parts)
    elif "markdown" in media_type:
        text = _ARMOUR.sub("", _FRONT_MATTER.sub("", text))
    return text.strip()


class _Words(HTMLParser):
    """What a reader sees: block elements become line breaks; scripts, styles and head are left out."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self.silent: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _SILENT:
            self.silent.append(tag)
        if tag in _BLOCKS:
            self.parts.append("\n")

    def handle_endtag(self, tag: str) -> None:
        if tag in self.silent:
            del self.silent[self.silent.index(tag) :]
        if tag in _BLOCKS:
            self.parts.append("\n")

    def handle_data(self, data: str) -> None:
        if not self.silent:
            self.parts.append(re.sub(r"\s+", " ", data))


def read_pixels(path: Path) -> NDArray[np.uint8]:
    """uint8 (height, width, 3 or 4), upright. Raises BadInput if it is no picture or too large."""
    import numpy as np
    from PIL import Image, ImageOps, UnidentifiedImageError

    if path.suffix == ".svg":
        return read_drawing(path)
    if path.suffix == ".mp4":
        raise BadInput("A film is not judged as a picture; make a sheet (png) to have its pictures judged.")
    wrong = f"{path.name} cannot be read as a picture; give a PNG, JPEG or WebP file."
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(path) as opened:
                if opened.width * opened.height > MAX_PIXELS:
                    raise BadInput(
                        f"{path.name} has more than {MAX_PIXELS // 1_000_000} megapixels; scale it down."
                    )
                picture = ImageOps.exif_transpose(opened)
                clear = "A" in picture.getbands() or "transparency" in picture.info
                return np.asarray(picture.convert("RGBA" if clear else "RGB"))
    except (UnidentifiedImageError, Image.DecompressionBombError, OSError, SyntaxError, ValueError) as error:
        raise BadInput(wrong) from error


def read_frames(path: Path) -> NDArray[np.uint8]:
    """uint8 (frames, height, width, 3) of a short film. Raises BadInput if it is none or too large."""
    import av
    import numpy as np

    frames, pixels = [], 0
    try:
        with av.open(str(path)) as file:
            for frame in file.decode(video=0):
                pixels += frame.width * frame.height
                if pixels > MAX_PIXELS:
                    raise BadInput(f"{path.name} is too long to be compared; make it shorter.")
                frames.append(frame.to_ndarray(format="rgb24"))
    except (av.FFmpegError, IndexError, OSError) as error:
        raise BadInput(f"{path.name} cannot be read as a film; give an MP4 file.") from error
    if not frames:
        raise BadInput(f"{path.name} holds no picture.")
    return np.stack(frames)


def read_sound(path: Path) -> Sound:
    """The whole file as float32 (frames, channels). Raises BadInput if it is no sound or too long."""
    import numpy as np
    import soundfile

    try:
        with opened(path) as file:
            if file.frames * file.channels > MAX_SAMPLES:
                raise BadInput(f"{path.name} is too long to be judged at once; cut it into parts.")
            samples: Any = file.read(dtype="float32", always_2d=True)
            rate = int(file.samplerate)
    except (soundfile.LibsndfileError, OSError) as error:
        raise BadInput(
            f"{path.name} cannot be read as sound; give a WAV, FLAC, MP3, M4A or OGG file."
        ) from error
    if not np.isfinite(samples).all():
        raise BadInput(f"{path.name} holds samples that are no numbers; make it again.")
    return Sound(samples, rate)
