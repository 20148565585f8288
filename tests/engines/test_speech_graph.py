"""The rewritten graph computes the very same integers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from studio.engines.speech_graph import products_are_exact, with_products
from studio.settings import ROOT


def convolution(
    path: Path, channels: tuple[int, int], taps: int, dilation: int, stride: int = 1, group: int = 1
) -> Path:
    draw = np.random.default_rng(taps)
    kernel = draw.integers(0, 256, (channels[0], channels[1] // group, taps)).astype(np.uint8)
    pad = dilation * (taps - 1) // 2
    node = helper.make_node(
        "ConvInteger", ["x", "w", "x_zero", "w_zero"], ["y"], kernel_shape=[taps], pads=[pad, pad], dilations=[dilation],
        strides=[stride], group=group, name="conv",
    )  # fmt: skip
    graph = helper.make_graph(
        [node],
        "g",
        [
            helper.make_tensor_value_info("x", TensorProto.UINT8, [1, channels[1], None]),
            helper.make_tensor_value_info("x_zero", TensorProto.UINT8, []),
        ],
        [helper.make_tensor_value_info("y", TensorProto.INT32, None)],
        [numpy_helper.from_array(kernel, "w"), numpy_helper.from_array(np.array(113, np.uint8), "w_zero")],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), str(path))
    return path


def run(model: Any, inputs: dict[str, Any]) -> Any:
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    return session.run(None, inputs)[0]


@pytest.mark.skipif(
    not products_are_exact(), reason="this processor saturates signed products; the graph stays as it came"
)
@pytest.mark.parametrize("taps", [1, 3, 7, 11])
@pytest.mark.parametrize("dilation", [1, 3, 5])
@pytest.mark.parametrize("length", [1, 12, 301])
def test_the_same_integers(tmp_path: Path, taps: int, dilation: int, length: int) -> None:
    path = convolution(tmp_path / "c.onnx", (16, 24), taps, dilation)
    inputs = {
        "x": np.random.default_rng(1).integers(0, 256, (1, 24, length)).astype(np.uint8),
        "x_zero": np.array(140, np.uint8),
    }
    made = with_products(path)
    assert np.array_equal(run(str(path), inputs), run(made, inputs))
    assert "ConvInteger" not in {node.op_type for node in onnx.load_from_string(made).graph.node}


@pytest.mark.parametrize("other", [{"stride": 2}, {"group": 2}])
def test_what_it_does_not_know_stays(tmp_path: Path, other: dict[str, int]) -> None:
    path = convolution(tmp_path / "c.onnx", (16, 24), 3, 1, **other)
    made = onnx.load_from_string(with_products(path))
    assert [node.op_type for node in made.graph.node] == ["ConvInteger"]


@pytest.mark.real
@pytest.mark.skipif(
    not products_are_exact(), reason="this processor saturates signed products; the graph stays as it came"
)
def test_the_voice_sounds_the_same_to_the_bit() -> None:
    folder = ROOT / "checkpoints" / "kokoro-82m"
    with np.load(folder / "voices.npz") as file:
        style = file["jf_alpha"][12]
    inputs = {
        "tokens": np.array([[0, 50, 83, 54, 156, 57, 135, 3, 16, 65, 156, 87, 123, 54, 46, 4, 0]]),
        "style": style,
        "speed": np.ones(1, np.float32),
    }
    path = folder / "model.onnx"
    assert np.array_equal(run(str(path), inputs), run(with_products(path), inputs))
