"""A style-based generator over latents: one pass from (z, words, style) to a picture's latent.

After Karras et al. (2019, 2020): a mapping network makes w; modulated and demodulated convolutions draw
from a learned 4×4 constant, each layer with its own w (so styles can be mixed by layer) and its own
noise. The critic judges latent and words together by projection (Miyato & Koyama 2018).
"""

from __future__ import annotations

import math

import torch
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_utils import ModelMixin
from torch import nn
from torch.nn import functional as F

from studio.nets.text import WIDTH


class Modulated(nn.Module):
    """A 3×3 convolution whose input channels are scaled by w, then demodulated, then given noise."""

    def __init__(self, inside: int, outside: int, w: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outside, inside, 3, 3) / math.sqrt(9 * inside))
        self.scale = nn.Linear(w, inside)
        self.bias = nn.Parameter(torch.zeros(outside, 1, 1))
        self.noise = nn.Parameter(torch.zeros(1))
        nn.init.ones_(self.scale.bias)

    def forward(self, x: torch.Tensor, w: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
        scale = self.scale(w)
        # Scaling inputs and outputs equals scaling the kernel of each picture, without grouped convolutions.
        out = F.conv2d(x * scale[:, :, None, None], self.weight, padding=1)
        norm = (scale.square() @ self.weight.square().sum((2, 3)).T + 1e-8).rsqrt()
        return F.leaky_relu(out * norm[:, :, None, None] + self.noise * noise + self.bias, 0.2)


class StyleGenerator(ModelMixin, ConfigMixin):
    """`map` gives w (n, layers, w); `synthesise` draws normalised latents (n, latent, 8, 8) from it.

    Mixing is choosing each layer's w from another picture; a walk is a straight line in w.
    """

    @register_to_config
    def __init__(
        self, latent: int = 16, z: int = 128, w: int = 192, width: int = 192, styles: int = 4
    ) -> None:
        super().__init__()
        self.embed = nn.Embedding(styles + 1, w)
        self.mapping = nn.Sequential(
            nn.Linear(z + WIDTH + w, w),
            nn.LeakyReLU(0.2),
            nn.Linear(w, w),
            nn.LeakyReLU(0.2),
            nn.Linear(w, w),
        )
        self.constant = nn.Parameter(torch.randn(1, width, 4, 4))
        sizes = (4, 4, 8, 8, 8, 8)
        self.sizes = sizes
        self.convolutions = nn.ModuleList(Modulated(width, width, w) for _ in sizes)
        self.leave = nn.Conv2d(width, latent, 1)

    @property
    def layers(self) -> int:
        return len(self.sizes)

    def map(self, z: torch.Tensor, words: torch.Tensor, style: torch.Tensor) -> torch.Tensor:
        """z (n, z) normal, words (n, 384) MiniLM sentences of unit length, style (n,) as in the transformer."""
        w = self.mapping(torch.cat([z, words * math.sqrt(WIDTH), self.embed(style)], 1))
        return w[:, None].expand(-1, self.layers, -1)

    def synthesise(self, w: torch.Tensor, generator: torch.Generator | None = None) -> torch.Tensor:
        x = self.constant.expand(len(w), -1, -1, -1)
        for place, (size, convolution) in enumerate(zip(self.sizes, self.convolutions, strict=True)):
            if x.shape[-1] != size:
                x = F.interpolate(x, size=(size, size), mode="bilinear", align_corners=False)
            noise = torch.randn(len(w), 1, size, size, generator=generator).to(w.device)
            x = convolution(x, w[:, place], noise)
        return self.leave(x)

    def forward(
        self,
        z: torch.Tensor,
        words: torch.Tensor,
        style: torch.Tensor,
        generator: torch.Generator | None = None,
    ) -> torch.Tensor:
        return self.synthesise(self.map(z, words, style), generator)


def mix(first: torch.Tensor, second: torch.Tensor, layer: int) -> torch.Tensor:
    """w (n, layers, w) that is `first` below `layer` (coarse: shape) and `second` from there (fine: colour)."""
    return torch.cat([first[:, :layer], second[:, layer:]], 1)


class LatentCritic(nn.Module):
    """(latent, words, style) → score (n,); a batch's spread is a feature, so that dropping modes is seen."""

    def __init__(self, latent: int = 16, width: int = 160, styles: int = 4) -> None:
        super().__init__()
        self.enter = nn.Conv2d(latent, width, 3, padding=1)
        self.middle = nn.Conv2d(width, width, 3, padding=1)
        self.down = nn.Conv2d(width, width, 4, stride=2, padding=1)
        self.out = nn.Linear(width * 16 + 1, width)
        self.score = nn.Linear(width, 1)
        self.words, self.style = nn.Linear(WIDTH, width), nn.Embedding(styles + 1, width)

    def forward(self, x: torch.Tensor, words: torch.Tensor, style: torch.Tensor) -> torch.Tensor:
        h = F.leaky_relu(self.enter(x), 0.2)
        h = h + F.leaky_relu(self.middle(h), 0.2)
        h = F.leaky_relu(self.down(h), 0.2).flatten(1)
        spread = (x.var(0, unbiased=False) + 1e-8).sqrt().mean().expand(len(x), 1)
        h = F.leaky_relu(self.out(torch.cat([h, spread], 1)), 0.2)
        told = self.words(words * math.sqrt(WIDTH)) + self.style(style)
        return self.score(h)[:, 0] + (h * told).sum(1) / math.sqrt(h.shape[1])
