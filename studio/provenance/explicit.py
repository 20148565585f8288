"""Labels that people see or hear: text on a picture or film, a line in a text, a rhythm or a spoken notice
before a sound.

Made for GB 45438-2025, clause 5: the wording holds "AI" and 生成 (or "AI-generated"); on a picture it stands
at a corner, its capitals and characters at least 5 % of the shortest side high; a sound begins with the
rhythm short-long-short-short, which is "AI" in Morse. The spoken notice ("This audio was made by artificial
intelligence: AI.", in one of the studio's own voices) is made for the EU Code of Practice: an audible notice
at the start. Off unless a policy asks for them. They are put on the payload, before marks and labels. A film
is labelled by whoever draws its frames, with `overlay`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from studio.errors import BadInput
from studio.provenance.policy import Policy
from studio.settings import ROOT
from studio.types import Draft, Sound

if TYPE_CHECKING:
    from PIL import Image, ImageFont

FONT = ROOT / "assets" / "fonts" / "signet-label.ttf"
NOTICE = ROOT / "assets" / "policies" / "notice-en.flac"
NOTICE_PAUSE_SECONDS = 0.5
# Below this many pixels no letter can be read, so small pictures get a larger share where there is room.
READABLE_PIXELS = 12
PLATE, INK = (0, 0, 0, 150), (255, 255, 255, 255)
# Morse "AI": lengths of tones and of the pauses after them, in units.
RHYTHM = ((1, 1), (3, 3), (1, 1), (1, 4))
# A label is known again by this correlation: a mark costs 0.002 of it, MP3 or Opus up to 0.006.
LIKENESS, LATEST_SECONDS = 0.95, 0.1
UNIT_SECONDS, TONE_HZ, FADE_SECONDS = 0.12, 880.0, 0.008


def make_explicit(draft: Draft, policy: Policy) -> Draft:
    """`draft` with the labels that `policy` wants people to notice; the same draft where it wants none."""
    steps: dict[str, tuple[bool, Callable[[Any, Policy], Any]]] = {
        "text": (policy.visible_text, label_text),
        "image": (policy.visible_picture, label_picture),
        "speech": (policy.audible_sound != "none", label_sound),
        "music": (policy.audible_sound != "none", label_sound),
    }
    wanted, step = steps.get(draft.kind, (False, label_text))
    return replace(draft, payload=step(draft.payload, policy)) if wanted else draft


def label_text(text: str, policy: Policy) -> str:
    """`text` with a line of its own at the start, the end or both; a line that is there stays single."""
    line = f"（{policy.wording}）" if not policy.wording.isascii() else f"({policy.wording})"
    body = text.strip("\n")
    lines = body.splitlines() or [""]
    if policy.text_edge in ("start", "both") and lines[0].strip() != line:
        body = f"{line}\n\n{body}"
    if policy.text_edge in ("end", "both") and lines[-1].strip() != line:
        body = f"{body}\n\n{line}"
    return body + "\n"


def label_picture(picture: Any, policy: Policy) -> Any:
    """The picture, uint8 (height, width, 3 or 4), with the wording in the policy's corner; so each frame of a list."""
    import numpy as np
    from PIL import Image

    if isinstance(picture, list):
        return [label_picture(frame, policy) for frame in picture]
    height, width = picture.shape[:2]
    below = Image.fromarray(np.ascontiguousarray(picture)).convert("RGBA")
    below.alpha_composite(_overlay(width, height, policy))
    return np.asarray(below.convert("RGB" if picture.shape[2] == 3 else "RGBA"))


def overlay(width: int, height: int, policy: Policy) -> Any:
    """The label alone, to be laid over frames: uint8 (height, width, 4), transparent elsewhere.

    On a film it should stay for at least two seconds (GB 45438-2025, 5.5).
    """
    import numpy as np

    return np.asarray(_overlay(width, height, policy))


def label_sound(sound: Sound, policy: Policy) -> Sound:
    """The sound with the rhythm or the notice before it, as loud as the sound's louder passages; one is enough."""
    import numpy as np

    frames, channels = sound.samples.shape
    level = float(np.percentile(np.abs(sound.samples), 95)) if frames else 0.0
    label = (notice if policy.audible_sound == "spoken" else rhythm)(sound.sample_rate)
    if _begins_with(sound, label):
        return sound
    label = label * min(0.5, max(0.1, level))
    before = np.repeat(label[:, None], channels, axis=1).astype(np.float32)
    return Sound(np.concatenate([before, sound.samples.astype(np.float32)]), sound.sample_rate)


def _begins_with(sound: Sound, label: Any) -> bool:
    """Whether the whole label is heard at the start, softer or louder, through a mark or a lossy format.

    Later by up to `LATEST_SECONDS`, as MP3 makes it; cut into, faded in or under music it no longer counts.
    """
    import numpy as np

    room = round(LATEST_SECONDS * sound.sample_rate)
    heard = sound.samples[: len(label) + room].mean(axis=1)
    if len(heard) < len(label):
        return False
    size = len(heard) + len(label)
    shifts = np.fft.irfft(np.fft.rfft(heard, size) * np.conj(np.fft.rfft(label, size)), size)
    late = int(np.argmax(shifts[: len(heard) - len(label) + 1]))
    there = heard[late : late + len(label)]
    likeness = float(there @ label) / (float(np.linalg.norm(there) * np.linalg.norm(label)) or 1.0)
    quarters = zip(np.array_split(there, 4), np.array_split(label, 4), strict=True)
    levels = [float(np.linalg.norm(a) / (np.linalg.norm(b) or 1.0)) for a, b in quarters if b.any()]
    return likeness >= LIKENESS and min(levels) >= max(levels) / 2


def rhythm(sample_rate: int) -> Any:
    """short-long-short-short as a float32 array in −1…1, with a pause at its end."""
    import numpy as np

    pieces = []
    for tone, pause in RHYTHM:
        time = np.arange(round(tone * UNIT_SECONDS * sample_rate)) / sample_rate
        fade = np.clip(np.minimum(time, time[-1] - time) / FADE_SECONDS, 0, 1) if time.size else time
        pieces += [
            np.sin(2 * math.pi * TONE_HZ * time) * fade,
            np.zeros(round(pause * UNIT_SECONDS * sample_rate)),
        ]
    return np.concatenate(pieces).astype(np.float32)


def notice(sample_rate: int) -> Any:
    """The spoken notice as a float32 array in −1…1, with a pause at its end."""
    import numpy as np
    import soundfile
    import soxr

    samples, rate = soundfile.read(NOTICE, dtype="float32")
    said = soxr.resample(samples, rate, sample_rate)
    pause = np.zeros(round(NOTICE_PAUSE_SECONDS * sample_rate))
    return np.concatenate([said / np.abs(said).max(), pause]).astype(np.float32)


# --- Drawing ------------------------------------------------------------------------------------


def _overlay(width: int, height: int, policy: Policy) -> Image.Image:
    from PIL import Image, ImageDraw

    least = max(1, math.ceil(policy.glyph_height * min(width, height)))
    font, box, pad = _fitting_font(policy.wording, least, width, height)
    plate_width, plate_height = box[2] - box[0] + 2 * pad, box[3] - box[1] + 2 * pad
    left = pad if policy.corner.endswith("left") else width - plate_width - pad
    top = pad if policy.corner.startswith("top") else height - plate_height - pad
    canvas = Image.new("RGBA", (width, height))
    draw = ImageDraw.Draw(canvas)
    corners = (left, top, left + plate_width - 1, top + plate_height - 1)
    draw.rounded_rectangle(corners, radius=pad, fill=PLATE)
    draw.text((left + pad - box[0], top + pad - box[1]), policy.wording, font=font, fill=INK)
    return canvas


def _fitting_font(
    wording: str, least: int, width: int, height: int
) -> tuple[ImageFont.FreeTypeFont, tuple[int, int, int, int], int]:
    """(font, box of the wording, padding): readable where there is room, never lower than `least` pixels."""
    for capital in range(max(least, READABLE_PIXELS), least - 1, -1):
        font = _font(wording, capital)
        box = tuple(map(round, font.getbbox(wording)))
        pad = max(1, capital // 3)
        if box[2] - box[0] + 4 * pad <= width and box[3] - box[1] + 4 * pad <= height:
            return font, (box[0], box[1], box[2], box[3]), pad
    raise BadInput(
        f"The label {wording!r} does not fit on a picture of {width} × {height} pixels; "
        "make the picture larger or choose a policy without visible labels."
    )


def _font(wording: str, capital: int) -> ImageFont.FreeTypeFont:
    """The bundled font at the size that makes capitals `capital` pixels high."""
    from PIL import ImageFont

    size = capital
    while True:
        font = ImageFont.truetype(str(FONT), size)
        box = font.getbbox("A")
        if box[3] - box[1] >= capital:
            break
        size += 1
    absent = bytes(font.getmask("\uffff"))
    missing = sorted({char for char in wording if not char.isspace() and bytes(font.getmask(char)) == absent})
    if missing:
        raise BadInput(
            f"The label font has no letter for {' '.join(missing)}; use another `wording` in the policy."
        )
    return font
