"""signet-align: pictures into the space of MiniLM sentences, so that a picture and its words are close."""

from __future__ import annotations

import math

import torch
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_utils import ModelMixin
from torch import nn
from torch.nn import functional as F

from studio.nets.autoencoder import Block, _down
from studio.nets.text import WIDTH


class Aligner(ModelMixin, ConfigMixin):
    """`picture` (n, 3, 64, 64) in −1…1 and `words` (n, 384) MiniLM sentences → unit vectors (n, 384).

    Their product times `scale` is the logit of belonging together (Radford et al. 2021). The text side
    is MiniLM plus one linear layer that starts as the identity. `features` is the layer before, for FD
    and KID.
    """

    @register_to_config
    def __init__(
        self, widths: tuple[int, ...] = (48, 96, 192, 256), blocks: tuple[int, ...] = (1, 2, 2, 2)
    ) -> None:
        super().__init__()
        steps: list[nn.Module] = [nn.PixelUnshuffle(2), nn.Conv2d(12, widths[0], 3, padding=1)]
        for i, width in enumerate(widths):
            steps += [_down(widths[i - 1], width)] if i else []
            steps += [Block(width) for _ in range(blocks[i])]
        self.trunk = nn.Sequential(*steps, nn.SiLU())
        self.norm = nn.LayerNorm(2 * widths[-1])
        self.head = nn.Linear(2 * widths[-1], WIDTH)
        self.text = nn.Linear(WIDTH, WIDTH)
        nn.init.eye_(self.text.weight)
        nn.init.zeros_(self.text.bias)
        self.scale = nn.Parameter(torch.tensor(math.log(14.0)))

    def features(self, pictures: torch.Tensor) -> torch.Tensor:
        """(n, 512): mean and largest value of each channel."""
        maps = self.trunk(pictures)
        return self.norm(torch.cat([maps.mean((2, 3)), maps.amax((2, 3))], 1))

    def picture(self, pictures: torch.Tensor) -> torch.Tensor:
        return F.normalize(self.head(self.features(pictures)).float(), dim=-1)

    def words(self, sentences: torch.Tensor) -> torch.Tensor:
        return F.normalize(self.text(sentences).float(), dim=-1)

    def forward(self, pictures: torch.Tensor, sentences: torch.Tensor) -> torch.Tensor:
        """Logits (n, m) of every picture with every sentence."""
        return self.scale.clamp(max=4.6).exp() * self.picture(pictures) @ self.words(sentences).T
