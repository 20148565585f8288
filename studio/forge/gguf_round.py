"""Rounding to four bits that keeps what a layer computes, instead of each weight by itself (GPTQ, Frantar et al. 2023).

Why it is needed: weights that came out of a 4-bit file lie on its grid, and a LoRA moves them by less than half
a step. Plain rounding puts nearly all of them back, and what was learnt is gone (SmolLM2 after LoRA: 2.2 nats a
token away). Here each column's rounding error is made good by the columns that come after it, weighted by
how the inputs of the layer go together on a few examples.

The result is plain Q4_1: per 32 weights of a row a scale and a minimum in float16, then 4 bits each.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from studio.forge.lm_task import Batch

if TYPE_CHECKING:
    import torch

BLOCK = 32
LEVELS = 15
DAMPING = 0.01  # of the mean diagonal, so that inputs that are never on can be inverted


def input_products(model: Any, batches: Sequence[Batch]) -> dict[str, torch.Tensor]:
    """XᵀX of the inputs of every matrix inside the layers, by the matrix's key; float32 (in, in)."""
    import torch
    from torch import nn

    found: dict[str, torch.Tensor] = {}
    mask: list[torch.Tensor] = []
    hooks = []

    def collect(key: str) -> Any:
        def hook(module: Any, inputs: tuple[torch.Tensor, ...]) -> None:
            rows = inputs[0][mask[-1]].float()
            found[key] = found.get(key, 0) + rows.T @ rows

        return hook

    for name, part in model.get_decoder().named_modules(prefix="model"):
        if isinstance(part, nn.Linear):
            hooks.append(part.register_forward_pre_hook(collect(f"{name}.weight")))
    try:
        for batch in batches:
            mask.append(batch.mask.bool())
            with torch.no_grad():
                model.get_decoder()(input_ids=batch.ids, attention_mask=batch.mask, use_cache=False)
    finally:
        for hook in hooks:
            hook.remove()
    return found


def q4_1(weights: NDArray[np.float32], products: torch.Tensor) -> NDArray[np.uint8]:
    """Bytes (rows, columns / 32 · 20) of Q4_1 for float32 (rows, columns)."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # thousands of small steps: more threads would only wait for each other
    try:
        return _q4_1(weights, products)
    finally:
        torch.set_num_threads(threads)


def _q4_1(weights: NDArray[np.float32], products: torch.Tensor) -> NDArray[np.uint8]:
    import torch

    left = torch.from_numpy(np.array(weights, np.float32))
    rows, columns = left.shape
    inverse = _inverse_root(products)
    scales = torch.empty(rows, columns // BLOCK)
    lows = torch.empty_like(scales)
    codes = torch.empty(rows, columns, dtype=torch.uint8)
    for number, first in enumerate(range(0, columns, BLOCK)):
        block = left[:, first : first + BLOCK].clone()
        low, scale = _grid(block)
        scales[:, number], lows[:, number] = scale, low
        errors = torch.empty_like(block)
        for place in range(BLOCK):
            at = first + place
            code = ((block[:, place] - low) / scale).round().clamp(0, LEVELS)
            codes[:, at] = code.to(torch.uint8)
            error = (block[:, place] - (code * scale + low)) / inverse[at, at]
            errors[:, place] = error
            block[:, place + 1 :] -= error[:, None] * inverse[at, at + 1 : first + BLOCK]
        left[:, first + BLOCK :] -= errors @ inverse[first : first + BLOCK, first + BLOCK :]
    return _pack(codes.numpy(), scales.numpy(), lows.numpy())


def _inverse_root(products: torch.Tensor) -> torch.Tensor:
    """The upper Cholesky factor of the inverse: its rows say how an error spreads to later columns."""
    import torch

    damped = products.double()
    mean = damped.diagonal().mean().clamp_min(1e-8)
    damped = damped + DAMPING * mean * torch.eye(len(damped), dtype=torch.float64)
    inverse = torch.cholesky_inverse(torch.linalg.cholesky(damped))
    return torch.linalg.cholesky(inverse, upper=True).float()


def _grid(block: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """(minimum, scale) of every row of a block, as float16 will hold them."""
    import torch

    low = block.amin(1)
    scale = ((block.amax(1) - low) / LEVELS).to(torch.float16).float()
    return low.to(torch.float16).float(), torch.where(scale > 0, scale, torch.ones_like(scale))


def _pack(
    codes: NDArray[np.uint8], scales: NDArray[np.float32], lows: NDArray[np.float32]
) -> NDArray[np.uint8]:
    """ggml's block_q4_1: scale, minimum, then the first 16 codes in the low and the others in the high halves."""
    rows, count = scales.shape
    blocks = codes.reshape(rows, count, 2, BLOCK // 2)
    halves = blocks[:, :, 0] | (blocks[:, :, 1] << 4)
    heads = np.stack([scales, lows], -1).astype("<f2").view(np.uint8).reshape(rows, count, 4)
    return np.concatenate([heads, halves], -1).reshape(rows, -1)
