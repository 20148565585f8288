"""The speech engine: on a stand-in for the voice model first, then on the real weights."""

from __future__ import annotations

import io
import json
import shutil
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from studio.catalog import Catalog, Model
from studio.engines.devices import cpu
from studio.engines.loudness import loudness, true_peak
from studio.engines.speech_kokoro import SAMPLE_RATE, VOICES, Kokoro
from studio.errors import BadInput, ModelBroken, ModelMissing
from studio.settings import ROOT, Settings
from studio.types import Brief, Draft, Job, Progress

pytestmark = pytest.mark.real  # the lexicon is read in all of them
SCRIPT = "The studio speaks. It costs $3.50, says everybody who asked! Is that so?\n\nA new paragraph begins."


def job(
    script: str, id: str = "job1", flag: threading.Event | None = None, count: int = 1, **options: Any
) -> Job:
    return Job(
        id,
        Brief("speech", script, options=options, count=count),
        "me",
        "running",
        datetime.now(UTC),
        flag=flag,
    )


class StandIn:
    """Like the model's session: a tone as long as its tokens, so that every piece is different."""

    def __init__(self) -> None:
        self.calls: list[dict[str, Any]] = []
        self.before: Callable[[], None] = lambda: None

    def run(self, _: None, inputs: dict[str, Any], run: Any) -> list[Any]:
        self.calls.append(inputs)
        self.before()
        tokens = inputs["tokens"][0]
        length = int(len(tokens) * 1500 / float(inputs["speed"][0]))
        t = np.arange(length) / SAMPLE_RATE
        return [(0.3 * np.sin(2 * np.pi * (200 + tokens.sum() % 300) * t)).astype(np.float32)]


@pytest.fixture
def home(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "home", device="cpu")


def engine_on(home: Settings, session: StandIn) -> Kokoro:
    made = Kokoro(Catalog.read(home).get("kokoro-82m"), cpu(), home)
    made._session = session
    made._voices = {name: np.zeros((510, 1, 256), np.float32) for name in VOICES}
    made._vocabulary = json.loads((ROOT / "checkpoints/kokoro-82m/vocab.json").read_text("utf-8"))["vocab"]
    return made


def spoken(steps: list[Progress | Draft]) -> Draft:
    (draft,) = [step for step in steps if isinstance(step, Draft)]
    return draft


# --- On a stand-in ------------------------------------------------------------------------------


def test_each_sentence_is_playable_as_it_comes(home: Settings) -> None:
    steps = list(engine_on(home, StandIn()).generate(job(SCRIPT)))
    previews = [step.preview for step in steps if isinstance(step, Progress) and step.preview]
    assert len(previews) >= 4
    for preview in previews:
        assert isinstance(preview, bytes)
        samples, rate = soundfile.read(io.BytesIO(preview))
        assert rate == SAMPLE_RATE and len(samples) > 1000 and abs(samples).max() < 0.9
    fractions = [step.fraction for step in steps if isinstance(step, Progress) and step.fraction is not None]
    assert fractions == sorted(fractions) and fractions[-1] <= 1
    draft = spoken(steps)
    assert draft.payload.samples.shape[1] == 1 and draft.payload.samples.dtype == np.float32
    assert draft.facts["sentences"] == 4 and draft.facts["characters"] == len(SCRIPT)
    assert draft.facts["audio_seconds"] == pytest.approx(len(draft.payload.samples) / SAMPLE_RATE)


@pytest.mark.parametrize("target", [-16.0, -23.0])
def test_the_loudness_is_the_one_asked_for(home: Settings, target: float) -> None:
    samples = spoken(
        list(engine_on(home, StandIn()).generate(job(SCRIPT, loudness_lufs=target)))
    ).payload.samples[:, 0]
    assert loudness(samples, SAMPLE_RATE) == pytest.approx(target, abs=0.5)
    assert true_peak(samples) <= -0.95


def test_pauses_and_speed(home: Settings) -> None:
    def seconds(id: str, **options: Any) -> float:
        return spoken(list(engine_on(home, StandIn()).generate(job(SCRIPT, id, **options)))).facts[
            "audio_seconds"
        ]

    plain = seconds("a", sentence_pause=0.0, paragraph_pause=0.0)
    assert seconds("b", sentence_pause=1.0, paragraph_pause=0.0) == pytest.approx(plain + 2, abs=0.01)
    assert seconds("c", sentence_pause=0.0, paragraph_pause=2.0) == pytest.approx(plain + 2, abs=0.01)
    assert seconds("d", sentence_pause=0.0, paragraph_pause=0.0, speed=2.0) < 0.6 * plain


def test_sentences_stay_in_order_although_two_are_made_at_once(home: Settings) -> None:
    session = StandIn()
    session.before = lambda: time.sleep(0.05 if len(session.calls) % 2 else 0.0)
    parallel = spoken(list(engine_on(home, session).generate(job(SCRIPT, "a")))).payload.samples
    calm = spoken(list(engine_on(home, StandIn()).generate(job(SCRIPT, "b")))).payload.samples
    assert np.array_equal(parallel, calm)


def test_it_stops_between_sentences_and_leaves_nothing(home: Settings) -> None:
    flag, session = threading.Event(), StandIn()
    steps = []
    for step in engine_on(home, session).generate(job("A sentence. " * 50, flag=flag)):
        steps.append(step)
        flag.set()
    assert not any(isinstance(step, Draft) for step in steps) and len(session.calls) <= 5
    assert not (home.home / "work" / "job1").exists()


def test_a_stop_breaks_off_the_sentence_in_the_making(home: Settings) -> None:
    flag, session, broken = threading.Event(), StandIn(), threading.Event()

    def wait_for_the_end(_: None, inputs: dict[str, Any], run: Any) -> list[Any]:
        flag.set()
        give_up = time.monotonic() + 30
        while not run.terminate and time.monotonic() < give_up:
            time.sleep(0.005)
        if run.terminate:
            broken.set()
        raise RuntimeError("Exiting due to terminate flag being set to true.")

    session.run = wait_for_the_end  # type: ignore[method-assign]
    assert not list(engine_on(home, session).generate(job("One long sentence.", flag=flag)))
    assert broken.wait(10)


def test_killed_twice_it_goes_on_and_sounds_the_same(home: Settings) -> None:
    script = " ".join(f"This is sentence number {n}." for n in range(30))
    whole = spoken(list(engine_on(home, StandIn()).generate(job(script, "whole")))).payload.samples
    session = StandIn()
    for sentences in (7, 9):
        stream = engine_on(home, session).generate(job(script, "killed"))
        for _ in range(sentences):
            next(stream)
        del stream  # as a killed process: nothing is tidied by the job itself
    steps = list(engine_on(home, session).generate(job(script, "killed")))
    assert np.array_equal(spoken(steps).payload.samples, whole)
    assert len([step for step in steps if isinstance(step, Progress) and step.preview]) >= 30
    assert len(session.calls) < 30 + 4 * 3  # what was in the making at a kill is made again, no more
    assert not (home.home / "work" / "killed").exists()


def test_what_is_dropped_is_told(home: Settings) -> None:
    first = next(iter(engine_on(home, StandIn()).generate(job("Hello 😀 world."))))
    assert isinstance(first, Progress) and "😀" in first.message


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"voice": "nobody"}, "jm_kumo, jf_nezumi, jf_alpha, jf_gongitsune, jf_tebukuro"),
        ({"language": "fr"}, "en-us, en-gb, ja"),
        ({"speed": 0}, "between 0.5 and 2"),
        ({"speed": 100}, "between 0.5 and 2"),
        ({"loudness_lufs": 0}, "between"),
    ],
)
def test_options_out_of_range_say_what_is_valid(home: Settings, options: dict[str, Any], words: str) -> None:
    with pytest.raises(BadInput, match=words):
        list(engine_on(home, StandIn()).generate(job("Hello.", **options)))


def test_several_candidates_are_refused(home: Settings) -> None:
    with pytest.raises(BadInput, match="set the number of candidates to 1"):
        list(engine_on(home, StandIn()).generate(job("Hello.", count=2)))


@pytest.mark.parametrize("script", ["", "😀😀", "\x00\x1b[2J"])
def test_nothing_to_speak(home: Settings, script: str) -> None:
    with pytest.raises(BadInput, match="nothing to speak"):
        list(engine_on(home, StandIn()).generate(job(script)))


def test_a_model_that_gives_no_numbers(home: Settings) -> None:
    session = StandIn()
    session.run = lambda *_: [np.full(2000, np.nan, np.float32)]  # type: ignore[method-assign]
    with pytest.raises(ModelBroken, match="no usable sound"):
        list(engine_on(home, session).generate(job("Hello.")))


# --- Weights ------------------------------------------------------------------------------------


def with_files(folder: Path) -> Model:
    model = Catalog.read(Settings(home=folder)).get("kokoro-82m")
    for file in model.files:
        shutil.copy(model.folder / file.path, folder / file.path)
    return replace(model, folder=folder)


def test_missing_and_broken_weights(tmp_path: Path, home: Settings) -> None:
    model = with_files(tmp_path)
    (tmp_path / "model.onnx").write_bytes((tmp_path / "model.onnx").read_bytes()[:1000])
    with pytest.raises(ModelBroken, match="models pull kokoro-82m"):
        Kokoro(model, cpu(), home).load()
    (tmp_path / "voices.npz").unlink()
    with pytest.raises(ModelMissing, match="models pull kokoro-82m"):
        Kokoro(model, cpu(), home).load()


def test_voices_without_a_voice(tmp_path: Path, home: Settings) -> None:
    model = with_files(tmp_path)
    np.savez(tmp_path / "voices.npz", jf_alpha=np.zeros((510, 1, 256), np.float32))
    with pytest.raises(ModelBroken):
        Kokoro(model, cpu(), home).load()


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Kokoro:
    settings = Settings(home=tmp_path_factory.mktemp("home"), device="cpu")
    made = Kokoro(Catalog.read(settings).get("kokoro-82m"), cpu(), settings)
    made.load()
    return made


def heard(samples: Any, language: str) -> str:
    import soxr
    from faster_whisper import WhisperModel

    listener = WhisperModel(
        str(ROOT / "checkpoints" / "whisper-base"), device="cpu", compute_type="int8", local_files_only=True
    )
    segments, _ = listener.transcribe(
        soxr.resample(samples, SAMPLE_RATE, 16000).astype(np.float32), language=language
    )
    return " ".join(segment.text.strip() for segment in segments)


@pytest.mark.parametrize(
    ("script", "options", "words"),
    [
        ("The train leaves at 9:30 for Edinburgh.", {"voice": "jm_kumo"}, ("train", "leaves", "edinburgh")),
        ("今日は東京でコーヒーを飲みました。", {"language": "ja"}, ("東京", "コーヒー")),
    ],
)
def test_a_listener_understands_it(
    real: Kokoro, script: str, options: dict[str, Any], words: tuple[str, ...]
) -> None:
    draft = spoken(list(real.generate(job(script, **options))))
    said = heard(draft.payload.samples[:, 0], "ja" if "language" in options else "en").lower()
    assert all(word in said for word in words), said


def test_the_same_script_sounds_the_same(real: Kokoro) -> None:
    first, second = (spoken(list(real.generate(job("Say it again.", id)))) for id in ("a", "b"))
    assert np.array_equal(first.payload.samples, second.payload.samples)
