"""A tiny Llama with a tokenizer of its own, in the format of transformers, and data it can learn."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from studio.forge.lm_base import save_model
from studio.forge.lm_record import Lineage

TEMPLATE = (
    "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' + m['content'] + '<|im_end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
COLOURS = ("red", "blue", "green", "white", "black", "brown", "pink", "grey")
THINGS = ("lamp", "rope", "kettle", "chair", "mirror", "basket")


def rows() -> list[dict[str, str]]:
    """48 pairs whose answers follow from the prompts."""
    return [
        {"prompt": f"Sell a {colour} {thing}", "answer": f"This {thing} is {colour} and keeps for 7 years."}
        for colour in COLOURS
        for thing in THINGS
    ]


def write_rows(file: Path) -> Path:
    file.write_text("".join(json.dumps(row) + "\n" for row in rows()), "utf-8")
    return file


def tiny_tokenizer() -> Any:
    from tokenizers import Tokenizer, decoders, models, trainers
    from transformers import PreTrainedTokenizerFast

    from studio.forge.gguf_names import pre_tokenizer

    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizer("smollm")
    made.decoder = decoders.ByteLevel()
    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    trainer = trainers.BpeTrainer(
        vocab_size=480,
        special_tokens=special,
        initial_alphabet=sorted(_bytes()),
        show_progress=False,
    )
    made.train_from_iterator((text for row in rows() for text in row.values()), trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=made,
        chat_template=TEMPLATE,
        bos_token="<|im_start|>",
        eos_token="<|im_end|>",
        unk_token="<|endoftext|>",
        pad_token="<|im_end|>",
        clean_up_tokenization_spaces=False,
    )


def _bytes() -> list[str]:
    from tokenizers.pre_tokenizers import ByteLevel

    return list(ByteLevel.alphabet())


def tiny_llama(vocabulary: int, tied: bool = True) -> Any:
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(3)
    config = LlamaConfig(
        vocab_size=vocabulary,
        hidden_size=96,
        intermediate_size=128,
        num_hidden_layers=3,
        num_attention_heads=6,
        num_key_value_heads=3,
        head_dim=32,
        max_position_embeddings=256,
        tie_word_embeddings=tied,
        initializer_range=0.1,
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=2,
    )
    return LlamaForCausalLM(config).eval()


def tiny_folder(folder: Path) -> Path:
    tokenizer = tiny_tokenizer()
    save_model(tiny_llama(len(tokenizer)), tokenizer, Lineage(unlisted="tiny"), folder)
    return folder


def load_in_engine(folder: Path, home: Path) -> Any:
    """A trained folder as the studio's engine for models of transformers loads it."""
    from studio.catalog import Model
    from studio.engines.devices import Device
    from studio.engines.transformers_model import load_causal
    from studio.settings import Settings

    entry = Model(
        name="tiny", kind="text", engine="text_transformers", title="Tiny", summary="", licence="Apache-2.0",
        licence_url="", commercial="yes", revision="1", memory_mb=10, folder=folder,
    )  # fmt: skip
    return load_causal(entry, Device("cpu", "cpu", 4000, 4000), Settings(home=home))
