"""Every decision about precision, offloading and batch, as a table; weights are counted from headers."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import save_file

from studio.engines.image_memory import is_out_of_memory, plan, weigh
from studio.errors import ModelBroken

TABLE = [
    # weights MB, free MB, device, pixels, count → dtype, offload, attention slicing, tiling, batch
    (2_000, 24_000, "cuda:0", 0.26, 8, "float16", "none", False, False, 8),
    (2_000, 6_000, "cuda:0", 1.0, 8, "float16", "none", False, False, 2),
    (2_000, 4_000, "cuda:0", 1.0, 4, "float16", "none", False, True, 1),
    (7_000, 8_000, "cuda:0", 1.0, 1, "float16", "model", True, True, 1),
    (24_000, 16_000, "cuda:0", 1.0, 4, "float16", "sequential", True, True, 1),
    (2_000, 24_000, "cuda:1", 4.0, 1, "float16", "none", False, True, 1),
    (5_000, 16_000, "mps", 1.0, 4, "float16", "none", False, False, 4),
    (5_000, 9_000, "mps", 1.0, 4, "float16", "none", True, False, 2),
    (2_000, 16_000, "cpu", 0.26, 4, "float32", "none", False, False, 4),
    (5_000, 11_000, "cpu", 0.26, 2, "bfloat16", "none", True, False, 2),
    (20, 2_000, "cpu", 0.004, 16, "float32", "none", False, False, 14),
]


@pytest.mark.parametrize(
    ("model", "free", "device", "pixels", "count", "dtype", "offload", "slicing", "tiling", "batch"), TABLE
)
def test_the_plan(
    model: int, free: int, device: str, pixels: float, count: int,
    dtype: str, offload: str, slicing: bool, tiling: bool, batch: int,
) -> None:  # fmt: skip
    made = plan(model, free, device, megapixels=pixels, count=count)
    assert (made.dtype, made.offload, made.attention_slicing, made.vae_tiling, made.batch) == (
        dtype, offload, slicing, tiling, batch,
    )  # fmt: skip
    assert made.fits


def test_bfloat16_where_the_card_has_it() -> None:
    assert plan(2_000, 24_000, "cuda:0", bfloat16=True).dtype == "bfloat16"


@pytest.mark.parametrize(
    ("free", "dtype", "slicing"),
    [(16_000, "bfloat16", False), (3_000, "bfloat16", False), (2_100, "bfloat16", True)],
)
def test_a_processor_that_computes_bfloat16_takes_it(free: int, dtype: str, slicing: bool) -> None:
    made = plan(2_000, free, "cpu", megapixels=0.25, bfloat16=True)
    assert (made.dtype, made.offload, made.attention_slicing) == (dtype, "none", slicing)
    assert plan(2_000, 16_000, "cpu", megapixels=0.25, bfloat16=False).dtype == "float32"


def test_mps_stays_with_float16() -> None:
    assert plan(2_000, 16_000, "mps", bfloat16=True).dtype == "float16"


@pytest.mark.parametrize("device", ["cpu", "mps"])
def test_what_cannot_fit_says_what_it_needs(device: str) -> None:
    made = plan(30_000, 8_000, device)
    assert not made.fits
    assert made.needs_mb > 30_000


@given(
    st.integers(1, 60_000), st.integers(1, 200_000), st.sampled_from(["cpu", "mps", "cuda:0"]),
    st.floats(0.001, 4.0), st.integers(1, 16),
)  # fmt: skip
def test_more_memory_never_makes_it_worse(
    model: int, free: int, device: str, pixels: float, count: int
) -> None:
    small = plan(model, free, device, megapixels=pixels, count=count)
    large = plan(model, free + 10_000, device, megapixels=pixels, count=count)
    order = ("sequential", "model", "none")
    assert 1 <= small.batch <= count
    assert order.index(large.offload) >= order.index(small.offload)
    assert large.fits or not small.fits
    if (small.dtype, small.offload) == (large.dtype, large.offload):
        assert large.batch >= small.batch


def test_weights_are_counted_by_component(tmp_path: Path) -> None:
    for part, side in (("unet", 1000), ("vae", 500)):
        (tmp_path / part).mkdir()
        save_file(
            {"a": np.zeros((side, side), np.float16), "b": np.zeros(7, np.float16)},
            tmp_path / part / "x.safetensors",
        )
    weight = weigh(tmp_path)
    assert weight.largest == pytest.approx(1.000007)
    assert weight.total == pytest.approx(1.250014)


@pytest.mark.parametrize(
    "content", [b"", b"abc", struct.pack("<Q", 10**12) + b"{}", struct.pack("<Q", 2) + b"[]"]
)
def test_a_broken_weight_file(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.safetensors").write_bytes(content)
    with pytest.raises(ModelBroken, match="not a whole safetensors file"):
        weigh(tmp_path)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (RuntimeError("CUDA out of memory. Tried to allocate 2 GiB"), True),
        (RuntimeError("MPS backend out of memory (MPS allocated: …)"), True),
        (RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory"), True),
        (MemoryError(), True),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), False),
    ],
)
def test_out_of_memory_is_told_from_other_errors(error: BaseException, expected: bool) -> None:
    assert is_out_of_memory(error) is expected
