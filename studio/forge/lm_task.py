"""What a language model learns from: examples as tokens, and the loss on the tokens that count.

For pairs of prompt and answer that is the answer alone, behind the model's own chat template, exactly as
the engines will ask; for plain text every token. What is *not* here: packing (pretrain_lm.py).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from studio.errors import BadInput
from studio.forge.data import Data, Example
from studio.forge.loop import Rows, Task
from studio.forge.track import Track

if TYPE_CHECKING:
    import torch

IGNORED = -100  # the label of a token without a loss, as in transformers and torch

# Their logits are the head on the last hidden state and nothing more, so it may be asked for fewer tokens.
PLAIN_HEADS = {"llama", "mistral", "qwen2", "qwen3", "smollm3"}


@dataclass(frozen=True, slots=True)
class Encoded:
    """Token numbers of one example; those from `start` on count in the loss."""

    ids: list[int]
    start: int


def encode(tokenizer: Any, example: Example, max_tokens: int) -> Encoded:
    """Prompt by template, then the answer and the end token; cut at `max_tokens`."""
    head = prompt_ids(tokenizer, example.prompt) if example.prompt else []
    answer = tokenizer(example.text, add_special_tokens=False)["input_ids"] + [tokenizer.eos_token_id]
    ids = (head + answer)[:max_tokens]
    return Encoded(ids, min(len(head), len(ids)))


def prompt_ids(tokenizer: Any, prompt: str) -> list[int]:
    """The tokens of a conversation that asks `prompt`; without a template, the prompt and an empty line."""
    if not tokenizer.chat_template:
        return list(tokenizer(f"{prompt}\n\n", add_special_tokens=False)["input_ids"])
    text = tokenizer.apply_chat_template(
        [{"role": "user", "content": prompt}], add_generation_prompt=True, tokenize=False
    )
    return list(tokenizer(text, add_special_tokens=False)["input_ids"])


def encode_all(tokenizer: Any, data: Data, max_tokens: int, track: Track) -> list[Encoded]:
    """All examples. Raises BadInput for pictures, for control tokens spelt out, for prompts too long."""
    if data.shape == "pictures":
        raise BadInput(f"{data.path.name} holds pictures; a language model learns from text.")
    if tokenizer.eos_token_id is None:
        raise BadInput("The tokenizer of the base model has no end token, so a text could never end.")
    spelt = [t for t in tokenizer.all_special_tokens if t]
    for one in data.examples:
        if wrong := next((t for t in spelt if t in one.text or t in one.prompt), None):
            raise BadInput(f"{one.where} spells the control token {wrong!r}; take it out of the data.")
    encoded = [encode(tokenizer, one, max_tokens) for one in data.examples]
    for one, tokens in zip(data.examples, encoded, strict=True):
        if len(tokens.ids) - max(tokens.start, 1) < 1:
            raise BadInput(f"{one.where}: the prompt fills all {max_tokens} tokens; raise max_tokens.")
    if cut := sum(len(one.ids) == max_tokens for one in encoded):
        track.say(f"{cut} of {len(encoded)} examples reach {max_tokens} tokens and end there.")
    return encoded


@dataclass(frozen=True, slots=True)
class Batch:
    """int64 (n, length) each, padded on the right; `labels` are IGNORED where nothing is to be learnt."""

    ids: torch.Tensor
    mask: torch.Tensor
    labels: torch.Tensor


def collate(encoded: Sequence[Encoded], device: Any) -> Batch:
    import torch

    length = max(len(one.ids) for one in encoded)
    ids = np.zeros((len(encoded), length), np.int64)
    mask, labels = np.zeros_like(ids), np.full_like(ids, IGNORED)
    for row, one in enumerate(encoded):
        ids[row, : len(one.ids)], mask[row, : len(one.ids)] = one.ids, 1
        labels[row, one.start : len(one.ids)] = one.ids[one.start :]
    return Batch(*(torch.from_numpy(part).to(device) for part in (ids, mask, labels)))


def token_losses(model: Any, batch: Batch, embeddings: torch.Tensor | None = None) -> torch.Tensor:
    """Negative log likelihood of every counting token, float (tokens,); arguments as in `token_logits`."""
    import torch

    targets = batch.labels[:, 1:]
    logits = token_logits(model, batch, embeddings)
    return torch.nn.functional.cross_entropy(logits, targets[targets != IGNORED], reduction="none")


def token_logits(model: Any, batch: Batch, embeddings: torch.Tensor | None = None) -> torch.Tensor:
    """What is predicted for every counting token, float32 (tokens, vocabulary).

    `model` is a causal model of transformers; `embeddings` (n, length, width) may stand in for the tokens.
    """
    given = {"input_ids": batch.ids} if embeddings is None else {"inputs_embeds": embeddings}
    wanted = batch.labels[:, 1:] != IGNORED
    if model.config.model_type in PLAIN_HEADS:
        # The head costs a fifth of a small model; most tokens of a prompt do not need it.
        states = model.get_decoder()(attention_mask=batch.mask, use_cache=False, **given).last_hidden_state
        logits = model.get_output_embeddings()(states[:, :-1][wanted])
    else:
        logits = model(attention_mask=batch.mask, use_cache=False, **given).logits[:, :-1][wanted]
    predicted: torch.Tensor = logits.float()
    return predicted


class LanguageTask(Task):
    """Maximum likelihood on `encoded`. The one net is a causal model, or a LoRA adapter on one."""

    def __init__(self, net: Any, encoded: Sequence[Encoded], rows: dict[str, Rows]) -> None:
        self.nets, self.rows, self.encoded = {"model": net}, rows, encoded
        self.device = next(net.parameters()).device

    def batch(self, rows: Rows) -> Batch:
        return collate([self.encoded[row] for row in rows], self.device)

    def loss(self, net: str, rows: Rows, rng: torch.Generator, step: int) -> torch.Tensor | None:
        return self.measure(self.nets[net], rows, rng)

    def measure(self, model: Any, rows: Rows, rng: torch.Generator) -> torch.Tensor:
        from studio.nets.lora import causal

        return token_losses(causal(model), self.batch(rows)).mean()


def mean_loss(
    model: Any,
    encoded: Sequence[Encoded],
    batch_size: int = 8,
    losses: Callable[[Any, Batch], torch.Tensor] = token_losses,
) -> float:
    """Mean loss a token over all examples, in evaluation mode; long and short examples are batched apart."""
    import torch

    device = next(model.parameters()).device
    order = sorted(encoded, key=lambda one: len(one.ids))
    model.eval()
    total, count = 0.0, 0
    for start in range(0, len(order), batch_size):
        with torch.set_grad_enabled(losses is not token_losses):
            found = losses(model, collate(order[start : start + batch_size], device)).detach()
        total, count = total + float(found.sum()), count + len(found)
    return total / count


def perplexity(model: Any, encoded: Sequence[Encoded], batch_size: int = 8) -> float:
    """exp of the mean loss a token."""
    return math.exp(min(mean_loss(model, encoded, batch_size), 700.0))
