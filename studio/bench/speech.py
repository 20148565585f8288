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


SETTLE_SECONDS = 4.0  # a stopped job's sentence is still computed to its end


@bench("speech.first_audio")
def first_audio(place: Place) -> list[Figure]:
    """Milliseconds from submit to the first playable sentence of a long script, model loaded.

    Once on an idle studio, and once straight after another script was stopped.
    """
    with Studio(Settings.read(home=place.folder, device="cpu"), serve=True) as studio:
        studio.make(Brief("speech", "Good morning.", model="kokoro-82m", seed=1))
        idle = [_first(studio, seed, SETTLE_SECONDS) for seed in range(RUNS)]
        _first(studio, RUNS, 0.0)
        after = [_first(studio, seed, 0.0) for seed in range(RUNS)]
    return [
        Figure(
            "speech.first_audio",
            median(idle),
            "ms",
            RUNS,
            "≤ 1,000",
            median(idle) <= 1000,
            note="idle studio",
        ),
        Figure(
            "speech.after_stop",
            median(after),
            "ms",
            RUNS,
            "–",
            None,
            note="another script stopped just before",
        ),
    ]


def _first(studio: Studio, seed: int, settle: float) -> float:
    began = time.perf_counter()
    job_id = studio.submit(Brief("speech", SCRIPT * 4, model="kokoro-82m", seed=seed))
    for event in studio.watch(job_id):
        if isinstance(event, Progress) and isinstance(event.preview, bytes):
            took = 1000 * (time.perf_counter() - began)
            studio.cancel(job_id)
            time.sleep(settle)
            return took
    raise RuntimeError("nothing was spoken")


def _seconds(path: object) -> float:
    import soundfile

    return float(soundfile.info(str(path)).duration)
