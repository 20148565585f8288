"""What the seal costs: milliseconds to mark, encode, label, sign and read back, and what share of a job that is."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime
from statistics import median
from typing import Any

from studio.bench.base import Figure, Place, bench
from studio.catalog import Catalog
from studio.engines.base import engines
from studio.engines.devices import pick_device
from studio.engines.tokens import Tokenizers
from studio.provenance.base import Means
from studio.provenance.seal import Sealer
from studio.settings import Settings
from studio.types import Brief, Draft, Job, Kind, LicenceNote, Sound

RUNS = 20
JOBS = 3
NOTE = LicenceNote(
    "Apache-2.0", "Made with a test (Apache-2.0). Commercial use is allowed.", "yes", ("test",)
)
# What people ask the default models for; the picture at its default size.
BRIEFS: tuple[Brief, ...] = (
    Brief("text", "Write a product description of a lighthouse lamp.", options={"max_tokens": 200}),
    Brief("speech", "Welcome to the harbour museum. The building was a rope factory until 1962."),
    Brief("image", "a red fox"),
)


@bench("seal.cost")
def cost(place: Place) -> list[Figure]:
    """A page of text, a 512×512 picture and ten seconds of sound, with their marks, in each default format."""
    import numpy as np

    from studio.bench.audio_material import syllables
    from studio.bench.image_attacks import picture

    words = np.random.default_rng(1).integers(0, 2000, 250)
    payloads: dict[Kind, Any] = {
        "text": " ".join(f"w{word}" for word in words),
        "image": picture(0),
        "speech": syllables(1, 10.0),
    }
    settings = Settings.read({}, home=place.folder)
    sealer = _sealer(settings)
    figures = []
    for kind, payload in payloads.items():
        draft = Draft(kind, payload, "test", "1", 1, "cpu", "none", 1.0)
        figure = median(_sealing(sealer, draft) for _ in range(RUNS + 1))
        figures.append(Figure(f"seal.cost.{kind}", figure, "ms", RUNS, "see seal.share", None))
    sign = median(_sealing(sealer, _small(payloads["speech"])) for _ in range(RUNS + 1))
    return [*figures, Figure("seal.cost.unmarked", sign, "ms", RUNS, "≤ 150", sign <= 150, note="one second of sound: too short for a mark")]  # fmt: skip


@bench("seal.share")
def share(place: Place) -> list[Figure]:
    """The seal's part of making and sealing one output with each default model that is here, loading apart."""
    settings = Settings.read(home=place.folder, device="cpu")
    catalog, sealer = Catalog.read(settings), _sealer(settings)
    figures = []
    for brief in BRIEFS:
        model = catalog.default(brief.kind)
        if not catalog.ready(model.name) or model.engine is None:
            continue
        engine = engines.lookup(model.engine)(model, pick_device(settings), settings)
        engine.load()
        try:
            shares = []
            for seed in range(JOBS + 1):
                asked, mark = replace(brief, seed=seed), sealer.token_mark()
                job = Job("bench", asked, "bench", "running", datetime.now(UTC), token_mark=mark)
                began = time.perf_counter()
                drafts = [step for step in engine.generate(job) if isinstance(step, Draft)]
                making = time.perf_counter() - began
                sealing = _sealing(sealer, drafts[0]) / 1000
                shares.append(100 * sealing / (making + sealing))
        finally:
            engine.close()
        figure = median(shares[1:])
        figures.append(Figure(f"seal.share.{brief.kind}", figure, "% of the job", JOBS, "≤ 10", figure <= 10))
    return figures


def _sealer(settings: Settings) -> Sealer:
    return Sealer(settings, Means(tokenizers=Tokenizers(Catalog.read(settings))))


def _sealing(sealer: Sealer, draft: Draft) -> float:
    """Milliseconds of one seal."""
    began = time.perf_counter()
    sealed = sealer.seal(draft, Brief(draft.kind, "test"), NOTE, model_title="Test")
    took = 1000 * (time.perf_counter() - began)
    sealed.path.unlink()
    return took


def _small(sound: Sound) -> Draft:
    cut = Sound(sound.samples[: sound.sample_rate], sound.sample_rate)
    return Draft("speech", cut, "test", "1", 1, "cpu", "none", 1.0)
