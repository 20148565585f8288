"""The music engine: on a tiny untrained net first, then on the published weights and the SoundFont."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from studio.catalog import Catalog
from studio.engines.devices import cpu
from studio.engines.loudness import loudness, true_peak
from studio.engines.music_font import unpack
from studio.engines.music_players import presets
from studio.engines.music_score import Score
from studio.engines.music_score import unpack as read_score
from studio.engines.music_tune import TuneEngine
from studio.errors import BadInput, ModelBroken, ModelMissing
from studio.nets.tune_abc import read_tune
from studio.nets.tune_sample import copied
from studio.nets.tune_tokens import encode, runs
from studio.settings import ROOT, Settings
from studio.types import Brief, Draft, Job, Progress

REEL = "M:4/4\nL:1/8\nK:G\nG2 BG dGBG | c2 ec dBGB | A2 cA FAcA | G2 BG d4 | g2 bg dgbg | c2 ec dBGB | A2 cA FADF | G4 G4 |]"


def job(
    prompt: str, flag: threading.Event | None = None, count: int = 1, seed: int = 1, **options: Any
) -> Job:
    brief = Brief("music", prompt, options=options, count=count, seed=seed)
    return Job("job1", brief, "me", "running", datetime.now(UTC), flag=flag)


def drafts(engine: TuneEngine, one: Job) -> list[Draft]:
    return [step for step in engine.generate(one) if isinstance(step, Draft)]


# --- On a tiny net ------------------------------------------------------------------------------


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TuneEngine:
    """Untrained, and silent: the sound is a second of noise."""
    import torch

    from studio.nets.tune import Shape, TuneModel

    torch.manual_seed(0)
    home = Settings(home=tmp_path / "home", device="cpu")
    model = replace(
        Catalog.read(home).get("fluid-r3-mono"), name="tiny", kind="music", title="Tiny", revision="0"
    )
    engine = TuneEngine(model, cpu(), home)
    engine._net = TuneModel(Shape(16, 1, 2, 16)).eval()
    engine._known = np.zeros(0, np.uint32)

    def play(score: Score, options: Any) -> tuple[Any, float]:
        return np.full((48_000, 2), 0.1, np.float32), -20.0

    monkeypatch.setattr(engine, "_play", play)
    return engine


def test_controls_score_and_notes_are_kept_with_the_piece(tiny: TuneEngine) -> None:
    (draft,) = drafts(tiny, job("A sad waltz for the harp", seconds=10))
    assert (
        draft.settings["mood"] == "sad"
        and draft.settings["style"] == "waltz"
        and draft.settings["lead"] == "harp"
    )
    assert "auto" not in {
        draft.settings[name] for name in ("mood", "style", "mode", "metre", "lead", "texture")
    }
    score = read_score(draft.settings["score"])
    tune = read_tune(draft.settings["abc"])
    assert score.metre == tune.metre == "3/4" and draft.facts["bars"] == score.bars
    found = TuneEngine.companions(draft.settings, "a note on origin")
    assert set(found) == {".mid", ".musicxml", ".abc", ".svg"}
    assert all(b"a note on origin" in found[suffix] for suffix in (".mid", ".musicxml", ".abc"))


def test_the_same_seed_makes_the_same_piece_and_candidates_differ(tiny: TuneEngine) -> None:
    first, second = drafts(tiny, job("a reel", count=2, seconds=10))
    (again,) = drafts(tiny, job("a reel", seed=2, seconds=10))
    assert (first.seed, second.seed) == (1, 2)
    assert first.settings["score"] != second.settings["score"] == again.settings["score"]


def test_a_given_tune_is_played_continued_or_varied(tiny: TuneEngine) -> None:
    mine = read_tune(REEL)

    def made(start: str) -> Any:
        (draft,) = drafts(tiny, job("a march", tune=REEL, start=start, seconds=40))
        return read_tune(draft.settings["abc"])

    assert made("given").parts == mine.parts
    further = made("continue")
    assert further.parts[0] == mine.parts[0] and len(further.parts) == 2 and further.parts[1] != mine.parts[0]
    varied = made("vary")
    assert varied.parts[0].bars[:4] == mine.parts[0].bars[:4] and varied.parts[0] != mine.parts[0]


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"seconds": 1}, "between 2 and 180"), ({"seconds": "nan"}, "must be a number"), ({"mood": "angry"}, "choose one of"),
        ({"temperature": 9}, "between 0.2 and 1.5"), ({"lead": "theremin"}, "choose one of"), ({"volume": 3}, "Unknown option"),
        ({"start": "given"}, "needs a tune"), ({"start": "vary", "tune": "la la la"}, "ABC notation"),
        ({"start": "continue", "tune": REEL.replace("FAcA", "FAcA2")}, "bar of 108 ticks"),
        ({"tune": "x" * 20_000}, "longer than"), ({"start": "given", "tune": "M:4/4\nL:1/0\nK:G\n" + "9" * 5000}, "ABC"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_said_in_one_sentence(tiny: TuneEngine, options: dict[str, Any], why: str) -> None:
    with pytest.raises(BadInput, match=why):
        drafts(tiny, job("a reel", **options))


def test_an_empty_brief_is_refused_and_odd_ones_are_not(tiny: TuneEngine) -> None:
    with pytest.raises(BadInput, match="few words"):
        drafts(tiny, job(" \n "))
    for prompt in ("🎻🎉", "欢快的吉格舞曲", "x" * 5000, "\x00\x07", "<b>&amp;", "\ud800 waltz"):
        assert drafts(tiny, job(prompt, seconds=6))


def test_a_cancelled_job_makes_nothing(tiny: TuneEngine) -> None:
    flag = threading.Event()
    flag.set()
    assert drafts(tiny, job("a reel", flag)) == []
    flag = threading.Event()
    steps = []
    for step in tiny.generate(job("a reel", flag)):
        steps.append(step)
        flag.set()  # during composing
    assert all(isinstance(step, Progress) for step in steps) and len(steps) == 1


def test_a_copied_melody_is_never_handed_out(tiny: TuneEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    import studio.nets.tune_sample as sampling

    known = read_tune(REEL)
    monkeypatch.setattr(sampling, "sample", lambda *args, **kwargs: [known])
    tiny._known = np.array(sorted(runs(known)), np.uint32)
    with pytest.raises(BadInput, match="too close to old ones"):
        drafts(tiny, job("a reel"))


# --- On the published weights -------------------------------------------------------------------


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TuneEngine]:
    home = Settings(home=tmp_path_factory.mktemp("home"), device="cpu")
    made = TuneEngine(Catalog.read(home).require("signet-tune"), cpu(), home)
    made.load()
    yield made
    made.close()


@pytest.mark.real
def test_half_a_minute_of_music_sounds_finished(engine: TuneEngine) -> None:
    (draft,) = drafts(engine, job("A cheerful reel for a village fair"))
    samples, rate = draft.payload.samples, draft.payload.sample_rate
    assert samples.shape[1] == 2 and samples.dtype == np.float32 and rate == 48_000
    assert 27 < len(samples) / rate < 33
    assert abs(loudness(samples, rate) + 16) < 0.5 and true_peak(samples) < -0.9
    assert abs(samples[-100:]).max() < 0.003  # it has died away
    assert draft.facts["notes_in_mode"] >= 0.85
    assert read_score(draft.settings["score"]).sections[-1].name == "ending"
    tune = read_tune(draft.settings["abc"])
    assert encode(tune) and not copied(tune, engine._known)


@pytest.mark.real
@pytest.mark.parametrize("seconds", [3, 6, 12])
def test_short_pieces_are_as_long_as_wished(engine: TuneEngine, seconds: int) -> None:
    (draft,) = drafts(engine, job("Sonic logo for a bakery", seconds=seconds, style="march", metre="2/4"))
    assert abs(draft.facts["audio_seconds"] - seconds) < max(0.6, 0.12 * seconds)


@pytest.mark.real
def test_a_loop_has_no_seam(engine: TuneEngine) -> None:
    (draft,) = drafts(engine, job("calm harp music", seconds=8, loop=True, seed=4))
    samples = draft.payload.samples
    score = read_score(draft.settings["score"])
    assert abs(len(samples) / 48_000 - score.seconds(score.ticks)) < 0.001
    inside = np.abs(np.diff(samples, axis=0)).max()
    assert np.abs(samples[0] - samples[-1]).max() <= inside  # no jump that is not in the music anyway
    assert np.abs(samples[:2400]).max() > 0.01  # what rings over the end is there at the beginning


@pytest.mark.real
def test_the_soundfont_is_checked_before_it_is_played(tmp_path: Path) -> None:
    places = tmp_path / "checkpoints"
    places.mkdir()
    for name in ("catalog.toml", "signet-tune", "minilm-l6-v2"):
        (places / name).symlink_to(ROOT / "checkpoints" / name)
    home = Settings(home=tmp_path / "home", device="cpu", checkpoints=places)
    engine = TuneEngine(Catalog.read(home).require("signet-tune"), cpu(), home)
    with pytest.raises(ModelMissing, match="models pull fluid-r3-mono"):
        engine.load()
    (places / "fluid-r3-mono").mkdir()
    for file in (ROOT / "checkpoints/fluid-r3-mono").glob("[!.]*"):  # not the lock of a pull
        data = bytearray(file.read_bytes())
        data[len(data) // 2] ^= 1
        (places / "fluid-r3-mono" / file.name).write_bytes(data)
    with pytest.raises(ModelBroken, match="SHA-256 differs"):
        engine.load()


@pytest.mark.real
def test_a_broken_soundfont_is_refused_and_never_crashes() -> None:
    data = (ROOT / "checkpoints/fluid-r3-mono/FluidR3Mono_GM.sf3").read_bytes()
    whistle = unpack(data, [(0, 78)])
    assert unpack(whistle, [(0, 78)]) == whistle  # what it writes is a SoundFont that it reads
    for bad in (b"", b"RIFF", data[:1000], data[: len(data) // 2], whistle[:-2000], b"\0" * 5000):
        with pytest.raises(ModelBroken, match="models pull fluid-r3-mono"):
            unpack(bad, [(0, 78)])
    with pytest.raises(ModelBroken, match="no preset"):
        unpack(whistle, [(99, 78)])
    rng = np.random.default_rng(0)
    tables = whistle.index(b"pdta")
    for _ in range(40):
        broken = bytearray(whistle)
        for place in rng.integers(tables, len(broken), 30):
            broken[place] = rng.integers(256)
        try:
            unpack(bytes(broken), [(0, 78)])
        except ModelBroken:
            continue


@pytest.mark.real
def test_every_player_sounds(engine: TuneEngine) -> None:
    assert len(presets()) == len(set(presets())) and len(engine._font) > 10_000_000
