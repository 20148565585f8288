"""What llama.cpp and transformers call the same things: tensors of a Llama model, ways to split text."""

from __future__ import annotations

from typing import Any

# Names of a layer's matrices: transformers → GGUF.
LAYER = {
    "input_layernorm": "attn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "post_attention_layernorm": "ffn_norm",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}
OUTSIDE = {"model.embed_tokens": "token_embd", "model.norm": "output_norm", "lm_head": "output"}

# The ways llama.cpp splits text before its byte pairs, as parts of the tokenizers library.
PRE_TOKENIZERS: dict[str, list[dict[str, Any]]] = {
    "gpt-2": [{"type": "ByteLevel"}],
    "smollm": [{"type": "Digits", "individual_digits": True}, {"type": "ByteLevel"}],
}


def pre_tokenizer(name: str) -> Any:
    """One of PRE_TOKENIZERS as an object of the tokenizers library."""
    from tokenizers import pre_tokenizers

    made: list[Any] = []
    for part in PRE_TOKENIZERS[name]:
        if part["type"] == "Digits":
            made.append(pre_tokenizers.Digits(individual_digits=part["individual_digits"]))
        else:
            made.append(pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True))
    return made[0] if len(made) == 1 else pre_tokenizers.Sequence(made)
