"""Hub audio models: the real classes of transformers and diffusers, small and of random weights."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_sound

from studio.catalog import Catalog
from studio.engines.base import engines
from studio.engines.devices import cpu
from studio.engines.loudness import loudness
from studio.errors import BadInput, ModelBroken, ModelMissing
from studio.settings import Settings
from studio.types import Brief, Draft, Job, Progress

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*weight_norm.*:FutureWarning"),
    pytest.mark.filterwarnings("ignore:Should have t:UserWarning"),
    pytest.mark.filterwarnings("ignore:.max_length. is ignored:UserWarning"),
    pytest.mark.filterwarnings("ignore:.*:DeprecationWarning"),
]
TOML = """
kind = "{kind}"
engine = "{engine}"
title = "Tiny {name}"
summary = "Random weights."
licence = "MIT"
licence_url = "https://opensource.org/license/mit"
commercial = "yes"
revision = "1"
pinned = false
memory_mb = 10
base = {base}
source = {{ type = "local" }}
"""
MODELS = {
    "musicgen": ("music", "music_transformers", {"seconds": 1.0}),
    "stable": ("music", "audio_diffusers", {"seconds": 1.0, "steps": 3}),
    "bark": ("speech", "speech_transformers", {"seconds": 1.0}),
    "dia": ("speech", "speech_transformers", {"seconds": 1.0}),
}


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """A catalog of the tiny models."""
    root = tmp_path_factory.mktemp("hub")
    tiny_sound.save_musicgen(root / "musicgen")
    tiny_sound.save_stable_audio(root / "stable")
    tiny_sound.save_bark(root / "bark")
    tiny_sound.save_dia(root / "dia", root / "dac")
    (root / "catalog.toml").write_text("")
    for name, (kind, engine, _) in MODELS.items():
        base = '["dac"]' if name == "dia" else "[]"
        (root / name / "model.toml").write_text(TOML.format(kind=kind, engine=engine, name=name, base=base))
    plain = TOML.format(kind="data", engine="x", name="dac", base="[]").replace('engine = "x"\n', "")
    (root / "dac" / "model.toml").write_text(plain)
    yield Settings.read({}, home=root / "home", checkpoints=root, device="cpu")


def loaded(shelf: Settings, name: str) -> Any:
    engine = engines.lookup(MODELS[name][1])(Catalog.read(shelf).require(name), cpu(), shelf)
    engine.load()
    return engine


def job(name: str, flag: threading.Event | None = None, **more: Any) -> Job:
    kind, _, options = MODELS[name]
    known = {"prompt": "calm harp", "seed": 5, "options": options} | more
    return Job("j", Brief(kind, **known), "me", "running", datetime.now(UTC), flag=flag)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", MODELS)
def test_words_become_sound_with_every_step_told(shelf: Settings, name: str) -> None:
    engine = loaded(shelf, name)
    steps = list(engine.generate(job(name, count=2)))
    drafts = [step for step in steps if isinstance(step, Draft)]
    told = [step for step in steps if isinstance(step, Progress)]
    assert [draft.seed for draft in drafts] == [5, 6] and drafts[0].kind == MODELS[name][0]
    samples = drafts[0].payload.samples
    assert samples.dtype == np.float32 and samples.ndim == 2 and len(samples) > 1000
    assert drafts[0].facts["audio_seconds"] == len(samples) / drafts[0].payload.sample_rate <= 1.05
    assert loudness(samples, drafts[0].payload.sample_rate) < -15.5
    fractions = [step.fraction or 0.0 for step in told]
    assert len(fractions) >= 6 and fractions == sorted(fractions) and max(fractions) <= 1
    again = next(step for step in engine.generate(job(name)) if isinstance(step, Draft))
    assert np.array_equal(again.payload.samples, samples)  # the seed decides, whatever stands beside it
    assert not np.array_equal(drafts[1].payload.samples, samples)
    engine.close()


@pytest.mark.parametrize("name", MODELS)
def test_a_stopped_job_leaves_at_its_next_step(shelf: Settings, name: str) -> None:
    engine, flag = loaded(shelf, name), threading.Event()
    steps: list[Any] = []
    more = {"steps": 60} if name == "stable" else {}
    for step in engine.generate(job(name, flag, options=MODELS[name][2] | more)):
        steps.append(step)
        flag.set()
    assert all(isinstance(step, Progress) for step in steps)
    assert len(steps) < int(steps[0].message.split()[-1])
    engine.close()


def test_options_reach_the_model(shelf: Settings) -> None:
    engine = loaded(shelf, "stable")

    def made(**more: Any) -> Any:
        options = MODELS["stable"][2] | more
        return next(
            s for s in engine.generate(job("stable", options=options)) if isinstance(s, Draft)
        ).payload

    plain = made()
    assert len(made(seconds=1.5).samples) == 1.5 * len(plain.samples)
    assert not np.array_equal(made(negative_prompt="drum").samples, plain.samples)
    assert not np.array_equal(made(guidance_scale=9.0).samples, plain.samples)
    assert loudness(made(loudness_lufs=-30.0).samples, plain.sample_rate) == pytest.approx(-30, abs=0.3)


@pytest.mark.parametrize("name", MODELS)
def test_empty_and_wrong_briefs_are_refused(shelf: Settings, name: str) -> None:
    engine = loaded(shelf, name)
    with pytest.raises(BadInput):
        list(engine.generate(job(name, prompt="  ")))
    with pytest.raises(BadInput, match="between"):
        list(engine.generate(job(name, options={"seconds": 4000})))
    if MODELS[name][0] == "speech":
        with pytest.raises(BadInput, match="Kokoro"):
            list(engine.generate(job(name, prompt="hello " * 200)))


def broken(shelf: Settings, name: str, folder: Path) -> Any:
    entry = replace(Catalog.read(shelf).require(name), folder=folder)
    return engines.lookup(MODELS[name][1])(entry, cpu(), shelf)


@pytest.mark.parametrize("name", MODELS)
def test_pickles_are_never_opened(shelf: Settings, name: str, tmp_path: Path) -> None:
    folder = shutil.copytree(shelf.checkpoints / name, tmp_path / name)
    (folder / "pytorch_model.bin").write_bytes(b"\x80\x04.")
    with pytest.raises(ModelBroken, match="a pickle"):
        broken(shelf, name, folder).load()


@pytest.mark.parametrize("name", MODELS)
def test_what_is_missing_or_torn_is_said(shelf: Settings, name: str, tmp_path: Path) -> None:
    with pytest.raises(ModelMissing):
        broken(shelf, name, tmp_path / "nowhere").load()
    folder = shutil.copytree(shelf.checkpoints / name, tmp_path / name)
    weights = sorted(folder.rglob("*.safetensors"))[0]
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(ModelBroken):
        broken(shelf, name, folder).load()


def test_missing_tensors_are_not_drawn_at_random(shelf: Settings, tmp_path: Path) -> None:
    folder = shutil.copytree(shelf.checkpoints / "musicgen", tmp_path / "musicgen")
    tiny_sound.without(folder, "decoder.model.decoder.layers.0.fc1.weight")
    with pytest.raises(ModelBroken, match="missing"):
        broken(shelf, "musicgen", folder).load()


def test_a_model_of_another_family_is_named(shelf: Settings, tmp_path: Path) -> None:
    with pytest.raises(ModelBroken, match="is a bark model"):
        broken(shelf, "musicgen", shelf.checkpoints / "bark").load()
    with pytest.raises(ModelBroken, match="is a musicgen model"):
        broken(shelf, "bark", shelf.checkpoints / "musicgen").load()
    folder = shutil.copytree(shelf.checkpoints / "stable", tmp_path / "stable")
    index = json.loads((folder / "model_index.json").read_text())
    (folder / "model_index.json").write_text(json.dumps(index | {"_class_name": "StableDiffusionPipeline"}))
    with pytest.raises(ModelBroken, match="this engine takes"):
        broken(shelf, "stable", folder).load()
    (folder / "model_index.json").write_text(json.dumps(index | {"_class_name": "AudioLDM2Pipeline"}))
    with pytest.raises(ModelBroken, match="does not run with transformers 5; choose Stable Audio"):
        broken(shelf, "stable", folder).load()


def test_dia_needs_its_codec(shelf: Settings) -> None:
    entry = replace(Catalog.read(shelf).require("dia"), base=())
    with pytest.raises(ModelBroken, match="names no codec"):
        engines.lookup("speech_transformers")(entry, cpu(), shelf).load()
