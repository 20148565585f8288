"""The optimizers a run can choose among, by name."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from studio.forge.loop.options import LoopOptions


def make_optimizer(net: nn.Module, options: LoopOptions) -> torch.optim.Optimizer | Both:
    """The optimizer of `options` over the trained parameters of `net`."""
    trained = [p for p in net.parameters() if p.requires_grad]
    betas = (options.beta1, options.beta2)
    if options.optimizer == "adam":
        return torch.optim.Adam(trained, lr=options.learning_rate, betas=betas)
    if options.optimizer == "muon":
        return _muon(net, options)
    return _adamw(trained, options)


def _adamw(trained: list[nn.Parameter], options: LoopOptions) -> torch.optim.Optimizer:
    # Norms, biases and embeddings of one dimension are not decayed (as in nanoGPT and most since).
    groups = [
        {"params": [p for p in trained if p.ndim > 1], "weight_decay": options.weight_decay},
        {"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=options.learning_rate, betas=(options.beta1, options.beta2))


def _muon(net: nn.Module, options: LoopOptions) -> torch.optim.Optimizer | Both:
    """Muon (Jordan 2024) for the matrices of repeated layers, AdamW for all else: embeddings, norms, biases,
    convolutions, and the first and last layer, whose rows and columns are no hidden features.

    Its step is scaled to the size of AdamW's (Liu et al. 2025, "Muon is scalable"), so rates carry over.
    """
    hidden = {
        id(module.weight)
        for place, module in net.named_modules()
        if isinstance(module, nn.Linear) and any(part.isdigit() for part in place.split("."))
    }
    trained = [p for p in net.parameters() if p.requires_grad]
    matrices = [p for p in trained if id(p) in hidden]
    rest = [p for p in trained if id(p) not in hidden]
    if not matrices:
        return _adamw(trained, options)
    muon = torch.optim.Muon(
        matrices,
        lr=options.learning_rate,
        weight_decay=options.weight_decay,
        momentum=0.95,
        adjust_lr_fn="match_rms_adamw",
    )
    return Both(muon, _adamw(rest, options)) if rest else muon


class Both:
    """Optimizers of disjoint parameters as one, as far as the loop and its checkpoints use it."""

    def __init__(self, *parts: torch.optim.Optimizer) -> None:
        self.parts = parts

    @property
    def param_groups(self) -> list[dict[str, Any]]:
        return [group for part in self.parts for group in part.param_groups]

    def step(self) -> None:
        for part in self.parts:
            part.step()

    def zero_grad(self, set_to_none: bool = True) -> None:
        for part in self.parts:
            part.zero_grad(set_to_none)

    def state_dict(self) -> dict[str, Any]:
        """As an optimizer's own; the parameters of each part are numbered on from those before."""
        state: dict[int, Any] = {}
        groups: list[dict[str, Any]] = []
        first = 0
        for part in self.parts:
            own = part.state_dict()
            state |= {first + number: value for number, value in own["state"].items()}
            for group in own["param_groups"]:
                groups.append(group | {"params": [first + number for number in group["params"]]})
            first += _count(part)
        return {"state": state, "param_groups": groups}

    def load_state_dict(self, given: dict[str, Any]) -> None:
        first = 0
        for part in self.parts:
            count = _count(part)
            own = {n - first: value for n, value in given["state"].items() if first <= n < first + count}
            part.load_state_dict({"state": own, "param_groups": part.state_dict()["param_groups"]})
            first += count


def _count(part: torch.optim.Optimizer) -> int:
    return sum(len(group["params"]) for group in part.param_groups)
