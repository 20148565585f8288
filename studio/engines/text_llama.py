"""Language models in GGUF by llama.cpp, on any machine: streams, and serves eight briefs at once.

llama.cpp computes, our sampler chooses every token (sampling.py), so that a watermark can act on the
real distribution. One thread decodes for all (llama_batch.py).

What is *not* here: images in a brief, tools, grammars.
"""

from __future__ import annotations

import math
import queue
import secrets
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

from studio.catalog import Model
from studio.engines.base import Device, engines
from studio.engines.chat import check_room, prompt_tokens
from studio.engines.llama_batch import Batcher
from studio.engines.llama_model import LlamaModel
from studio.engines.llama_slots import SHAPES, Context, Writing
from studio.engines.llama_threads import ThreadChoice
from studio.engines.sampling import Sampler, TextOptions, TextStream, read_stops
from studio.errors import ModelMissing
from studio.options import options_dict, read_options
from studio.settings import Settings
from studio.types import Draft, Job, Kind, Progress

MOST_CELLS = 8192  # tokens remembered by all slots together, unless the catalog entry says `context`


@engines.register
class TextLlama:
    """One GGUF model: the first `.gguf` among the files of its catalog entry, or in its folder."""

    name: ClassVar[str] = "text_llama"
    kind: ClassVar[Kind] = "text"
    Options: ClassVar[type] = TextOptions
    concurrency: ClassVar[int] = 8

    def __init__(self, model: Model, device: Device, settings: Settings) -> None:
        self._entry, self._device, self._settings = model, device, settings
        self._model: LlamaModel | None = None
        self._batcher: Batcher | None = None

    def load(self) -> None:
        model = LlamaModel(gguf_path(self._entry), gpu=self._device.name != "cpu")
        threads = ThreadChoice(self._settings.threads)
        most = int(self._entry.options.get("context", MOST_CELLS))
        cells = max(min(model.trained_context or most, most), SHAPES[0])

        def open_context(slots: int) -> Context:
            return model.context(slots, cells, threads.now)

        try:
            self._batcher = Batcher(open_context, model.piece, model.is_end, threads)
        except BaseException:
            model.close()
            raise
        self._model = model

    def close(self) -> None:
        if self._batcher is not None:
            self._batcher.close()
        if self._model is not None:
            self._model.close()
        self._model = self._batcher = None

    def generate(self, job: Job) -> Iterator[Progress | Draft]:
        """Text as it grows, then one Draft a candidate as each is finished.

        Facts: tokens, prompt_tokens, reused_tokens (of the prompt, from the cache), perplexity,
        seconds_to_first_token, cut (1 if it ended at max_tokens). Raises BadInput with the numbers if
        brief and answer together are longer than the model's context.
        """
        assert self._model is not None and self._batcher is not None, "load() comes first"
        began = time.perf_counter()
        options = read_options(TextOptions, job.brief.options)
        prompt = prompt_tokens(self._model, job.brief.prompt, options.system)
        check_room(len(prompt), options.max_tokens, self._batcher.longest)
        seed = secrets.randbelow(2**31) if job.brief.seed is None else job.brief.seed
        news: queue.SimpleQueue[Writing] = queue.SimpleQueue()
        gone = threading.Event()
        stops = read_stops(options.stop)
        writings = [
            Writing(
                group=news,
                prompt=prompt,
                sampler=Sampler(options, seed + candidate, job.token_mark),
                stream=TextStream(stops),
                max_tokens=options.max_tokens,
                cancelled=lambda: gone.is_set() or job.cancelled,
                tell=news.put,
            )
            for candidate in range(job.brief.count)
        ]
        self._batcher.submit(writings)
        try:
            open_ones = set(range(len(writings)))
            while open_ones:
                writing = news.get()
                candidate = writings.index(writing)
                if writing.error is not None:
                    raise writing.error
                if writing.ended == "cancelled":
                    return
                if writing.ended:
                    open_ones.discard(candidate)
                    yield self._draft(writing, seed + candidate, options, began)
                elif news.empty():  # the page is slower than the model: skip to the latest
                    yield _progress(job, writings, candidate)
        finally:
            gone.set()

    def _draft(self, writing: Writing, seed: int, options: TextOptions, began: float) -> Draft:
        facts: dict[str, float] = {
            "tokens": len(writing.tokens),
            "prompt_tokens": len(writing.prompt),
            "reused_tokens": writing.reused,
            "seconds_to_first_token": writing.first_token_at - began,
            "cut": float(writing.ended == "length"),
        }
        if writing.tokens:
            facts["perplexity"] = math.exp(-writing.logprob / len(writing.tokens))
        return Draft(
            kind="text",
            payload=writing.stream.text,
            model_id=self._entry.name,
            revision=self._entry.revision,
            seed=seed,
            device=self._device.name if self._model is not None and self._model.gpu else "cpu",
            dtype="gguf",
            seconds=time.perf_counter() - began,
            settings=options_dict(options),
            facts=facts,
        )


def gguf_path(model: Model) -> Path:
    """The GGUF file of a catalog entry. Raises ModelMissing if it is not there."""
    listed = [model.folder / file.path for file in model.files if file.path.endswith(".gguf")]
    found = listed or sorted(model.folder.glob("*.gguf"))
    if not found or not found[0].is_file():
        raise ModelMissing(
            f"{model.title} is not here yet (no .gguf file); get it with: python -m studio models pull {model.name}"
        )
    return found[0]


def _progress(job: Job, writings: list[Writing], candidate: int) -> Progress:
    done = sum(one.max_tokens if one.ended else len(one.tokens) for one in writings)
    fraction = done / (len(writings) * writings[0].max_tokens)
    writing = writings[candidate]
    return Progress(
        job.id, fraction, "writing", f"{len(writing.tokens)} tokens", writing.stream.text, candidate
    )
