"""Recipe: a small language model from nothing but text: its own tokenizer, then maximum likelihood.

    python -m studio train pretrain_lm --data my-texts/ --out runs/mine --set width=256 --set layers=6

Byte-pair encoding (Sennrich et al. 2016, over bytes as in GPT-2) is learnt from the training part alone. Texts
are packed end to end, an end token between two, into sequences of equal length, so that no step pads. The
model is a small Llama, which transformers and llama.cpp both run.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from studio.errors import BadInput
from studio.forge.base import recipes
from studio.forge.data import Data, read_data
from studio.forge.finetune_lm import CALIBRATION, HELD_OUT, check_begin, finished
from studio.forge.gguf_names import pre_tokenizer
from studio.forge.lm_base import save_model
from studio.forge.lm_record import Lineage
from studio.forge.loop import LoopOptions, Rows, Task, train
from studio.forge.track import Track
from studio.options import option, options_dict

if TYPE_CHECKING:
    import torch

END = "<|endoftext|>"


@dataclass(frozen=True)
class PretrainOptions(LoopOptions):
    columns: str = option("", "Columns", hint="text=NAME, or prompt=NAME,answer=NAME; empty: as named so")
    skip_bad_rows: bool = option(False, "Skip bad rows", hint="They are listed either way")
    vocabulary: int = option(4096, "Vocabulary", low=300, high=200_000, hint="Tokens of the new tokenizer")
    context: int = option(256, "Context", low=16, high=32_768, hint="Tokens of one sequence")
    width: int = option(256, "Width", low=32, high=8192, hint="A multiple of 32 times the heads")
    layers: int = option(6, "Layers", low=1, high=200)
    heads: int = option(4, "Heads", low=1, high=256)
    key_heads: int = option(2, "Key heads", low=1, high=256, hint="A divisor of heads", advanced=True)
    epochs: int = option(10, "Epochs", low=1, high=1_000_000)
    batch_size: int = option(16, "Batch size", low=1, high=4096)
    learning_rate: float = option(2e-3, "Learning rate", low=0.0, high=1.0)
    beta2: float = option(0.95, "Beta 2", low=0.0, high=0.99999, advanced=True)
    weight_decay: float = option(0.1, "Weight decay", low=0.0, high=1.0, advanced=True)
    warmup_steps: int = option(20, "Warm-up steps", low=0, high=1_000_000)


@recipes.register
class PretrainLm:
    name: ClassVar[str] = "pretrain_lm"
    summary: ClassVar[str] = "Learns a small language model from nothing but your texts, tokenizer included."
    Options: ClassVar[type] = PretrainOptions

    def run(self, data: Path, options: PretrainOptions, track: Track) -> Path:
        check_begin(options, track)
        found = read_data(data, options.columns, skip_bad_rows=options.skip_bad_rows)
        if found.shape == "pictures":
            raise BadInput(f"{found.path.name} holds pictures; a language model learns from text.")
        split = found.split(options.seed)
        tokenizer = learn_tokenizer(texts(found, split["train"]), options.vocabulary)
        packed = {name: pack(tokenizer, texts(found, rows), options.context) for name, rows in split.items()}
        if not len(packed["train"]):
            raise BadInput(
                f"{found.path.name} has too little text for a single sequence of {options.context} tokens; lower context."
            )
        model = new_model(options, tokenizer)
        count = sum(parameter.numel() for parameter in model.parameters())
        track.say(f"{count / 1e6:.1f} M parameters, {packed['train'].size:,} tokens to learn from.")
        task = PackedTask(model, packed)
        if not train(task, options, track).finished:
            return track.folder
        model = finished(model, track.folder, "")
        report: dict[str, float] = {
            "parameters": count,
            "tokens": int(packed["train"].size),
            "vocabulary": len(tokenizer),
        }
        if len(packed["test"]):
            loss = task.mean(model, "test", options.batch_size)
            report["perplexity"] = math.exp(loss)
            report["bits_per_byte"] = bits_per_byte(loss, tokenizer, packed["test"])
        (track.folder / "report.json").write_text(json.dumps(report, indent=1) + "\n", "utf-8")
        held_out = [(row.tolist(), 1) for row in packed["test"][:HELD_OUT]]
        (track.folder / "held_out.json").write_text(json.dumps(held_out) + "\n", "utf-8")
        examples = [(row.tolist(), 1) for row in packed["train"][:CALIBRATION]]
        (track.folder / "calibration.json").write_text(json.dumps(examples) + "\n", "utf-8")
        lineage = Lineage().after(self.name, found, options_dict(options), report)
        save_model(model, tokenizer, lineage, track.folder / "model")
        return track.folder / "model"


class PackedTask(Task):
    """Every token from those before it; a row is one packed sequence."""

    def __init__(self, model: Any, packed: dict[str, NDArray[np.int64]]) -> None:
        self.nets = {"model": model}
        self.sequences = np.concatenate(list(packed.values()))
        ends = np.cumsum([len(part) for part in packed.values()])
        starts = [0, *ends[:-1]]
        self.rows = {
            name: np.arange(start, end) for name, start, end in zip(packed, starts, ends, strict=True)
        }

    def loss(self, net: str, rows: Rows, rng: torch.Generator, step: int) -> torch.Tensor | None:
        return self.measure(self.nets[net], rows, rng)

    def measure(self, model: Any, rows: Rows, rng: torch.Generator) -> torch.Tensor:
        import torch

        ids = torch.from_numpy(self.sequences[rows]).to(next(model.parameters()).device)
        logits = model(input_ids=ids, use_cache=False).logits[:, :-1].float()
        return torch.nn.functional.cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten())

    def mean(self, model: Any, split: str, batch_size: int) -> float:
        """The mean loss a token over a split."""
        import torch

        rows, total = self.rows[split], 0.0
        for start in range(0, len(rows), batch_size):
            part = rows[start : start + batch_size]
            with torch.no_grad():
                total += float(self.measure(model, part, torch.Generator())) * len(part)
        return total / len(rows)


def texts(data: Data, rows: Rows) -> list[str]:
    """Plain texts; a pair is its prompt, an empty line and its answer."""
    chosen = [data.examples[row] for row in rows]
    return [f"{one.prompt}\n\n{one.text}" if one.prompt else one.text for one in chosen]


def learn_tokenizer(texts: Sequence[str], size: int) -> Any:
    """Byte-level BPE with one control token, which ends a text."""
    from tokenizers import Tokenizer, decoders, models, trainers
    from tokenizers.pre_tokenizers import ByteLevel
    from transformers import PreTrainedTokenizerFast

    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizer("gpt-2")
    made.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=[END],
        initial_alphabet=sorted(ByteLevel.alphabet()),
        show_progress=False,
    )
    made.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=made, bos_token=END, eos_token=END, pad_token=END, clean_up_tokenization_spaces=False
    )


def pack(tokenizer: Any, texts: Sequence[str], length: int) -> NDArray[np.int64]:
    """(sequences, length): all texts end to end, each ended; what does not fill a sequence is left out.

    A text that spells the control token is read as plain words.
    """
    stream: list[int] = []
    for text in texts:
        stream += tokenizer(text, add_special_tokens=False, split_special_tokens=True)["input_ids"]
        stream.append(tokenizer.eos_token_id)
    whole = len(stream) // length
    return np.array(stream[: whole * length], np.int64).reshape(whole, length)


def new_model(options: PretrainOptions, tokenizer: Any) -> Any:
    """A Llama with fresh weights by seed. Raises BadInput for sizes that do not fit each other."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    if options.width % (32 * options.heads) or options.heads % options.key_heads:
        raise BadInput(
            f"Width {options.width} must be a multiple of 32 × {options.heads} heads, and {options.key_heads} "
            "key heads must divide the heads."
        )
    torch.manual_seed(options.seed)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=options.width,
        intermediate_size=round(options.width * 8 / 3 / 32) * 32,
        num_hidden_layers=options.layers,
        num_attention_heads=options.heads,
        num_key_value_heads=options.key_heads,
        max_position_embeddings=options.context,
        tie_word_embeddings=True,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=None,
    )
    return LlamaForCausalLM(config)


def bits_per_byte(loss: float, tokenizer: Any, sequences: NDArray[np.int64]) -> float:
    """The loss in nats a token as bits a byte of text, which compares models of different tokenizers."""
    count = sum(len(tokenizer.decode(row, skip_special_tokens=True).encode()) for row in sequences)
    return loss / math.log(2) * sequences.size / max(count, 1)
