"""The picture transformer: velocity of a flow from noise to latents, told by text states and a style.

One stream: 16 text tokens and 64 latent tokens attend to each other in every layer (a cross-attention
would cost the same and reads text only one way). Time, pooled text and style modulate each layer
(adaLN-Zero, Peebles & Xie 2023); queries and keys are normalised so that high rates stay stable.
"""

from __future__ import annotations

import math

import torch
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_utils import ModelMixin
from torch import nn
from torch.nn import functional as F

from studio.nets.text import LENGTH, WIDTH, sentence

ANY_STYLE = 0


class Layer(nn.Module):
    def __init__(self, width: int, heads: int, hidden: int) -> None:
        super().__init__()
        self.heads = heads
        self.modulation = nn.Linear(width, 6 * width)
        self.qkv = nn.Linear(width, 3 * width)
        self.q_norm, self.k_norm = nn.RMSNorm(width // heads), nn.RMSNorm(width // heads)
        self.out = nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, hidden), nn.Linear(hidden, width)
        nn.init.zeros_(self.modulation.weight)
        nn.init.zeros_(self.modulation.bias)

    def forward(self, x: torch.Tensor, told: torch.Tensor) -> torch.Tensor:
        shift1, scale1, gate1, shift2, scale2, gate2 = self.modulation(told)[:, None].chunk(6, -1)
        x = x + gate1 * self._attend(_norm(x) * (1 + scale1) + shift1)
        return x + gate2 * self.down(F.gelu(self.up(_norm(x) * (1 + scale2) + shift2), approximate="tanh"))

    def _attend(self, x: torch.Tensor) -> torch.Tensor:
        count, length, width = x.shape
        q, k, v = self.qkv(x).view(count, length, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(self.q_norm(q).to(v.dtype), self.k_norm(k).to(v.dtype), v)
        return self.out(mixed.transpose(1, 2).reshape(count, length, width))


def _norm(x: torch.Tensor) -> torch.Tensor:
    return F.layer_norm(x, x.shape[-1:])


class StickerTransformer(ModelMixin, ConfigMixin):
    """`forward` gives noise − latent, the velocity at `sigma` (0 is the latent, 1 is noise).

    `x` (n, latent, size, size) normalised latents mixed with noise; `sigma` (n,); `states`
    (n, 16, 384) MiniLM token states and `mask` (n, 16) of the real ones (all False: no text);
    `style` (n,) int, 0 for any, else 1 + its place in captions.STYLES; or float (n, styles + 1), how much of each.
    """

    @register_to_config
    def __init__(
        self,
        latent: int = 16,
        size: int = 8,
        width: int = 192,
        depth: int = 8,
        heads: int = 6,
        ratio: float = 4.0,
        styles: int = 4,
    ) -> None:
        super().__init__()
        self.enter = nn.Linear(latent, width)
        self.text = nn.Linear(WIDTH, width)
        self.no_token = nn.Parameter(torch.randn(LENGTH, width) * 0.02)
        self.place = nn.Parameter(torch.randn(LENGTH + size * size, width) * 0.02)
        self.told = nn.Sequential(nn.Linear(256 + WIDTH, width), nn.SiLU(), nn.Linear(width, width))
        self.style = nn.Embedding(styles + 1, width)
        self.layers = nn.ModuleList(Layer(width, heads, int(width * ratio)) for _ in range(depth))
        self.last = nn.Linear(width, 2 * width)
        self.leave = nn.Linear(width, latent)
        for layer in (self.last, self.leave):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(
        self,
        x: torch.Tensor,
        sigma: torch.Tensor,
        states: torch.Tensor,
        mask: torch.Tensor,
        style: torch.Tensor,
    ) -> torch.Tensor:
        count, latent, height, width = x.shape
        pooled = sentence(states, mask) * math.sqrt(WIDTH)
        kind = style.to(x.dtype) @ self.style.weight if style.is_floating_point() else self.style(style)
        told = self.told(torch.cat([_waves(sigma), pooled], -1).to(x.dtype)) + kind
        words = torch.where(mask[..., None], self.text(states), self.no_token)
        tokens = torch.cat([words, self.enter(x.flatten(2).transpose(1, 2))], 1) + self.place
        told = F.silu(told)
        for layer in self.layers:
            tokens = layer(tokens, told)
        shift, scale = self.last(told)[:, None].chunk(2, -1)
        out = self.leave(_norm(tokens[:, LENGTH:]) * (1 + scale) + shift)
        return out.transpose(1, 2).reshape(count, latent, height, width)


def _waves(sigma: torch.Tensor) -> torch.Tensor:
    """(n,) in 0…1 → (n, 256) sines and cosines."""
    rates = torch.exp(torch.linspace(0, math.log(1000), 128, device=sigma.device))
    angles = sigma[:, None].float() * rates * 2
    return torch.cat([angles.sin(), angles.cos()], -1)
