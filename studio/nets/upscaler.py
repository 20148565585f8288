"""The ×8 upscaler: a 64×64 picture on white becomes 512×512 with an alpha channel.

All thinking happens at 64×64; three pixel shuffles lead up, each with one small convolution. It adds to
a bilinear enlargement, so an untrained net is already that.
"""

from __future__ import annotations

import torch
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_utils import ModelMixin
from torch import nn
from torch.nn import functional as F

from studio.nets.autoencoder import Block, _up


class Upscaler(ModelMixin, ConfigMixin):
    """`forward`: float (n, 3, h, w) in −1…1 over white → (n, 4, 8h, 8w): RGB over white, then alpha.

    Channels 0–2 are again over white (−1…1), channel 3 is the alpha logit; `cut_out` gives RGBA.
    """

    scale = 8

    @register_to_config
    def __init__(self, width: int = 48, depth: int = 6) -> None:
        super().__init__()
        self.enter = nn.Conv2d(3, width, 3, padding=1)
        self.blocks = nn.Sequential(*(Block(width) for _ in range(depth)))
        self.rise = nn.Sequential(
            _up(width, 32), nn.SiLU(), nn.Conv2d(32, 32, 3, padding=1), nn.SiLU(),
            _up(32, 16), nn.SiLU(), nn.Conv2d(16, 16, 3, padding=1), nn.SiLU(),
        )  # fmt: skip
        self.leave = nn.Sequential(nn.Conv2d(16, 16, 3, padding=1), nn.PixelShuffle(2))
        nn.init.zeros_(self.leave[0].weight)
        nn.init.zeros_(self.leave[0].bias)

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        first = self.enter(pictures)
        out = self.leave(self.rise(first + self.blocks(first)))
        base = F.interpolate(pictures, scale_factor=self.scale, mode="bilinear", align_corners=False)
        return torch.cat([out[:, :3] + base, out[:, 3:]], 1)

    def cut_out(self, pictures: torch.Tensor) -> torch.Tensor:
        """RGBA (n, 4, 8h, 8w) in 0…1, straight alpha, of pictures over white in −1…1."""
        out = self(pictures).float()
        alpha = out[:, 3:].sigmoid()
        over_white = out[:, :3].clamp(-1, 1).add(1).div(2)
        colour = (over_white - (1 - alpha)) / alpha.clamp(min=1 / 64)
        return torch.cat([colour.clamp(0, 1), alpha], 1)
