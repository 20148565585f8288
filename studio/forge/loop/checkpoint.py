"""Whole training states on disk: complete or not there at all, in safetensors and JSON only.

    runs/apple/step-0001200/
        model.safetensors             weights of each net, by its name
        model.optimizer.safetensors   moments of each net's optimizer
        model.ema.safetensors         averaged weights of the first net
        state.json                    position, sums of the running epoch, scaler, options

A state is written into `….part`, synced, then renamed, so a kill at any moment leaves the older one.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, load_model, save_file, save_model
from torch import nn

from studio.errors import BadInput, ModelBroken, StorageFull, is_disk_full
from studio.forge.loop.optimizers import Both

KEEP = 2

# How a run is watched, not what it computes: these may differ on resume.
MAY_CHANGE = frozenset({"checkpoint_seconds", "log_every"})


@dataclass
class State:
    """Where a run stands. `step` counts optimizer steps; `sums` are the running epoch's losses.

    Schedule, shuffling and random numbers are functions of (seed, step), so the step restores them.
    """

    step: int = 0
    sums: dict[str, float] = field(default_factory=dict)
    counted: int = 0
    best: float | None = None
    seconds: float = 0.0
    scaler: dict[str, Any] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)


def newest(folder: Path) -> Path | None:
    """The newest complete state in `folder`."""
    return max(folder.glob("step-" + "[0-9]" * 7), default=None)


def save(
    folder: Path,
    state: State,
    nets: Mapping[str, nn.Module],
    optimizers: Mapping[str, torch.optim.Optimizer | Both],
    ema: nn.Module | None,
) -> Path:
    """Write a whole state; raises StorageFull and leaves nothing half-written when the disk is full."""
    final = folder / f"step-{state.step:07d}"
    if final.exists():
        return final
    part = final.with_suffix(".part")
    shutil.rmtree(part, ignore_errors=True)
    try:
        part.mkdir(parents=True)
        for name, net in nets.items():
            save_model(net, str(part / f"{name}.safetensors"))
            save_file(_moments(optimizers[name]), part / f"{name}.optimizer.safetensors")
        if ema is not None:
            save_model(ema, str(part / f"{next(iter(nets))}.ema.safetensors"))
        (part / "state.json").write_text(json.dumps(asdict(state), indent=1), "utf-8")
        for file in part.iterdir():
            _sync(file)
        part.rename(final)
        _sync(folder)
    except (OSError, SafetensorError) as error:
        shutil.rmtree(part, ignore_errors=True)
        if not is_disk_full(error):
            raise
        kept = newest(folder)
        raise StorageFull(
            f"The disk is full at step {state.step}; free some space and resume"
            + (f" from {kept.name}." if kept else ", nothing was saved yet.")
        ) from error
    for old in sorted(folder.glob("step-*"))[:-KEEP]:
        shutil.rmtree(old, ignore_errors=True)
    return final


def save_weights(net: nn.Module, file: Path) -> None:
    """One net's weights as one file, replaced as a whole."""
    part = file.with_suffix(".part")
    save_model(net, str(part))
    _sync(part)
    part.replace(file)


def load(
    folder: Path,
    nets: Mapping[str, nn.Module],
    optimizers: Mapping[str, torch.optim.Optimizer | Both],
    ema: nn.Module | None,
) -> State:
    """Put a state back into nets and optimizers. Raises ModelBroken when a file does not fit."""
    try:
        state = State(**json.loads((folder / "state.json").read_text("utf-8")))
        for name, net in nets.items():
            load_model(net, str(folder / f"{name}.safetensors"))
            _put_moments(optimizers[name], load_file(folder / f"{name}.optimizer.safetensors"))
        if ema is not None:
            load_model(ema, str(folder / f"{next(iter(nets))}.ema.safetensors"))
    except (OSError, ValueError, TypeError, RuntimeError, KeyError, SafetensorError) as error:
        raise ModelBroken(
            f"The checkpoint {folder} cannot be read ({error}); delete it to use an older one."
        ) from error
    return state


def refuse_changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> None:
    """Raises BadInput that shows every option whose value differs from the checkpoint's."""
    names = sorted((old.keys() | new.keys()) - MAY_CHANGE)
    changed = [f"{n}: {old.get(n)!r} → {new.get(n)!r}" for n in names if old.get(n) != new.get(n)]
    if changed:
        raise BadInput(
            f"The run cannot be resumed with other options ({'; '.join(changed)}); "
            "use the old ones, or start a new run that begins from its weights."
        )


def _moments(optimizer: torch.optim.Optimizer | Both) -> dict[str, torch.Tensor]:
    states = optimizer.state_dict()["state"]
    return {f"{i}.{key}": value for i, state in states.items() for key, value in state.items()}


def _put_moments(optimizer: torch.optim.Optimizer | Both, moments: Mapping[str, torch.Tensor]) -> None:
    states: dict[int, dict[str, torch.Tensor]] = {}
    for name, value in moments.items():
        index, key = name.split(".")
        states.setdefault(int(index), {})[key] = value
    optimizer.load_state_dict({"state": states, "param_groups": optimizer.state_dict()["param_groups"]})


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
