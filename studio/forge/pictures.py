"""The picture data: openly licensed artwork from npm packages, rendered, named, captioned and split.

    python -m studio.forge.pictures /data/stickers --text checkpoints/minilm-l6-v2

`build` writes a folder that the picture recipes read with `PictureData`:

    records.jsonl     one picture a line: concept, style, source, licence, split, captions, held_out
    pictures-64.npy   uint8 (pictures, 64, 64, 4), straight alpha, in the order of the records
    states.npy        fp16 (tokens, 384) MiniLM states of all captions, ragged; offsets.npy their bounds
    sources.json      packages, versions, licences

Splits: 5 % of concept families are never trained on (`unseen`), 3 % of the other pictures are `valid`
(their concept is trained on in another style). Flags and skin tones are left out.
"""

from __future__ import annotations

import hashlib
import io
import json
import random
import subprocess
import sys
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from studio.errors import BadInput, ModelMissing
from studio.forge.captions import colours, family, held_out_caption, training_captions

if TYPE_CHECKING:
    import torch

CAPTIONS = 6


@dataclass(frozen=True, slots=True)
class Source:
    """One npm package of artwork (or names, when `style` is empty)."""

    package: str
    version: str
    licence: str
    style: str
    url: str
    joined: bool = False
    """Its icons are named in one word: redapple."""


SOURCES = (
    Source("@lobehub/fluent-emoji-3d", "1.1.0", "MIT", "3d", "https://github.com/microsoft/fluentui-emoji"),
    Source(
        "@iconify-json/fluent-emoji",
        "1.2.7",
        "MIT",
        "gradient",
        "https://github.com/microsoft/fluentui-emoji",
    ),
    Source(
        "@iconify-json/fluent-emoji-flat",
        "1.2.6",
        "MIT",
        "flat",
        "https://github.com/microsoft/fluentui-emoji",
    ),
    Source(
        "@iconify-json/noto", "1.2.9", "Apache-2.0", "cartoon", "https://github.com/googlefonts/noto-emoji"
    ),
    Source("unicode-emoji-json", "0.9.0", "MIT", "", "https://github.com/muan/unicode-emoji-json"),
    Source("emojilib", "4.0.3", "MIT", "", "https://github.com/muan/emojilib"),
    Source("emojibase-data", "17.0.0", "MIT", "", "https://github.com/milesj/emojibase"),
)
# Drawn by other hands: nothing of these was seen by signet-sticker or signet-align, so that a judge can be.
OTHER_ARTWORK = (
    Source("@iconify-json/twemoji", "1.2.5", "CC-BY-4.0", "flat", "https://github.com/jdecked/twemoji"),
    Source(
        "@iconify-json/emojione", "1.2.3", "CC-BY-4.0", "gradient", "https://github.com/EmojiTwo/emojitwo"
    ),
    Source(
        "@iconify-json/fxemoji", "1.2.2", "Apache-2.0", "cartoon", "https://github.com/mozilla/fxemoji", True
    ),
)
ARTWORK = {
    "sticker": SOURCES,
    "judge": (*OTHER_ARTWORK, *(source for source in SOURCES if not source.style)),
}


@dataclass(frozen=True, slots=True)
class Concept:
    """One thing that is drawn: English name, keywords, group, Chinese name ("" if there is none)."""

    name: str
    words: tuple[str, ...]
    group: str
    chinese: str
    code: str


@dataclass(frozen=True, slots=True)
class Record:
    """One picture and all its words. `split` is train, valid or unseen."""

    concept: str
    style: str
    source: str
    licence: str
    group: str
    chinese: str
    split: str
    captions: tuple[str, ...]
    held_out: str


class PictureData:
    """A built folder, memory-mapped. Raises ModelMissing when it is not there."""

    def __init__(self, folder: Path) -> None:
        if not (folder / "records.jsonl").exists():
            raise ModelMissing(
                f"No picture data in {folder}; build it: python -m studio.forge.pictures {folder}."
            )
        lines = (folder / "records.jsonl").read_text("utf-8").splitlines()
        self.records = [Record(**json.loads(line)) for line in lines]
        self.pixels: NDArray[np.uint8] = np.load(folder / "pictures-64.npy", mmap_mode="r")
        if len(self.pixels) != len(self.records):
            raise BadInput(
                f"{folder} has {len(self.pixels)} pictures for {len(self.records)} records: rebuild it."
            )
        self.folder = folder
        self._states: NDArray[np.float16] = np.load(folder / "states.npy", mmap_mode="r")
        self._offsets: NDArray[np.int64] = np.load(folder / "offsets.npy")

    def indices(self, *splits: str) -> NDArray[np.int64]:
        return np.array([i for i, record in enumerate(self.records) if record.split in splits], np.int64)

    def on_white(self, chosen: NDArray[np.int64]) -> NDArray[np.uint8]:
        """uint8 (n, 64, 64, 3): the pictures over white."""
        return flatten(np.asarray(self.pixels[chosen]))

    def text(
        self, chosen: NDArray[np.int64], captions: NDArray[np.int64]
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Zero-padded float32 states (n, 16, 384) and bool mask (n, 16) of one caption of each picture.

        `captions` picks among the training captions; CAPTIONS itself is the held-out one.
        """
        import torch

        states = np.zeros((len(chosen), 16, self._states.shape[1]), np.float32)
        mask = np.zeros((len(chosen), 16), bool)
        for i, place in enumerate(chosen * (CAPTIONS + 1) + captions):
            first, last = self._offsets[place : place + 2]
            states[i, : last - first] = self._states[first:last]
            mask[i, : last - first] = True
        return torch.from_numpy(states), torch.from_numpy(mask)


def flatten(rgba: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Straight-alpha RGBA (…, 4) over white as RGB (…, 3)."""
    alpha = rgba[..., 3:].astype(np.float32) / 255
    return (rgba[..., :3] * alpha + 255 * (1 - alpha) + 0.5).astype(np.uint8)


# --- From packages to pictures ------------------------------------------------------------------


def fetch(folder: Path, sources: Sequence[Source] = SOURCES) -> None:
    """`npm pack` every source into `folder` and unpack it there (skips what is there already)."""
    folder.mkdir(parents=True, exist_ok=True)
    for source in sources:
        target = _unpacked(folder, source)
        if target.exists():
            continue
        command = [
            "npm",
            "pack",
            "--silent",
            f"{source.package}@{source.version}",
            "--pack-destination",
            str(folder),
        ]
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=600)
        except FileNotFoundError:
            raise ModelMissing(
                "npm is not installed; install Node.js to fetch the artwork packages."
            ) from None
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
            raise ModelMissing(f"npm could not fetch {source.package}@{source.version}: {error}.") from None
        archive = folder / done.stdout.strip().splitlines()[-1]
        part = target.with_suffix(".part")
        with tarfile.open(archive) as tar:
            tar.extractall(part, filter="data")
        part.rename(target)
        archive.unlink()


def concepts(folder: Path) -> dict[str, Concept]:
    """All named emoji but flags, by slug ("red-apple")."""
    named = _json(folder, "unicode-emoji-json", "data-by-emoji.json")
    keywords = _json(folder, "emojilib", "dist/emoji-en-US.json")
    tags = {e["unicode"]: e.get("tags", []) for e in _json(folder, "emojibase-data", "en/compact.json")}
    chinese = {e["unicode"]: e["label"] for e in _json(folder, "emojibase-data", "zh/compact.json")}
    found = {}
    for emoji, entry in named.items():
        if entry["group"] == "Flags":
            continue
        name = entry["name"].replace("’", "'").replace("“", "").replace("”", "")
        words = [w.replace("_", " ") for w in [*keywords.get(emoji, []), *tags.get(emoji, [])]]
        words = [
            w
            for w in dict.fromkeys(words)
            if w.isascii() and len(w) > 2 and w[0].isalnum() and w != name.lower()
        ]
        code = "-".join(f"{ord(c):04x}" for c in emoji)
        concept = Concept(name.lower(), tuple(words[:10]), entry["group"], chinese.get(emoji, ""), code)
        found[entry["slug"].replace("_", "-")] = concept
    return found


def artwork(
    folder: Path, known: dict[str, Concept], size: int, sources: Sequence[Source] = SOURCES
) -> Iterator[tuple[Source, Concept, NDArray[np.uint8]]]:
    """Every picture of every source as uint8 RGBA (size, size, 4), in a fixed order."""
    for source in sources:
        root = _unpacked(folder, source) / "package"
        if source.style == "3d":
            for _slug, concept in sorted(known.items()):
                file = next((p for p in _webp_names(root, concept.code) if p.exists()), None)
                if file:
                    yield source, concept, _from_webp(file.read_bytes(), size)
        elif source.style:
            icons = json.loads((root / "icons.json").read_text("utf-8"))
            for slug, concept in sorted(known.items()):
                if svg := icon_svg(icons, slug.replace("-", "") if source.joined else slug):
                    yield source, concept, render_svg(svg, size)


def icon_svg(icons: dict[str, Any], slug: str) -> str | None:
    """The SVG text of one iconify icon, following one alias; None if there is none."""
    alias = icons.get("aliases", {}).get(slug, {})
    icon = icons["icons"].get(alias.get("parent", slug))
    if icon is None:
        return None
    width = icon.get("width", icons.get("width", 16))
    height = icon.get("height", icons.get("height", 16))
    body = icon["body"]
    if alias.get("hFlip"):
        body = f'<g transform="translate({width} 0) scale(-1 1)">{body}</g>'
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
        f'viewBox="0 0 {width} {height}" width="{width}" height="{height}">{body}</svg>'
    )


def render_svg(svg: str, size: int) -> NDArray[np.uint8]:
    """uint8 RGBA (size, size, 4), straight alpha."""
    import resvg_py
    from PIL import Image

    data = bytes(resvg_py.svg_to_bytes(svg_string=svg, width=size, height=size))
    return _square(Image.open(io.BytesIO(data)).convert("RGBA"), size)


def _from_webp(data: bytes, size: int) -> NDArray[np.uint8]:
    from PIL import Image

    picture = Image.open(io.BytesIO(data)).convert("RGBA").convert("RGBa")
    picture = picture.resize((size, size), Image.Resampling.LANCZOS)
    return np.asarray(picture.convert("RGBA"))


def _square(picture: Any, size: int) -> NDArray[np.uint8]:
    from PIL import Image

    if picture.size != (size, size):
        canvas = Image.new("RGBA", (size, size))
        canvas.paste(picture, ((size - picture.width) // 2, (size - picture.height) // 2))
        picture = canvas
    return np.asarray(picture)


def _webp_names(root: Path, code: str) -> list[Path]:
    short = code.replace("-fe0f", "")
    return [root / "assets" / f"{name}.webp" for name in dict.fromkeys((code, short, f"{code}-fe0f"))]


def _unpacked(folder: Path, source: Source) -> Path:
    return folder / f"{source.package.replace('@', '').replace('/', '-')}-{source.version}"


def _json(folder: Path, package: str, file: str) -> Any:
    source = next(s for s in SOURCES if s.package == package)
    return json.loads((_unpacked(folder, source) / "package" / file).read_text("utf-8"))


# --- From pictures to a training set ------------------------------------------------------------


def split_of(concept: str, style: str) -> str:
    """By hash, so that it never moves: 5 % of families unseen, 3 % of the other pictures valid."""
    if _hash("family", family(concept)) % 100 < 5:
        return "unseen"
    return "valid" if _hash("picture", concept, style) % 100 < 3 else "train"


def _hash(*parts: str) -> int:
    return int.from_bytes(hashlib.sha256("\0".join(parts).encode()).digest()[:8])


def describe(source: Source, concept: Concept, rgba: NDArray[np.uint8]) -> Record:
    rng = random.Random(_hash("captions", concept.name, source.style))
    words = list(concept.words)
    return Record(
        concept=concept.name,
        style=source.style,
        source=source.package,
        licence=source.licence,
        group=concept.group,
        chinese=concept.chinese,
        split=split_of(concept.name, source.style),
        captions=tuple(training_captions(concept.name, words, source.style, colours(rgba), CAPTIONS, rng)),
        held_out=held_out_caption(concept.name, words, rng),
    )


def build(folder: Path, text_model: Path, size: int = 64, sources: Sequence[Source] = SOURCES) -> int:
    """Fetch, render, caption and encode everything into `folder`; returns the number of pictures."""
    packages = folder / "packages"
    fetch(packages, sources)
    records, pictures = [], []
    for source, concept, rgba in artwork(packages, concepts(packages), size, sources):
        records.append(describe(source, concept, rgba))
        pictures.append(rgba)
    np.save(folder / f"pictures-{size}.npy", np.stack(pictures))
    encode_captions(folder, records, text_model)
    (folder / "sources.json").write_text(
        json.dumps([asdict(source) for source in sources], indent=1), "utf-8"
    )
    # Written last: PictureData takes a folder as complete when the records are there.
    lines = "".join(json.dumps(asdict(record), ensure_ascii=False) + "\n" for record in records)
    (folder / "records.jsonl").write_text(lines, "utf-8")
    return len(records)


def encode_captions(folder: Path, records: list[Record], text_model: Path) -> None:
    """MiniLM states of every training and held-out caption, one after the other (held-out last)."""
    from studio.nets.text import TextEncoder

    encoder = TextEncoder.load(text_model)
    texts = [text for record in records for text in (*record.captions, record.held_out)]
    # Encoding by length wastes no padding: 2 × faster than in order.
    order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
    parts: list[NDArray[np.float16]] = [np.empty((0, 0), np.float16)] * len(texts)
    for start in range(0, len(order), 256):
        chosen = order[start : start + 256]
        for i, states in zip(chosen, encoder.ragged([texts[i] for i in chosen]), strict=True):
            parts[i] = states
    np.save(folder / "states.npy", np.concatenate(parts))
    np.save(folder / "offsets.npy", np.cumsum([0, *map(len, parts)]))


if __name__ == "__main__":
    import argparse

    parser = argparse.ArgumentParser(description="Build the picture training set.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--text", type=Path, default=Path("checkpoints/minilm-l6-v2"))
    parser.add_argument("--artwork", choices=list(ARTWORK), default="sticker")
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    count = build(given.folder, given.text, sources=ARTWORK[given.artwork])
    print(f"{count} pictures in {given.folder}", file=sys.stderr)
