"""Draft payloads to the bytes of a file, and back from bytes to what kind of file they are.

    data, media = encode(draft, "jpeg")

Everything happens in memory; no function here knows a path but that of a finished video.
"""

from __future__ import annotations

import html
import io
import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from studio.errors import BadInput, SealFailed
from studio.types import Draft, Kind, Sound


@dataclass(frozen=True, slots=True)
class Media:
    type: str
    extension: str
    kinds: tuple[Kind, ...]


SOUND: tuple[Kind, ...] = ("speech", "music")
# The first format of a kind is its default.
MEDIA: dict[str, Media] = {
    "md": Media("text/markdown", "md", ("text",)),
    "txt": Media("text/plain", "txt", ("text",)),
    "html": Media("text/html", "html", ("text",)),
    "srt": Media("text/plain", "srt", ("text",)),  # captions: for engines that name these formats
    "vtt": Media("text/plain", "vtt", ("text",)),
    "png": Media("image/png", "png", ("image",)),
    "jpeg": Media("image/jpeg", "jpg", ("image",)),
    "webp": Media("image/webp", "webp", ("image",)),
    "svg": Media("image/svg+xml", "svg", ("image",)),
    "wav": Media("audio/wav", "wav", SOUND),
    "mp3": Media("audio/mpeg", "mp3", SOUND),
    "flac": Media("audio/flac", "flac", SOUND),
    "opus": Media("audio/mp4", "m4a", SOUND),
    "mp4": Media("video/mp4", "mp4", ("video", "image")),  # of pictures: the way between two prompts
}
ALSO_CALLED = {"m4a": "opus", "jpg": "jpeg", "markdown": "md", "text": "txt", "htm": "html"}
MP3_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)


def media_for(kind: Kind, format: str | None) -> Media:
    """The media of a format name, or the default of the kind. Raises BadInput that lists the valid ones."""
    valid = {name: media for name, media in MEDIA.items() if kind in media.kinds}
    if format is None:
        return next(iter(valid.values()))
    name = format.lower().lstrip(".")
    name = ALSO_CALLED.get(name, name)
    if name not in valid:
        raise BadInput(
            f"{kind.capitalize()} cannot be saved as {format!r}; choose one of: {', '.join(valid)}."
        )
    return valid[name]


def encode(draft: Draft, format: str | None = None) -> tuple[bytes, Media]:
    """The file's bytes before any label or signature. Raises BadInput or SealFailed with one sentence."""
    media = media_for(draft.kind, format)
    return ENCODERS[media.type](draft.payload), media


# --- Text ---------------------------------------------------------------------------------------


def clean_text(text: str) -> str:
    """Text as it may stand in a sealed file: NFC (C2PA 2.4, A.8), line feeds, one at the end, and
    without what would look like a manifest of its own: U+FEFF and the armour lines of A.9."""
    text = unicodedata.normalize("NFC", text).encode("utf-8", "replace").decode("utf-8")
    text = re.sub(r"\r\n?", "\n", text).replace("\ufeff", "").replace("\0", "")
    text = re.sub(r"-----(BEGIN|END) C2PA MANIFEST-----", r"---- \1 C2PA MANIFEST ----", text)
    return text.rstrip("\n") + "\n"


def _text(payload: str) -> bytes:
    return clean_text(payload).encode("utf-8")


def _html(payload: str) -> bytes:
    """A small, self-contained page; `# ` headings and `- ` or `1. ` lists become what they mean."""
    blocks = [
        _block(block) for block in re.split(r"\n{2,}", clean_text(payload).strip("\n")) if block.strip()
    ]
    heading = re.search(r"^#{1,3} +(.+)$", payload, re.MULTILINE)
    title = html.escape(heading[1].strip()[:120] if heading else "Text")
    style = "body{font:1rem/1.6 system-ui,sans-serif;max-width:42rem;margin:2rem auto;padding:0 1rem}"
    page = (
        '<!DOCTYPE html>\n<html>\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{title}</title>\n<style>{style}</style>\n</head>\n"
        f'<body dir="auto">\n{"".join(blocks)}</body>\n</html>\n'
    )
    return page.encode("utf-8")


def _block(block: str) -> str:
    lines = block.split("\n")
    for tag, bullet in (("ul", r"[-*•] +"), ("ol", r"\d{1,3}[.)] +")):
        if all(re.match(bullet, line) for line in lines):
            items = "".join(f"<li>{html.escape(re.sub(bullet, '', line, count=1))}</li>\n" for line in lines)
            return f"<{tag}>\n{items}</{tag}>\n"
    if (mark := re.match(r"(#{1,3}) +(.+)$", lines[0])) and len(lines) == 1:
        level = len(mark[1])
        return f"<h{level}>{html.escape(mark[2])}</h{level}>\n"
    return "<p>" + "<br>\n".join(map(html.escape, lines)) + "</p>\n"


# --- Pictures -----------------------------------------------------------------------------------


def _picture(payload: Any, format: str, limit: int, **options: Any) -> bytes:
    from PIL import Image

    if payload.ndim != 3 or payload.shape[2] not in (3, 4) or str(payload.dtype) != "uint8":
        raise SealFailed("The engine's picture is not an 8-bit RGB or RGBA array, so it was not saved.")
    if max(payload.shape[:2]) > limit:
        raise BadInput(f"{format} holds at most {limit} pixels a side; choose PNG or a smaller picture.")
    picture = Image.fromarray(payload)
    if picture.mode == "RGBA" and format == "JPEG":  # JPEG has no transparency: lay it on white
        white = Image.new("RGBA", picture.size, "white")
        picture = Image.alpha_composite(white, picture).convert("RGB")
    out = io.BytesIO()
    picture.save(out, format, **options)
    return out.getvalue()


def _png(payload: Any) -> bytes:
    run_lengths = 3  # zlib's Z_RLE: a third less time than its search for repeats, at the same size
    return _picture(payload, "PNG", 2**31 - 1, compress_level=1, compress_type=run_lengths)


def _jpeg(payload: Any) -> bytes:
    return _picture(payload, "JPEG", 65_500, quality=92, subsampling=0)


def _webp(payload: Any) -> bytes:
    # Flat art stays whole: its mark is faint, and WebP's halved colour planes leave too little for a copy to be read.
    whole = _picture(payload, "WEBP", 16_383, lossless=True, quality=20, method=0)
    if 2 * len(whole) <= payload.shape[0] * payload.shape[1]:
        return whole
    return _picture(payload, "WEBP", 16_383, quality=90)


# --- Sound and video ----------------------------------------------------------------------------


def _sound(payload: Sound, format: str, subtype: str, **options: Any) -> bytes:
    import numpy as np
    import soundfile

    samples = np.asarray(payload.samples, np.float32)
    if samples.ndim not in (1, 2) or samples.size == 0 or not np.isfinite(samples).all():
        raise SealFailed("The engine's sound is empty or not finite, so it was not saved; try another seed.")
    out = io.BytesIO()
    try:
        soundfile.write(
            out, samples.clip(-1, 1), payload.sample_rate, format=format, subtype=subtype, **options
        )
    except soundfile.LibsndfileError as error:
        raise BadInput(f"{format} cannot hold this sound ({error}); choose WAV.") from error
    return out.getvalue()


def _wav(payload: Sound) -> bytes:
    return _sound(payload, "WAV", "PCM_16")


def _mp3(payload: Sound) -> bytes:
    if payload.sample_rate not in MP3_RATES:
        raise BadInput(f"MP3 has no sample rate of {payload.sample_rate} Hz; choose WAV or FLAC.")
    return _sound(payload, "MP3", "MPEG_LAYER_III", compression_level=0.2)


def _flac(payload: Sound) -> bytes:
    return _sound(payload, "FLAC", "PCM_16")


def _opus(payload: Sound) -> bytes:
    from studio.provenance.encode_opus import opus

    return opus(payload)


def _mp4(payload: Any) -> bytes:
    if isinstance(payload, list):
        from studio.provenance.encode_film import film

        return film(payload)
    if not isinstance(payload, Path):
        raise BadInput("One picture is no film; choose another format than mp4.")
    data = payload.read_bytes()
    if sniff(data) != "video/mp4":
        raise SealFailed("The engine's video is not an MP4 file, so it was not saved.")
    return data


def _svg(payload: Any) -> bytes:
    from studio.provenance.encode_svg import trace

    return trace(payload)


ENCODERS: dict[str, Callable[[Any], bytes]] = {
    "text/markdown": _text,
    "text/plain": _text,
    "text/html": _html,
    "image/png": _png,
    "image/jpeg": _jpeg,
    "image/webp": _webp,
    "image/svg+xml": _svg,
    "audio/wav": _wav,
    "audio/mpeg": _mp3,
    "audio/flac": _flac,
    "audio/mp4": _opus,
    "video/mp4": _mp4,
}

# --- What is this file? -------------------------------------------------------------------------

# (offset, magic bytes, media type); the first match counts.
MAGIC: tuple[tuple[int, bytes, str], ...] = (
    (0, b"\x89PNG\r\n\x1a\n", "image/png"),
    (0, b"\xff\xd8\xff", "image/jpeg"),
    (8, b"WEBP", "image/webp"),
    (8, b"WAVE", "audio/wav"),
    (8, b"AVI ", "video/x-msvideo"),
    (0, b"fLaC", "audio/flac"),
    (4, b"ftypavif", "image/avif"),
    (4, b"ftypheic", "image/heic"),
    (4, b"ftypmif1", "image/heif"),
    (4, b"ftypqt  ", "video/quicktime"),
    (4, b"ftypM4A ", "audio/mp4"),
    (4, b"ftyp", "video/mp4"),
    (0, b"GIF87a", "image/gif"),
    (0, b"GIF89a", "image/gif"),
    (0, b"II*\0", "image/tiff"),
    (0, b"MM\0*", "image/tiff"),
    (0, b"%PDF-", "application/pdf"),
)


def sniff(data: bytes) -> str | None:
    """The media type that the content itself shows, whatever the name says; None if it shows none."""
    for at, magic, media_type in MAGIC:
        if data[at : at + len(magic)] == magic:
            return media_type
    if data[:3] == b"ID3":  # an ID3v2 tag stands in front of MP3 and, when signed, of FLAC
        size = sum((byte & 0x7F) << shift for byte, shift in zip(data[6:10], (21, 14, 7, 0), strict=False))
        return "audio/flac" if data[10 + size : 14 + size] == b"fLaC" else "audio/mpeg"
    if len(data) > 2 and data[0] == 0xFF and data[1] & 0xE6 == 0xE2:
        return "audio/mpeg"
    return _sniff_text(data)


def _sniff_text(data: bytes) -> str | None:
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.reason != "unexpected end of data":
            return None
        text = data[: error.start].decode("utf-8")  # text that was cut within a character is still text
    if not text or "\0" in text:
        return None
    start = text[:1000].lstrip("\ufeff \t\r\n").lower()
    if start.startswith(("<!doctype html", "<html")):
        return "text/html"
    if start.startswith("<?xml") or start.startswith("<svg"):
        return "image/svg+xml" if "<svg" in start else "text/plain"
    return (
        "text/markdown"
        if start.startswith("---") or "-----BEGIN C2PA MANIFEST-----" in text
        else "text/plain"
    )
