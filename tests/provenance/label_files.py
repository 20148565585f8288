"""Small real files of every container, made by the libraries that will have to open them again."""

import io
import tempfile
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import numpy as np
import soundfile
from PIL import Image

from studio.provenance.labels import GENERATED, LabelFacts
from studio.provenance.policy import read_policy
from studio.settings import Settings

FACTS = LabelFacts(
    produce_id="0123456789abcdef0123456789abcdef",
    producer="Signet Studio & Söhne 印",
    model_title='SmolLM2 <135M> "Instruct"',
    model_version="0.1.2",
    licence_note="Made with SmolLM2 (Apache-2.0). Commercial use is allowed; credit A & B.",
    licence_id="Apache-2.0",
    digital_source_type=GENERATED,
    created_at=datetime(2026, 11, 24, 6, 30, tzinfo=UTC),
    prompt_digest="ab" * 32,
    prompt=None,
    title="A cat, 一只猫",
    system="Signet 0.1.0",
)


@cache
def policy(name):
    return read_policy(name, Settings.read({}))


def picture(format, mode="RGB", **options):
    ramp = np.add.outer(np.arange(40), np.arange(30)).astype(np.uint8)
    out = io.BytesIO()
    Image.fromarray(np.dstack([ramp, ramp[::-1], ramp * 2])).convert(mode).save(out, format, **options)
    return out.getvalue()


def sound(format, subtype=None, seconds=0.3):
    wave = 0.3 * np.sin(np.arange(int(22050 * seconds)) * 0.1)
    out = io.BytesIO()
    soundfile.write(out, wave.astype(np.float32), 22050, format=format, subtype=subtype)
    return out.getvalue()


def film(options=None, format="mp4", frames=8):
    import av

    # faststart rewrites a real file.
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "film")
        with av.open(str(path), "w", format=format, options=options or {}) as container:
            stream = container.add_stream("mpeg4", rate=8)
            stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
            for number in range(frames):
                image = np.full((48, 64, 3), 20 * number, np.uint8)
                for packet in stream.encode(av.VideoFrame.from_ndarray(image)):
                    container.mux(packet)
            for packet in stream.encode():
                container.mux(packet)
        return path.read_bytes()


def frames_of(data):
    """Every decoded frame of a film, as one array."""
    import av

    with av.open(io.BytesIO(data)) as container:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])


def animation():
    pictures = [Image.new("RGB", (32, 32), colour) for colour in ("red", "green", "blue")]
    out = io.BytesIO()
    pictures[0].save(out, "WEBP", save_all=True, append_images=pictures[1:], duration=100)
    return out.getvalue()


MARKDOWN = "# A cat\n\nIt sleeps — 它睡觉。\n"
HTML = (
    "<!doctype html>\n<html lang=en>\n<head><title>A cat</title></head><body><p>It sleeps</p></body></html>\n"
)


@cache
def samples():
    """name → (media type, bytes)."""
    return {
        "png": ("image/png", picture("PNG")),
        "png with alpha": ("image/png", picture("PNG", "RGBA")),
        "jpeg": ("image/jpeg", picture("JPEG")),
        "jpeg with exif": (
            "image/jpeg",
            picture("JPEG", exif=b"Exif\0\0II*\0\x08\0\0\0\0\0\0\0\0\0", quality=80),
        ),
        "jpeg progressive": ("image/jpeg", picture("JPEG", progressive=True)),
        "webp lossy": ("image/webp", picture("WEBP")),
        "webp lossless": ("image/webp", picture("WEBP", lossless=True)),
        "webp with alpha": ("image/webp", picture("WEBP", "RGBA", lossless=True)),
        "webp animated": ("image/webp", animation()),
        "wav": ("audio/wav", sound("WAV")),
        "wav odd": ("audio/wav", sound("WAV", "PCM_U8", 0.12345)),
        "wav float": ("audio/wav", sound("WAV", "FLOAT")),
        "mp3": ("audio/mpeg", sound("MP3")),
        "flac": ("audio/flac", sound("FLAC")),
        "mp4": ("video/mp4", film()),
        "mp4 faststart": ("video/mp4", film({"movflags": "faststart"})),
        "mp4 with keys": ("video/mp4", film({"movflags": "use_metadata_tags+faststart"})),
        "mov": ("video/quicktime", film(format="mov")),
        "markdown": ("text/markdown", MARKDOWN.encode()),
        "html": ("text/html", HTML.encode()),
    }
