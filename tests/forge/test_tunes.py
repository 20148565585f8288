"""Tunes from the wheel to published weights, on a tiny corpus: data, split, recipe, resume, report, card."""

from __future__ import annotations

import json
import random
import shutil
import zipfile
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from studio.errors import BadInput, ModelMissing
from studio.forge import tunes as module
from studio.forge.base import recipes
from studio.forge.evaluate_tunes import divergence, evaluate
from studio.forge.publish_tune import publish
from studio.forge.track import Track, read_curve
from studio.forge.tunes import TuneData, build, groups, known_runs, plain_title, read_corpus
from studio.nets.tune_abc import read_tune
from studio.nets.tune_tokens import BEGIN, ID, runs
from studio.options import read_options
from studio.settings import ROOT


def abc(number: int, title: str, rng: random.Random, key: str = "G") -> str:
    bars = [" ".join(rng.choice("GABcdefg") for _ in range(8)) + " |" for _ in range(8)]
    return f"X:{number}\nT:{title}\nR:reel\nM:4/4\nL:1/8\nK:{key}\n{chr(10).join(bars)}\n\n"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """80 tunes in two books; every fourth of the second book is one of the first under another title."""
    rng, folder = random.Random(1), tmp_path_factory.mktemp("tunes")
    names = random.Random(2)
    titles = ["".join(names.choice("bdfgklmnoprstu") for _ in range(8)) for _ in range(80)]
    first = [abc(i, titles[i], rng) for i in range(40)]
    second = [
        first[i].replace(titles[i], titles[40 + i]) if i % 4 == 0 else abc(i, titles[40 + i], rng)
        for i in range(40)
    ]
    second += ["X:99\nT:Crooked\nM:4/4\nL:1/8\nK:G\nGABc defg|GABcd|GABc defg|GABc defg|G8|\n"]
    wheel = folder / "packages" / "music21-0-py3-none-any.whl"
    wheel.parent.mkdir()
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("music21/corpus/oneills1850/a.abc", "".join(first))
        archive.writestr("music21/corpus/ryansMammoth/b.abc", "".join(second))
        archive.writestr("music21/corpus/essenFolksong/c.abc", abc(1, "Not to be used", rng))
    with pytest.MonkeyPatch.context() as patch:
        import hashlib

        patch.setattr(module, "SHA256", hashlib.sha256(wheel.read_bytes()).hexdigest())
        build(folder)
    return folder


def test_the_data_says_what_it_is_and_what_was_left_out(data: Path) -> None:
    about = json.loads((data / "sources.json").read_text("utf-8"))
    assert about["tunes"] == {
        "oneills1850": 40,
        "ryansMammoth": 30,
    }
    assert about["exact duplicates left out"] == 10
    assert about["left out"] == {"a bar of … ticks instead of …": 1}
    assert "essenFolksong" not in json.dumps(about) and "states no licence" in json.dumps(about)


def test_no_group_of_like_tunes_is_split(data: Path) -> None:
    records = TuneData(data).records
    sides: dict[str, set[str]] = {}
    for record in records:
        sides.setdefault(record.group, set()).add(record.split)
    assert all(len(side) == 1 for side in sides.values())
    assert {record.split for record in records} == {"train", "valid", "test"}
    held = set().union(*map(runs, TuneData(data).tunes("valid", "test")))
    assert not held & set().union(*map(runs, TuneData(data).tunes("train")))


def test_a_title_or_a_shared_run_makes_one_group() -> None:
    rng = random.Random(5)
    a, b, c, d = (read_tune(abc(1, "x", rng)) for _ in range(4))
    assert groups(["The Lark", "Lark, The -- Reel", "Other", "untitled"], [a, b, c, d]) == [0, 0, 2, 3]
    assert groups(["one", "two", "three"], [a, b, a]) == [0, 1, 0]
    assert plain_title("The Old Rakes of Mallow (2nd)") == "rakes of mallow"


def test_another_wheel_is_refused(tmp_path: Path) -> None:
    (tmp_path / "packages").mkdir()
    (tmp_path / "packages" / "music21-9-py3-none-any.whl").write_bytes(b"other")
    with pytest.raises(BadInput, match="not the file that is expected"):
        build(tmp_path)
    with pytest.raises(ModelMissing, match="studio.forge.tunes"):
        TuneData(tmp_path)


def test_rows_hold_whole_tunes(data: Path) -> None:
    packed = TuneData(data).packed("train")
    starts = int((packed == ID[BEGIN]).sum())
    assert starts == len(TuneData(data).of("train"))
    assert (packed > 0).mean() > 0.7
    assert (packed[:, 0] == ID[BEGIN]).all()


TINY = {"width": 32, "depth": 1, "heads": 2, "hidden": 32, "batch_size": 4, "warmup_steps": 0, "ema": 0.5}


def run(data: Path, folder: Path, resume: bool = False, **options: Any) -> Path:
    recipe = recipes.lookup("pretrain_tune")
    read: Any = read_options(recipe.Options, TINY | options)
    return recipe().run(data, read, Track(folder, resume=resume, listen=lambda line: None))


@pytest.fixture(scope="module")
def trained(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run(data, tmp_path_factory.mktemp("run"), epochs=8, learning_rate=0.02).parent


@pytest.mark.recipe("pretrain_tune")
def test_the_recipe_learns_and_loads(trained: Path) -> None:
    from studio.nets.tune import TuneModel

    curve = read_curve(trained)["valid/loss"]
    assert curve[-1][1] < 0.8 * curve[0][1]
    net = TuneModel.load(
        trained / "tune"
    )  # as the Music tab's engine does; with its notes: test_publish_made.py
    assert net.shape.width == TINY["width"]


def test_tunes_of_one_row_do_not_see_each_other(data: Path) -> None:
    from studio.forge.pretrain_tune import TuneTask
    from studio.nets.tune import Shape, TuneModel

    task = TuneTask(TuneData(data), TuneModel(Shape(32, 2, 2, 32)))
    rows = np.array([0], np.int64)
    alone = task.tokens.copy()
    second = np.flatnonzero(task.tokens[0] == ID[BEGIN])[1]
    before = float(task.measure(task.nets["model"], rows, None).detach())  # type: ignore[arg-type]
    # Change the first tune: the loss of the second alone must stay as it is.
    task.tokens = alone.copy()
    task.tokens[0, :second] = 0
    only_second = float(task.measure(task.nets["model"], rows, None).detach())  # type: ignore[arg-type]
    shifted = alone.copy()
    shifted[0] = 0
    shifted[0, : 512 - second] = alone[0, second:]
    task.tokens = shifted
    assert float(task.measure(task.nets["model"], rows, None).detach()) == pytest.approx(
        only_second, abs=1e-4
    )  # type: ignore[arg-type]
    assert before != pytest.approx(only_second, abs=1e-4)


def test_published_weights_load_and_say_what_they_are(data: Path, trained: Path, tmp_path: Path) -> None:
    from studio.catalog import Catalog
    from studio.nets.tune import TuneModel
    from studio.settings import Settings

    out = tmp_path / "checkpoints" / "signet-tune"
    report = evaluate(TuneModel.load(trained, "best.safetensors"), TuneData(data), pieces=3)
    (tmp_path / "report.json").write_text(json.dumps(report), "utf-8")
    publish(trained, data, out, tmp_path / "report.json")
    shutil.copy(ROOT / "checkpoints" / "catalog.toml", tmp_path / "checkpoints")
    catalog = Catalog.read(Settings(home=tmp_path, checkpoints=tmp_path / "checkpoints"))
    model = catalog.verify("signet-tune")
    assert model.engine == "music_tune" and len(model.files) == 3 and len(model.data) == 4
    card = (out / "card.md").read_text("utf-8")
    assert "out of copyright" in card and "| notes in the mode, % |" in card and "curve.svg" in card
    with pytest.raises(ModelMissing, match="one epoch"):
        publish(tmp_path, data, out)


def test_the_report_measures(data: Path, trained: Path) -> None:
    from studio.nets.tune import TuneModel

    report = evaluate(TuneModel.load(trained, "best.safetensors"), TuneData(data), pieces=4)
    numbers = report["numbers"]
    assert (
        numbers["melodies that parse, %"]["raw"]
        == numbers["bars of exactly the right length, %"]["raw"]
        == 100
    )
    assert numbers["with a 16-interval run of a training tune, %"]["held_out"] == 0
    assert 0 <= numbers["notes in the mode, %"]["raw"] <= 100
    longest = numbers["longest run of intervals shared with a training tune, of all"]
    assert 0 < longest["held_out"] < 16 and longest["raw"] > 0
    for shape in report["histograms"].values():
        assert all(sum(shares) == pytest.approx(1, abs=0.01) for shares in shape.values())
    assert divergence(np.array([9.0, 1]), np.array([9.0, 1])) == pytest.approx(0)
    assert divergence(np.array([90.0, 10]), np.array([10.0, 90])) > 1


def test_known_runs_are_sorted_and_tell_a_copy(data: Path) -> None:
    from studio.nets.tune_sample import copied

    known = known_runs(TuneData(data).tunes("train"))
    assert known.dtype == np.uint32 and (np.diff(known.astype(np.int64)) > 0).all()
    assert all(copied(tune, known) for tune in TuneData(data).tunes("train"))
    assert not any(copied(tune, known) for tune in TuneData(data).tunes("test"))
    assert Counter(copied(tune, known[:0]) for tune in TuneData(data).tunes("test"))[True] == 0


def test_the_corpus_is_read_from_the_archive_only(data: Path) -> None:
    refused: Counter[str] = Counter()
    wheel = next((data / "packages").glob("*.whl"))
    assert len(list(read_corpus(wheel, refused))) == 80 and sum(refused.values()) == 1
