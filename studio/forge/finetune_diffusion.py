"""Recipe: teach a picture model your own things from a dozen pictures with captions, by LoRA (Hu et al. 2021).

    python -m studio train finetune_diffusion --data my-pictures --set base=signet-sticker

Captions stand beside the pictures (mug.png, mug.txt) or in a table. In a tenth of the steps the caption is
left out, so that guidance goes on working. Left behind is what the base can use: a LoRA, or a whole pipeline.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from studio.errors import BadInput
from studio.forge.base import recipes
from studio.forge.data import Data, Example, read_data
from studio.forge.loop import LoopOptions, Rows, Task, train
from studio.forge.picture_base import Base, load_picture_base
from studio.forge.track import Track
from studio.options import option, options_dict

if TYPE_CHECKING:
    import torch

NO_CAPTION = 0.1
NOISES = 16  # draws that a held-out picture is judged with: one alone is mostly dice


@dataclass(frozen=True)
class PictureOptions(LoopOptions):
    base: str = option("signet-sticker", "Base model", hint="A catalog name or the folder of a pipeline")
    columns: str = option("", "Columns", hint="image=NAME,text=NAME of a table; empty: captions beside")
    skip_bad_rows: bool = option(False, "Skip bad rows", hint="They are listed either way")
    rank: int = option(8, "LoRA rank", low=1, high=256)
    epochs: int = option(60, "Epochs", low=1, high=100_000)
    batch_size: int = option(4, "Batch size", low=1, high=1024)
    learning_rate: float = option(1e-3, "Learning rate", low=0.0, high=1.0)
    warmup_steps: int = option(10, "Warm-up steps", low=0, high=100_000)


@recipes.register
class FinetuneDiffusion:
    name: ClassVar[str] = "finetune_diffusion"
    summary: ClassVar[str] = (
        "Teaches a picture model your own product or style from a dozen of your pictures."
    )
    Options: ClassVar[type] = PictureOptions

    def run(self, data: Path, options: PictureOptions, track: Track) -> Path:
        import torch
        from safetensors.torch import load_model

        from studio.nets.lora import LoraNet

        found = read_data(data, options.columns, skip_bad_rows=options.skip_bad_rows)
        if found.shape != "pictures":
            raise BadInput(f"{data.name} holds text; give a folder of pictures, each with its caption.")
        rows = found.split(options.seed)
        torch.manual_seed(options.seed)
        base = load_picture_base(options.base)
        # Alpha equals rank, which is what loaders assume where a file does not say it.
        net = LoraNet(base.net, options.rank, float(options.rank), 0.0, list(base.targets), None)
        task = PictureTask(net, base, found.examples, rows)
        before = task.judged("test")
        if not train(task, options, track).finished:
            return track.folder
        load_model(net, str(track.folder / "best.safetensors"))
        after = task.judged("test")
        track.say(f"Held-out loss: {before:.4f} → {after:.4f} ({after / before - 1:+.1%})")
        report = {"loss_before": before, "loss_after": after, "test_pictures": len(rows["test"])}
        (track.folder / "report.json").write_text(json.dumps(report, indent=1) + "\n", "utf-8")
        result = base.keep(net.eval(), track.folder, options.base)
        _record(found, options, report, track.folder)
        return result


class PictureTask(Task):
    """All latents and captions are computed once; a step only sees the adapted net."""

    def __init__(self, net: Any, base: Base, examples: Sequence[Example], rows: dict[str, Rows]) -> None:
        import torch

        self.nets, self.rows, self.base = {"model": net}, rows, base
        with torch.no_grad():
            self.latents = torch.cat([base.latents(_pixels(one, base.side)) for one in examples])
            self.words = base.words([one.text for one in examples])
            self.silence = base.words([""])

    def loss(self, net: str, rows: Rows, rng: torch.Generator, step: int) -> torch.Tensor:
        import torch

        silent = torch.rand(len(rows), generator=rng) < NO_CAPTION
        words = []
        for part, nothing in zip(self.words, self.silence, strict=True):
            shape = (-1, *[1] * (part.ndim - 1))
            words.append(torch.where(silent.view(shape), nothing.expand_as(part[rows]), part[rows]))
        return self.base.loss(self.nets[net], self.latents[rows], words, rng)

    def measure(self, model: Any, rows: Rows, rng: torch.Generator) -> torch.Tensor:
        many = np.repeat(rows, NOISES)
        return self.base.loss(model, self.latents[many], [part[many] for part in self.words], rng)

    def judged(self, split: str) -> float:
        """The loss on a split with the same noise each time."""
        import torch

        with torch.no_grad():
            return float(
                self.measure(self.nets["model"].eval(), self.rows[split], torch.Generator().manual_seed(0))
            )


def _pixels(one: Example, side: int) -> torch.Tensor:
    """float32 (1, 3, side, side) in −1…1: the middle square, over white."""
    import torch
    from PIL import Image, ImageOps

    assert one.picture is not None
    with Image.open(one.picture) as opened:
        turned = ImageOps.exif_transpose(opened).convert("RGBA")
    white = Image.new("RGBA", turned.size, "white")
    square = ImageOps.fit(
        Image.alpha_composite(white, turned).convert("RGB"), (side, side), Image.Resampling.LANCZOS
    )
    return torch.from_numpy(np.array(square)).permute(2, 0, 1)[None].float() / 127.5 - 1


def _record(data: Data, options: PictureOptions, report: dict[str, Any], folder: Path) -> None:
    """lineage.json: from what it was made, for whoever publishes it."""
    source = data.source
    record = {
        "base": [options.base],
        "data": [{"name": source.name, "licence": source.licence, "url": source.url}] if source else [],
        "steps": [
            {
                "recipe": "finetune_diffusion",
                "options": options_dict(options),
                "data": data.digest,
                "report": report,
            }
        ],
    }
    (folder / "lineage.json").write_text(json.dumps(record, indent=1) + "\n", "utf-8")
