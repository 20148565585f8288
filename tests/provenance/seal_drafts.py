"""Small drafts of every kind, and a studio to seal them; shared by the tests of the seal."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np

from studio.provenance.encode import MEDIA
from studio.types import Brief, Draft, LicenceNote, Sound

PROMPT = "A confidential prompt about the launch of a blue bicycle in spring"
NOTE = LicenceNote(
    "Apache-2.0", "Made with Tiny 1M (Apache-2.0). Commercial use is allowed.", "yes", ("Tiny 1M",)
)
TEXT = "# Blue bicycle\n\nRides für 你好 🚲 مرحبا.\n\n- light\n- quick\n"
# Every format but video, which needs a real encoder.
FORMATS = tuple(name for name in MEDIA if name != "mp4")


@cache
def payload(kind):
    rng = np.random.default_rng(7)
    if kind == "text":
        return TEXT
    if kind == "image":
        return rng.integers(0, 255, (48, 40, 3), dtype=np.uint8)
    return Sound((0.4 * np.sin(np.arange(4000) / 9)).astype(np.float32)[:, None], 16000)


def draft(kind="text", content=None, **changes):
    known = dict(
        kind=kind,
        payload=payload(kind) if content is None else content,
        model_id="tiny",
        revision="r1",
        seed=7,
        device="cpu",
        dtype="float32",
        seconds=0.1,
        settings={"temperature": 0.7, "negative_prompt": "rain and fog", "stop": ["The End."]},
    )
    return Draft(**{**known, **changes})


def brief(kind="text", format=None, **changes):
    return Brief(kind, PROMPT, engine="echo", format=format, **changes)


def seal(sealer, format="md", content=None, **changes):
    kind = MEDIA[format].kinds[0]
    return sealer.seal(draft(kind, content), brief(kind, format), NOTE, model_title="Tiny 1M", **changes)


def mp4(path: Path) -> Path:
    """A real two-frame video, made by PyAV."""
    import av

    with av.open(str(path), "w", format="mp4") as container:
        stream = container.add_stream("mpeg4", rate=5)
        stream.width, stream.height, stream.pix_fmt = 32, 32, "yuv420p"
        for shade in (40, 200):
            frame = av.VideoFrame.from_ndarray(np.full((32, 32, 3), shade, np.uint8), format="rgb24")
            for packet in stream.encode(frame):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)
    return path


def flipped(data, at, bit=0):
    changed = bytearray(data)
    changed[at] ^= 1 << bit
    return bytes(changed)
