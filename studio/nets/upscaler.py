"""The ×8 upscaler: a 64×64 picture on white becomes 512×512 with an alpha channel.

Every new pixel is a weighted mean of the nine pixels around its place in the small picture (convex upsampling,
Teed & Deng 2020): the net says the weights, and first mends the small picture itself. An edge is then a choice
between the colours on both of its sides, so it is sharp and has no colours of its own; an untrained net is a
smooth enlargement. All convolutions run at 64×64.
"""

from __future__ import annotations

import torch
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_utils import ModelMixin
from torch import nn
from torch.nn import functional as F

from studio.nets.autoencoder import Block

_AROUND = 3  # pixels of a side that a new one is mixed from
_BLUR = 0.6  # of the untrained enlargement, in small pixels


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
        self.source = nn.Conv2d(width, 4, 3, padding=1)
        self.weights = nn.Conv2d(width, (_AROUND * self.scale) ** 2, 1)
        nn.init.normal_(self.source.weight, std=1e-3)
        nn.init.normal_(self.weights.weight, std=1e-2)
        nn.init.zeros_(self.source.bias)
        # Logits of a Gaussian around each new pixel, (64, 9): what the net's own are added to.
        inside = (torch.arange(self.scale) + 0.5) / self.scale - 0.5
        apart = (inside[:, None] - (torch.arange(_AROUND) - _AROUND // 2)[None]).square()
        near = (apart[:, None, :, None] + apart[None, :, None, :]).reshape(self.scale**2, _AROUND**2)
        with torch.no_grad():
            self.weights.bias.copy_((-near / (2 * _BLUR**2)).flatten())

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        count, _, height, width = pictures.shape
        seen = self.enter(pictures)
        seen = seen + self.blocks(seen)
        # The mixing itself is done in 32 bit: in 16 the nine weights miss 1 by enough to grain even fills.
        mended = self.source(seen).float()
        mended = torch.cat([pictures.float() + mended[:, :3], mended[:, 3:]], 1)
        edge = _AROUND // 2
        around = F.unfold(F.pad(mended, (edge,) * 4, mode="replicate"), _AROUND)
        around = around.view(count, 4, 1, _AROUND**2, height * width)
        weights = (
            self.weights(seen).float().view(count, 1, self.scale**2, _AROUND**2, height * width).softmax(3)
        )
        # One neighbour after the other: all nine at once would take nine times the memory, and longer.
        mixed = around[:, :, :, 0] * weights[:, :, :, 0]
        for place in range(1, _AROUND**2):
            mixed = mixed + around[:, :, :, place] * weights[:, :, :, place]
        return F.pixel_shuffle(mixed.reshape(count, 4 * self.scale**2, height, width), self.scale)

    def cut_out(self, pictures: torch.Tensor) -> torch.Tensor:
        """RGBA (n, 4, 8h, 8w) in 0…1, straight alpha, of pictures over white in −1…1."""
        out = self(pictures).float()
        alpha = out[:, 3:].sigmoid()
        over_white = out[:, :3].clamp(-1, 1).add(1).div(2)
        colour = (over_white - (1 - alpha)) / alpha.clamp(min=1 / 64)
        return torch.cat([colour.clamp(0, 1), alpha], 1)
