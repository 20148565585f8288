"""What a picture looks like on the way: latents, scaled down, through the pipeline's own decoder.

Decoding a 24×24 latent costs a hundredth of decoding the picture and needs no table of colours per model.
"""

from __future__ import annotations

import io
import time
from typing import Any

LONGEST_SIDE, LONGEST_FINE_SIDE = 256, 512
MOST_LATENT_SIDE = 24
LEAST_INTERVAL = 0.5  # seconds; more where decoding itself is slow, so that previews cost a tenth at most


class Preview:
    """Called at every step; gives a JPEG when one is due, otherwise None."""

    def __init__(self, width: int | None, height: int | None, fine: bool = False) -> None:
        """`fine` is for a preview that is all one gets: where the pipeline has a cheap and a dear way, the dear."""
        self._size, self._fine = (width, height), fine
        self._due = 0.0

    def __call__(self, pipeline: Any, latents: Any) -> bytes | None:
        started = time.perf_counter()
        if started < self._due:
            return None
        jpeg = _jpeg(self._decode(pipeline, latents[:1]), LONGEST_FINE_SIDE if self._fine else LONGEST_SIDE)
        cost = time.perf_counter() - started
        self._due = started + max(LEAST_INTERVAL, 10 * cost)
        return jpeg

    def _decode(self, pipeline: Any, latents: Any) -> Any:
        """uint8 (height, width, 3) of the first picture of the batch."""
        import torch

        with torch.no_grad():
            if hasattr(pipeline, "preview"):  # a pipeline of the studio knows a cheaper way
                return pipeline.preview(latents, fine=self._fine)
            latents = self._unpacked(pipeline, latents)
            vae = getattr(pipeline, "vae", None)
            if vae is not None and latents.shape[1] != 3:
                latents = self._through(vae, latents)
            picture = ((latents[0, :3].float() + 1) * 127.5).clamp(0, 255).round().to(torch.uint8)
            return picture.permute(1, 2, 0).cpu().numpy()

    def _unpacked(self, pipeline: Any, latents: Any) -> Any:
        if latents.ndim == 3 and hasattr(pipeline, "_unpack_latents"):  # Flux and its kin: patches in a row
            width, height = self._size
            return pipeline._unpack_latents(latents, height or 1024, width or 1024, pipeline.vae_scale_factor)
        return latents

    def _through(self, vae: Any, latents: Any) -> Any:
        import torch

        side = max(latents.shape[-2:])
        if side > MOST_LATENT_SIDE:
            scale = MOST_LATENT_SIDE / side
            latents = torch.nn.functional.interpolate(latents.float(), scale_factor=scale, mode="area")
        latents = latents.to(vae.dtype) / getattr(vae.config, "scaling_factor", 1.0)
        shift = getattr(vae.config, "shift_factor", None)
        return vae.decode(latents + shift if shift else latents, return_dict=False)[0]


def _jpeg(pixels: Any, longest: int) -> bytes:
    from PIL import Image

    image = Image.fromarray(pixels)
    image.thumbnail((longest, longest))
    buffer = io.BytesIO()
    image.convert("RGB").save(buffer, "JPEG", quality=80)
    return buffer.getvalue()
