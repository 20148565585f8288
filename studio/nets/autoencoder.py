"""The picture autoencoder: 64×64 RGB to an 8×8 latent and back, and the critic that sharpens it.

Blocks are one 3×3 and one 1×1 convolution without norms: on a CPU they cost a third of a classic
residual block and learn the same here. Latents are bounded by tanh and trained with noise, so a
generator's small errors decode to small errors (a bound instead of a KL term).
"""

from __future__ import annotations

import torch
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_utils import ModelMixin
from torch import nn
from torch.nn import functional as F


class Block(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.inner = nn.Conv2d(width, width, 3, padding=1)
        self.outer = nn.Conv2d(width, width, 1)
        nn.init.normal_(self.outer.weight, std=0.02)
        nn.init.zeros_(self.outer.bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.outer(F.silu(self.inner(x)))


def _down(width: int, out: int) -> nn.Sequential:
    return nn.Sequential(nn.PixelUnshuffle(2), nn.Conv2d(width * 4, out, 1))


def _up(width: int, out: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(width, out * 4, 1), nn.PixelShuffle(2))


class Autoencoder(ModelMixin, ConfigMixin):
    """`encode`: float (n, 3, 64, 64) in −1…1 → (n, latent, 8, 8) in −1…1; `decode` the way back.

    `mean` and `std` (per latent channel) are measured after training; a generator works on
    `normalise(latents)`, which has zero mean and unit variance.
    """

    @register_to_config
    def __init__(
        self,
        latent: int = 16,
        encoder_widths: tuple[int, ...] = (48, 96, 192),
        decoder_widths: tuple[int, ...] = (192, 128, 64),
        encoder_blocks: tuple[int, ...] = (1, 2, 2),
        decoder_blocks: tuple[int, ...] = (3, 3, 2),
    ) -> None:
        super().__init__()
        steps: list[nn.Module] = [nn.PixelUnshuffle(2), nn.Conv2d(12, encoder_widths[0], 3, padding=1)]
        for i, width in enumerate(encoder_widths):
            steps += [_down(encoder_widths[i - 1], width)] if i else []
            steps += [Block(width) for _ in range(encoder_blocks[i])]
        self.encoder = nn.Sequential(*steps, nn.Conv2d(encoder_widths[-1], latent, 1))
        steps = [nn.Conv2d(latent, decoder_widths[0], 3, padding=1)]
        for i, width in enumerate(decoder_widths):
            steps += [_up(decoder_widths[i - 1], width)] if i else []
            steps += [Block(width) for _ in range(decoder_blocks[i])]
        # The last layer works at full resolution, where edges are made.
        self.decoder = nn.Sequential(
            *steps, _up(decoder_widths[-1], 16), nn.SiLU(), nn.Conv2d(16, 3, 3, padding=1)
        )
        self.register_buffer("mean", torch.zeros(latent))
        self.register_buffer("std", torch.ones(latent))

    def encode(self, pictures: torch.Tensor) -> torch.Tensor:
        return torch.tanh(self.encoder(pictures))

    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        return self.decoder(latents)

    def normalise(self, latents: torch.Tensor) -> torch.Tensor:
        return (latents - self.mean[:, None, None]) / self.std[:, None, None]

    def denormalise(self, latents: torch.Tensor) -> torch.Tensor:
        return (latents * self.std[:, None, None] + self.mean[:, None, None]).clamp(-1, 1)

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        return self.decode(self.encode(pictures))


class Critic(nn.Module):
    """Patch discriminator: (n, 3, 64, 64) → scores (n, 1, 8, 8), higher is more like real artwork."""

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.utils.spectral_norm(nn.Conv2d(3, width, 4, 2, 1)),
            nn.LeakyReLU(0.2),
            nn.utils.spectral_norm(nn.Conv2d(width, width * 2, 4, 2, 1)),
            nn.LeakyReLU(0.2),
            nn.utils.spectral_norm(nn.Conv2d(width * 2, width * 4, 4, 2, 1)),
            nn.LeakyReLU(0.2),
            nn.utils.spectral_norm(nn.Conv2d(width * 4, 1, 3, 1, 1)),
        )

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        return self.layers(pictures)
