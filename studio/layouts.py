"""The layouts of weight files: what must hold so that every tensor lies within the file.

One function a format; each raises Malformed. Sources: the safetensors format description, gguf.md of
ggml, onnx.proto, and CTranslate2's model serialisation.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Callable
from typing import Any

from studio.bounded import Bounded, Malformed

MAX_HEADER = 100 * 2**20  # the limit that the safetensors library sets


def safetensors(file: Bounded) -> None:
    length = file.number("Q")
    if not 2 <= length <= min(MAX_HEADER, file.size - 8):
        raise Malformed(f"its header claims {length} bytes")
    header = _json_object(file.read(length))
    metadata = header.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(v, str) for v in metadata.values()):
        raise Malformed("its metadata is not text")
    spans = sorted(_safetensors_span(name, spec) for name, spec in header.items())
    end = 0
    for start, stop, name in spans:
        if start != end:
            raise Malformed(f"tensor {name[:60]!r} overlaps another or leaves a gap")
        end = stop
    if end != file.size - file.at:
        raise Malformed("its tensors do not fill the file exactly, it is truncated or has something appended")


def _safetensors_span(name: str, spec: Any) -> tuple[int, int, str]:
    wrong = Malformed(f"tensor {name[:60]!r} is described wrongly")
    if not isinstance(spec, dict) or set(spec) != {"dtype", "shape", "data_offsets"}:
        raise wrong
    shape, offsets, bits = spec["shape"], spec["data_offsets"], SAFETENSORS_BITS.get(str(spec["dtype"]))
    for numbers in (shape, offsets):
        if not isinstance(numbers, list) or any(type(n) is not int or not 0 <= n < 2**63 for n in numbers):
            raise wrong
    if bits is None or len(offsets) != 2 or (offsets[1] - offsets[0]) * 8 != math.prod(shape) * bits:
        raise wrong
    return offsets[0], offsets[1], name


def gguf(file: Bounded) -> None:
    file.skip(4)
    version = file.number("I")
    if version not in (2, 3):
        raise Malformed(f"GGUF version {version} is unknown")
    tensors, entries = file.count("Q", "tensors"), file.count("Q", "entries")
    alignment = 32
    for _ in range(entries):
        key = file.read(file.count("Q", "bytes in a name", 65_535))
        value = _gguf_value(file, file.number("I"))
        if key == b"general.alignment":
            alignment = value if isinstance(value, int) else 0
    if alignment <= 0 or alignment % 8:
        raise Malformed("its alignment is wrong")
    ends = [_gguf_tensor(file) for _ in range(tensors)]
    data = -(-file.at // alignment) * alignment
    if tensors == 0 or data + max(ends) > file.size:
        raise Malformed("it is truncated")


def _gguf_value(file: Bounded, kind: int, depth: int = 0) -> int | None:
    if kind in GGUF_NUMBERS:
        return file.number(GGUF_NUMBERS[kind])
    if kind in (6, 12):  # float32, float64
        file.skip(4 if kind == 6 else 8)
    elif kind == 8:
        file.skip(file.number("Q"))
    elif kind == 9 and depth < 4:
        inner, length = file.number("I"), file.count("Q", "array items", 10_000_000)
        width = {6: 4, 12: 8}.get(inner) or (
            struct.calcsize(GGUF_NUMBERS[inner]) if inner in GGUF_NUMBERS else 0
        )
        if width:
            file.skip(width * length)
        else:
            for _ in range(length):
                _gguf_value(file, inner, depth + 1)
    else:
        raise Malformed("an entry of its header is of an unknown type")
    return None


def _gguf_tensor(file: Bounded) -> int:
    """Where the tensor ends, counted from the start of the data."""
    from gguf.constants import GGML_QUANT_SIZES, GGMLQuantizationType

    file.skip(file.count("Q", "bytes in a name", 65_535))
    items = math.prod(file.number("Q") for _ in range(file.count("I", "dimensions", 8)))
    kind, offset = file.number("I"), file.number("Q")
    try:
        block, width = GGML_QUANT_SIZES[GGMLQuantizationType(kind)]
    except (ValueError, KeyError):
        raise Malformed(f"tensor type {kind} is unknown") from None
    return int(offset + items // block * width)


def onnx(file: Bounded) -> None:
    """ModelProto of onnx.proto: ir_version (1), graph (7) and opset_import (8) must be there."""
    seen = _fields(file, file.size, {7: _onnx_graph})
    if not {1, 7, 8} <= seen or not seen <= ONNX_FIELDS:
        raise Malformed("its content is not onnx")


def _onnx_graph(file: Bounded, end: int) -> None:
    _fields(file, end, {5: _onnx_tensor})


def _onnx_tensor(file: Bounded, end: int) -> None:
    """TensorProto: external_data (13) names another file, which could lie anywhere."""
    if 13 in _fields(file, end, {}):
        raise Malformed("it keeps tensors in another file")


def _fields(file: Bounded, end: int, inside: dict[int, Callable[[Bounded, int], None]]) -> set[int]:
    """The field numbers of one protobuf message; every length must stay within it."""
    seen: set[int] = set()
    while file.at < end:
        tag = file.varint()
        number, wire = tag >> 3, tag & 7
        seen.add(number)
        if wire == 0:
            file.varint()
        elif wire == 2:
            length = file.varint()
            stop = file.at + length
            if stop > end:
                raise Malformed("a part of it is longer than the whole")
            if number in inside:
                inside[number](file, stop)
            else:
                file.skip(length)
        elif wire in (1, 5):
            file.skip(8 if wire == 1 else 4)
        else:
            raise Malformed("its content is not onnx")
    if file.at != end:
        raise Malformed("it ends too early")
    return seen


def ctranslate2(file: Bounded) -> None:
    """CTranslate2's binary model, version 4 or later: a spec name, variables, aliases, end of file."""
    version = file.number("I")
    spec = file.read(file.number("H")) if 4 <= version <= 16 else b""
    if not spec.endswith(b"Spec\0"):
        raise Malformed("its content is of no known format; use safetensors, GGUF or ONNX instead")
    file.skip(4)
    for _ in range(file.count("I", "variables")):
        file.skip(file.number("H"))
        file.skip(4 * file.number("B") + 1)
        file.skip(file.number("I"))
    for _ in range(file.count("I", "aliases")):
        file.skip(file.number("H"))
        file.skip(file.number("H"))
    if file.at != file.size:
        raise Malformed("it has something appended")


def json_value(data: bytes) -> Any:
    try:
        return json.loads(data.decode("utf-8"))
    except (UnicodeDecodeError, ValueError, RecursionError):
        raise Malformed("its JSON is damaged") from None


def _json_object(data: bytes) -> dict[str, Any]:
    value = json_value(data)
    if not isinstance(value, dict):
        raise Malformed("its header is not a JSON object")
    return value


SAFETENSORS_BITS = {
    **dict.fromkeys(("BOOL", "U8", "I8", "F8_E5M2", "F8_E4M3", "F8_E8M0"), 8),
    **dict.fromkeys(("I16", "U16", "F16", "BF16"), 16),
    **dict.fromkeys(("I32", "U32", "F32"), 32),
    **dict.fromkeys(("I64", "U64", "F64", "C64"), 64),
    **{"F4": 4, "F6_E2M3": 6, "F6_E3M2": 6},
}
GGUF_NUMBERS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 7: "B", 10: "Q", 11: "q"}
ONNX_FIELDS = {1, 2, 3, 4, 5, 6, 7, 8, 14, 20, 25, 26}
