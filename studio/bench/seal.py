"""What the seal costs: milliseconds to encode, label, sign and read back, by kind."""

from __future__ import annotations

import time
from statistics import median
from typing import Any

from studio.bench.base import Figure, Place, bench
from studio.provenance.seal import Sealer
from studio.settings import Settings
from studio.types import Brief, Draft, Kind, LicenceNote, Sound

RUNS = 20
NOTE = LicenceNote(
    "Apache-2.0", "Made with a test (Apache-2.0). Commercial use is allowed.", "yes", ("test",)
)


@bench("seal.cost")
def cost(place: Place) -> list[Figure]:
    """A page of text, a 512×512 picture and ten seconds of sound, each in its default format."""
    import numpy as np

    draw = np.random.default_rng(1)
    payloads: dict[Kind, Any] = {
        "text": "The harbour was quiet. " * 60,
        "image": draw.integers(0, 255, (64, 64, 3), np.uint8).repeat(8, 0).repeat(8, 1),
        "speech": Sound(draw.normal(0, 0.05, (240_000, 1)).astype(np.float32), 24_000),
    }
    sealer = Sealer(Settings.read({}, home=place.folder))
    figures = []
    for kind, payload in payloads.items():
        draft = Draft(kind, payload, "test", "1", 1, "cpu", "none", 1.0)
        times = []
        for _ in range(RUNS + 1):
            began = time.perf_counter()
            sealed = sealer.seal(draft, Brief(kind, "test"), NOTE, model_title="Test")
            times.append(1000 * (time.perf_counter() - began))
            sealed.path.unlink()
        figure = median(times[1:])
        figures.append(Figure(f"seal.cost.{kind}", figure, "ms", RUNS, "≤ 150", figure <= 150))
    return figures
