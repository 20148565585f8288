"""Gradual magnitude pruning while training (Zhu & Gupta 2017): ever more of the smallest weights become zero.

    s_t = s_f · (1 − (1 − t/T)³), from none at the start to the share s_f when `until` of the steps are done

A sparse matrix is not smaller or faster in the engines here, which compute densely; what it shows is how much
of a model is not needed. The masks are buffers of their layers, so a training state holds them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

EVERY = 5  # steps between two looks at which weights are smallest
UNTIL = 0.7  # of all steps; the rest recovers

NAME = "pruning_mask"


def sparsity_at(step: int, total: int, final: float) -> float:
    """The share of zeros wanted at `step` of `total`."""
    done = min(step / max(UNTIL * total, 1), 1.0)
    return final * (1 - (1 - done) ** 3)


def add_masks(model: Any) -> None:
    """Give every matrix inside the layers a mask that lets all through."""
    import torch

    for layer in _matrices(model):
        layer.register_buffer(NAME, torch.ones_like(layer.weight, dtype=torch.bool))


def update_masks(model: Any, share: float) -> None:
    """Mask the `share` smallest weights of each matrix by size; what is masked stays so."""
    import torch

    with torch.no_grad():
        for layer in _matrices(model):
            mask = getattr(layer, NAME)
            gone = round(share * mask.numel())
            if gone > int((~mask).sum()):
                size = torch.where(mask, layer.weight.abs(), -1.0).flatten()
                mask.view(-1)[size.topk(gone, largest=False).indices] = False


def apply_masks(model: Any) -> None:
    """Set to zero what is masked; the optimizer has moved it in the meantime."""
    import torch

    with torch.no_grad():
        for layer in _matrices(model):
            layer.weight.mul_(getattr(layer, NAME))


def take_masks_off(model: Any) -> float:
    """Leave zeros where masks were and return their share of the masked matrices."""
    apply_masks(model)
    zeros = total = 0
    for layer in _matrices(model):
        zeros += int((layer.weight == 0).sum())
        total += layer.weight.numel()
        delattr(layer, NAME)
    return zeros / total


def _matrices(model: Any) -> Iterator[Any]:
    from torch import nn

    for layer in model.get_decoder().layers:
        yield from (part for part in layer.modules() if isinstance(part, nn.Linear))
