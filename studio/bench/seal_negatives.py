"""Three thousand unmarked pictures, stretches of sound and texts: how many are taken for marked.

Each is read under a key of its own, so that no lucky pattern decides. None in 3,000 shows that the rate is below
one in a thousand (the rule of three); what lies below that is arithmetic: see docs/provenance.md.
"""

from __future__ import annotations

from dataclasses import replace

from studio.bench.audio_material import syllables, tune
from studio.bench.base import Figure, Place, bench
from studio.bench.image_attacks import picture
from studio.bench.seal_audio import wilson
from studio.bench.seal_text import spread, unmarked_odds
from studio.catalog import Catalog
from studio.engines.llama_model import LlamaModel
from studio.engines.text_llama import gguf_path
from studio.provenance.audio_mark import AudioMark
from studio.provenance.image_mark import ImageMark
from studio.provenance.text_mark import LIKELY_AT
from studio.settings import Settings

COUNT = 3000
_SECONDS = 6


def key(number: int) -> bytes:
    return f"seal.negatives {number}".encode().ljust(32, b".")


@bench("seal.negatives.image")
def image(place: Place) -> list[Figure]:
    """Stickers, gradients and textures, 512²; about a quarter of an hour."""
    return [
        _figure("image", sum(ImageMark().detect(picture(10_000 + n), key(n)).found for n in range(COUNT)))
    ]


@bench("seal.negatives.audio")
def audio(place: Place) -> list[Figure]:
    """Syllables and tunes of six seconds."""
    sounds = (syllables if n % 2 else tune for n in range(COUNT))
    return [
        _figure(
            "audio",
            sum(
                AudioMark().detect(make(10_000 + n, _SECONDS), key(n)).found for n, make in enumerate(sounds)
            ),
        )
    ]


@bench("seal.negatives.text")
def text(place: Place) -> list[Figure]:
    """Unmarked copy of the default model; found means at odds of 1 in 10,000 or less. Are the odds evenly spread?"""
    settings = Settings.read(home=place.folder, device="cpu")
    vocabulary = LlamaModel(gguf_path(Catalog.read(settings).require("smollm2-135m")), vocabulary_only=True)
    odds = unmarked_odds(settings, vocabulary.tokenize, COUNT)
    hits = sum(value <= LIKELY_AT for value in odds)
    evenly = [replace(one, name=f"seal.negatives.text.{one.name}") for one in spread(odds)]
    return [_figure("text", hits), *evenly]


def _figure(medium: str, hits: int) -> Figure:
    low, high = wilson(hits, COUNT)
    return Figure(
        f"seal.negatives.{medium}",
        hits,
        "taken for marked",
        COUNT,
        "0",
        hits == 0,
        note=f"95 % interval of the rate: {low:.5f}–{high:.5f}",
    )
