"""Ten thousand words on a stand-in for a voice: killed twice they sound the same, and memory stays flat."""

from __future__ import annotations

import tracemalloc
import zlib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from studio.bench.speech_book import script
from studio.catalog import Catalog
from studio.engines.speech_reader import Reader
from studio.engines.speech_script import Piece
from studio.engines.speech_speaking import Delivery, Speaker
from studio.settings import ROOT, Settings
from studio.types import Brief, Draft, Job, Progress

pytestmark = pytest.mark.real  # the lexicon is read
RATE = 8_000
DELIVERY = Delivery("v", 1.0, "", -16.0, (0.05, 0.1))


class Stage:
    """A speaker whose voice is a short noise drawn from the phonemes; it counts its calls."""

    def __init__(self, home: Path) -> None:
        self.calls = 0
        self._reader = Reader("en-us", ROOT / "checkpoints" / "english-lexicon")
        model = Catalog.read(Settings(home=home)).get("kokoro-82m")
        self._speaker = Speaker(model, RATE, "none", ("v",), home / "work", self._sound)

    def _sound(self, piece: Piece, run: Any) -> Any:
        self.calls += 1
        draw = np.random.default_rng(zlib.crc32(piece.phonemes.encode()))
        return draw.uniform(-0.3, 0.3, 60 * len(piece.phonemes)).astype(np.float32)

    def speak(self, text: str, id: str) -> Any:
        job = Job(id, Brief("speech", text), "me", "running", datetime.now(UTC))
        return self._speaker.speak(job, self._reader, DELIVERY, {})


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Stage:
    return Stage(tmp_path_factory.mktemp("home"))


def test_ten_thousand_words_killed_twice(stage: Stage, tmp_path: Path) -> None:
    text = script(10_000)
    assert len(text.split()) >= 10_000
    peaks, previews = [], 0
    (whole,) = [step for step in stage.speak(text, "whole") if isinstance(step, Draft)]
    once = stage.calls
    assert once > 800 and whole.facts["sentences"] >= 800
    stage.calls = 0
    for stop_at in (0.3, 0.65):
        stream = stage.speak(text, "killed")
        for step in stream:
            if isinstance(step, Progress) and (step.fraction or 0) >= stop_at:
                break
        del stream  # a killed process tidies nothing up either: the take stays as it is
    tracemalloc.start()
    for step in stage.speak(text, "killed"):
        if isinstance(step, Progress) and step.preview:
            previews += 1
            if previews % 200 == 0:
                peaks.append(tracemalloc.get_traced_memory()[1])
                tracemalloc.reset_peak()
        if isinstance(step, Draft):
            assert np.array_equal(step.payload.samples, whole.payload.samples)
    tracemalloc.stop()
    assert once <= stage.calls <= once + 4 * 2  # what was in the making at a kill is made again, no more
    assert previews >= once and len(peaks) >= 4
    assert max(peaks[1:]) < peaks[0] + 2_000_000, peaks  # the whole has tens of megabytes
    assert whole.payload.samples.nbytes > 5_000_000


def test_a_stopped_script_leaves_nothing(stage: Stage, tmp_path: Path) -> None:
    import threading

    flag = threading.Event()
    job = Job("stopped", Brief("speech", script(300)), "me", "running", datetime.now(UTC), flag=flag)
    steps = []
    for step in stage._speaker.speak(job, stage._reader, DELIVERY, {}):
        steps.append(step)
        flag.set()
    assert not any(isinstance(step, Draft) for step in steps)
    assert not (stage._speaker.takes / "stopped").exists()
