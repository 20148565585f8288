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

TEXTS, UNMARKED = 128, 1000
SAMPLE = 8, 300
TOKENS = 260
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
    hundred = [piece for text in texts for piece in _pieces(text, 100, vocabulary)]
    two_hundred = [piece for text in texts for piece in _pieces(text, 200, vocabulary)]
    figures = [
        _found("100_tokens", hundred, vocabulary.tokenize, 0.99),
        _found(
            "200_tokens_edited",
            [edited(piece, EDITED, rng) for piece in two_hundred],
            vocabulary.tokenize,
            0.95,
        ),
        *spread(unmarked_odds(settings, vocabulary.tokenize, unmarked)),
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
        Brief("text", FORMS[n % 4].format(SUBJECTS[n // 4 % 6]), options={"max_tokens": TOKENS}, seed=n)
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


def _pieces(text: str, tokens: int, vocabulary: LlamaModel) -> list[str]:
    """The text cut into pieces of `tokens` tokens, the rest left off: each is read as if alone."""
    ids = vocabulary.tokenize(text)
    cuts = range(0, len(ids) - tokens + 1, tokens)
    return [b"".join(map(vocabulary.piece, ids[at : at + tokens])).decode("utf-8", "ignore") for at in cuts]


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


def unmarked_odds(settings: Settings, tokenize: Callable[[str], list[int]], count: int) -> list[float]:
    """p-values of passages of the default model's unmarked copy, each under a key of its own."""
    lines = (settings.assets / "reference" / "signet-copy-en.jsonl").read_text("utf-8").splitlines()
    passages = [text for text in (str(json.loads(line)["text"]) for line in lines) if len(text) > 250]
    return [
        read_text_mark(passages[n % len(passages)], tokenize, n.to_bytes(32, "big")).p_value
        for n in range(count)
    ]


def spread(values: list[float]) -> list[Figure]:
    """Whether odds in unmarked text are what they say: `uniform` (Kolmogorov–Smirnov) and `at_1_percent`."""
    from scipy.stats import kstest

    count, uniform = len(values), kstest(values, "uniform")
    hits = sum(value <= LIKELY_AT for value in values)
    ks_note = f"Kolmogorov–Smirnov D = {uniform.statistic:.4f}; {hits} of {count} at or below {LIKELY_AT:g}"
    share = float(np.mean(np.array(values) <= 0.01))
    low, high = wilson(round(share * count), count)
    within = f"95 % interval {low:.4f}–{high:.4f}"
    even, p = bool(uniform.pvalue > 0.01), float(uniform.pvalue)
    return [
        Figure("uniform", p, "p (KS)", count, "> 0.01", even, note=ks_note),
        Figure(
            "at_1_percent",
            share,
            "found",
            count,
            "0.01 within its interval",
            low <= 0.01 <= high,
            note=within,
        ),
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
