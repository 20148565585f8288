"""signet-judge: what a thing on white looks like, by the shapes and colours of three other artists' drawings.

No net: histograms of edge directions (Dalal & Triggs 2005), a coarse layout of colours and a histogram of them,
rotated so that what differs between drawings of one thing counts little (within-class covariance normalisation,
Hatch et al. 2006). A picture is likened to every drawing; the nearest of each name is that name's closeness.
It shares neither artwork nor kind with signet-sticker and signet-align, whose errors it therefore need not share.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

SIDE = 64
CELL = 8
DIRECTIONS = 9
TONES = 5
FIT = 58
"""The thing is laid into the middle at this many pixels, so that place and size do not count."""
PAPER = 245

Floats = NDArray[np.float32]


def features(pictures: NDArray[np.uint8]) -> Floats:
    """(n, SIDE, SIDE, 3) on white → (n, 957); each part has length 1, 0.7 and 0.5."""
    x: Floats = (np.stack([centred(picture) for picture in pictures]) / 255).astype(np.float32)
    parts = (1.0, _edges(x)), (0.7, _layout(x)), (0.5, _tones(x))
    return np.concatenate([weight * _unit(part) for weight, part in parts], axis=1)


def centred(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """What is not paper, in the middle at one size; paper alone stays as it is."""
    from PIL import Image

    ink = picture.min(axis=-1) < PAPER
    if not ink.any():
        return picture
    rows, columns = np.flatnonzero(ink.any(1)), np.flatnonzero(ink.any(0))
    thing = Image.fromarray(picture[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1])
    scale = FIT / max(thing.size)
    thing = thing.resize(
        (max(1, round(thing.width * scale)), max(1, round(thing.height * scale))), Image.Resampling.BILINEAR
    )
    sheet = Image.new("RGB", (SIDE, SIDE), "white")
    sheet.paste(thing, ((SIDE - thing.width) // 2, (SIDE - thing.height) // 2))
    return np.asarray(sheet)


def _edges(x: Floats) -> Floats:
    """How strong edges of each direction are in each cell, by the channel where an edge is strongest."""
    down, across = np.zeros_like(x), np.zeros_like(x)
    down[:, 1:-1], across[:, :, 1:-1] = x[:, 2:] - x[:, :-2], x[:, :, 2:] - x[:, :, :-2]
    strength = np.hypot(across, down)
    channel = strength.argmax(-1)[..., None]
    strength, down, across = (
        np.take_along_axis(part, channel, -1)[..., 0] for part in (strength, down, across)
    )
    place = np.arctan2(down, across) % np.pi / np.pi * DIRECTIONS
    low = np.floor(place).astype(np.int64)
    high_share = place - low
    found = np.zeros((*x.shape[:3], DIRECTIONS), np.float32)
    for bins, share in ((low % DIRECTIONS, 1 - high_share), ((low + 1) % DIRECTIONS, high_share)):
        layer = np.zeros_like(found)
        np.put_along_axis(layer, bins[..., None], (strength * share)[..., None], -1)
        found += layer
    root: Floats = np.sqrt(_soft(_cells(found)))
    return root


def _layout(x: Floats) -> Floats:
    """Darkness and twice the colour of each cell."""
    cells = _cells(x)
    light = cells.mean(-1, keepdims=True)
    return _soft(np.concatenate([1 - light, 2 * (cells - light)], -1))


def _tones(x: Floats) -> Floats:
    """How much of the picture has each of TONES³ colours, but for white."""
    steps = np.minimum((x * TONES).astype(np.int64), TONES - 1)
    index = (steps * (TONES**2, TONES, 1)).sum(-1).reshape(len(x), -1)
    counts = np.stack([np.bincount(one, minlength=TONES**3) for one in index]).astype(np.float32)
    counts[:, -1] = 0
    root: Floats = np.sqrt(counts)
    return root


def _cells(x: Floats) -> Floats:
    across = SIDE // CELL
    means: Floats = x.reshape(len(x), across, CELL, across, CELL, -1).mean((2, 4))
    return means


def _soft(cells: Floats) -> Floats:
    """A little of each cell counts in its neighbours: drawings differ by a few pixels."""
    from scipy.ndimage import gaussian_filter

    soft: Floats = gaussian_filter(cells, (0, 0.5, 0.5, 0))
    return soft


def _unit(part: Floats) -> Floats:
    flat = part.reshape(len(part), -1)
    unit: Floats = flat / (np.linalg.norm(flat, axis=1, keepdims=True) + 1e-6)
    return unit


class Recogniser:
    """`names` in order; `drawings` (n, d) unit vectors and `owner` (n,) the name of each; `sharpness` of the chances."""

    def __init__(
        self,
        names: Sequence[str],
        centre: Floats,
        turn: Floats,
        drawings: Floats,
        owner: Any,
        sharpness: float,
    ) -> None:
        self.names = tuple(names)
        self.centre, self.turn, self.drawings, self.owner = centre, turn, drawings, owner
        self.sharpness = sharpness

    @classmethod
    def load(cls, folder: Path) -> Recogniser:
        from safetensors.numpy import load_file

        told = json.loads((folder / "config.json").read_text("utf-8"))
        kept = load_file(folder / "drawings.safetensors")
        centre, turn, drawings = (kept[name].astype(np.float32) for name in ("centre", "turn", "drawings"))
        return cls(told["names"], centre, turn, drawings, kept["owner"], told["sharpness"])

    def save(self, folder: Path) -> None:
        from safetensors.numpy import save_file

        told = {"names": self.names, "sharpness": round(self.sharpness, 3)}
        (folder / "config.json").write_text(json.dumps(told, ensure_ascii=False) + "\n", "utf-8")
        halves = {name: getattr(self, name).astype(np.float16) for name in ("centre", "turn", "drawings")}
        save_file({**halves, "owner": self.owner.astype(np.int32)}, folder / "drawings.safetensors")

    def vectors(self, pictures: NDArray[np.uint8]) -> Floats:
        """(n, SIDE, SIDE, 3) on white → unit vectors (n, d)."""
        turned: Floats = ((features(pictures) - self.centre) @ self.turn).astype(np.float32)
        return _unit(turned)

    def closeness(self, vectors: Floats, without: NDArray[np.bool_] | None = None) -> Floats:
        """(n, names): cosine with the nearest drawing of each name; `without` (n, drawings) leaves some out."""
        cosines = vectors @ self.drawings.T
        if without is not None:
            cosines[without] = -1
        found = np.full((len(self.names), len(vectors)), -1, np.float32)
        np.maximum.at(found, self.owner, cosines.T)
        nearest: Floats = found.T
        return nearest

    def chances(self, closeness: Floats) -> Floats:
        """(n, names) that sum to 1: how likely each name is, were the thing one of them."""
        raised = self.sharpness * (closeness - closeness.max(axis=1, keepdims=True))
        likely = np.exp(raised)
        chances: Floats = likely / likely.sum(axis=1, keepdims=True)
        return chances
