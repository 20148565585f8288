"""How surely the text mark is found, how often it is seen where it is not, and what it costs.

Covered: real copy of the default model, whole and with words replaced, removed and added by chance;
unmarked copy under many keys; time. Not covered: paraphrase by another model, which removes the mark.
"""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np

from studio.bench.base import Figure, Place, bench
from studio.bench.seal_audio import wilson
from studio.catalog import Catalog
from studio.engines.base import Device
from studio.engines.llama_model import LlamaModel
from studio.engines.text_llama import TextLlama, gguf_path
from studio.provenance.text_mark import LIKELY_AT, TextMark, TextMarker, read_text_mark
from studio.settings import Settings
from studio.types import Brief, Draft, Job

TEXTS, UNMARKED = 96, 3000
SAMPLE = 8, 300
EDITED = 0.3
KEY = bytes(range(32))
SUBJECTS = (
    "a lighthouse",
    "herbal tea",
    "a bicycle repair shop",
    "a winter jacket",
    "a children's museum",
    "honey",
)
FORMS = ("Write a blog post about {}.", "Write a short story about {}.", "Describe {} in several paragraphs.",
         "Write a newsletter about {}.")  # fmt: skip


@bench("seal.robust.text")
def robust_text(place: Place) -> list[Figure]:
    """Marked copy whole and edited, unmarked copy under many keys, and time."""
    return measure("seal.robust.text", place, TEXTS, UNMARKED)


@bench("seal.sample.text")
def sample_text(place: Place) -> list[Figure]:
    """The same on a few texts: shows that nothing broke, not how good it is."""
    return measure("seal.sample.text", place, *SAMPLE)


def measure(name: str, place: Place, count: int, unmarked: int) -> list[Figure]:
    settings = Settings.read(home=place.folder, device="cpu")
    model = Catalog.read(settings).require("smollm2-135m")
    engine = TextLlama(model, Device("cpu", "", 0, 0), settings)
    engine.load()
    texts = _marked(engine, count)
    engine.close()
    vocabulary = LlamaModel(gguf_path(model), vocabulary_only=True)
    rng = random.Random(1)
    hundred = [_cut(text, 100, vocabulary) for text in texts]
    two_hundred = [edited(_cut(text, 200, vocabulary), EDITED, rng) for text in texts]
    figures = [
        _found("100_tokens", [text for text in hundred if text], vocabulary.tokenize, 0.99),
        _found("200_tokens_edited", [text for text in two_hundred if text], vocabulary.tokenize, 0.95),
        *_mistaken(settings, vocabulary.tokenize, unmarked),
        _cost(),
    ]
    return [replace(figure, name=f"{name}.{figure.name}") for figure in figures]


def edited(text: str, share: float, rng: random.Random) -> str:
    """`text` with a share of its words replaced (half of them), removed or joined by another (a quarter each)."""
    words = text.split(" ")
    others = list(words)
    chosen = set(rng.sample(range(len(words)), round(share * len(words))))
    out = []
    for place, word in enumerate(words):
        what = rng.choice(("replace", "replace", "remove", "add")) if place in chosen else "keep"
        if what in ("keep", "add"):
            out.append(word)
        if what in ("replace", "add"):
            out.append(rng.choice(others))
    return " ".join(out)


def _marked(engine: TextLlama, count: int) -> list[str]:
    """Texts of the default options, eight at once."""
    briefs = [
        Brief("text", FORMS[n % 4].format(SUBJECTS[n // 4 % 6]), options={"max_tokens": 260}, seed=n)
        for n in range(count)
    ]
    texts: list[str] = []

    def write(some: list[Brief]) -> None:
        for brief in some:
            job = Job("bench", brief, "bench", "running", datetime.now(UTC), token_mark=TextMark(KEY))
            texts.extend(draft.payload for draft in engine.generate(job) if isinstance(draft, Draft))

    threads = [threading.Thread(target=write, args=(briefs[n::8],)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return texts


def _cut(text: str, tokens: int, vocabulary: LlamaModel) -> str:
    """The first `tokens` tokens of a text; "" if it is shorter."""
    ids = vocabulary.tokenize(text)
    return (
        b"".join(map(vocabulary.piece, ids[:tokens])).decode("utf-8", "ignore") if len(ids) >= tokens else ""
    )


def _found(name: str, texts: list[str], tokenize: Callable[[str], list[int]], aim: float) -> Figure:
    values = [read_text_mark(text, tokenize, KEY).p_value for text in texts]
    hits = sum(value <= LIKELY_AT for value in values)
    low, high = wilson(hits, len(texts))
    note = f"95 % interval {low:.3f}–{high:.3f}; median p {np.median(values):.1e}, largest {max(values):.1e}"
    reach = f"≥ {aim:.2f} at a false-alarm rate of {LIKELY_AT:g}"
    return Figure(
        name,
        hits / len(texts),
        "found",
        len(texts),
        reach,
        hits / len(texts) >= aim,
        note=note,
    )


def _mistaken(settings: Settings, tokenize: Callable[[str], list[int]], count: int) -> list[Figure]:
    """Unmarked copy, each passage under a key of its own."""
    from scipy.stats import kstest

    lines = (settings.assets / "reference" / "signet-copy-en.jsonl").read_text("utf-8").splitlines()
    passages = [text for text in (str(json.loads(line)["text"]) for line in lines) if len(text) > 250]
    values = [
        read_text_mark(passages[n % len(passages)], tokenize, n.to_bytes(32, "big")).p_value
        for n in range(count)
    ]
    uniform = kstest(values, "uniform")
    hits = sum(value <= LIKELY_AT for value in values)
    ks_note = f"Kolmogorov–Smirnov D = {uniform.statistic:.4f}; {hits} of {count} at or below {LIKELY_AT:g}"
    share = float(np.mean(np.array(values) <= 0.01))
    low, high = wilson(round(share * count), count)
    return [
        Figure(
            "uniform",
            float(uniform.pvalue),
            "p (KS)",
            count,
            "> 0.01",
            bool(uniform.pvalue > 0.01),
            note=ks_note,
        ),
        Figure(
            "at_1_percent",
            share,
            "found",
            count,
            "0.01 within its interval",
            low <= 0.01 <= high,
            note=f"95 % interval {low:.4f}–{high:.4f}",
        ),  # fmt: skip
    ]


def _cost() -> Figure:
    """Milliseconds the mark adds to a token, beside the 10 % of a token's own time that it may take."""
    rng = np.random.default_rng(0)
    ids, p = rng.integers(0, 49_152, 40), np.sort(rng.dirichlet(np.full(40, 0.3)))[::-1].copy()
    marker = TextMarker(KEY, 0)
    began = time.process_time()
    for step in range(2000):
        marker.choose([step, step + 1], ids, p, rng)
    cost = (time.process_time() - began) / 2
    return Figure("cost", cost, "ms a token (CPU)", 2000, "≤ 0.5", cost <= 0.5)
