"""The files against PyTorch, computed by the llama.cpp that the studio ships."""

from __future__ import annotations

import ctypes
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from tiny_lm import tiny_llama, tiny_tokenizer

from studio.catalog import Catalog
from studio.engines.llama_model import LlamaModel, Row
from studio.errors import BadInput
from studio.forge.gguf_read import GgufModel
from studio.forge.gguf_write import write_gguf, write_lora_gguf
from studio.nets.lora import LoraNet
from studio.settings import Settings

TEXT = "Sell a blue kettle: this kettle is 27 years old, naïve & 東京!"


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return tiny_tokenizer()


def llama_logits(path: Path, ids: list[int], adapter: Path | None = None) -> NDArray[np.float32]:
    """(tokens, vocabulary), each token's logits by llama.cpp."""
    model = LlamaModel(path)
    context = model.context(1, 256, 1)
    if adapter is not None:
        _lay_over(model, context, adapter)
    found = []
    for place, token in enumerate(ids):
        context.decode([Row(token, place, 0, True)])
        found.append(context.logits(0).copy())
    context.close()
    model.close()
    return np.stack(found)


def _lay_over(model: Any, context: Any, adapter: Path) -> None:
    library = model._library
    load = library.llama_adapter_lora_init
    load.restype, load.argtypes = ctypes.c_void_p, [ctypes.c_void_p, ctypes.c_char_p]
    lora = load(model._model, str(adapter).encode())
    assert lora, "llama.cpp does not take the adapter"
    put = library.llama_set_adapters_lora
    put.restype = ctypes.c_int32
    put.argtypes = [
        ctypes.c_void_p,
        ctypes.POINTER(ctypes.c_void_p),
        ctypes.c_size_t,
        ctypes.POINTER(ctypes.c_float),
    ]
    assert put(context._context, (ctypes.c_void_p * 1)(lora), 1, (ctypes.c_float * 1)(1.0)) == 0


def torch_logits(model: Any, ids: list[int]) -> NDArray[np.float32]:
    with torch.no_grad():
        return np.asarray(model(torch.tensor([ids])).logits[0].float().numpy())


def divergence(one: NDArray[np.float32], two: NDArray[np.float32]) -> float:
    """Mean KL(one ‖ two) in nats a token."""
    p, q = (torch.log_softmax(torch.from_numpy(logits).double(), -1) for logits in (one, two))
    return float((p.exp() * (p - q)).sum(-1).mean())


@pytest.mark.parametrize("tied", [True, False])
def test_a_whole_file_equals_pytorch(tokenizer: Any, tmp_path: Path, tied: bool) -> None:
    model = tiny_llama(len(tokenizer), tied)
    write_gguf(model, tokenizer, tmp_path / "m.gguf", "F32", name="tiny")
    ids = tokenizer(TEXT)["input_ids"]
    np.testing.assert_allclose(llama_logits(tmp_path / "m.gguf", ids), torch_logits(model, ids), atol=1e-2)


@pytest.mark.parametrize(("kind", "allowed"), [("F16", 1e-5), ("Q8_0", 0.002), ("Q4_1", 0.15)])
def test_smaller_files_stay_within_their_tolerance(
    tokenizer: Any, tmp_path: Path, kind: str, allowed: float
) -> None:
    model = tiny_llama(len(tokenizer))
    write_gguf(model, tokenizer, tmp_path / "m.gguf", kind, name="tiny")
    ids = tokenizer(TEXT)["input_ids"]
    assert divergence(torch_logits(model, ids), llama_logits(tmp_path / "m.gguf", ids)) < allowed


def test_text_becomes_the_same_tokens(tokenizer: Any, tmp_path: Path) -> None:
    write_gguf(tiny_llama(len(tokenizer)), tokenizer, tmp_path / "m.gguf", "F16", name="tiny")
    model = LlamaModel(tmp_path / "m.gguf", vocabulary_only=True)
    asked = f"<|im_start|>user\n{TEXT}<|im_end|>\n"
    assert model.tokenize(asked, special=True) == tokenizer(asked)["input_ids"]
    assert model.tokenize("in 1984, 3.14") == tokenizer("in 1984, 3.14")["input_ids"]
    assert model.chat_template == tokenizer.chat_template
    assert model.is_end(tokenizer.eos_token_id) and model.bos == "<|im_start|>"
    model.close()


def test_an_adapter_over_its_base_equals_the_merged_model(tokenizer: Any, tmp_path: Path) -> None:
    base = tiny_llama(len(tokenizer))
    write_gguf(base, tokenizer, tmp_path / "base.gguf", "F32", name="tiny")
    net = LoraNet(base, rank=4, alpha=8.0, dropout=0.0)
    with torch.no_grad():
        for one in net.parameters():
            one.add_(torch.randn_like(one) * 0.05)
    net.save_adapter(tmp_path / "adapter", "tiny")
    write_lora_gguf(tmp_path / "adapter", base.config, tmp_path / "lora.gguf")
    ids = tokenizer(TEXT)["input_ids"]
    merged = torch_logits(net.merged(), ids)
    plain = llama_logits(tmp_path / "base.gguf", ids)
    assert np.abs(plain - merged).max() > 0.05  # the adapter does something
    laid = llama_logits(tmp_path / "base.gguf", ids, tmp_path / "lora.gguf")
    np.testing.assert_allclose(laid, merged, atol=1e-2)


def test_a_file_read_back_is_the_model_it_was_written_from(tokenizer: Any, tmp_path: Path) -> None:
    model = tiny_llama(len(tokenizer))
    write_gguf(model, tokenizer, tmp_path / "m.gguf", "F32", name="tiny")
    read = GgufModel(tmp_path / "m.gguf")
    state, again = model.state_dict(), read.model().state_dict()
    assert state.keys() == again.keys() and all(torch.equal(state[key], again[key]) for key in state)
    assert read.tokenizer()(TEXT)["input_ids"] == tokenizer(TEXT)["input_ids"]
    assert read.tokenizer().chat_template == tokenizer.chat_template


def test_what_has_no_place_is_refused(tokenizer: Any, tmp_path: Path) -> None:
    model = tiny_llama(len(tokenizer))
    model.config.rope_parameters = {"rope_type": "yarn", "rope_theta": 1e4}
    with pytest.raises(BadInput, match="Only plain Llama models become GGUF"):
        write_gguf(model, tokenizer, tmp_path / "m.gguf", "F16", name="tiny")
    broken = tiny_llama(len(tokenizer))
    broken.model.norm.weight.data[0] = float("nan")
    with pytest.raises(BadInput, match="no numbers"):
        write_gguf(broken, tokenizer, tmp_path / "m.gguf", "Q8_0", name="tiny")


@pytest.mark.real
def test_smollm2_is_read_and_tokenised_as_llama_cpp_does() -> None:
    entry = Catalog.read(Settings.read({})).require("smollm2-135m")
    path = entry.folder / entry.files[0].path
    read = GgufModel(path)
    tokenizer = read.tokenizer()
    asked = tokenizer.apply_chat_template(
        [{"role": "user", "content": "Sell 24 lamps, naïve & 東京!"}],
        add_generation_prompt=True,
        tokenize=False,
    )
    ids = tokenizer(asked)["input_ids"]
    model = LlamaModel(path, vocabulary_only=True)
    assert model.tokenize(asked, special=True) == ids
    model.close()
    assert divergence(torch_logits(read.model(), ids), llama_logits(path, ids)) < 0.02
