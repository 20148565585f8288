"""Structural checks of weight files: real writers' output passes, whatever is bent afterwards does not."""

from __future__ import annotations

import io
import json
import pickle
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from studio.errors import ModelBroken
from studio.formats import check_weights

quick = settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def safetensors_bytes(header: object | None = None, data: bytes = b"\0" * 16) -> bytes:
    body = {"w": {"dtype": "F32", "shape": [2, 2], "data_offsets": [0, 16]}} if header is None else header
    text = json.dumps(body).encode()
    return struct.pack("<Q", len(text)) + text + data


def gguf_bytes(tmp_path: Path) -> bytes:
    from gguf import GGUFWriter

    path = tmp_path / "made.gguf"
    writer = GGUFWriter(path, "llama")
    writer.add_name("tiny")
    writer.add_token_list(["a", "b", "c"])
    writer.add_float32("some.float", 1.5)
    writer.add_bool("some.bool", True)
    writer.add_tensor("w", np.ones((4, 8), np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path.read_bytes()


def field(number: int, body: bytes) -> bytes:
    return bytes([number << 3 | 2]) + varint(len(body)) + body


def varint(value: int) -> bytes:
    out = b""
    while value >= 0x80:
        out, value = out + bytes([value & 0x7F | 0x80]), value >> 7
    return out + bytes([value])


def onnx_bytes(tensor: bytes = b"\x08\x01\x10\x01") -> bytes:
    return b"\x08\x08" + field(7, field(5, tensor)) + field(8, b"\x10\x0d")


def ctranslate2_bytes() -> bytes:
    variable = struct.pack("<H", 2) + b"w\0" + struct.pack("<BIBI", 1, 4, 0, 16) + b"\0" * 16
    alias = struct.pack("<H", 2) + b"v\0" + struct.pack("<H", 2) + b"w\0"
    spec = struct.pack("<IH", 6, 12) + b"WhisperSpec\0" + struct.pack("<I", 3)
    return spec + struct.pack("<I", 1) + variable + struct.pack("<I", 1) + alias


def npz_bytes(**arrays: np.ndarray) -> bytes:
    out = io.BytesIO()
    np.savez(out, **(arrays or {"voice": np.ones((3, 4), np.float32)}))
    return out.getvalue()


def npy_bytes(array: np.ndarray) -> bytes:
    out = io.BytesIO()
    np.save(out, array, allow_pickle=True)
    return out.getvalue()


def soundfont_bytes() -> bytes:
    body = b"sfbkLIST\0\0\0\0"
    return b"RIFF" + struct.pack("<I", len(body)) + body


def sample(kind: str, tmp_path: Path) -> tuple[str, bytes]:
    return {
        "safetensors": ("m.safetensors", safetensors_bytes()),
        "gguf": ("m.gguf", gguf_bytes(tmp_path)),
        "onnx": ("m.onnx", onnx_bytes()),
        "ctranslate2": ("model.bin", ctranslate2_bytes()),
        "npz": ("voices.npz", npz_bytes()),
        "npy": ("v.npy", npy_bytes(np.ones(5))),
        "soundfont": ("s.sf3", soundfont_bytes()),
        "json": ("c.json", b'{"a": 1}'),
        "text": ("MODEL_CARD", "Für alle.".encode()),
    }[kind]


KINDS = ["safetensors", "gguf", "onnx", "ctranslate2", "npz", "npy", "soundfont", "json", "text"]
# Formats whose every byte count is written down, so that any cut shows.
FRAMED = ["safetensors", "gguf", "onnx", "ctranslate2", "npz", "npy", "soundfont"]


def put(tmp_path: Path, name: str, data: bytes) -> Path:
    path = tmp_path / name
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("kind", KINDS)
def test_sound_files_pass(kind: str, tmp_path: Path) -> None:
    assert check_weights(put(tmp_path, *sample(kind, tmp_path))) == kind


def test_what_the_real_writers_write_passes(tmp_path: Path) -> None:
    from safetensors.numpy import save_file

    for width in (1, 3, 40):
        tensors = {f"layer.{n}.weight": np.ones((n + 1, width), np.float16) for n in range(width)}
        save_file(tensors, tmp_path / "real.safetensors", metadata={"format": "pt"})
        assert check_weights(tmp_path / "real.safetensors") == "safetensors"


@pytest.mark.parametrize("length", [0x280, 0x380, 0x4B50])
def test_a_header_length_that_looks_like_pickle_or_zip_is_still_safetensors(
    length: int, tmp_path: Path
) -> None:
    text = json.dumps({"w": {"dtype": "U8", "shape": [1], "data_offsets": [0, 1]}}).encode().ljust(length)
    path = put(tmp_path, "m.safetensors", struct.pack("<Q", length) + text + b"\0")
    assert check_weights(path) == "safetensors"


@pytest.mark.parametrize("kind", FRAMED)
@quick
@given(data=st.data())
def test_every_cut_is_noticed(kind: str, data: st.DataObject, tmp_path: Path) -> None:
    name, whole = sample(kind, tmp_path)
    cut = data.draw(st.integers(0, len(whole) - 2))
    with pytest.raises(ModelBroken, match="pull the model again"):
        check_weights(put(tmp_path, name, whole[:cut]))


@pytest.mark.parametrize("kind", KINDS)
@quick
@given(data=st.data())
def test_bent_bytes_pass_or_are_refused_but_never_crash(
    kind: str, data: st.DataObject, tmp_path: Path
) -> None:
    name, whole = sample(kind, tmp_path)
    bent = bytearray(whole)
    for at, value in data.draw(
        st.lists(st.tuples(st.integers(0, len(whole) - 1), st.integers(0, 255)), max_size=6)
    ):
        bent[at] = value
    try:
        check_weights(put(tmp_path, name, bytes(bent)))
    except ModelBroken as refusal:
        assert str(refusal).count("\n") == 0


@quick
@given(
    junk=st.binary(min_size=1, max_size=400),
    name=st.sampled_from(["m.safetensors", "m.gguf", "m.onnx", "model.bin"]),
)
def test_junk_is_never_taken_for_weights(junk: bytes, name: str, tmp_path: Path) -> None:
    with pytest.raises(ModelBroken):
        check_weights(put(tmp_path, name, junk))


def test_our_check_of_safetensors_is_at_least_as_strict_as_the_library(tmp_path: Path) -> None:
    from safetensors.numpy import load_file

    headers = [
        {"w": {"dtype": "F32", "shape": [2, 2], "data_offsets": [0, 12]}},
        {"w": {"dtype": "F32", "shape": [2, 2], "data_offsets": [4, 20]}},
        {"w": {"dtype": "F32", "shape": [2, -2], "data_offsets": [0, 16]}},
        {"w": {"dtype": "X32", "shape": [2, 2], "data_offsets": [0, 16]}},
        {
            "a": {"dtype": "F32", "shape": [3], "data_offsets": [0, 12]},
            "b": {"dtype": "F32", "shape": [2], "data_offsets": [8, 16]},
        },
        {"w": [1, 2]},
        [1],
    ]
    for header in headers:
        path = put(tmp_path, "m.safetensors", safetensors_bytes(header))
        with pytest.raises(Exception):  # noqa: B017 (the library raises several types of its own)
            load_file(path)
        with pytest.raises(ModelBroken):
            check_weights(path)


def torch_zip() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps({"w": 1}))
    return out.getvalue()


@pytest.mark.parametrize(
    ("name", "data", "why"),
    [
        ("pytorch_model.bin", pickle.dumps([1]), "pickle"),
        ("model.pt", torch_zip(), "pickle"),
        ("model.ckpt", b"anything", "pickle"),
        ("model.bin", torch_zip(), "zip archive"),
        ("model.safetensors", torch_zip(), "its content is npz"),
        ("model.safetensors", pickle.dumps([1] * 50), "header claims"),
        ("model.onnx", torch_zip(), "zip archive"),
        ("model.json", torch_zip(), "zip archive"),
        ("voices.npz", torch_zip(), "something else than arrays"),
        ("voices.npz", npz_bytes(a=np.array([{}], object)), "pickled objects"),
        ("v.npy", npy_bytes(np.array([{}], object)), "pickled objects"),
        ("config.json", b"[" * 200_000, "JSON is damaged"),
        ("config.json", b"{'a': 1}", "JSON is damaged"),
        ("modeling.py", b"print(1)", "are not taken"),
        ("README.md", b"\xff\xfe", "not text"),
        ("LICENSE", b"", "empty"),
        ("model.gguf", safetensors_bytes(), "not gguf"),
        ("model.onnx", soundfont_bytes(), "its content is soundfont"),
        ("model.onnx", onnx_bytes(field(13, b"location")), "another file"),
    ],
)
def test_unsafe_and_swapped_files_are_refused_with_one_sentence(
    name: str, data: bytes, why: str, tmp_path: Path
) -> None:
    with pytest.raises(ModelBroken, match=why) as refusal:
        check_weights(put(tmp_path, name, data))
    assert name in str(refusal.value) and str(refusal.value).endswith(".")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelBroken, match=r"gone\.gguf cannot be read"):
        check_weights(tmp_path / "gone.gguf")


@quick
@given(count=st.integers(2**20, 2**63), place=st.sampled_from([8, 16]))
def test_claimed_counts_never_cost_memory(count: int, place: int, tmp_path: Path) -> None:
    head = bytearray(b"GGUF" + struct.pack("<IQQ", 3, 1, 1))
    head[place : place + 8] = struct.pack("<Q", count)
    with pytest.raises(ModelBroken):
        check_weights(put(tmp_path, "m.gguf", bytes(head)))
