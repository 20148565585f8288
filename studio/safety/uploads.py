"""Files from outside: judged by their content, never by their name, and read whole before anything else is.

Pictures are PNG, JPEG or WebP; sounds WAV, FLAC, OGG, M4A or MP3; scripts UTF-8 text. Whatever else comes in is
refused with one sentence that says what to do.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from studio.errors import BadInput
from studio.pictures import decode, short, upright
from studio.recordings import opened
from studio.safety.limits import bad_character
from studio.safety.names import safe_join as safe_join
from studio.safety.names import safe_name as safe_name
from studio.settings import Settings

if TYPE_CHECKING:
    from PIL.Image import Image

MAX_SECONDS = 30 * 60
MAX_CHANNELS = 8
MAX_SCRIPT_BYTES = 4 * 2**20
BLOCK = 2**18

# What a foreign file is, for the sentence that refuses it.
KNOWN: tuple[tuple[int, bytes, str], ...] = (
    (0, b"\x89PNG\r\n\x1a\n", "PNG"),
    (0, b"\xff\xd8\xff", "JPEG"),
    (8, b"WEBP", "WebP"),
    (8, b"WAVE", "WAV"),
    (0, b"fLaC", "FLAC"),
    (0, b"OggS", "OGG"),
    (0, b"ID3", "MP3"),
    *((0, bytes([0xFF, second]), "MP3") for second in (0xFB, 0xF3, 0xF2, 0xFA)),
    (0, b"GIF8", "a GIF"),
    (0, b"BM", "a BMP picture"),
    (0, b"II*\0", "a TIFF picture"),
    (0, b"MM\0*", "a TIFF picture"),
    (0, b"%PDF", "a PDF"),
    (0, b"PK\x03\x04", "a zip archive or an office document"),
    (0, b"\x1f\x8b", "a gzip archive"),
    (4, b"ftypavif", "an AVIF picture"),
    (4, b"ftyphei", "a HEIC picture"),
    (4, b"ftypM4A ", "M4A"),
    (4, b"ftyp", "an MP4 film or sound"),
    (0, b"\x1aE\xdf\xa3", "a WebM or Matroska film"),
    (0, b"\x7fELF", "a program"),
    (0, b"MZ", "a program"),
)
PICTURES = ("PNG", "JPEG", "WebP")
SOUNDS = ("WAV", "FLAC", "OGG", "M4A", "MP3")


@dataclass(frozen=True, slots=True)
class Picture:
    """What a picture file holds: `format` ("PNG", "JPEG", "WebP"), upright size in pixels, Pillow mode."""

    format: str
    width: int
    height: int
    mode: str


@dataclass(frozen=True, slots=True)
class SoundFile:
    """What a sound file holds: `format`, length in seconds, rate in Hz, number of channels."""

    format: str
    seconds: float
    sample_rate: int
    channels: int


def check_picture(path: Path, settings: Settings) -> Picture:
    """Decode the picture to its last row. Raises BadInput for whatever the studio does not take."""
    found = _recognise(path, settings, PICTURES, "picture")
    image = decode(path, settings)
    width, height = image.size
    if image.getexif().get(0x0112, 1) in (5, 6, 7, 8):  # EXIF orientation: lies on its side
        width, height = height, width
    return Picture(found, width, height, image.mode)


def read_picture(path: Path, settings: Settings) -> Image:
    """The checked picture as people see it: upright, 8 bits a channel, sRGB; mode "RGB" or "RGBA"."""
    _recognise(path, settings, PICTURES, "picture")
    return upright(decode(path, settings))


def check_sound(path: Path, settings: Settings) -> SoundFile:
    """Decode the sound to its end. Raises BadInput for whatever the studio does not take."""
    import numpy as np
    import soundfile

    found = _recognise(path, settings, SOUNDS, "sound")
    frames = 0
    try:
        with opened(path) as sound:
            rate, channels = sound.samplerate, sound.channels
            if not 1 <= channels <= MAX_CHANNELS or not 4_000 <= rate <= 384_000:
                raise BadInput(
                    f"The sound has {channels} channels at {rate:,} Hz; save it as stereo at 48,000 Hz."
                )
            for block in sound.blocks(BLOCK, dtype="float32"):
                frames += len(block)
                if frames > MAX_SECONDS * rate:
                    raise BadInput(f"The sound is longer than {MAX_SECONDS // 60} minutes; cut it.")
                if not np.isfinite(block).all():
                    raise BadInput("The sound holds values that are no numbers; save it again as 16-bit WAV.")
    except (soundfile.SoundFileError, OSError, ValueError, RuntimeError) as error:
        raise BadInput(
            f"The {found} file is damaged and cannot be played ({short(error)}); save it again."
        ) from None
    if not frames:
        raise BadInput("The sound is empty; choose another file.")
    return SoundFile(found, frames / rate, rate, channels)


def check_script(source: Path | bytes) -> str:
    """The text of a script with '\\n' as line end. Raises BadInput naming the byte that is not UTF-8."""
    data = source if isinstance(source, bytes) else _head(source, MAX_SCRIPT_BYTES + 1)
    if len(data) > MAX_SCRIPT_BYTES:
        raise BadInput(f"The script is larger than {MAX_SCRIPT_BYTES // 2**20} MB; split it.")
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise BadInput("The script is UTF-16; save it as UTF-8 and try again.")
    try:
        text = data.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        raise BadInput(
            f"The script is not UTF-8: the byte at position {error.start + 1} (0x{data[error.start]:02X}) "
            "cannot be read; save it as UTF-8 and try again."
        ) from None
    place = bad_character(text)
    if place is not None:
        line = text.count("\n", 0, place) + 1
        raise BadInput(
            f"The script holds the control character U+{ord(text[place]):04X} in line {line}; remove it."
        )
    if not text.strip():
        raise BadInput("The script is empty.")
    return text.replace("\r\n", "\n").replace("\r", "\n")


# --- recognising --------------------------------------------------------------------------------


def _recognise(path: Path, settings: Settings, wanted: tuple[str, ...], noun: str) -> str:
    """The format by magic bytes, if it is one of `wanted`."""
    head = _head(path, 1024)
    size, limit = path.stat().st_size, settings.max_upload_mb
    if size > limit * 2**20:
        raise BadInput(f"The file has {size / 2**20:,.0f} MB and the studio takes {limit}; make it smaller.")
    if not head:
        raise BadInput("The file is empty; choose another one.")
    found = next((name for start, magic, name in KNOWN if head[start : start + len(magic)] == magic), None)
    if found is None and b"<svg" in head.lower():
        found = "an SVG, which can carry scripts"
    if found in wanted:
        return found
    formats = f"{', '.join(wanted[:-1])} or {wanted[-1]}"
    what = f"it is {found}" if found else "its content is of no known kind"
    raise BadInput(f"The file is not a {noun} the studio takes: {what}; save it as {formats}.")


def _head(path: Path, count: int) -> bytes:
    try:
        if not path.is_file():
            raise BadInput(f"There is no file {path.name!r}; choose another one.")
        with path.open("rb") as file:
            return file.read(count)
    except (OSError, ValueError) as error:
        raise BadInput(f"The file cannot be read ({short(error)}); choose another one.") from None
