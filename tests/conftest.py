"""What all tests share: a home of their own, and a studio that runs on the echo engines."""

from __future__ import annotations

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
