"""Picture models that a LoRA can be put on: our sticker pipeline and Stable Diffusion of the first generation.

Each knows its picture size, its latents, how a training example is made noisy, and how its result is kept.
Safetensors only. What is *not* here: SDXL, SD3, Flux (two text encoders and other conditions).
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from studio.catalog import Catalog
from studio.errors import BadInput, ModelBroken, ModelMissing
from studio.formats import PICKLE_SUFFIXES, check_weights
from studio.settings import Settings

if TYPE_CHECKING:
    import torch


class StickerBase:
    """Flow matching over 8×8 latents; the adapter is merged, since this pipeline loads none."""

    side = 64
    targets = ("qkv", "out", "up", "down")

    def __init__(self, folder: Path) -> None:
        from studio.nets.sticker_pipeline import SignetStickerPipeline

        self.folder = folder
        self.pipeline = SignetStickerPipeline.from_pretrained(folder).to("cpu")
        self.net: Any = self.pipeline.transformer.float()
        self.vae = self.pipeline.vae.float().eval()

    def latents(self, pixels: torch.Tensor) -> torch.Tensor:
        latents: torch.Tensor = self.vae.normalise(self.vae.encode(pixels))
        return latents

    def words(self, captions: Sequence[str]) -> tuple[torch.Tensor, ...]:
        states, mask = self.pipeline.encode_prompt(captions)
        return states.float(), mask

    def loss(self, net: Any, clean: torch.Tensor, words: Any, rng: torch.Generator) -> torch.Tensor:
        import torch

        noise = torch.randn(clean.shape, generator=rng)
        sigma = torch.randn(len(clean), generator=rng).sigmoid()
        mixed = torch.lerp(clean, noise, sigma[:, None, None, None])
        anything = torch.zeros(len(clean), dtype=torch.long)
        return torch.nn.functional.mse_loss(net(mixed, sigma, *words, anything).float(), noise - clean)

    def keep(self, net: Any, run: Path, base: str) -> Path:
        """A whole pipeline with the adapter merged into its transformer."""
        folder = run / "pipeline"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(
            self.folder, folder, ignore=shutil.ignore_patterns("transformer", "model.toml", "card.md")
        )
        net.merged().half().save_pretrained(folder / "transformer", safe_serialization=True)
        return folder


class StableBase:
    """Noise or velocity prediction over the latents of a variational autoencoder, told by CLIP."""

    targets = ("to_q", "to_k", "to_v", "to_out.0")

    def __init__(self, folder: Path) -> None:
        import torch
        from diffusers import StableDiffusionPipeline

        self.pipeline = StableDiffusionPipeline.from_pretrained(
            str(folder), dtype=torch.float32, use_safetensors=True, local_files_only=True,
            trust_remote_code=False, safety_checker=None, requires_safety_checker=False,
        )  # fmt: skip
        self.net: Any = self.pipeline.unet
        self.vae = self.pipeline.vae.eval()
        self.side = int(self.net.config.sample_size * self.pipeline.vae_scale_factor)

    def latents(self, pixels: torch.Tensor) -> torch.Tensor:
        latents: torch.Tensor = self.vae.encode(pixels).latent_dist.mean * self.vae.config.scaling_factor
        return latents

    def words(self, captions: Sequence[str]) -> tuple[torch.Tensor, ...]:
        tokenizer = self.pipeline.tokenizer
        ids = tokenizer(
            list(captions), padding="max_length", truncation=True, max_length=tokenizer.model_max_length,
            return_tensors="pt",
        ).input_ids  # fmt: skip
        return (self.pipeline.text_encoder(ids)[0],)

    def loss(self, net: Any, clean: torch.Tensor, words: Any, rng: torch.Generator) -> torch.Tensor:
        import torch

        scheduler = self.pipeline.scheduler
        noise = torch.randn(clean.shape, generator=rng)
        times = torch.randint(scheduler.config.num_train_timesteps, (len(clean),), generator=rng)
        kept = scheduler.alphas_cumprod[times][:, None, None, None]
        noisy = kept.sqrt() * clean + (1 - kept).sqrt() * noise
        target = noise
        if scheduler.config.prediction_type == "v_prediction":
            target = kept.sqrt() * noise - (1 - kept).sqrt() * clean
        told = net(noisy, times, encoder_hidden_states=words[0]).sample
        return torch.nn.functional.mse_loss(told.float(), target)

    def keep(self, net: Any, run: Path, base: str) -> Path:
        """`lora/pytorch_lora_weights.safetensors`, which the image engine loads beside the same base."""
        from diffusers import StableDiffusionPipeline

        folder = run / "lora"
        named = {name.removeprefix("base_model.model."): value for name, value in net.adapter_state().items()}
        StableDiffusionPipeline.save_lora_weights(folder, unet_lora_layers=named)
        (folder / "base.json").write_text(json.dumps({"base": base}) + "\n", "utf-8")
        return folder


Base = StickerBase | StableBase
BASES: dict[str, type[StickerBase] | type[StableBase]] = {
    "SignetStickerPipeline": StickerBase,
    "StableDiffusionPipeline": StableBase,
}


def load_picture_base(name: str, settings: Settings | None = None) -> Base:
    """The pipeline called `name`: a folder or a catalog entry.

    Raises NotFound, ModelMissing, BadInput for a pipeline that takes no LoRA here, ModelBroken for a pickle.
    """
    folder = Path(name).expanduser()
    if not folder.is_dir():
        folder = Catalog.read(settings or Settings.read()).verify(name).folder
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        if file.suffix.lower() in PICKLE_SUFFIXES | {".bin", ".safetensors"}:
            check_weights(file)
    index = folder / "model_index.json"
    if not index.is_file():
        raise ModelMissing(f"{folder} holds no pipeline of diffusers; it needs a model_index.json.")
    try:
        kind = str(json.loads(index.read_text("utf-8"))["_class_name"])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ModelBroken(f"{index} cannot be read ({error}).") from None
    if kind not in BASES:
        raise BadInput(f"A LoRA cannot be trained on a {kind[:60]} yet; take one of: {', '.join(BASES)}.")
    try:
        return BASES[kind](folder)
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, AttributeError) as error:
        raise ModelBroken(f"The base {name} cannot be loaded: {str(error).splitlines()[0][:200]}") from error
