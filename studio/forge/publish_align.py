"""Publish a finished `pretrain_align` run as `signet-align`: weights, model.toml and a card with what was measured.

python -m studio.forge.publish_align --run runs/align --data /data/stickers --out checkpoints/signet-align
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path
from typing import Any

import numpy as np

from studio.forge.card import curve_svg, data_table
from studio.forge.pictures import CAPTIONS, SOURCES, PictureData
from studio.forge.pretrain_align import load, recall
from studio.forge.publish_made import artwork
from studio.forge.publish_sticker import trained
from studio.forge.release import digest, model_toml
from studio.forge.track import read_curve

SPLITS = {
    "valid": "new pictures of things it knows",
    "unseen": "families of things it has never seen",
}


def publish(run: Path, data: Path, out: Path) -> None:
    """Raises ModelMissing if run or data are not there."""
    model = trained("align", run / "align" if (run / "align").is_dir() else run).model.float().eval()
    pictures = PictureData(data)
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    rows = [_measure(model, pictures, split) for split in SPLITS]
    curve = read_curve(run).get("valid/recall_at_5", [])
    if curve:
        svg = curve_svg(curve, "Concepts among the five nearest names (valid)")
        (out / "curve.svg").write_text(svg, "utf-8")
    model.register_to_config(_name_or_path="")  # else it says where it was trained
    model.half().save_pretrained(out, safe_serialization=True)
    (out / "card.md").write_text(_card(rows, bool(curve)), "utf-8")
    (out / "model.toml").write_text(_entry(out), "utf-8")


def _measure(model: Any, data: PictureData, split: str) -> str:
    """One row: pictures, naming, and how often the own held-out caption is nearer than another's."""
    import torch

    from studio.nets.text import sentence

    rows = data.indices(split)
    with torch.inference_mode():
        named = recall(model, data, rows)
        seen = torch.cat([model.picture(load(data, rows[i : i + 128])) for i in range(0, len(rows), 128)])
        said = model.words(sentence(*data.text(rows, np.full(len(rows), CAPTIONS))))
        near = seen @ said.T
    concepts = np.array([data.records[i].concept for i in rows])
    other = torch.from_numpy(concepts[:, None] != concepts[None])
    won = (near.diag()[:, None] > near)[other].float().mean()
    return f"| {SPLITS[split]} | {len(rows)} | {100 * named:.1f} % | {100 * float(won):.1f} % |"


def _entry(out: Path) -> str:
    files = sorted(file for file in out.rglob("*") if file.suffix in (".safetensors", ".json"))
    fields = {
        "kind": "quality",
        "title": "Signet Align",
        "summary": "Whether a thing on white is what the words say: it names, ranks and compares sticker-like pictures.",
        "licence": "Apache-2.0",
        "licence_url": "https://www.apache.org/licenses/LICENSE-2.0",
        "commercial": "yes",
        "revision": digest([file for file in files if file.suffix == ".safetensors"]),
        "memory_mb": 60,
        "attribution": "Trained on Fluent Emoji by Microsoft (MIT) and Noto Emoji by Google (Apache-2.0)",
        "languages": ["en"],
        "base": ["minilm-l6-v2"],
    }
    return model_toml(fields, artwork(), out, files)


def _card(rows: list[str], curve: bool) -> str:
    lines = [
        "# Signet Align",
        "",
        "Brings a picture of 64×64 and an English sentence into one space, so that a thing on white and its name "
        "are close. The studio ranks candidates by it and measures distances between sets of stickers. The picture "
        "side is a small convolutional net, the text side all-MiniLM-L6-v2 with one linear layer; trained from "
        "nothing but the artwork below by the recipe `pretrain_align`.",
        "",
        "## Measured on held-out data",
        "",
        "| pictures | N | own concept among the five nearest of all names | own caption nearer than another's |",
        "|---|---|---|---|",
        *rows,
        "",
        *(["![naming](curve.svg)", ""] if curve else []),
        "## What it cannot do",
        "",
        "- Things that its artwork does not show are named badly, as the second row says.",
        "- No scenes, photographs, writing or people; such pictures are not judged at all.",
        "- English only; a sentence is cut at 16 word pieces.",
        "- It learnt from the same artwork as signet-sticker: for that model it is a relative, no independent judge.",
        "",
        *data_table(SOURCES),
    ]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description="Publish signet-align from a finished run.")
    for name in ("run", "data", "out"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    given = parser.parse_args()
    publish(given.run, given.data, given.out)


if __name__ == "__main__":
    main()
