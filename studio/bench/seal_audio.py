"""How much the audio mark withstands, costs and mistakes: seeded, on speech of the studio's voice and on drawn sound.

What is covered: exact recovery of the payload by attack, with Wilson intervals; signal-to-noise ratio;
borders of half-marked recordings; time against the sound's own; unmarked stretches read under many keys.
What is not: listening. Each clip has a key of its own, so that no lucky pattern decides.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from statistics import median

from studio.bench.audio_attacks import ATTACKS, BEYOND, crop
from studio.bench.audio_material import spoken, syllables, tune
from studio.bench.base import Figure, Place, bench
from studio.provenance.audio_mark import AudioMark, message_of
from studio.types import Sound

CLIPS, UNMARKED = 48, 400  # clips of each of the drawn kinds
SAMPLE = 1, 10
_MARK = AudioMark()


@bench("seal.robust.audio")
def robust_audio(place: Place) -> list[Figure]:
    """Every attack on every clip, then what is not marked."""
    return measure("seal.robust.audio", place, CLIPS, UNMARKED)


@bench("seal.sample.audio")
def sample_audio(place: Place) -> list[Figure]:
    """The same on a few clips: shows that nothing broke, not how good it is."""
    return measure("seal.sample.audio", place, *SAMPLE)


def measure(name: str, place: Place, clips: int, unmarked: int) -> list[Figure]:
    plain = [
        *spoken(place.folder),
        *(syllables(n, 9.0) for n in range(clips)),
        *(tune(n, 9.0) for n in range(clips)),
    ]
    started = time.process_time()
    marked = [_MARK.embed(sound, _message(n), _key(n)) for n, sound in enumerate(plain)]
    embedding = (time.process_time() - started) / sum(map(_seconds, plain))
    with ProcessPoolExecutor() as pool:
        read = list(pool.map(_read_after, enumerate(marked)))
    figures = [
        *(_recovered(kind, [one[kind] for one in read], aim=0.98) for kind in ATTACKS),
        *(_recovered(kind, [one[kind] for one in read], aim=None) for kind in BEYOND),
        *_cost(plain, marked, embedding),
        _located(plain, marked),
        _unmarked(plain, unmarked),
    ]
    return [replace(figure, name=f"{name}.{figure.name}") for figure in figures]


def wilson(hits: int, n: int) -> tuple[float, float]:
    """The 95 % interval of a share (Wilson, 1927)."""
    z, share = 1.96, hits / n
    middle = share + z * z / (2 * n)
    half = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return max(0.0, (middle - half) / (1 + z * z / n)), min(1.0, (middle + half) / (1 + z * z / n))


def _read_after(given: tuple[int, Sound]) -> dict[str, bool | None]:
    """Whether the right message is read from one marked clip after each attack; None if nothing is read at all."""
    n, sound = given
    found = {}
    for name, attack in {**ATTACKS, **BEYOND}.items():
        message = _MARK.detect(attack(sound, n), _key(n)).message
        found[name] = None if message is None else message == _message(n)
    return found


def _recovered(name: str, read: list[bool | None], aim: float | None) -> Figure:
    right, wrong = read.count(True), read.count(False)
    low, high = wilson(right, len(read))
    share = right / len(read)
    return Figure(
        name,
        share,
        "recovered",
        len(read),
        "shown as it is" if aim is None else f"≥ {aim:.2f}, none wrong",
        None if aim is None else share >= aim and not wrong,
        note=f"95 % interval {low:.3f}–{high:.3f}, {wrong} read wrongly",
    )


def _cost(plain: list[Sound], marked: list[Sound], embedding: float) -> Iterator[Figure]:
    ratios = [_snr_db(before, after) for before, after in zip(plain, marked, strict=True)]
    yield Figure(
        "snr",
        min(ratios),
        "dB, the least",
        len(ratios),
        "≥ 25",
        min(ratios) >= 25,
        note=f"median {median(ratios):.1f}",
    )
    yield Figure("embedding", embedding, "× real time (CPU)", len(plain), "≤ 0.1", embedding <= 0.1)
    for name, sounds, keys in (("detection", marked, 0), ("search in vain", plain, 1000)):
        started = time.process_time()
        for n, sound in enumerate(sounds):
            _MARK.detect(sound, _key(n + keys))
        share = (time.process_time() - started) / sum(map(_seconds, sounds))
        yield Figure(name, share, "× real time (CPU)", len(sounds), "≤ 0.1", share <= 0.1)


def _located(plain: list[Sound], marked: list[Sound]) -> Figure:
    """Clips whose second half alone is marked: how far off the found border is."""
    import numpy as np

    errors = []
    for n, (before, after) in enumerate(zip(plain, marked, strict=True)):
        half = len(before.samples) // 2
        samples = np.concatenate([before.samples[:half], after.samples[half:]])
        found = _MARK.detect(Sound(samples, before.sample_rate), _key(n)).segments
        border = half / before.sample_rate
        errors.append(abs(found[0][0] - border) if len(found) == 1 else math.inf)
    close = sum(error <= 0.5 for error in errors)
    low, high = wilson(close, len(errors))
    return Figure(
        "splice",
        close / len(errors),
        "within 0.5 s",
        len(errors),
        "≥ 0.95",
        close / len(errors) >= 0.95,
        note=f"95 % interval {low:.3f}–{high:.3f}, median error {median(errors):.2f} s",
    )


def _unmarked(plain: list[Sound], count: int) -> Figure:
    cut = crop(3.0)
    found = sum(_MARK.detect(cut(plain[n % len(plain)], n), _key(n + 5000)).found for n in range(count))
    return Figure(
        "unmarked",
        found / count,
        "found",
        count,
        "0",
        not found,
        note=f"95 % interval 0–{wilson(found, count)[1]:.3f}; by arithmetic at most 3e-8 each",
    )


def _snr_db(before: Sound, after: Sound) -> float:
    change = after.samples - before.samples
    return 10 * math.log10(float((before.samples**2).sum()) / float((change**2).sum()))


def _seconds(sound: Sound) -> float:
    return len(sound.samples) / sound.sample_rate


def _message(n: int) -> bytes:
    return message_of(f"{n * 987_654_321 % 16**9:09x}")


def _key(n: int) -> bytes:
    return n.to_bytes(32, "big")
