"""Put the trained parts together as `signet-sticker`: a diffusers folder with model.toml.

    python -m studio.forge.publish_sticker --transformer runs/flow --autoencoder runs/ae --upscaler runs/up \\
        --out checkpoints/signet-sticker

Takes finished folders, or run folders (then their newest averaged weights). Weights are kept as fp16 where
that halves the size for nothing; `studio.forge.card` writes card.md.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from studio.errors import ModelMissing
from studio.forge.pictures import SOURCES

PARTS = {
    "transformer": ("studio.nets.transformer", "StickerTransformer"),
    "vae": ("studio.nets.autoencoder", "Autoencoder"),
    "upscaler": ("studio.nets.upscaler", "Upscaler"),
    "align": ("studio.nets.align", "Aligner"),  # not of the pipeline; its judge
}


@dataclass(frozen=True, slots=True)
class Trained:
    """Weights found for one part: `step` None for a finished folder."""

    model: Any
    step: int | None


def trained(part: str, folder: Path) -> Trained:
    """The model of `part` in a finished folder, or the newest averaged weights of a run (also a running one)."""
    from safetensors.torch import load_model

    from studio.forge.loop.checkpoint import newest

    module, name = PARTS[part]
    cls = getattr(import_module(module), name)
    if (folder / "diffusion_pytorch_model.safetensors").exists():
        return Trained(cls.from_pretrained(folder), None)
    state = newest(folder)
    if state is None or not (folder / "config.json").exists():
        raise ModelMissing(f"{folder} holds neither a model nor a run's checkpoint; train it first.")
    model = cls.from_config(cls.load_config(folder))
    averaged = state / "model.ema.safetensors"
    load_model(model, str(averaged if averaged.exists() else state / "model.safetensors"))
    return Trained(model.eval(), json.loads((state / "state.json").read_text("utf-8"))["step"])


def publish(out: Path, models: Mapping[str, Any], note: str = "") -> None:
    """Write model_index.json, every part in safetensors, the scheduler and model.toml.

    `note` follows the catalog's summary: what a person must know about these weights.
    """
    from diffusers import FlowMatchEulerDiscreteScheduler, __version__

    out.mkdir(parents=True, exist_ok=True)
    for part, model in models.items():
        model.register_to_config(_name_or_path="")  # else it says where it was trained
        model.half().save_pretrained(out / part, safe_serialization=True)
    FlowMatchEulerDiscreteScheduler(num_train_timesteps=1000, shift=1.0).save_pretrained(out / "scheduler")
    index: dict[str, Any] = {"_class_name": "SignetStickerPipeline", "_diffusers_version": __version__}
    index |= {part: list(PARTS[part]) for part in models}
    index |= {
        "scheduler": ["diffusers", "FlowMatchEulerDiscreteScheduler"],
        "tokenizer": [None, None],
        "text_encoder": [None, None],
    }
    (out / "model_index.json").write_text(json.dumps(index, indent=2) + "\n", "utf-8")
    (out / "model.toml").write_text(catalog_entry(out, note), "utf-8")


def catalog_entry(out: Path, note: str = "") -> str:
    """model.toml: what the studio shows, and the sources of everything the model has seen."""
    lines = [
        'kind = "image"',
        'engine = "image_diffusers"',
        'title = "Signet Sticker"',
        f'summary = "One thing on white in four styles, 512×512, drawn by the studio\'s own small model.{note}"',
        'licence = "Apache-2.0"',
        'licence_url = "https://www.apache.org/licenses/LICENSE-2.0"',
        'commercial = "yes"',
        f'revision = "{digest(out)}"',
        "memory_mb = 260",
        'attribution = "Trained on Fluent Emoji by Microsoft (MIT) and Noto Emoji by Google (Apache-2.0)"',
        'languages = ["en"]',
        'base = ["minilm-l6-v2"]',
        "default = true",
        'source = { type = "local" }',
    ]
    return "\n".join([*lines, *proof(out), ""])


def proof(out: Path) -> list[str]:
    """Lines of model.toml: the artwork learnt from, and size and digest of every file in `out`."""
    lines = ["data = ["]
    for source in SOURCES:
        name = f"{source.package} {source.version}"
        lines.append(f'  {{ name = "{name}", licence = "{source.licence}", url = "{source.url}" }},')
    lines.append("]")
    for file in sorted(out.rglob("*")):
        if file.suffix in (".safetensors", ".json"):
            path, data = file.relative_to(out).as_posix(), file.read_bytes()
            lines += ["", "[[files]]", f'path = "{path}"', f"size = {len(data)}"]
            lines.append(f'sha256 = "{hashlib.sha256(data).hexdigest()}"')
    return lines


def digest(folder: Path) -> str:
    """First 12 hex digits over all weights of a folder: the revision of what is published."""
    total = hashlib.sha256()
    for file in sorted(folder.rglob("*.safetensors")):
        total.update(file.read_bytes())
    return total.hexdigest()[:12]


def main() -> None:
    parser = argparse.ArgumentParser(description="Publish signet-sticker from trained parts.")
    for name in ("transformer", "autoencoder", "upscaler", "out"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--note", default="", help="One sentence on the state of the weights, shown in lists")
    given = parser.parse_args()
    folders = {"transformer": given.transformer, "vae": given.autoencoder, "upscaler": given.upscaler}
    models = {part: trained(part, folder).model for part, folder in folders.items()}
    publish(given.out, models, f" {given.note}" if given.note else "")


if __name__ == "__main__":
    main()
