"""Small pictures, sounds and texts that the tests of the scores are made of, and how to spoil them."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from studio.quality.base import Sample
from studio.types import Brief, Kind

ROOT = Path(__file__).resolve().parents[2]
RATE = 22_050
LEVELS = range(5)


def rng(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


# --- Samples ------------------------------------------------------------------------------------


def text_sample(folder: Path, text: str, prompt: str = "Write a product description.", **more: Any) -> Sample:
    path = folder / f"{abs(hash((text, prompt)))}.txt"
    path.write_text(text, "utf-8")
    return Sample(path, "text", "text/plain", Brief("text", prompt), **more)


def image_sample(folder: Path, pixels: Any, prompt: str = "a landscape", **more: Any) -> Sample:
    from PIL import Image

    pixels = np.clip(np.round(pixels), 0, 255).astype(np.uint8)
    path = folder / f"{abs(hash(pixels.tobytes()))}.png"
    Image.fromarray(pixels).save(path)
    return Sample(path, "image", "image/png", Brief("image", prompt), **more)


def sound_sample(folder: Path, samples: Any, rate: int, kind: Kind = "speech", prompt: str = "") -> Sample:
    samples = np.asarray(samples, np.float32)
    path = folder / f"{abs(hash(samples.tobytes()))}.wav"
    soundfile.write(path, samples, rate, subtype="FLOAT")
    return Sample(path, kind, "audio/wav", Brief(kind, prompt))


# --- Texts --------------------------------------------------------------------------------------


@lru_cache
def copy() -> list[dict[str, str]]:
    """The shipped records of the reference set: {"prompt", "text"}."""
    lines = (ROOT / "assets/reference/signet-copy-en.jsonl").read_text("utf-8").splitlines()
    return [json.loads(line) for line in lines]


# --- Pictures -----------------------------------------------------------------------------------


def landscape(seed: int, size: int = 192) -> Any:
    """float (size, size, 3): a shaded sky, a disc, textured ground; drawn at four times the size."""
    r, big = rng(seed), 4 * size
    y, x = np.mgrid[0:big, 0:big] / big
    sky = np.stack([60 + 120 * y, 110 + 90 * y, 200 - 20 * y], -1)
    cx, cy, radius = r.uniform(0.2, 0.8), r.uniform(0.15, 0.3), r.uniform(0.06, 0.12)
    sky[(x - cx) ** 2 + (y - cy) ** 2 < radius**2] = (250, 220, 90)
    hill = 0.6 + 0.08 * np.sin(7 * x + r.uniform(0, 6))
    grain = np.kron(r.normal(0, 22, (big // 8, big // 8)), np.ones((8, 8)))
    ground = np.stack([70 + grain, 130 + grain, 60 + 0.5 * grain], -1)
    picture = np.where((y > hill)[..., None], ground, sky)
    return picture.reshape(size, 4, size, 4, 3).mean(axis=(1, 3))


def photograph(seed: int) -> Any:
    """A landscape with the grain that a camera leaves."""
    return landscape(seed) + rng(seed + 100).normal(0, 2, (192, 192, 3))


def portrait(tone: tuple[int, int, int], seed: int) -> Any:
    """float (256, 256, 3): two shaded ovals of one tone before a wall, with grain."""
    y, x = np.mgrid[-1:1:256j, -1:1:256j]
    r = rng(seed)
    body = (x**2 / r.uniform(0.25, 0.35) + (y - 0.3) ** 2 < 0.8) | (x**2 + (y + 0.75) ** 2 < 0.06)
    shade = (1 - 0.4 * np.abs(x))[..., None] * np.array(tone)
    return np.where(body[..., None], shade, 200.0) + r.normal(0, 2, (256, 256, 3))


def sticker(thing: int) -> Any:
    """uint8 (256, 256, 4) on nothing: 0 a red heart, 1 a yellow star, 2 a blue circle, 3 a green square."""
    from PIL import Image, ImageDraw

    picture = Image.new("RGBA", (512, 512))
    draw = ImageDraw.Draw(picture)
    if thing == 0:
        t = np.linspace(0, 2 * np.pi, 200)
        x, y = 16 * np.sin(t) ** 3, 13 * np.cos(t) - 5 * np.cos(2 * t) - 2 * np.cos(3 * t) - np.cos(4 * t)
        draw.polygon([(256 + 13 * a, 236 - 13 * b) for a, b in zip(x, y, strict=True)], (229, 28, 45))
    elif thing == 1:
        turn = np.pi * np.arange(10) / 5
        reach = np.where(np.arange(10) % 2, 95, 225)
        draw.polygon(
            [(256 + r * np.sin(a), 262 - r * np.cos(a)) for r, a in zip(reach, turn, strict=True)],
            (252, 201, 30),
        )
    elif thing == 2:
        draw.ellipse((60, 60, 452, 452), (30, 120, 220))
    else:
        draw.rounded_rectangle((70, 70, 442, 442), 40, (40, 170, 70))
    return np.asarray(picture.resize((256, 256), Image.Resampling.LANCZOS))


THINGS = ("a red heart", "a yellow star", "a blue circle", "a green square")


# --- Sounds -------------------------------------------------------------------------------------


def note(midi: int, seconds: float, rate: int = RATE) -> Any:
    t = np.arange(int(seconds * rate)) / rate
    hertz = 440 * 2 ** ((midi - 69) / 12)
    return (
        sum(np.sin(2 * np.pi * hertz * k * t) / k**1.5 for k in range(1, 5))
        * np.exp(-3 * t)
        * np.minimum(1, 200 * t)
    )


def tune(notes: list[tuple[int, float]], beats: list[float] | float, rate: int = RATE) -> Any:
    """`notes` are (MIDI pitch, length in beats); `beats` the seconds of a beat, for all or for each note."""
    lengths = [
        d * b
        for (_, d), b in zip(notes, beats if isinstance(beats, list) else [beats] * len(notes), strict=True)
    ]
    out = np.zeros(int(sum(lengths) * rate) + rate)
    at = 0.0
    for (midi, _), length in zip(notes, lengths, strict=True):
        sound, i = note(midi, 1.2 * length, rate), int(at * rate)
        out[i : i + len(sound)] += sound[: len(out) - i]
        at += length
    return (0.5 * out / abs(out).max()).astype(np.float32)


PHRASE_A = [(60, 1), (64, 0.5), (67, 0.5), (72, 1), (67, 1), (65, 0.5), (64, 0.5), (62, 1), (59, 1), (60, 1)]
PHRASE_B = [(64, 1), (65, 0.5), (67, 0.5), (69, 1), (65, 1), (62, 0.5), (64, 0.5), (65, 1), (62, 1), (60, 1)]
SONG: list[tuple[int, float]] = (PHRASE_A + PHRASE_A + PHRASE_B + PHRASE_A) * 2  # type: ignore[assignment]


def speech(which: int) -> tuple[Any, int, str]:
    """(samples, rate, script) of one of the two shipped recordings by the default voice model."""
    path = Path(__file__).parent / "speech" / f"{which}.flac"
    samples, rate = soundfile.read(path, dtype="float32")
    return samples, rate, path.with_suffix(".txt").read_text("utf-8").strip()
