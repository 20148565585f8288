"""What all tests share: a home of their own, and a studio that runs on the echo engines."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from studio.settings import Settings

if TYPE_CHECKING:
    from studio.service import Studio


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings.read({}, home=tmp_path / "home", device="cpu")


@pytest.fixture
def studio(settings: Settings) -> Iterator[Studio]:
    from studio.service import Studio

    with Studio(settings, serve=True) as one:
        yield one


@pytest.fixture(scope="module")
def shared_studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    """One studio for a whole file of tests, where a worker process each would cost too much."""
    from studio.service import Studio

    with Studio(Settings.read({}, home=tmp_path_factory.mktemp("home"), device="cpu"), serve=True) as one:
        yield one


@pytest.fixture(scope="module")
def outsider(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A package on the path whose entry point brings the recipe `tiny`."""
    site = tmp_path_factory.mktemp("site")
    shutil.copy(Path(__file__).with_name("tiny_recipe.py"), site)
    info = site / "tiny_recipe-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: tiny-recipe\nVersion: 1.0\n", "utf-8")
    (info / "entry_points.txt").write_text("[signet.recipes]\ntiny = tiny_recipe\n", "utf-8")
    from studio.forge.base import recipes

    list(recipes)  # so that discovery does not meet it twice
    sys.path.insert(0, str(site))
    __import__("tiny_recipe")
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = str(site)
    yield site
    sys.path.remove(str(site))
    recipes._parts.pop("tiny")
    sys.modules.pop("tiny_recipe")
    os.environ.pop("PYTHONPATH")
    if before is not None:
        os.environ["PYTHONPATH"] = before
