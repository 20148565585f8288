"""`python -m studio.reference NAME`: build a named reference set from the studio's own outputs.

The briefs are the lines of `assets/reference/NAME.prompts.txt`; each is made once by the default model
of its kind, through the same line as any other brief, and scored with every metric. Where the outputs
are shipped (`NAME.jsonl`), they are scored again instead; `--again` makes new ones.

`signet-stickers` is made of drawn artwork instead, the part that no model of the studio learnt from:
`--artwork DATA` names the folder that `python -m studio.forge.pictures DATA` builds.
"""

from __future__ import annotations

import argparse
import json
import tomllib
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from studio.catalog import Catalog
from studio.quality.reference import SETS, build, save
from studio.service import Studio
from studio.settings import Settings
from studio.types import Brief, Kind

# Voices take turns, so that the set is not one speaker's.
OPTIONS: dict[Kind, tuple[dict[str, Any], ...]] = {"speech": ({"voice": "jf_alpha"}, {"voice": "jm_kumo"})}


def make_records(kind: Kind, prompts: list[str], settings: Settings) -> Iterator[dict[str, Any]]:
    """One output of the default model for each prompt, as {"prompt", "path"}."""
    with Studio(settings) as studio:
        turns = cycle(OPTIONS.get(kind, ({},)))
        for i, (prompt, options) in enumerate(zip(prompts, turns, strict=False)):
            (asset,) = studio.make(Brief(kind, prompt, options=options, seed=i))
            yield {"prompt": prompt, "path": str(asset.path)}


ARTWORK_SIDE = 512
ARTWORK = (
    "Held-out vector artwork of Fluent Emoji (MIT) and Noto Emoji (Apache-2.0), "
    "drawn at 512×512, each with a caption that no training used"
)


def draw_records(data: Path, scratch: Path) -> Iterator[dict[str, Any]]:
    """The held-out vector drawings of the picture data, as {"prompt", "path", "facts"}.

    Bitmap artwork is left out: enlarged, it would be less sharp than any drawing.
    """
    from PIL import Image

    from studio.forge.pictures import SOURCES, PictureData, artwork, concepts

    held_out = [one for one in PictureData(data).records if one.split != "train"]
    captions = {(one.concept, one.style): one.held_out for one in held_out}
    names = {one.concept for one in held_out}
    vectors = [source for source in SOURCES if source.style and source.style != "3d"]
    packages = data / "packages"
    known = {slug: concept for slug, concept in concepts(packages).items() if concept.name in names}
    for i, (source, concept, rgba) in enumerate(artwork(packages, known, ARTWORK_SIDE, vectors)):
        prompt = captions.get((concept.name, source.style))
        if prompt is None:
            continue
        path = scratch / f"{i}.png"
        Image.fromarray(rgba).save(path)
        yield {"prompt": prompt, "path": str(path), "facts": {"drawing": 1.0}}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m studio.reference", description=__doc__)
    parser.add_argument("name", choices=list(SETS.values()))
    parser.add_argument("--again", action="store_true", help="make new outputs even where some are shipped")
    parser.add_argument("--artwork", type=Path, help="folder of the picture data, for signet-stickers")
    parser.add_argument("--what", help="one sentence on what the outputs are; default: who made them")
    given = parser.parse_args()
    kind = next(kind for kind, name in SETS.items() if name == given.name)
    with TemporaryDirectory() as home:
        settings = Settings.read(home=Path(home))
        folder = settings.assets / "reference"
        shipped = folder / f"{given.name}.jsonl"
        index = folder / "index.toml"
        if given.artwork:
            records: Any = draw_records(given.artwork, Path(home))
        elif shipped.exists() and not given.again:
            records = [json.loads(line) for line in shipped.read_text("utf-8").splitlines()]
        else:
            prompts = (folder / f"{given.name}.prompts.txt").read_text("utf-8").splitlines()
            records = make_records(kind, [line for line in prompts if line], settings)
        old = tomllib.loads(index.read_text("utf-8")).get(given.name, {}) if index.exists() else {}
        made_by = (
            ARTWORK
            if given.artwork
            else f"{kind} by {Catalog.read(settings).default(kind).title}, default options"
        )
        reference = build(
            given.name,
            records,
            given.what or (None if given.artwork else old.get("what")) or made_by,
            settings,
        )
        print(f"{save(reference, folder)}: {reference.n} outputs, {len(reference.values)} scores")


if __name__ == "__main__":
    main()
