"""Voice models' graphs, rewritten before they are loaded.

`with_products`: integer convolutions as matrix products, the same numbers, faster.
onnxruntime computes ConvInteger by unsigned products, at about a third of the speed it reaches for
MatMulInteger with signed weights, which newer processors multiply four at a time (VNNI). Both are exact
integer arithmetic, so the sound is the same to the bit. A processor without such instructions saturates
on the way; `products_are_exact` finds out by computing, and then the graph stays as it came.

`with_given_noise`: random tensors become an input, so that whoever calls the model has the dice.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

_END = 2**62
NOISE = (
    "noise"  # the input that `with_given_noise` adds: float32 (any length,), repeated where it is too short
)
_APART = 7_919  # where in the noise the next tensor begins


def products_are_exact() -> bool:
    """Whether unsigned times signed 8-bit products sum up exactly on this processor."""
    import numpy as np
    import onnxruntime
    from onnx import TensorProto, helper, numpy_helper

    draw = np.random.default_rng(0)
    left = draw.integers(200, 256, (64, 320)).astype(np.uint8)  # large on purpose: saturation must show
    right = draw.choice(np.array([-128, -127, 126, 127], np.int8), (320, 64))
    graph = helper.make_graph(
        [helper.make_node("MatMulInteger", ["left", "right", "zero"], ["sum"])],
        "exact",
        [
            helper.make_tensor_value_info("left", TensorProto.UINT8, [64, 320]),
            helper.make_tensor_value_info("zero", TensorProto.UINT8, []),
        ],
        [helper.make_tensor_value_info("sum", TensorProto.INT32, [64, 64])],
        [numpy_helper.from_array(right, "right")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {"left": left, "zero": np.array(3, np.uint8)})
    return bool(np.array_equal(found, (left.astype(np.int64) - 3) @ right.astype(np.int64)))


def with_products(path: Path) -> bytes:
    """The ONNX model at `path` with every convolution it can rewrite; others stay."""
    import onnx

    model = onnx.load(str(path))
    graph = model.graph
    weights = {tensor.name: tensor for tensor in graph.initializer}
    nodes: list[Any] = []
    for node in graph.node:
        made = _products(node, weights, graph) if node.op_type == "ConvInteger" else None
        nodes += made or [node]
    kept = {name for node in nodes for name in node.input}
    tensors = [tensor for tensor in graph.initializer if tensor.name in kept]
    fresh = onnx.GraphProto(
        name=graph.name, node=nodes, initializer=tensors, input=graph.input, output=graph.output
    )
    model.graph.CopyFrom(fresh)
    return bytes(model.SerializeToString())


def _products(node: Any, weights: dict[str, Any], graph: Any) -> list[Any] | None:
    """Nodes that compute `node`: pad, one shifted copy per tap of the kernel side by side, one product.

    None where it is not a plain convolution over time with constant weights.
    """
    import numpy as np
    from onnx import helper, numpy_helper

    given = {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}
    if len(node.input) < 4 or node.input[1] not in weights or node.input[3] not in weights:
        return None
    kernel = numpy_helper.to_array(weights[node.input[1]])
    zero = numpy_helper.to_array(weights[node.input[3]])
    plain = given.get("group", 1) == 1 and list(given.get("strides", [1])) == [1]
    if not plain or kernel.ndim != 3 or kernel.dtype != np.uint8 or zero.size != 1:
        return None
    pads, (step,) = list(given.get("pads", [0, 0])), list(given.get("dilations", [1]))
    channels_out, channels_in, taps = kernel.shape
    name, (x, _, x_zero, _), y = node.name or node.output[0], node.input[:4], node.output[0]

    def constant(part: str, value: Any) -> str:
        graph.initializer.append(numpy_helper.from_array(value, f"{name}/{part}"))
        weights[f"{name}/{part}"] = graph.initializer[-1]
        return f"{name}/{part}"

    matrix = kernel.transpose(2, 1, 0).reshape(taps * channels_in, channels_out)
    signed = constant("signed", (matrix.astype(np.int16) - 128).astype(np.int8))
    signed_zero = constant("signed_zero", np.array(int(zero.reshape(-1)[0]) - 128, np.int8))
    rows, padded, side_by_side, product = (f"{name}/{part}" for part in ("rows", "padded", "taps", "product"))
    made = [helper.make_node("Transpose", [x], [rows], perm=[0, 2, 1])]
    edges = constant("edges", np.array([0, pads[0], 0, 0, pads[1], 0], np.int64))
    made.append(helper.make_node("Pad", [rows, edges, x_zero], [padded]))
    axis, reach, shifted = constant("axis", np.array([1], np.int64)), step * (taps - 1), []
    for tap in range(taps):
        end = tap * step - reach
        start_name = constant(f"start{tap}", np.array([tap * step], np.int64))
        end_name = constant(f"end{tap}", np.array([end or _END], np.int64))
        shifted.append(f"{name}/tap{tap}")
        made.append(helper.make_node("Slice", [padded, start_name, end_name, axis], [shifted[-1]]))
    made.append(helper.make_node("Concat", shifted, [side_by_side], axis=2))
    made.append(helper.make_node("MatMulInteger", [side_by_side, signed, x_zero, signed_zero], [product]))
    return [*made, helper.make_node("Transpose", [product], [y], perm=[0, 2, 1])]


def with_given_noise(path: Path) -> bytes:
    """The ONNX model at `path` with each RandomNormalLike reading from the input `NOISE` instead.

    Raises ValueError for one that asks for another mean, scale or type than standard normal float32.
    """
    import numpy as np
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    model = onnx.load(str(path), load_external_data=False)
    graph = model.graph
    nodes = [helper.make_node("Size", [NOISE], [f"{NOISE}/length"])]
    for number, node in enumerate(graph.node):
        if node.op_type != "RandomNormalLike":
            nodes.append(node)
            continue
        given = {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}
        if (
            given.get("mean", 0.0) != 0
            or given.get("scale", 1.0) != 1
            or given.get("dtype", 1) != TensorProto.FLOAT
        ):
            raise ValueError(f"{node.name} draws other noise than standard normal float32")
        part = {
            key: f"{NOISE}/{number}/{key}"
            for key in ("shape", "size", "end", "count", "place", "drawn", "start")
        }
        graph.initializer.append(numpy_helper.from_array(np.array(number * _APART, np.int64), part["start"]))
        nodes += [
            helper.make_node("Shape", [node.input[0]], [part["shape"]]),
            helper.make_node("Size", [node.input[0]], [part["size"]]),
            helper.make_node("Add", [part["size"], part["start"]], [part["end"]]),
            helper.make_node("Range", [part["start"], part["end"], f"{NOISE}/one"], [part["count"]]),
            helper.make_node("Mod", [part["count"], f"{NOISE}/length"], [part["place"]]),
            helper.make_node("Gather", [NOISE, part["place"]], [part["drawn"]]),
            helper.make_node("Reshape", [part["drawn"], part["shape"]], [node.output[0]]),
        ]
    graph.initializer.append(numpy_helper.from_array(np.array(1, np.int64), f"{NOISE}/one"))
    graph.input.append(helper.make_tensor_value_info(NOISE, TensorProto.FLOAT, ["noise_length"]))
    del graph.node[:]
    graph.node.extend(nodes)
    return bytes(model.SerializeToString())
