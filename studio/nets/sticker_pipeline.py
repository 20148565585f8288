"""The pipeline of signet-sticker: text (and a picture, and a mask) to a 512×512 sticker on white.

    pipeline = SignetStickerPipeline.from_pretrained("checkpoints/signet-sticker")
    picture = pipeline("red apple, 3d style", generator=torch.Generator().manual_seed(1)).images[0]

A diffusers pipeline in all ways: `callback_on_step_end`, lists of generators, `output_type` "pil", "np",
"pt" or "latent". Its nets stand in `studio.nets`, so nothing runs that came with the weights. MiniLM, the
text encoder, is a catalog entry of its own and is read from the folder beside.

What it cannot do: text inside pictures, photographs, scenes; it draws one thing on white.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from diffusers import DiffusionPipeline, FlowMatchEulerDiscreteScheduler, ImagePipelineOutput
from torch.nn import functional as F

from studio.errors import BadInput, ModelMissing
from studio.nets.autoencoder import Autoencoder
from studio.nets.style_mix import BY, styles_by_step
from studio.nets.text import TextEncoder
from studio.nets.transformer import StickerTransformer
from studio.nets.upscaler import Upscaler

TEXT_MODEL = "minilm-l6-v2"
STYLES = ("3d", "gradient", "flat", "cartoon")
SIDE = 512
_DRAWN = 64
_STYLE_WORDS = {word: style for style in STYLES for word in (style,)} | {
    "hand drawn": "cartoon", "hand-drawn": "cartoon", "soft shading": "gradient", "shaded": "gradient",
    "render": "3d", "rendered": "3d", "minimal": "flat", "vector": "flat",
}  # fmt: skip


class SignetStickerPipeline(DiffusionPipeline):
    """Parts: `transformer`, `vae`, `upscaler`, `scheduler` from the folder; MiniLM from its own."""

    model_cpu_offload_seq = "text_encoder->transformer->vae->upscaler"
    _optional_components = ["tokenizer", "text_encoder"]
    _callback_tensor_inputs = ["latents"]
    domain = "drawing"  # guards of photographs know nothing of these

    def __init__(
        self,
        transformer: StickerTransformer,
        vae: Autoencoder,
        upscaler: Upscaler,
        scheduler: FlowMatchEulerDiscreteScheduler,
        tokenizer: Any = None,
        text_encoder: Any = None,
    ) -> None:
        super().__init__()
        self.register_modules(
            transformer=transformer, vae=vae, upscaler=upscaler, scheduler=scheduler,
            tokenizer=tokenizer, text_encoder=text_encoder,
        )  # fmt: skip

    @classmethod
    def from_pretrained(cls, folder: str | Path, **kwargs: Any) -> SignetStickerPipeline:
        """Raises ModelMissing when MiniLM is not beside `folder`; `text_encoder` and `tokenizer` override it."""
        if "text_encoder" not in kwargs:
            text = Path(folder).parent / TEXT_MODEL
            if not (text / "model.safetensors").exists():
                raise ModelMissing(
                    f"signet-sticker reads prompts with {TEXT_MODEL}; get it with: studio models pull {TEXT_MODEL}"
                )
            encoder = TextEncoder.load(text)
            kwargs |= {"text_encoder": encoder.model, "tokenizer": encoder.tokenizer}
        settings = {"use_safetensors": True, "local_files_only": True, "trust_remote_code": False}
        pipeline: SignetStickerPipeline = super().from_pretrained(str(folder), **(settings | kwargs))
        return pipeline

    def encode_prompt(self, prompt: str | Sequence[str]) -> tuple[torch.Tensor, torch.Tensor]:
        """MiniLM states (n, 16, 384) and their mask; an empty text is all padding, as trained for guidance."""
        texts = [prompt] if isinstance(prompt, str) else list(prompt)
        states, mask = TextEncoder(self.tokenizer, self.text_encoder).encode(texts)
        filled = torch.tensor([bool(text.strip()) for text in texts], device=mask.device)[:, None]
        return (states * filled[..., None]).to(self.transformer.dtype), mask & filled

    @torch.no_grad()
    def __call__(
        self,
        prompt: str | Sequence[str] = "",
        image: Any = None,
        mask_image: Any = None,
        strength: float = 0.7,
        negative_prompt: str | None = None,
        style: str = "auto",
        mix_style: str | None = None,
        mix_share: float = 0.5,
        mix_by: str = "weight",
        num_inference_steps: int = 24,
        guidance_scale: float = 3.5,
        num_images_per_prompt: int = 1,
        height: int = SIDE,
        width: int = SIDE,
        generator: torch.Generator | Sequence[torch.Generator] | None = None,
        latents: torch.Tensor | None = None,
        transparent: bool = False,
        upscale: bool = True,
        output_type: str = "pil",
        return_dict: bool = True,
        callback_on_step_end: Callable[..., dict[str, Any]] | None = None,
    ) -> Any:
        """`style` "auto" reads it from the prompt; None of the words there leaves it open. `mix_style` is a second
        one, of which `mix_share` (0–1) goes into the picture as `style_mix` says.

        `mask_image` is white where `image` is drawn anew. Raises BadInput for a size other than
        64…1024 or an unknown style. Without `upscale` the result is 64×64, as drawn.
        """
        _check(height, width, style, strength)
        _check_mix(mix_style, mix_share, mix_by)
        if transparent and not upscale:
            raise BadInput("The upscaler cuts the background out; switch upscale on or transparent off.")
        prompts = [prompt] if isinstance(prompt, str) else list(prompt)
        count = len(prompts) * num_images_per_prompt
        text = self._texts(prompts, negative_prompt, num_images_per_prompt)
        kinds = [_style_of(one) if style == "auto" else style for one in prompts]
        own = self._numbers(kinds, num_images_per_prompt)
        other = self._numbers([mix_style or ""] * len(prompts), num_images_per_prompt)

        self.scheduler.set_timesteps(num_inference_steps, device=self._execution_device)
        timesteps = self.scheduler.timesteps
        known = self._known(image) if image is not None else None
        if known is not None:
            timesteps = timesteps[min(int(num_inference_steps * (1 - strength)), num_inference_steps - 1) :]
            self.scheduler.set_begin_index(num_inference_steps - len(timesteps))
        self._num_timesteps = len(timesteps)
        styles = [own] * len(timesteps)
        if mix_style:
            styles = styles_by_step(own, other, len(STYLES) + 1, len(timesteps), mix_share, mix_by)
        noise = self._noise(count, generator) if latents is None else latents.float()
        sigma = self.scheduler.sigmas[num_inference_steps - len(timesteps)]
        latents = noise if known is None else torch.lerp(known.expand_as(noise), noise, sigma.to(noise.dtype))
        fresh = self._fresh(mask_image) if mask_image is not None and known is not None else None

        for step, timestep in enumerate(timesteps):
            velocity = self._velocity(latents, timestep, text, styles[step], guidance_scale)
            latents = self.scheduler.step(velocity, timestep, latents, return_dict=False)[0]
            if fresh is not None and known is not None:
                after = self.scheduler.sigmas[self.scheduler.step_index].to(noise.dtype)
                latents = torch.where(fresh, latents, torch.lerp(known.expand_as(noise), noise, after))
            if callback_on_step_end is not None:
                told = callback_on_step_end(self, step, timestep, {"latents": latents})
                latents = told.pop("latents", latents)
        images = (
            latents
            if output_type == "latent"
            else self._finish(latents, (height, width) if upscale else None, transparent, output_type)
        )
        self.maybe_free_model_hooks()
        return ImagePipelineOutput(images=images) if return_dict else (images,)

    @property
    def num_timesteps(self) -> int:
        return self._num_timesteps

    @torch.no_grad()
    def preview(self, latents: torch.Tensor, fine: bool = False) -> Any:
        """uint8 (64, 64, 3) of the first picture of the batch; if `fine` upscaled, at 512 pixels a side."""
        pixels = self.vae.decode(self.vae.denormalise(latents[:1].to(self.vae.dtype))).clamp(-1, 1)
        pixels = (self.upscaler(pixels)[:, :3] if fine else pixels)[0].float().clamp(-1, 1)
        return pixels.add(1).mul(127.5).round().byte().permute(1, 2, 0).cpu().numpy()

    # --- the parts of a call ---

    def _texts(
        self, prompts: list[str], negative: str | None, each: int
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Negative (or no) text first, then the prompts, each repeated: one batch for guidance."""
        states, mask = self.encode_prompt(prompts)
        against, against_mask = self.encode_prompt([negative or ""] * len(prompts))
        both = (torch.cat([against.repeat_interleave(each, 0), states.repeat_interleave(each, 0)]),
                torch.cat([against_mask.repeat_interleave(each, 0), mask.repeat_interleave(each, 0)]))  # fmt: skip
        device = self._execution_device
        return both[0].to(device), both[1].to(device)

    def _numbers(self, kinds: list[str], each: int) -> torch.Tensor:
        """(n,) the styles as the transformer counts them, each repeated."""
        numbers = [1 + STYLES.index(kind) if kind in STYLES else 0 for kind in kinds]
        return torch.tensor(numbers, device=self._execution_device).repeat_interleave(each)

    def _noise(self, count: int, generator: Any) -> torch.Tensor:
        config = self.transformer.config
        shape = (1, config.latent, config.size, config.size)
        own = list(generator) if isinstance(generator, list | tuple) else [generator] * count
        if len(own) != count:
            raise BadInput(f"{len(own)} generators were given for {count} pictures; give one for each.")
        parts = [torch.randn(shape, generator=one, device=one.device if one else "cpu") for one in own]
        return torch.cat([part.to(self._execution_device) for part in parts])

    def _velocity(self, latents: Any, timestep: Any, text: Any, styles: Any, guidance: float) -> torch.Tensor:
        """float32, as `latents` are: the net may work in 16 bit, but its small steps must add up."""
        states, mask = text
        sigma = (timestep / self.scheduler.config.num_train_timesteps).float()
        seen = latents.to(self.transformer.dtype)
        if guidance <= 1:
            half = len(latents)
            return self.transformer(seen, sigma.expand(half), states[half:], mask[half:], styles).float()
        told = self.transformer(
            seen.repeat(2, 1, 1, 1), sigma.expand(2 * len(latents)), states, mask, torch.cat([styles, styles])
        )
        without, with_text = told.float().chunk(2)
        return without + guidance * (with_text - without)

    def _known(self, image: Any) -> torch.Tensor:
        """Normalised latents (1, …) of a PIL picture, over white and made square."""
        from PIL import Image, ImageOps

        if image.mode in ("RGBA", "LA", "P"):
            image = image.convert("RGBA")
            image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
        small = ImageOps.pad(image.convert("RGB"), (_DRAWN, _DRAWN), Image.Resampling.LANCZOS, color="white")
        pixels = self._tensor(small).permute(2, 0, 1)[None] * 2 - 1
        return self.vae.normalise(self.vae.encode(pixels.to(self.vae.dtype))).float()

    def _fresh(self, mask: Any) -> torch.Tensor:
        """bool (1, 1, 8, 8): latents that the white part of the mask touches."""
        from PIL import ImageOps

        side = self.transformer.config.size
        small = ImageOps.pad(mask.convert("L"), (_DRAWN, _DRAWN), color=0)
        return F.adaptive_max_pool2d(self._tensor(small)[None, None], side) > 0.5

    def _tensor(self, picture: Any) -> torch.Tensor:
        import numpy as np

        return torch.from_numpy(np.array(picture)).to(self._execution_device).float() / 255

    def _finish(self, latents: Any, size: tuple[int, int] | None, transparent: bool, output_type: str) -> Any:
        drawn = self.vae.decode(self.vae.denormalise(latents.to(self.vae.dtype))).clamp(-1, 1)
        if transparent:
            pixels = self.upscaler.cut_out(drawn)
        elif size is None:
            pixels = drawn.float().add(1).div(2)
        else:
            pixels = self.upscaler(drawn).float()[:, :3].clamp(-1, 1).add(1).div(2)
        height, width = size or pixels.shape[-2:]
        own = pixels.shape[-1]
        side = min(height, width)
        if side != own:
            pixels = F.interpolate(pixels, (side, side), mode="bicubic", antialias=True).clamp(0, 1)
        if height != width:  # another shape gets white (or clear) room on both sides
            across, down = width - side, height - side
            room = (across // 2, across - across // 2, down // 2, down - down // 2)
            pixels = F.pad(pixels, room, value=0.0 if transparent else 1.0)
        if output_type == "pt":
            return pixels
        array = pixels.permute(0, 2, 3, 1).cpu().numpy()
        return array if output_type == "np" else self.numpy_to_pil(array)


def _style_of(prompt: str) -> str:
    """The style that the prompt's words ask for, or ""."""
    for word, style in _STYLE_WORDS.items():
        if re.search(rf"\b{re.escape(word)}\b", prompt.lower()):
            return style
    return ""


def _check(height: int, width: int, style: str, strength: float) -> None:
    if not (64 <= height <= 1024 and 64 <= width <= 1024):
        raise BadInput(
            f"signet-sticker draws 64 to 1024 pixels a side, not {width}×{height}; lower width and height."
        )
    if style not in (*STYLES, "auto", "any"):
        raise BadInput(f"There is no style {style!r}; choose one of: auto, any, {', '.join(STYLES)}.")
    if not 0 < strength <= 1:
        raise BadInput(f"strength must be above 0 and at most 1, not {strength:g}.")


def _check_mix(style: str | None, share: float, by: str) -> None:
    if style and style not in STYLES:
        raise BadInput(f"There is no style {style!r} to mix in; choose one of: {', '.join(STYLES)}.")
    if not 0 <= share <= 1:
        raise BadInput(f"mix_share must be between 0 and 1, not {share:g}.")
    if by not in BY:
        raise BadInput(f"Styles are not mixed by {by!r}; choose one of: {', '.join(BY)}.")
