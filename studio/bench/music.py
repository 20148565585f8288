"""Music: seconds of audio a second through the whole line, and half a minute from brief to sealed file."""

from __future__ import annotations

import time
from statistics import median

from studio.bench.base import RUNS, Figure, Place, bench
from studio.service import Studio
from studio.settings import Settings
from studio.types import Brief


@bench("music.speed")
def speed(place: Place) -> list[Figure]:
    """A piece of thirty seconds composed, played, sealed and scored, the model loaded."""
    import soundfile

    with Studio(Settings.read(home=place.folder, device="cpu"), serve=True) as studio:
        rates, waits = [], []
        for seed in range(RUNS + 1):
            began = time.perf_counter()
            (asset,) = studio.make(
                Brief("music", "A cheerful reel for a village fair", model="signet-tune", seed=seed)
            )
            waits.append(time.perf_counter() - began)
            rates.append(float(soundfile.info(str(asset.path)).duration) / waits[-1])
    rate, wait = median(rates[1:]), median(waits[1:])
    return [
        Figure("music.speed", rate, "× real time", RUNS, "≥ 5", rate >= 5),
        Figure("music.half_minute", wait, "s", RUNS, "≤ 6", wait <= 6, note="sealed and scored"),
    ]
