"""Llama models and their LoRA adapters as GGUF, for llama.cpp; quantised by the `gguf` library.

    write_gguf(model, tokenizer, Path("model-q8_0.gguf"), "Q8_0", name="blurbs")
    write_lora_gguf(Path("runs/blurbs/adapter"), model.config, Path("adapter.gguf"))

Tolerances against the same weights in PyTorch, held by tests/forge/test_gguf_write.py: F32 to 0.01 in every
logit (llama.cpp keeps its cache in half precision); the 8- and 4-bit files mean KL ≤ 0.002 and ≤ 0.15 nats a token (SmolLM2 itself: see docs/forge.md).

What is *not* here: other architectures, RoPE scaling, tokenizers that are not byte-pair.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from studio.errors import BadInput
from studio.forge.gguf_names import LAYER, OUTSIDE, PRE_TOKENIZERS
from studio.forge.gguf_round import q4_1

if TYPE_CHECKING:
    import torch

KINDS = ("F32", "F16", "Q8_0", "Q4_1")


def write_gguf(
    model: Any,
    tokenizer: Any,
    path: Path,
    kind: str,
    *,
    name: str,
    licence: str = "",
    products: Mapping[str, torch.Tensor] | None = None,
) -> None:
    """One whole model. `products` (gguf_round.input_products) make four bits keep what was learnt.

    Raises BadInput for a model or tokenizer that has no place in such a file.
    """
    from gguf import GGMLQuantizationType, GGUFWriter, LlamaFileType

    check_architecture(model.config)
    writer = GGUFWriter(path, "llama")
    writer.add_name(name)
    if licence:
        writer.add_license(licence.lower())
    writer.add_file_type(LlamaFileType[{"F32": "ALL_F32"}.get(kind, f"MOSTLY_{kind}")])
    writer.add_quantization_version(2)
    _add_shape(writer, model.config)
    add_tokenizer(writer, tokenizer, model.config.vocab_size)
    known = {gguf_name(key): product for key, product in (products or {}).items()}
    for tensor, values in tensors(model):
        stored = GGMLQuantizationType[_stored_as(tensor, values, kind)]
        packed = _packed(tensor, values, stored, known.get(tensor))
        writer.add_tensor(tensor, packed, raw_dtype=stored)
    _finish(writer)


def write_lora_gguf(adapter: Path, config: Any, path: Path) -> None:
    """An adapter in the format of peft as a GGUF that llama.cpp lays over the base model."""
    from gguf import GGUFWriter
    from safetensors.numpy import load_file

    check_architecture(config)
    told = json.loads((adapter / "adapter_config.json").read_text("utf-8"))
    writer = GGUFWriter(path, "llama")
    writer.add_type("adapter")
    writer.add_string("adapter.type", "lora")
    writer.add_float32("adapter.lora.alpha", float(told["lora_alpha"]))
    for key, values in load_file(adapter / "adapter_model.safetensors").items():
        inner, _, side = key.removeprefix("base_model.model.").removesuffix(".weight").rpartition(".")
        tensor = gguf_name(f"{inner}.weight")
        if side == "lora_B":  # its rows are those of the matrix
            values = _for_rope(tensor, values, config)
        writer.add_tensor(f"{tensor}.{side.lower()}", np.ascontiguousarray(values, np.float32))
    _finish(writer)


def tensors(model: Any) -> Iterator[tuple[str, NDArray[np.float32]]]:
    """Every tensor by its GGUF name, float32; a tied head is left out, since llama.cpp takes the embedding."""
    for key, value in model.state_dict().items():
        if key == "lm_head.weight" and model.config.tie_word_embeddings:
            continue
        tensor = gguf_name(key)
        yield tensor, _for_rope(tensor, value.detach().float().cpu().numpy(), model.config)


def gguf_name(key: str) -> str:
    """ "model.layers.3.mlp.up_proj.weight" → "blk.3.ffn_up.weight"."""
    stem, _, kind = key.rpartition(".")
    if stem in OUTSIDE:
        return f"{OUTSIDE[stem]}.{kind}"
    number, _, inner = stem.removeprefix("model.layers.").partition(".")
    if not number.isdigit() or inner not in LAYER or kind != "weight":
        raise BadInput(f"The tensor {key} has no place in a GGUF of a Llama model.")
    return f"blk.{number}.{LAYER[inner]}.weight"


def check_architecture(config: Any) -> None:
    """Raises BadInput unless llama.cpp's "llama" computes the same."""
    rope = getattr(config, "rope_parameters", None) or {}
    if config.model_type != "llama" or rope.get("rope_type", "default") != "default":
        raise BadInput(
            f"Only plain Llama models become GGUF, not {config.model_type} "
            f"({rope.get('rope_type', 'default')} positions); publish it for transformers instead."
        )


def check_gguf(config: Any, tokenizer: Any) -> None:
    """Raises BadInput unless model and tokenizer both have a place in a GGUF."""
    check_architecture(config)
    _pre_name(json.loads(tokenizer.backend_tokenizer.to_str()))


def add_tokenizer(writer: Any, tokenizer: Any, size: int) -> None:
    """Vocabulary, merges, special tokens and chat template. Raises BadInput for another kind of tokenizer."""
    from gguf import TokenType

    told = json.loads(tokenizer.backend_tokenizer.to_str())
    pre = _pre_name(told)
    vocabulary = {token: int(i) for token, i in told["model"]["vocab"].items()}
    added = {one["content"]: one for one in told["added_tokens"]}
    vocabulary |= {token: int(one["id"]) for token, one in added.items()}
    tokens, types = [f"[PAD{i}]" for i in range(size)], [TokenType.UNUSED] * size
    for token, i in vocabulary.items():
        tokens[i], types[i] = token, TokenType.NORMAL
        if token in added:
            types[i] = TokenType.CONTROL if added[token]["special"] else TokenType.USER_DEFINED
    merges = [one if isinstance(one, str) else " ".join(one) for one in told["model"]["merges"]]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(pre)
    writer.add_token_list(tokens)
    writer.add_token_types(types)
    writer.add_token_merges(merges)
    for name in ("bos", "eos", "unk", "pad"):
        number = getattr(tokenizer, f"{name}_token_id")
        if number is not None:
            getattr(writer, f"add_{name}_token_id")(number)
    writer.add_add_bos_token(False)
    writer.add_add_space_prefix(False)
    if tokenizer.chat_template:
        writer.add_chat_template(tokenizer.chat_template)


def _pre_name(told: dict[str, Any]) -> str:
    """Which of llama.cpp's ways to split text this tokenizer has."""
    pre = told.get("pre_tokenizer") or {}
    parts = pre.get("pretokenizers", [pre])
    plain = [
        {key: one[key] for key in ("type", "individual_digits") if key in one}
        for one in parts
        if not one.get("add_prefix_space") and one.get("use_regex", True)
    ]
    name = next((name for name, known in PRE_TOKENIZERS.items() if known == plain), "")
    if told["model"]["type"] != "BPE" or not name or told.get("normalizer") is not None:
        raise BadInput(
            "Only byte-pair tokenizers of the GPT-2 and SmolLM kind become GGUF; "
            "publish the model for transformers instead."
        )
    return name


def _add_shape(writer: Any, config: Any) -> None:
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_key_length(config.head_dim)
    writer.add_value_length(config.head_dim)
    writer.add_rope_dimension_count(config.head_dim)
    writer.add_rope_freq_base(float(config.rope_parameters["rope_theta"]))
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_vocab_size(config.vocab_size)


def _for_rope(tensor: str, values: NDArray[Any], config: Any) -> NDArray[np.float32]:
    """llama.cpp rotates neighbouring rows of a head, transformers its two halves: reorder the rows."""
    heads = {"attn_q": config.num_attention_heads, "attn_k": config.num_key_value_heads}.get(
        tensor.split(".")[2] if tensor.startswith("blk.") else "", 0
    )
    if not heads:
        return values
    rows, columns = values.shape
    split = values.reshape(heads, 2, rows // heads // 2, columns)
    return np.ascontiguousarray(split.swapaxes(1, 2).reshape(rows, columns))


def _stored_as(tensor: str, values: NDArray[np.float32], kind: str) -> str:
    """Norms stay whole. In the 4-bit file the embedding, which is the head as well, keeps 8 bits."""
    if values.ndim == 1 or kind == "F32":
        return "F32"
    if values.shape[1] % 32 and kind != "F16":
        raise BadInput(
            f"{tensor} has rows of {values.shape[1]} values, which cannot be quantised in blocks of 32; "
            "choose sizes that are multiples of 32."
        )
    return "Q8_0" if kind == "Q4_1" and tensor in ("token_embd.weight", "output.weight") else kind


def _packed(
    tensor: str, values: NDArray[np.float32], stored: Any, product: torch.Tensor | None
) -> NDArray[Any]:
    from gguf import GGMLQuantizationType, quants

    if not np.isfinite(values).all():
        raise BadInput(f"{tensor} holds values that are no numbers; train again with a lower learning rate.")
    if stored == GGMLQuantizationType.Q4_1 and product is not None:
        return q4_1(values, product)
    return np.asarray(quants.quantize(values, stored))


def _finish(writer: Any) -> None:
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
