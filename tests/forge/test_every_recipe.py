"""No recipe without a short training of its own, and none that answers bad data with a traceback."""

from __future__ import annotations

import ast
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from test_pictures import write_data

from studio.errors import BadInput, StudioError
from studio.forge.base import recipes
from studio.forge.track import Track
from studio.options import read_options

HERE = Path(__file__).parent
NAMES = sorted(set(recipes) - {"tiny"})
PICTURES = [name for name in NAMES if name in ("distil", "gan") or name.startswith("pretrain_")]
PICTURES = [name for name in PICTURES if name not in ("pretrain_lm", "pretrain_tune")]


def test_every_recipe_has_a_test_in_which_it_learns_and_its_result_loads() -> None:
    marked = [
        mark.args[0].value
        for file in HERE.glob("test_*.py")
        for one in ast.walk(ast.parse(file.read_text("utf-8")))
        if isinstance(one, ast.FunctionDef) and one.name.startswith("test_")
        for mark in one.decorator_list
        if isinstance(mark, ast.Call) and ast.unparse(mark.func) == "pytest.mark.recipe"
        if isinstance(mark.args[0], ast.Constant)
    ]
    assert sorted(marked) == NAMES


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The trained parts that some recipes begin from."""
    from studio.nets.autoencoder import Autoencoder
    from studio.nets.transformer import StickerTransformer

    folder = tmp_path_factory.mktemp("parts")
    Autoencoder().save_pretrained(folder / "ae")
    StickerTransformer(width=32, depth=1, heads=2).save_pretrained(folder / "teacher")
    return {"autoencoder": str(folder / "ae"), "teacher": str(folder / "teacher")}


def run(name: str, data: Path, folder: Path, parts: dict[str, str], **options: Any) -> Path:
    recipe = recipes.lookup(name)
    known = {option: value for option, value in parts.items() if hasattr(recipe.Options, option)}
    read: Any = read_options(recipe.Options, {"epochs": 1, "batch_size": 2} | known | options)
    return recipe().run(data, read, Track(folder, listen=lambda line: None))


def sentence(error: pytest.ExceptionInfo[Any]) -> str:
    told = str(error.value)
    assert told and len(told.splitlines()) == 1 and told[0].isupper() | told[0].isalnum(), told
    return told


def noise(path: Path) -> None:
    path.write_bytes(bytes(range(256)) * 8)


EMPTY: dict[str, Callable[[Path], None]] = {
    "nothing.jsonl": lambda path: None,
    "empty.jsonl": Path.touch,
    "folder": Path.mkdir,
    "noise.jsonl": noise,
    "one.jsonl": lambda path: path.write_text('{"prompt": "a", "answer": "b"}\n', "utf-8") and None,
    "other.csv": lambda path: path.write_text("number,colour\n1,red\n", "utf-8") and None,
}


@pytest.mark.parametrize("kind", EMPTY)
@pytest.mark.parametrize("name", NAMES)
def test_data_that_cannot_be_learnt_from_is_told_in_a_sentence(
    name: str, kind: str, tmp_path: Path, parts: dict[str, str]
) -> None:
    EMPTY[kind](tmp_path / kind)
    with pytest.raises(StudioError) as error:
        run(name, tmp_path / kind, tmp_path / "run", parts)
    assert kind in sentence(error) or str(tmp_path) in sentence(error)


@pytest.mark.parametrize("name", PICTURES)
def test_a_single_picture_is_told_in_a_sentence(name: str, tmp_path: Path, parts: dict[str, str]) -> None:
    write_data(tmp_path, 1)
    options: dict[str, Any] = {}
    if name == "pretrain_upscaler":  # as its large pictures would lie there
        options["pictures"] = 10
        (tmp_path / "pictures-512.json").write_text(json.dumps([0] * 10), "utf-8")
    with pytest.raises(BadInput, match="holds 1 pictures and none of them to test with") as error:
        run(name, tmp_path, tmp_path / "run", parts, **options)
    sentence(error)
