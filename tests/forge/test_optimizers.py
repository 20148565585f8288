"""Muon beside AdamW: the right parameters, one interface, and a resume that equals the whole run."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from tiny_training import TinyTask, options
from torch import nn

from studio.forge.loop import LoopOptions, checkpoint, train
from studio.forge.loop.optimizers import Both, make_optimizer
from studio.forge.track import Track
from studio.options import read_options


def net() -> nn.Module:
    torch.manual_seed(3)
    return nn.ModuleDict(
        {
            "enter": nn.Linear(4, 8),
            "layers": nn.ModuleList(nn.Sequential(nn.Linear(8, 8), nn.LayerNorm(8)) for _ in range(2)),
            "leave": nn.Linear(8, 1),
        }
    )


def muon(**changes: Any) -> LoopOptions:
    return read_options(LoopOptions, {"optimizer": "muon", **changes})


def test_muon_takes_the_hidden_matrices_and_adamw_the_rest() -> None:
    model = net()
    optimizer = make_optimizer(model, muon())
    assert isinstance(optimizer, Both)
    names = {id(p): name for name, p in model.named_parameters()}
    by_muon, by_adamw = (
        sorted(names[id(p)] for group in part.param_groups for p in group["params"])
        for part in optimizer.parts
    )
    assert by_muon == ["layers.0.0.weight", "layers.1.0.weight"]
    assert sorted(by_muon + by_adamw) == sorted(names.values())


def test_a_net_without_hidden_matrices_is_trained_by_adamw() -> None:
    assert isinstance(make_optimizer(nn.Linear(3, 1), muon()), torch.optim.AdamW)


def test_a_state_put_back_goes_on_the_same_way() -> None:
    def step(model: Any, optimizer: Any) -> None:
        x = torch.linspace(-1, 1, 40).view(10, 4)
        for part in ("enter", *range(2), "leave"):
            x = model["layers"][part](x) if isinstance(part, int) else model[part](x)
        x.square().mean().backward()
        optimizer.step()
        optimizer.zero_grad()

    one = net()
    first = make_optimizer(one, muon(learning_rate=0.05))
    for _ in range(3):
        step(one, first)
    other = net()
    other.load_state_dict(one.state_dict())
    second = make_optimizer(other, muon(learning_rate=0.05))
    second.load_state_dict(copy.deepcopy(first.state_dict()))  # tensors are taken over, not copied
    for model, optimizer in ((one, first), (other, second)):
        step(model, optimizer)
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))


@pytest.mark.parametrize("stop", [5])
def test_a_run_with_muon_learns_and_resumes_bit_for_bit(tmp_path: Path, stop: int) -> None:
    torch.set_num_threads(1)
    chosen = options(optimizer="muon", epochs=10)
    whole = train(TinyTask(), chosen, Track(tmp_path / "whole", listen=lambda line: None))
    track = Track(tmp_path / "cut", listen=lambda line: None)

    class Stops(TinyTask):
        def loss(self, net: str, rows: Any, rng: torch.Generator, step: int) -> torch.Tensor | None:
            if step == stop:
                track.stop.set()
            return super().loss(net, rows, rng, step)

    assert not train(Stops(), chosen, track).finished
    again = train(TinyTask(), chosen, Track(tmp_path / "cut", resume=True, listen=lambda line: None))
    assert again.test_loss == whole.test_loss and again.test_loss is not None and again.test_loss < 14
    ends = [checkpoint.newest(tmp_path / name) for name in ("whole", "cut")]
    files = [{f.name: load_file(f) for f in end.glob("*.safetensors")} for end in ends if end]
    assert any("momentum_buffer" in key for key in files[0]["model.optimizer.safetensors"])
    assert files[0].keys() == files[1].keys()
    for name, tensors in files[0].items():
        assert all(torch.equal(tensor, files[1][name][key]) for key, tensor in tensors.items())
