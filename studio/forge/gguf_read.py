"""A Llama model and its tokenizer out of a GGUF, de-quantised to float32, ready to be trained.

Read with the `gguf` library in one go. transformers can read such files, too, but takes five times as long,
marks the model as quantised, and forgets the digits that SmolLM2's tokenizer splits first: training would see
other tokens than llama.cpp does afterwards.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from studio.errors import ModelBroken
from studio.forge.gguf_names import LAYER, OUTSIDE, PRE_TOKENIZERS, pre_tokenizer
from studio.formats import check_weights


class GgufModel:
    """One file. Raises ModelBroken for another architecture or tokenizer than this reads."""

    def __init__(self, file: Path) -> None:
        from gguf import GGUFReader

        check_weights(file)
        self.file = file
        self._reader = GGUFReader(file)
        if (
            self._told("general.architecture") != "llama"
            or self._told("llama.rope.scaling.type", "none") != "none"
        ):
            self._refuse("its architecture is not plain Llama")

    def model(self) -> Any:
        """LlamaForCausalLM in float32, in evaluation mode."""
        import torch
        from gguf.quants import dequantize
        from transformers import GenerationConfig, LlamaForCausalLM

        config = self._config()
        named = {tensor.name: tensor for tensor in self._reader.tensors}
        config.tie_word_embeddings = "output.weight" not in named
        model = LlamaForCausalLM(config)
        state = {}
        for name, tensor in named.items():
            key = self._key(name)
            if key is not None:
                values = np.array(dequantize(tensor.data, tensor.tensor_type), np.float32)
                state[key] = torch.from_numpy(_from_rope(name, values, config))
        if config.tie_word_embeddings:
            state["lm_head.weight"] = state.get("model.embed_tokens.weight")
        try:
            model.load_state_dict(state)
        except (RuntimeError, TypeError, AttributeError) as error:
            self._refuse(f"its tensors do not fit ({str(error).splitlines()[0][:120]})")
        model.generation_config = GenerationConfig(eos_token_id=config.eos_token_id)
        return model.eval()

    def tokenizer(self) -> Any:
        """The byte-pair tokenizer with its control tokens and chat template."""
        from gguf import TokenType
        from tokenizers import AddedToken, Tokenizer, decoders, models
        from transformers import PreTrainedTokenizerFast

        kind, pre = self._told("tokenizer.ggml.model"), self._told("tokenizer.ggml.pre", "gpt-2")
        if kind != "gpt2" or pre not in PRE_TOKENIZERS:
            self._refuse(f"its tokenizer ({kind}, {pre}) is not one of: {', '.join(PRE_TOKENIZERS)}")
        tokens, types = self._told("tokenizer.ggml.tokens"), self._told("tokenizer.ggml.token_type")
        merges = [tuple(merge.split(" ", 1)) for merge in self._told("tokenizer.ggml.merges")]
        made = Tokenizer(models.BPE({token: i for i, token in enumerate(tokens)}, merges))
        made.pre_tokenizer = pre_tokenizer(pre)
        made.decoder = decoders.ByteLevel()
        control = [t for t, kind in zip(tokens, types, strict=True) if kind == TokenType.CONTROL]
        made.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in control])
        names = {
            f"{short}_token": tokens[number]
            for short, long in (("bos", "bos"), ("eos", "eos"), ("unk", "unknown"), ("pad", "padding"))
            if (number := self._told(f"tokenizer.ggml.{long}_token_id")) is not None
        }
        return PreTrainedTokenizerFast(
            tokenizer_object=made,
            chat_template=self._told("tokenizer.chat_template"),
            clean_up_tokenization_spaces=False,
            **names,
        )

    def _config(self) -> Any:
        from transformers import LlamaConfig

        def size(key: str) -> int:
            return int(self._told(f"llama.{key}"))

        width, heads = size("embedding_length"), size("attention.head_count")
        return LlamaConfig(
            vocab_size=len(self._told("tokenizer.ggml.tokens")),
            hidden_size=width,
            intermediate_size=size("feed_forward_length"),
            num_hidden_layers=size("block_count"),
            num_attention_heads=heads,
            num_key_value_heads=int(self._told("llama.attention.head_count_kv", heads)),
            head_dim=int(self._told("llama.attention.key_length", width // heads)),
            max_position_embeddings=size("context_length"),
            rms_norm_eps=float(self._told("llama.attention.layer_norm_rms_epsilon")),
            rope_parameters={
                "rope_type": "default",
                "rope_theta": float(self._told("llama.rope.freq_base", 10_000.0)),
            },
            bos_token_id=self._told("tokenizer.ggml.bos_token_id"),
            eos_token_id=self._told("tokenizer.ggml.eos_token_id"),
            pad_token_id=self._told("tokenizer.ggml.padding_token_id"),
        )

    def _told(self, key: str, default: Any = None) -> Any:
        field = self._reader.fields.get(key)
        if field is None and default is None and not key.startswith("tokenizer."):
            self._refuse(f"it does not say {key}")
        return default if field is None else field.contents()

    def _key(self, name: str) -> str | None:
        """ "blk.3.ffn_up.weight" → "model.layers.3.mlp.up_proj.weight"; None for what is computed instead."""
        if name == "rope_freqs.weight":
            self._refuse("it scales its positions")
        outside = {short: long for long, short in OUTSIDE.items()}
        inside = {short: long for long, short in LAYER.items()}
        stem, _, kind = name.rpartition(".")
        if stem in outside:
            return f"{outside[stem]}.{kind}"
        _, number, part = (*stem.split(".", 2), "", "")[:3]
        if part not in inside:
            self._refuse(f"it holds {name[:60]}, which a Llama model has not")
        return f"model.layers.{number}.{inside[part]}.{kind}"

    def _refuse(self, why: str) -> None:
        raise ModelBroken(
            f"{self.file.name} cannot be trained: {why}; give the model's folder in the format of transformers."
        )


def _from_rope(tensor: str, values: NDArray[np.float32], config: Any) -> NDArray[np.float32]:
    """The reverse of what the writer does: transformers rotates the two halves of a head."""
    part = tensor.split(".")[2] if tensor.startswith("blk.") else ""
    heads = {"attn_q": config.num_attention_heads, "attn_k": config.num_key_value_heads}.get(part, 0)
    if not heads:
        return values
    rows, columns = values.shape
    split = values.reshape(heads, rows // heads // 2, 2, columns)
    return np.ascontiguousarray(split.swapaxes(1, 2).reshape(rows, columns))
