"""Captions for labelled artwork: several phrasings of names, keywords, colours and styles.

A caption is drawn from templates with a generator seeded by the concept, so the same data gives the same
captions everywhere. `HELD_OUT` phrasings never occur in training; evaluation uses them for free wording.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

STYLES = ("3d", "gradient", "flat", "cartoon")

_STYLE_WORDS = {
    "3d": ("3d", "3d style", "3d render"),
    "gradient": ("gradient", "gradient style", "soft shading"),
    "flat": ("flat", "flat style", "flat design"),
    "cartoon": ("cartoon", "cartoon style", "hand drawn"),
}
_PLAIN = ("{name}", "a {name}", "{name} sticker", "{name} icon", "{name} on white")
_WITH_WORD = ("{name}, {word}", "{word} {name}", "{name} for {word}")
_WITH_STYLE = ("{name}, {style}", "{style} {name}")
HELD_OUT = (
    "a picture of {article} {name}",
    "please draw {article} {name}, {word}",
    "{word}: {name} for my page",
)

# Hue ranges in degrees for saturated, not too dark pixels; the rest is black, grey, white or brown.
_HUES = ((15, "red"), (40, "orange"), (68, "yellow"), (165, "green"), (200, "turquoise"), (255, "blue"),
         (290, "purple"), (340, "pink"), (361, "red"))  # fmt: skip


def colours(rgba: NDArray[np.uint8], share: float = 0.3) -> tuple[str, ...]:
    """Up to two colour names that each cover at least `share` of the opaque pixels of (h, w, 4)."""
    opaque = rgba.reshape(-1, 4)
    pixels = opaque[opaque[:, 3] > 128][:, :3].astype(np.float32) / 255
    if not len(pixels):
        return ()
    high, low = pixels.max(1), pixels.min(1)
    chroma = high - low
    safe = np.where(chroma > 0, chroma, 1)
    red, green, blue = pixels.T
    hue = np.select(
        [high == red, high == green],
        [(green - blue) / safe % 6, (blue - red) / safe + 2],
        (red - green) / safe + 4,
    ) * 60  # fmt: skip
    names = np.select([hue < limit for limit, _ in _HUES], [name for _, name in _HUES], "red")
    warm = (hue < 45) | (hue > 340)
    names = np.where(warm & (high < 0.62) & (chroma > 0.1), "brown", names)
    grey = chroma < 0.14
    names = np.where(grey, np.select([high < 0.3, high < 0.8], ["black", "grey"], "white"), names)
    found, counts = np.unique(names, return_counts=True)
    order = np.argsort(-counts)[:2]
    return tuple(str(found[i]) for i in order if counts[i] >= share * len(pixels))


def training_captions(
    name: str, words: Sequence[str], style: str, tints: Sequence[str], count: int, rng: random.Random
) -> list[str]:
    """`count` captions: the bare name first, then phrasings with a keyword, a colour, the style."""
    captions = [name]
    while len(captions) < count:
        draw = len(captions) % 5
        if draw == 1:
            text = rng.choice(_PLAIN).format(name=name)
        elif draw == 2 and words:
            text = rng.choice(_WITH_WORD).format(name=name, word=rng.choice(words))
        elif draw == 3 and len(words) > 1:
            text = ", ".join(rng.sample(list(words), rng.randint(2, min(3, len(words)))))
        elif draw == 4 and tints:
            text = f"{tints[0]} {name}" if rng.random() < 0.6 else f"{name}, {' and '.join(tints)}"
        else:
            text = rng.choice(_PLAIN).format(name=name)
        if rng.random() < 0.35:
            text = rng.choice(_WITH_STYLE).format(name=text, style=rng.choice(_STYLE_WORDS[style]))
        captions.append(text)
    return captions


def held_out_caption(name: str, words: Sequence[str], rng: random.Random) -> str:
    """One phrasing that no training caption uses."""
    article = "an" if name[:1] in "aeiou" else "a"
    return rng.choice(HELD_OUT).format(name=name, article=article, word=rng.choice(list(words) or ["new"]))


def family(name: str) -> str:
    """The concept without who does it, so that "man running" and "woman running" stay in one split."""
    bare = re.sub(r"\b(man|woman|men|women|person|people|boy|girl|mr|mrs|mx)\b", " ", name)
    return " ".join(bare.split()) or name
