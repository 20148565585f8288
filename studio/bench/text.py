"""Text: the whole studio line against bare llama.cpp and transformers on the same weights."""

from __future__ import annotations

import functools
import threading
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

from studio.bench.base import RUNS, Figure, Place, bench, paired
from studio.catalog import Catalog, Model
from studio.service import Studio
from studio.settings import Settings
from studio.types import Asset, Brief, Progress

TOKENS = 128
USERS = 8
PROMPT = "Write a long, detailed description of a small harbour town, its people and its seasons."
TOPICS = ("", "Deserts", "Old railways", "Mountain villages", "Night markets", "Lighthouses")
MODEL = "smollm2-135m"


def _brief(seed: int, prompt: str = PROMPT) -> Brief:
    return Brief("text", prompt, model=MODEL, options={"max_tokens": TOKENS}, seed=seed)


def _model() -> Model:
    return Catalog.read(Settings.read()).require(MODEL)


def _studio(place: Place) -> Studio:
    return Studio(Settings.read(home=place.folder, device="cpu"), serve=True)


def raw_llama(model: Model, slots: int) -> Callable[[int], int]:
    """llama.cpp's own server with its own sampler; the call writes one text and returns its tokens."""
    import xllamacpp

    parameters = xllamacpp.CommonParams()
    parameters.model.path = str(model.folder / model.files[0].path)
    parameters.n_ctx = 1024 * slots
    parameters.n_parallel = slots
    server = xllamacpp.Server(parameters)

    def write(seed: int) -> int:
        message = {
            "messages": [{"role": "user", "content": PROMPT}],
            "max_tokens": TOKENS,
            "temperature": 0.8,
            "seed": seed,
        }
        answer: dict[str, Any] = server.handle_chat_completions(message)
        return int(answer["usage"]["completion_tokens"])

    write.server = server  # type: ignore[attr-defined]  # it must outlive the calls
    return write


def _rate(work: Callable[[int], int], seed: int) -> float:
    began = time.perf_counter()
    return work(seed) / (time.perf_counter() - began)


def _crowd(work: Callable[[int], int], seed: int) -> float:
    """Tokens a second summed over USERS at once."""
    counts: list[int] = []
    threads = [threading.Thread(target=lambda n=n: counts.append(work(seed + n))) for n in range(USERS)]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(counts) / (time.perf_counter() - began)


def _made(studio: Studio, seed: int, owner: str = "bench") -> int:
    """Tokens of one text that went the whole line, counted by tokenising what was kept once more."""
    job_id = studio.submit(_brief(seed), owner)
    (asset,) = [event for event in studio.watch(job_id) if isinstance(event, Asset)]
    return len(_tokenizer()(studio.text_of(asset)))


@functools.cache
def _tokenizer() -> Callable[[str], list[int]]:
    from studio.engines.llama_model import LlamaModel

    model = _model()
    vocabulary = LlamaModel(Path(model.folder / model.files[0].path), vocabulary_only=True)
    return vocabulary.tokenize


@bench("text.speed")
def speed(place: Place) -> list[Figure]:
    """Tokens a second of one user through `Studio.run`, seal and scores on."""
    seeds = iter(range(1000))
    raw = raw_llama(_model(), 1)
    with _studio(place) as studio:
        ours, base, ratio = paired(
            lambda: _rate(lambda seed: _made(studio, seed), next(seeds)), lambda: _rate(raw, next(seeds))
        )
    figures = [
        Figure("text.speed", ours, "tokens/s", RUNS, "≥ 0.80 of raw llama.cpp", ratio >= 0.8, base, ratio)
    ]
    slow = _transformers_rate(_model())
    figures.append(
        Figure(
            "text.speed.hf", ours, "tokens/s", 3, "≥ 4 × transformers", ours / slow >= 4, slow, ours / slow
        )
    )
    return figures


def _transformers_rate(model: Model) -> float:
    """transformers' own `generate` on the same weights, de-quantised; median of three."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    file = model.files[0].path
    net = AutoModelForCausalLM.from_pretrained(model.folder, gguf_file=file, dtype=torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(model.folder, gguf_file=file)
    inputs = tokenizer(PROMPT, return_tensors="pt")

    def write() -> float:
        began = time.perf_counter()
        out = net.generate(
            **inputs, max_new_tokens=TOKENS, min_new_tokens=TOKENS, do_sample=True, temperature=0.8
        )
        made = int(out.shape[1]) - int(inputs["input_ids"].shape[1])
        return made / (time.perf_counter() - began)

    write()
    return median(write() for _ in range(3))


@bench("text.first_token")
def first_token(place: Place) -> list[Figure]:
    """Milliseconds from submit to the first streamed piece: model loaded, prompt never seen before."""

    def once(seed: int) -> float:
        began = time.perf_counter()
        prompt = f"{TOPICS[seed]}: write a long, detailed description for a travel guide."  # nothing to reuse
        job_id = studio.submit(_brief(seed, prompt), "bench")
        for event in studio.watch(job_id):
            if isinstance(event, Progress) and event.preview:
                took = time.perf_counter() - began
                studio.cancel(job_id)
                return 1000 * took
        raise RuntimeError("nothing was streamed")

    with _studio(place) as studio:
        _made(studio, 0)
        figure = median(once(seed) for seed in range(1, RUNS + 1))
    return [Figure("text.first_token", figure, "ms", RUNS, "≤ 300", figure <= 300)]


@bench("text.crowd")
def crowd(place: Place) -> list[Figure]:
    """Tokens a second summed over eight users at once, each through the whole line."""
    seeds = iter(range(0, 10_000, 100))
    raw = raw_llama(_model(), USERS)
    with _studio(place) as studio:
        ours, base, ratio = paired(
            lambda: _crowd(lambda seed: _made(studio, seed, f"user {seed}"), next(seeds)),
            lambda: _crowd(raw, next(seeds)),
        )
    return [Figure("text.crowd", ours, "tokens/s", RUNS, "≥ 0.9 of raw, 8 slots", ratio >= 0.9, base, ratio)]
