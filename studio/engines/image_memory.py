"""What fits where: precision, offloading, slicing, tiling and batch of a diffusion pipeline.

`plan` is arithmetic over measured numbers, so every decision can be read and tested; `weigh` reads the
numbers of a folder from its safetensors headers without loading anything.
"""

from __future__ import annotations

import gc
import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from studio.errors import ModelBroken

Offload = Literal["none", "model", "sequential"]
RESERVE = 0.9  # of the free memory is used; the rest is for the system and what fragments
PER_MEGAPIXEL_MB = 1200  # activations of one picture in 16 bit, the decoder's peak included
SMALLEST_PICTURE_MB = 60


@dataclass(frozen=True, slots=True)
class Plan:
    """How to load and run. `needs_mb` is what the device must hold at least; `fits` whether it can."""

    dtype: Literal["float32", "float16", "bfloat16"]
    offload: Offload
    attention_slicing: bool
    vae_slicing: bool
    vae_tiling: bool
    batch: int
    needs_mb: int
    fits: bool


@dataclass(frozen=True, slots=True)
class Weight:
    """Millions of parameters: all components, and the largest of them."""

    total: float
    largest: float


def plan(
    model_mb: int,
    free_mb: int,
    device: str,
    *,
    largest_mb: int | None = None,
    megapixels: float = 1.0,
    count: int = 1,
    bfloat16: bool = False,
) -> Plan:
    """`model_mb` is the weights in 16 bit, `largest_mb` those of the largest component, `free_mb` what
    `device` ("cpu", "mps", "cuda:N") has free, `megapixels` one picture's size, `count` how many are wanted,
    `bfloat16` whether the device computes it in hardware (`devices.fast_bfloat16`).

    A processor that does takes a quarter less time for a picture in 16 bit; any other is slower there and computes
    in 32 bit where that fits. CUDA offloads what does not fit; MPS shares its memory with the processor, so
    there is nowhere to offload to.
    """
    room = round(free_mb * RESERVE)
    picture = max(round(PER_MEGAPIXEL_MB * megapixels), SMALLEST_PICTURE_MB)
    largest = largest_mb if largest_mb is not None else round(model_mb * 0.7)
    tiling = megapixels > 1.5
    if device.startswith("cuda"):
        half: Literal["float16", "bfloat16"] = "bfloat16" if bfloat16 else "float16"
        if model_mb + picture <= room:
            return _planned(half, "none", model_mb, picture, room, count, tiling)
        if largest + picture <= room:
            return _planned(
                half, "model", largest, picture, room, count, tiling, slicing=largest + 2 * picture > room
            )
        layer = largest // 20  # sequential offload holds one layer at a time
        return _planned(half, "sequential", layer, picture, room, 1, True, slicing=True)
    if device == "mps":
        return _planned(
            "float16", "none", model_mb, picture, room, count, tiling, slicing=model_mb + 4 * picture > room
        )
    if bfloat16 and model_mb + picture <= room:
        return _planned("bfloat16", "none", model_mb, picture, room, count, tiling)
    if 2 * model_mb + 2 * picture <= room:
        return _planned("float32", "none", 2 * model_mb, 2 * picture, room, count, tiling)
    return _planned("bfloat16", "none", model_mb, picture, room, count, tiling, slicing=True)


def _planned(
    dtype: Literal["float32", "float16", "bfloat16"],
    offload: Offload,
    weights: int,
    picture: int,
    room: int,
    count: int,
    tiling: bool,
    slicing: bool = False,
) -> Plan:
    batch = max(1, min(count, (room - weights) // picture))
    tight = weights + 2 * picture > room
    return Plan(
        dtype=dtype,
        offload=offload,
        attention_slicing=slicing,
        vae_slicing=batch > 1,
        vae_tiling=tiling or tight,
        batch=batch,
        needs_mb=round((weights + picture) / RESERVE),
        fits=weights + picture <= room,
    )


def weigh(folder: Path) -> Weight:
    """Parameters of a pipeline folder, by the headers of its safetensors files (one component a folder)."""
    parts: dict[Path, float] = {}
    for path in folder.rglob("*.safetensors"):
        parts[path.parent] = parts.get(path.parent, 0.0) + _parameters(path) / 1e6
    return Weight(sum(parts.values()), max(parts.values(), default=0.0))


def _parameters(path: Path) -> int:
    try:
        with path.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            if length > path.stat().st_size:
                raise ValueError("header longer than the file")
            header = json.loads(file.read(length))
        shapes = [entry["shape"] for name, entry in header.items() if name != "__metadata__"]
    except (OSError, ValueError, KeyError, TypeError, AttributeError, struct.error) as error:
        raise ModelBroken(
            f"{path.name} in {path.parent.name} is not a whole safetensors file; pull the model again."
        ) from error
    total = 0
    for shape in shapes:
        size = 1
        for side in shape:
            size *= side
        total += size
    return total


# --- A device at work ---------------------------------------------------------------------------


def is_out_of_memory(error: BaseException) -> bool:
    """torch has one error class for CUDA, and plain RuntimeErrors with words for MPS and the processor."""
    words = str(error).lower()
    return isinstance(error, MemoryError) or "out of memory" in words or "can't allocate memory" in words


def channels_last(pipeline: Any) -> None:
    """Lay convolution weights out as processors and tensor cores read them fastest; the numbers stay the same."""
    import torch

    for part in ("unet", "vae"):
        net = getattr(pipeline, part, None)
        if isinstance(net, torch.nn.Module):
            net.to(memory_format=torch.channels_last)


def empty_cache(device: str) -> None:
    """Give cached blocks back to the device."""
    import torch

    gc.collect()
    if device.startswith("cuda"):
        torch.cuda.empty_cache()
    elif device == "mps":
        torch.mps.empty_cache()


def result_megapixels(given: Mapping[str, Any], pipeline: Any) -> float:
    """Of one result of the call `given`; a size that nobody stated is the pipeline's own."""
    width, height = given.get("width"), given.get("height")
    if not (width and height):
        net = getattr(pipeline, "unet", None) or getattr(pipeline, "transformer", None)
        side = getattr(getattr(net, "config", None), "sample_size", None)
        own = side * getattr(pipeline, "vae_scale_factor", 8) if isinstance(side, int) else 1024
        width, height = width or own, height or own
    return float(width * height / 1e6)
