"""What runs of picture and tune recipes leave is published for its engine; what is only a part says where it belongs."""

from __future__ import annotations

import json
import shutil
import tomllib
from pathlib import Path
from typing import Any

import pytest
from test_pictures import write_data

from studio.catalog import Catalog, DataSource
from studio.errors import BadInput, ModelBroken
from studio.forge.base import recipes
from studio.forge.publish_made import _WRITERS, LORA, PARTS, part_of
from studio.forge.release import digest, model_toml
from studio.forge.runs import Request, Run, Status, read_run, write_request, write_status
from studio.publish import Wish, publish
from studio.settings import ROOT, Settings

LANGUAGE = {"finetune_lm", "pretrain_lm", "harden_lm", "prune"}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A catalog of its own over the weights that are here."""
    checkpoints = tmp_path / "checkpoints"
    checkpoints.mkdir()
    shutil.copy(ROOT / "checkpoints" / "catalog.toml", checkpoints)
    for name in ("minilm-l6-v2", "fluid-r3-mono", "signet-sticker", "signet-tune", "signet-align"):
        (checkpoints / name).symlink_to(ROOT / "checkpoints" / name, target_is_directory=True)
    return Settings(home=tmp_path / "home", checkpoints=checkpoints)


def finished(folder: Path, recipe: str, data: Path, result: str, **options: Any) -> Path:
    """A run that has come to its end, as far as publishing looks at it."""
    write_request(folder, Request(recipe, str(data), options))
    write_status(folder, Status("done", result=str(folder / result)))
    return folder


def read(folder: Path) -> Run:
    run = read_run(folder)
    assert run is not None
    return run


def pictures(folder: Path) -> Path:
    folder.mkdir()
    write_data(folder, 12)
    return folder


def nets(folder: Path) -> tuple[Path, Path]:
    """An autoencoder and a transformer for it, in folders of their own."""
    from studio.nets.autoencoder import Autoencoder
    from studio.nets.transformer import StickerTransformer

    Autoencoder().save_pretrained(folder / "ae")
    StickerTransformer(width=32, depth=1, heads=2).save_pretrained(folder / "transformer")
    return folder / "ae", folder / "transformer"


def test_every_recipe_is_published_or_says_where_its_result_belongs(tmp_path: Path) -> None:
    assert set(recipes) - {"tiny"} == LANGUAGE | set(_WRITERS) | set(PARTS)
    run = finished(tmp_path, "gan", tmp_path, "generator")
    assert "pretrain_diffusion" in part_of(read(run)) and str(tmp_path / "generator") in part_of(read(run))


@pytest.mark.real
def test_a_transformer_becomes_a_pipeline_that_its_engine_loads(tmp_path: Path, settings: Settings) -> None:
    run = tmp_path / "run"
    coder, _ = nets(run)
    finished(run, "pretrain_diffusion", pictures(tmp_path / "data"), "transformer", autoencoder=str(coder))
    model = publish(settings, run, Wish("mine", "Mine"))
    assert (model.kind, model.engine) == ("image", "image_diffusers")
    assert set(model.base) == {"signet-sticker", "minilm-l6-v2"} and model.commercial == "yes"
    assert any("fluent-emoji" in one.name for one in model.data)
    assert "pretrain_diffusion" in (model.folder / "card.md").read_text("utf-8")
    assert not (settings.checkpoints / ".staging").exists()


@pytest.mark.real
def test_a_student_brings_its_few_steps_along(tmp_path: Path, settings: Settings) -> None:
    from studio.forge.distil import scheduler_for

    run = tmp_path / "run"
    coder, teacher = nets(run)
    scheduler_for(2).save_pretrained(run / "scheduler")
    finished(
        run, "distil", pictures(tmp_path / "data"), "transformer", autoencoder=str(coder), teacher=str(teacher),
        student_steps=2,
    )  # fmt: skip
    model = publish(settings, run, Wish("quick"))
    assert model.options == {"steps": 2, "guidance_scale": 1.0}
    config = json.loads((model.folder / "scheduler" / "scheduler_config.json").read_text("utf-8"))
    assert config["num_train_timesteps"] == 2


@pytest.mark.real
def test_a_damaged_result_does_not_stay_in_the_catalog(tmp_path: Path, settings: Settings) -> None:
    run, base = tmp_path / "run", ROOT / "checkpoints" / "signet-sticker"
    shutil.copytree(
        base, run / "pipeline", ignore=shutil.ignore_patterns("model.toml", "card.md", "*.svg", "*.png")
    )
    (run / "pipeline" / "transformer" / "config.json").write_text("{}", "utf-8")
    finished(run, "distil", pictures(tmp_path / "data"), "pipeline", teacher=str(base))
    with pytest.raises(ModelBroken):
        publish(settings, run, Wish("broken"))
    assert "broken" not in Catalog.read(settings).names and not (settings.checkpoints / "broken").exists()


def test_a_lora_asks_for_the_licences_and_is_found_by_the_engine(tmp_path: Path, settings: Settings) -> None:
    from safetensors.numpy import save_file

    from studio.engines.image_addons import lora_file

    run, data = tmp_path / "run", tmp_path / "mugs"
    (run / "lora").mkdir(parents=True)
    data.mkdir()
    for number in range(3):
        from PIL import Image

        Image.new("RGB", (8, 8), "red").save(data / f"{number}.png")
        (data / f"{number}.txt").write_text("a mug", "utf-8")
    save_file({}, run / "lora" / LORA)
    finished(run, "finetune_diffusion", data, "lora", base=str(tmp_path / "their-model"))
    with pytest.raises(BadInput, match=r"training data 'mugs'.*data_licence"):
        publish(settings, run, Wish("mugs"))
    with pytest.raises(BadInput, match=r"base_licence"):
        publish(settings, run, Wish("mugs", data_licence="LicenseRef-own-work"))
    assert not (settings.checkpoints / ".staging").exists()
    wish = Wish("mugs", data_licence="LicenseRef-own-work", base_licence="CC-BY-NC-4.0")
    model = publish(settings, run, wish)
    assert model.commercial == "no" and not model.engine
    assert lora_file("mugs", settings) == model.folder / LORA


@pytest.mark.real
def test_melodies_are_published_with_the_runs_they_must_not_repeat(
    tmp_path: Path, settings: Settings
) -> None:
    from studio.nets.tune import Shape, TuneModel

    run, data = tmp_path / "run", tmp_path / "tunes"
    data.mkdir()
    (data / "tunes.jsonl").write_text("", "utf-8")
    (data / "sources.json").write_text("{}", "utf-8")
    TuneModel(Shape(32, 1, 2, 32)).save(run / "tune")
    finished(run, "pretrain_tune", data, "tune")
    model = publish(settings, run, Wish("reels", "Reels"))
    assert (model.kind, model.engine, model.base) == ("music", "music_tune", ("fluid-r3-mono",))
    assert model.commercial == "unknown"  # nobody has said what the transcriptions allow
    assert {file.path for file in model.files} == {
        "config.json",
        "model.safetensors",
        "known-runs.safetensors",
    }


@pytest.mark.parametrize("recipe", sorted(PARTS))
def test_parts_are_refused_with_the_place_they_belong_to(
    recipe: str, tmp_path: Path, settings: Settings
) -> None:
    run = finished(tmp_path / "run", recipe, tmp_path, "part")
    with pytest.raises(BadInput) as caught:
        publish(settings, run, Wish("part"))
    assert str(caught.value) == part_of(read(run))
    assert not (settings.checkpoints / ".staging").exists()


def test_an_unfinished_run_is_refused(tmp_path: Path, settings: Settings) -> None:
    write_request(tmp_path / "run", Request("distil", str(tmp_path), {}))
    with pytest.raises(BadInput, match="train it to its end first"):
        publish(settings, tmp_path / "run", Wish("early"))


def test_an_entry_quotes_what_people_wrote(tmp_path: Path) -> None:
    nasty = 'a "quoted"\n[evil]\\ 🎈'
    (tmp_path / "w.bin").write_bytes(b"weights")
    told = model_toml(
        {"title": nasty, "memory_mb": 3, "default": True, "base": [nasty], "options": {"steps": 2}},
        [DataSource(nasty, "MIT", nasty)], tmp_path, [tmp_path / "w.bin"],
    )  # fmt: skip
    found = tomllib.loads(told)
    assert found["title"] == nasty and found["base"] == [nasty] and found["options"] == {"steps": 2}
    assert found["data"][0]["url"] == nasty and found["files"][0]["size"] == 7 and found["default"] is True
    before = digest([tmp_path / "w.bin"])
    (tmp_path / "w.bin").write_bytes(b"Weights")
    assert digest([tmp_path / "w.bin"]) != before
