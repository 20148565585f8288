"""signet-tune: a small decoder over melody tokens (rotary positions, RMS norm, gated units: Llama's shape)."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple

import torch
from safetensors.torch import load_model, save_model
from torch import nn
from torch.nn import functional as F

from studio.nets.tune_tokens import SIZE


@dataclass(frozen=True, slots=True)
class Shape:
    """The sizes in config.json; `vocabulary` guards against weights of other tokens."""

    width: int = 160
    depth: int = 4
    heads: int = 5
    hidden: int = 432
    vocabulary: int = SIZE


class Cache(NamedTuple):
    """Keys and values of one layer, (n, heads, tokens so far, head width)."""

    keys: torch.Tensor
    values: torch.Tensor


class Layer(nn.Module):
    def __init__(self, width: int, heads: int, hidden: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.RMSNorm(width), nn.RMSNorm(width)
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.out = nn.Linear(width, width, bias=False)
        self.gate_up = nn.Linear(width, 2 * hidden, bias=False)
        self.down = nn.Linear(hidden, width, bias=False)

    def forward(
        self, x: torch.Tensor, turn: torch.Tensor, mask: torch.Tensor | None, cache: Cache | None
    ) -> tuple[torch.Tensor, Cache]:
        count, length, width = x.shape
        q, k, v = self.qkv(self.norm1(x)).view(count, length, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        q, k = _rotate(q, turn), _rotate(k, turn)
        if cache is not None:
            k, v = torch.cat([cache.keys, k], 2), torch.cat([cache.values, v], 2)
        alone = mask is None and cache is None
        mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=alone)
        x = x + self.out(mixed.transpose(1, 2).reshape(count, length, width))
        gate, up = self.gate_up(self.norm2(x)).chunk(2, -1)
        return x + self.down(F.silu(gate) * up), Cache(k, v)


def _rotate(x: torch.Tensor, turn: torch.Tensor) -> torch.Tensor:
    """Rotary position embedding (Su et al. 2021); `turn` (2, tokens, half): cosines and sines."""
    a, b = x.chunk(2, -1)
    cos, sin = turn.to(x.dtype)
    return torch.cat([a * cos - b * sin, a * sin + b * cos], -1)


class TuneModel(nn.Module):
    """Logits (n, tokens, vocabulary) of the next token for int64 tokens (n, tokens).

    `mask` (n, 1, tokens, tokens), true where a token may look, keeps packed tunes apart. `step` goes one
    token further with the caches of what came before.
    """

    def __init__(self, shape: Shape = Shape()) -> None:  # noqa: B008  frozen
        super().__init__()
        self.shape = shape
        self.embed = nn.Embedding(shape.vocabulary, shape.width)
        self.layers = nn.ModuleList(Layer(shape.width, shape.heads, shape.hidden) for _ in range(shape.depth))
        self.norm = nn.RMSNorm(shape.width)
        nn.init.normal_(self.embed.weight, std=0.02)
        for layer in self.layers:
            for linear in (layer.out, layer.down):
                nn.init.normal_(linear.weight, std=0.02 / (2 * shape.depth) ** 0.5)

    def forward(self, tokens: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        x, turn = self.embed(tokens), self._turn(0, tokens.shape[1])
        for layer in self.layers:
            x, _ = layer(x, turn, mask, None)
        return self.norm(x) @ self.embed.weight.T

    def step(
        self, tokens: torch.Tensor, caches: list[Cache] | None = None
    ) -> tuple[torch.Tensor, list[Cache]]:
        """Logits (n, vocabulary) after the last of `tokens` (n, new), and the grown caches.

        Without caches any number of tokens may be given, with them exactly one.
        """
        before = caches[0].keys.shape[2] if caches else 0
        x, turn = self.embed(tokens), self._turn(before, tokens.shape[1])
        grown = []
        for place, layer in enumerate(self.layers):
            x, cache = layer(x, turn, None, caches[place] if caches else None)
            grown.append(cache)
        return self.norm(x[:, -1]) @ self.embed.weight.T, grown

    def _turn(self, start: int, length: int) -> torch.Tensor:
        half = self.shape.width // self.shape.heads // 2
        rates = 10_000.0 ** (-torch.arange(half, dtype=torch.float32, device=self.embed.weight.device) / half)
        angles = torch.arange(start, start + length, device=rates.device)[:, None] * rates
        return torch.stack([angles.cos(), angles.sin()])

    def save(self, folder: Path) -> None:
        """config.json and model.safetensors in `folder`."""
        folder.mkdir(parents=True, exist_ok=True)
        self.save_shape(folder)
        save_model(self, str(folder / "model.safetensors"))

    def save_shape(self, folder: Path) -> None:
        (folder / "config.json").write_text(json.dumps(asdict(self.shape), indent=1) + "\n", "utf-8")

    @classmethod
    def load(cls, folder: Path, weights: str = "model.safetensors") -> TuneModel:
        """Raises OSError, ValueError, TypeError, RuntimeError or SafetensorError for what does not fit."""
        shape = Shape(**json.loads((folder / "config.json").read_text("utf-8")))
        sizes = asdict(shape).values()
        if shape.vocabulary != SIZE or not all(isinstance(n, int) and 0 < n <= 16_384 for n in sizes):
            raise ValueError("the weights are of another vocabulary or size")
        model = cls(shape)
        load_model(model, str(folder / weights))
        model.eval()
        return model
