"""Fit signet-judge to artwork that signet-sticker never saw, measure it on the artwork that it did, and publish it.

    python -m studio.forge.pictures /data/judge --artwork judge
    python -m studio.forge.publish_judge --data /data/judge --test /data/stickers --out checkpoints/signet-judge

A minute on one core. All pictures of `--data` are kept as drawings to liken to; nothing of `--test` is learnt from,
so that its styles are new to the judge as a generated picture's is. `DIMENSIONS` and `SHRINKAGE` alone were chosen
by hand on 1,200 of its pictures, which the card says.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from studio.catalog import DataSource
from studio.errors import BadInput
from studio.forge.card import data_table
from studio.forge.pictures import ARTWORK, PictureData
from studio.forge.release import digest, model_toml
from studio.nets.recognise import Recogniser, features

Floats = NDArray[np.float32]

DIMENSIONS = 128
SHRINKAGE = 0.1
"""How much of the covariance within names is replaced by its mean: three drawings of a thing tell little."""
SHARPNESS = np.linspace(4, 60, 57)
PEOPLE = ("People & Body", "Smileys & Emotion")


def fit(data: PictureData) -> Recogniser:
    """A recogniser that knows every concept of the data by its drawings. Raises BadInput for one artist's only."""
    if len({record.source for record in data.records}) < 2:
        raise BadInput("A judge needs drawings of the same things by two artists or more.")
    pictures = data.on_white(np.arange(len(data.records)))
    names = sorted({record.concept for record in data.records})
    owner = np.array([names.index(record.concept) for record in data.records])
    seen = features(pictures)
    both = np.concatenate([seen, features(pictures[:, :, ::-1])])
    centre = both.mean(axis=0)
    _, directions = np.linalg.eigh(np.cov((both - centre).T))
    main = directions[:, ::-1][:, :DIMENSIONS].astype(np.float32)
    turn = (main @ _evened((seen - centre) @ main, owner)).astype(np.float32)
    judge = Recogniser(names, centre, turn, np.empty((0, DIMENSIONS), np.float32), owner, 1.0)
    judge.drawings = judge.vectors(pictures)
    judge.sharpness = _sharpness(judge, np.array([record.source for record in data.records]))
    return judge


def _evened(vectors: Floats, owner: Any) -> Floats:
    """(d, d): after it drawings of one name differ alike in all directions."""
    sums = np.zeros((owner.max() + 1, vectors.shape[1]))
    np.add.at(sums, owner, vectors)
    counts = np.bincount(owner)
    apart = vectors - (sums / counts[:, None])[owner]
    within = apart.T @ apart / (counts - 1).sum()
    mean = np.trace(within) / len(within)
    shrunk = (1 - SHRINKAGE) * within + SHRINKAGE * mean * np.eye(len(within))
    evened: Floats = np.linalg.cholesky(np.linalg.inv(shrunk)).astype(np.float32)
    return evened


def _sharpness(judge: Recogniser, sources: Any) -> float:
    """Under which the judge's own drawings, each likened to the other artists' only, are likeliest to be named right."""
    other = sources[:, None] != sources[None]
    alike = judge.owner[:, None] == judge.owner[None]
    known = np.flatnonzero((other & alike).any(axis=1))[::4]
    near = judge.closeness(judge.drawings[known].copy(), ~other[known])
    likely = []
    for sharpness in SHARPNESS:
        judge.sharpness = float(sharpness)
        likely.append(np.log(judge.chances(near)[np.arange(len(known)), judge.owner[known]]).mean())
    return float(SHARPNESS[int(np.argmax(likely))])


def measure(judge: Recogniser, data: PictureData) -> list[tuple[str, int, float, float, float]]:
    """(pictures, N, first guess right, among five, chance it gave its first guess) by style, and of things alone."""
    places = {name: i for i, name in enumerate(judge.names)}
    records = data.records
    rows = np.array([i for i, record in enumerate(records) if record.concept in places])
    near = judge.closeness(judge.vectors(data.on_white(rows)))
    own = np.array([places[records[i].concept] for i in rows])
    place = (near > near[np.arange(len(rows)), own][:, None]).sum(axis=1)
    sure = judge.chances(near).max(axis=1)
    groups = {f"drawn {style}": style for style in sorted({record.style for record in records})}
    chosen = {name: np.array([records[i].style == style for i in rows]) for name, style in groups.items()} | {
        "all": np.ones(len(rows), bool),
        "all but faces and people": np.array([records[i].group not in PEOPLE for i in rows]),
    }
    return [
        (name, int(mask.sum()), _mean(place == 0, mask), _mean(place < 5, mask), _mean(sure, mask))
        for name, mask in chosen.items()
    ]


def _mean(values: Any, mask: Any) -> float:
    return float(values[mask].mean())


def publish(data: Path, test: Path, out: Path) -> None:
    """Raises ModelMissing if a folder holds no picture data."""
    known, unknown = PictureData(data), PictureData(test)
    judge = fit(known)
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    judge.save(out)
    rows = measure(Recogniser.load(out), unknown)
    (out / "card.md").write_text(_card(len(judge.names), rows), "utf-8")
    (out / "model.toml").write_text(_entry(out), "utf-8")


def _entry(out: Path) -> str:
    files = sorted(file for file in out.iterdir() if file.suffix in (".safetensors", ".json"))
    sources = tuple(
        DataSource(f"{one.package} {one.version}", one.licence, one.url) for one in ARTWORK["judge"]
    )
    fields = {
        "kind": "quality",
        "title": "Signet Judge",
        "summary": "Which thing a picture on white shows, by other artists' drawings: an independent judge of signet-sticker.",
        "licence": "CC-BY-4.0",
        "licence_url": "https://creativecommons.org/licenses/by/4.0/",
        "commercial": "yes",
        "revision": digest([file for file in files if file.suffix == ".safetensors"]),
        "memory_mb": 10,
        "attribution": "Likens to Twemoji by Twitter and contributors (CC-BY-4.0), Emoji One 2 and EmojiTwo (CC-BY-4.0) "
        "and Firefox OS Emoji by Mozilla (Apache-2.0)",
        "languages": ["en"],
    }
    return model_toml(fields, sources, out, files)


def _card(names: int, rows: list[tuple[str, int, float, float, float]]) -> str:
    lines = [
        "# Signet Judge",
        "",
        f"Says which of {names:,} things a picture on white shows, to judge pictures of signet-sticker from outside: it "
        "has seen none of the artwork that signet-sticker and signet-align learnt from, and is no net. Shapes and "
        "colours of the picture are likened to drawings by three other artists "
        "(`studio/nets/recognise.py`, fitted by `studio/forge/publish_judge.py`).",
        "",
        "## Measured on signet-sticker's artwork",
        "",
        "No drawing and no name of it is in the judge. How many directions it looks in and how much it evens them out "
        "were chosen on 1,200 of these pictures, so the figures are a little kind.",
        "",
        "| pictures | N | first guess right | among its five guesses | chance it gave its first guess |",
        "|---|---|---|---|---|",
        *(
            f"| {name} | {n} | {100 * a:.1f} % | {100 * b:.1f} % | {100 * c:.1f} % |"
            for name, n, a, b, c in rows
        ),
        "",
        "The chances were set on its own drawings, each likened to the other artists' only. Where the last column is "
        "above the first guess's, the judge is surer than it is right.",
        "",
        "## What it cannot do",
        "",
        "- It knows only its names: a brief must hold one of them.",
        "- Faces and people that differ by little are mistaken for each other.",
        "- One thing on white, in English; no scenes, photographs or writing.",
        "- It tells things apart by outline and colour: a red apple drawn as a tomato may pass.",
        "",
        *data_table(ARTWORK["judge"]),
    ]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description="Fit, measure and publish signet-judge.")
    for name in ("data", "test", "out"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    given = parser.parse_args()
    publish(given.data, given.test, given.out)


if __name__ == "__main__":
    main()
