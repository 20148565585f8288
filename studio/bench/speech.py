"""Speech: seconds of audio a second through the whole line, and how soon the first sentence plays."""

from __future__ import annotations

import time
from statistics import median

from studio.bench.base import RUNS, Figure, Place, bench
from studio.service import Studio
from studio.settings import Settings
from studio.types import Brief, Progress

SCRIPT = (
    "Welcome to the harbour museum. The building was a rope factory until 1962. On the ground floor you will see "
    "the old machines, still oiled and turning. Upstairs there is a café with a view of the boats. Please keep your "
    "ticket until the end of your visit, and do not touch the ropes. The last tour leaves at half past four."
)


@bench("speech.speed")
def speed(place: Place) -> list[Figure]:
    """Seconds of audio made, levelled, sealed and scored in one second of wall time."""
    with Studio(Settings.read(home=place.folder, device="cpu"), serve=True) as studio:
        rates = []
        for seed in range(RUNS + 1):
            began = time.perf_counter()
            (asset,) = studio.make(Brief("speech", SCRIPT, model="kokoro-82m", seed=seed))
            took = time.perf_counter() - began
            rates.append(_seconds(asset.path) / took)
    figure = median(rates[1:])
    return [Figure("speech.speed", figure, "× real time", RUNS, "≥ 1.0", figure >= 1.0)]


@bench("speech.first_audio")
def first_audio(place: Place) -> list[Figure]:
    """Milliseconds from submit to the first playable sentence of a long script, model loaded."""
    with Studio(Settings.read(home=place.folder, device="cpu"), serve=True) as studio:
        studio.make(Brief("speech", "Good morning.", model="kokoro-82m", seed=1))
        times = []
        for seed in range(RUNS):
            began = time.perf_counter()
            job_id = studio.submit(Brief("speech", SCRIPT * 4, model="kokoro-82m", seed=seed))
            for event in studio.watch(job_id):
                if isinstance(event, Progress) and isinstance(event.preview, bytes):
                    times.append(1000 * (time.perf_counter() - began))
                    break
            studio.cancel(job_id)
    figure = median(times)
    return [Figure("speech.first_audio", figure, "ms", len(times), "≤ 1,000", figure <= 1000)]


def _seconds(path: object) -> float:
    import soundfile

    return float(soundfile.info(str(path)).duration)
