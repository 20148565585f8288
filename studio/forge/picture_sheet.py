"""A contact sheet of 48 prompts, drawn by a published picture model exactly as the studio draws them.

    python -m studio.forge.picture_sheet --model checkpoints/signet-sticker --out sheet.png

Nothing is chosen: prompt n is drawn once, with seed n. The prompts are free wordings, most of them not
captions of the training set; `--prompts` names a text file with others, one a line.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from studio.errors import BadInput
from studio.forge.evaluate_pictures import own_options

PROMPTS = (
    "a red apple", "a smiling face", "a blue heart", "a snowy mountain", "a rocket, 3d style", "a cup of coffee",
    "a cat face", "a happy dog", "a green tree", "a yellow sun", "a full moon at night", "a golden star",
    "a pink flower", "a slice of pizza, flat style", "a birthday cake", "a red car", "a bicycle, cartoon style",
    "an open book", "a pencil", "a house with a garden", "a sailing boat", "a purple umbrella", "a gift box",
    "an alarm clock, 3d style", "a light bulb", "a music note", "a football", "a chess piece", "a camera",
    "a laptop", "a green frog", "an owl", "a fish", "a bee", "a butterfly, gradient style", "a penguin",
    "a snowman", "a pumpkin", "a carrot, flat style", "a strawberry", "an ice cream cone", "a mushroom",
    "a key", "an envelope", "a trophy", "a crown, 3d style", "a balloon", "a cloud with rain",
)  # fmt: skip
ACROSS, SIDE, BATCH = 8, 192, 8
_CALLED = {"steps": "num_inference_steps", "guidance_scale": "guidance_scale"}


def draw_sheet(model: Path, prompts: tuple[str, ...], steps: int | None = None) -> Any:
    """A PIL picture of all prompts, row by row, each at 192 px; steps and guidance are the model's own."""
    import torch
    from PIL import Image

    from studio.nets.sticker_pipeline import SignetStickerPipeline

    pipeline = SignetStickerPipeline.from_pretrained(model, dtype=torch.float32)
    pipeline.set_progress_bar_config(disable=True)
    own = own_options(model)
    more = {key: own[name] for name, key in _CALLED.items() if name in own}
    if steps is not None:
        more["num_inference_steps"] = steps
    sheet = Image.new("RGB", (ACROSS * SIDE, -(-len(prompts) // ACROSS) * SIDE), "white")
    for first in range(0, len(prompts), BATCH):
        some = list(prompts[first : first + BATCH])
        seeds = [torch.Generator().manual_seed(first + place) for place in range(len(some))]
        for place, picture in enumerate(pipeline(some, generator=seeds, **more).images, first):
            small = picture.resize((SIDE, SIDE), Image.Resampling.LANCZOS)
            sheet.paste(small, (place % ACROSS * SIDE, place // ACROSS * SIDE))
    return sheet


def main() -> None:
    parser = argparse.ArgumentParser(description="Draw a contact sheet of 48 prompts.")
    for name in ("model", "out"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--prompts", type=Path, help="A text file, one prompt a line")
    parser.add_argument("--steps", type=int)
    given = parser.parse_args()
    prompts = PROMPTS
    if given.prompts:
        prompts = tuple(
            line.strip() for line in given.prompts.read_text("utf-8").splitlines() if line.strip()
        )
        if not prompts:
            raise BadInput(f"{given.prompts} holds no prompt; write one a line.")
    draw_sheet(given.model, prompts, given.steps).save(given.out)


if __name__ == "__main__":
    main()
