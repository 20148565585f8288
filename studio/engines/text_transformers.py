"""Causal language models of the transformers library: any architecture it has, with LoRA adapters.

The same options, sampler and watermark as text_llama; slower on a processor, at home on a GPU. The
candidates of a brief share the prompt's cache and are written together, one step a call.

What is *not* here: models that bring code of their own, images in a brief, tools.
"""

from __future__ import annotations

import math
import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, ClassVar

from studio.catalog import Model
from studio.engines.base import Device, engines
from studio.engines.chat import check_room, prompt_tokens
from studio.engines.sampling import Sampler, TextOptions, TextStream, read_stops
from studio.engines.transformers_model import CausalModel, HubTokenizer, load_causal, memory_errors
from studio.errors import ModelBroken
from studio.options import options_dict, read_options
from studio.settings import Settings
from studio.types import Draft, Job, Kind, Progress

READ_TOKENS = 256  # of the prompt between two looks at the cancel flag
TELL_SECONDS = 0.05


@dataclass
class _Text:
    """One candidate while it is written. `ended` as in llama_slots.py."""

    candidate: int
    sampler: Sampler
    stream: TextStream
    tokens: list[int] = field(default_factory=list)
    logprob: float = 0.0
    first_token_at: float = 0.0
    told_at: float = 0.0
    ended: str = ""
    shown: int = 0  # tokens whose text is in the stream
    base: int = 0  # tokens before this one no longer change how later ones are spelled

    def take(self, token: int, logprob: float, model: CausalModel, most: int) -> None:
        self.first_token_at = self.first_token_at or time.perf_counter()
        if token in model.ends:
            self.ended = "end"
            return
        self.tokens.append(token)
        self.logprob += logprob
        if self.stream.feed(self._new_text(model.tokenizer).encode()):
            self.ended = "stop"
        elif len(self.tokens) >= most:
            self.ended = "length"

    def _new_text(self, tokenizer: HubTokenizer) -> str:
        """What the last tokens add. A token alone has no sure spelling: spaces and halves of characters."""
        before = tokenizer.decode(self.tokens[self.base : self.shown])
        now = tokenizer.decode(self.tokens[self.base :])
        if len(now) <= len(before) or now.endswith("\ufffd"):
            return ""
        self.base, self.shown = self.shown, len(self.tokens)
        return now[len(before) :]


@engines.register
class TextTransformers:
    """One model folder, perhaps with adapters: see `load_causal`."""

    name: ClassVar[str] = "text_transformers"
    kind: ClassVar[Kind] = "text"
    Options: ClassVar[type] = TextOptions
    concurrency: ClassVar[int] = 1

    def __init__(self, model: Model, device: Device, settings: Settings) -> None:
        self._entry, self._device, self._settings = model, device, settings
        self._loaded: CausalModel | None = None

    def load(self) -> None:
        self._loaded = load_causal(self._entry, self._device, self._settings)

    def close(self) -> None:
        if self._loaded is None:
            return
        self._loaded = None
        if self._device.name.startswith("cuda"):
            import torch

            torch.cuda.empty_cache()

    def generate(self, job: Job) -> Iterator[Progress | Draft]:
        """As text_llama's, with the same facts. Also raises OutOfMemory."""
        assert self._loaded is not None, "load() comes first"
        began = time.perf_counter()
        options = read_options(TextOptions, job.brief.options)
        prompt = prompt_tokens(self._loaded.tokenizer, job.brief.prompt, options.system)
        check_room(len(prompt), options.max_tokens, self._loaded.context)
        seed = secrets.randbelow(2**31) if job.brief.seed is None else job.brief.seed
        stops = read_stops(options.stop)
        texts = [
            _Text(candidate, Sampler(options, seed + candidate, job.token_mark), TextStream(stops))
            for candidate in range(job.brief.count)
        ]
        for text in self._write(job, prompt, texts, options.max_tokens):
            if text.ended:
                yield self._draft(text, len(prompt), seed, options, began)
            else:
                text.told_at = time.perf_counter()
                yield _progress(job, texts, text, options.max_tokens)

    def _write(self, job: Job, prompt: list[int], texts: list[_Text], most: int) -> Iterator[_Text]:
        """Whenever there is news of a text, that text; the last news of each is that it has ended."""
        assert self._loaded is not None
        steps = _Steps(self._loaded)
        logits = None
        for start in range(0, len(prompt), READ_TOKENS):
            if job.cancelled:
                return
            logits = steps.run([prompt[start : start + READ_TOKENS]])
        steps.share(len(texts))
        open_texts = texts
        while open_texts:
            if job.cancelled or logits is None:
                return
            for row, text in enumerate(open_texts):
                text.take(
                    *text.sampler.choose(text.tokens, logits[min(row, len(logits) - 1)]), self._loaded, most
                )
            for text in open_texts:
                if text.ended or (text.stream.text and time.perf_counter() - text.told_at >= TELL_SECONDS):
                    yield text
            going = [row for row, text in enumerate(open_texts) if not text.ended]
            if len(going) < len(open_texts):
                steps.keep(going)
            open_texts = [open_texts[row] for row in going]
            if open_texts:
                logits = steps.run([text.tokens[-1:] for text in open_texts])

    def _draft(self, text: _Text, prompt: int, seed: int, options: TextOptions, began: float) -> Draft:
        assert self._loaded is not None
        facts: dict[str, float] = {
            "tokens": len(text.tokens),
            "prompt_tokens": prompt,
            "reused_tokens": prompt if text.candidate else 0,
            "seconds_to_first_token": text.first_token_at - began,
            "cut": float(text.ended == "length"),
        }
        if text.tokens:
            facts["perplexity"] = math.exp(-text.logprob / len(text.tokens))
        return Draft(
            kind="text",
            payload=text.stream.finish(),
            model_id=self._entry.name,
            revision=self._entry.revision,
            seed=seed + text.candidate,
            device=self._loaded.device,
            dtype=self._loaded.dtype,
            seconds=time.perf_counter() - began,
            settings=options_dict(options),
            facts=facts,
        )


class _Steps:
    """The model with its cache, one row a text."""

    def __init__(self, loaded: CausalModel) -> None:
        self._loaded = loaded
        self._cache: Any = None

    def run(self, rows: list[list[int]]) -> Any:
        """Feed equally long `rows`; float32 (rows, vocabulary) of the tokens that follow."""
        import torch

        with memory_errors(self._loaded.device), torch.inference_mode():
            out = self._loaded.model(
                input_ids=torch.tensor(rows, device=self._loaded.device),
                past_key_values=self._cache,
                use_cache=True,
                logits_to_keep=1,
            )
            self._cache = out.past_key_values
            if self._cache is None:
                raise ModelBroken("The model keeps no cache of what it read; take another one.")
            return out.logits[:, -1].float().cpu().numpy()

    def share(self, count: int) -> None:
        """The prompt's cache for `count` texts."""
        if count > 1:
            with memory_errors(self._loaded.device):
                self._cache.batch_repeat_interleave(count)

    def keep(self, rows: list[int]) -> None:
        if rows:
            import torch

            self._cache.batch_select_indices(torch.tensor(rows, device=self._loaded.device))


def _progress(job: Job, texts: list[_Text], text: _Text, most: int) -> Progress:
    done = sum(most if one.ended else len(one.tokens) for one in texts)
    fraction = done / (len(texts) * most)
    message = f"{len(text.tokens)} tokens"
    return Progress(job.id, fraction, "writing", message, text.stream.text, text.candidate)
