"""A full library without the files: how fast is a search among 100,000 assets?"""

from __future__ import annotations

import hashlib
import random
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from statistics import median

from studio.bench.base import RUNS, Figure, Place, bench
from studio.library import Library
from studio.library.search import remarks_of, words_of
from studio.library.tables import assets, row_of
from studio.settings import Settings
from studio.types import KINDS, Asset, Brief, Credential, LicenceNote, ModelUse, Score, Scorecard

_BATCH = 2_000
_START = datetime(2025, 1, 1, tzinfo=UTC)
_SYLLABLES = [
    "ba",
    "be",
    "bo",
    "da",
    "de",
    "do",
    "fa",
    "fe",
    "ka",
    "ke",
    "ko",
    "la",
    "le",
    "lo",
    "ma",
    "me",
    "mo",
    "na",
    "ne",
    "no",
    "pa",
    "pe",
    "ra",
    "re",
    "ro",
    "sa",
    "se",
    "so",
    "ta",
    "te",
    "to",
    "va",
]
_HAN = "红色的茶壶广告产品描述城市阳光清晨山水花园音乐电影故事孩子健康医生老师学校冬天夏夜"
_LICENCE = LicenceNote("Apache-2.0", "Made with a synthetic model (Apache-2.0).", "yes", ("synthetic",))


def fill(library: Library, n: int, seed: int = 0) -> None:
    """Insert `n` made-up assets, a minute apart, in many words and two scripts; their files do not exist."""
    made = _made(random.Random(seed))
    for start in range(0, n, _BATCH):
        rows = list(islice(made, min(_BATCH, n - start)))
        with library.engine.begin() as connection:
            connection.execute(assets.insert(), rows)


def measure(library: Library, runs: int = 5) -> dict[str, float]:
    """Milliseconds per question (median of `runs`, after one warm-up), worst questions included."""
    day = _START + timedelta(days=30)
    questions: dict[str, Callable[[], object]] = {
        "newest": lambda: library.search(),
        "owner": lambda: library.search(owner="owner3"),
        "owner, kind": lambda: library.search(owner="owner3", kind="music"),
        "date": lambda: library.search(since=day, until=day + timedelta(days=1)),
        "kind, old": lambda: library.search(kind="image", until=day),
        "favourite": lambda: library.search(favourite=True),
        "word in all": lambda: library.search("campaign"),
        "rare word": lambda: library.search("bakedola"),
        "three words": lambda: library.search("ba de campaign"),
        "beginning": lambda: library.search("ca"),
        "no hit": lambda: library.search("zzyzx"),
        "han": lambda: library.search("茶壶"),
        "han, common signs, rare phrase": lambda: library.search("的夜壶红"),
        "word in all, one owner's": lambda: library.search("campaign", owner="owner3", kind="video"),
        "word in all, nobody's": lambda: library.search("campaign", owner="nobody"),
        "word in all, old": lambda: library.search("campaign", until=_START + timedelta(days=1)),
        "word in all, favourite": lambda: library.search("campaign", favourite=True, owner="owner5"),
        "page 1,000": lambda: library.search("campaign", offset=50_000),
        "count": lambda: library.count(),
        "count of a word in all": lambda: library.count("campaign"),
        "count of an owner": lambda: library.count(owner="owner3"),
    }
    return {name: _milliseconds(ask, runs) for name, ask in questions.items()}


@bench("library.search")
def search(place: Place) -> list[Figure]:
    """The slowest and the median of many questions to a library of 100,000 assets."""
    library = Library(Settings.read({}, home=place.folder))
    fill(library, 100_000)
    times = measure(library)
    library.close()
    worst = max(times, key=times.__getitem__)
    note = f"slowest: {worst}; median of {len(times)} questions {median(times.values()):.1f} ms"
    return [Figure("library.search", times[worst], "ms", RUNS, "≤ 50", times[worst] <= 50, note=note)]


def _milliseconds(ask: Callable[[], object], runs: int) -> float:
    times = []
    for _ in range(runs + 1):
        start = time.perf_counter()
        ask()
        times.append((time.perf_counter() - start) * 1000)
    return median(times[1:])


def _made(draw: random.Random) -> Iterator[dict[str, object]]:
    vocabulary = ["".join(draw.choices(_SYLLABLES, k=draw.randint(1, 4))) for _ in range(20_000)]
    number = 0
    while True:
        number += 1
        words = " ".join(draw.choices(vocabulary, k=40))
        han = "".join(draw.choices(_HAN, k=20)) if number % 3 == 0 else ""
        prompt, text = f"campaign {words[:120]} {han}", words
        digest = hashlib.sha256(f"{draw.random()} {number}".encode()).hexdigest()
        favourite, owner = number % 50 == 0, f"owner{number % 20}"
        brief = Brief(draw.choice(KINDS), prompt, options={"temperature": 0.8, "top_p": 0.95}, seed=number)
        model = ModelUse(f"model{number % 7}", "rev", "echo", number, "cpu", "f32", 1.5, {"temperature": 0.8})
        scores = tuple(Score(f"score{n}", draw.random(), "", "higher", "text") for n in range(6))
        credential = Credential(
            digest[:32], _LICENCE, ("credential", "labels"), None, digest, "Bench", _START
        )
        asset = Asset(
            digest, digest[:16], brief.kind, Path(), "text/plain", brief, model, Scorecard(scores), credential, (),
            _START + timedelta(minutes=number), owner, favourite,
        )  # fmt: skip
        row = row_of(asset, file=f"{digest[:2]}/{digest[2:4]}/{digest}.txt", words=words_of(asset, text))
        yield row | {"remarks": remarks_of("", favourite)}
