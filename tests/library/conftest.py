"""A library in a temporary folder, and sealed files to put into it."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from library_nouns import brief, credential, job, model

from studio.library import Library
from studio.settings import Settings
from studio.types import Asset, Scorecard


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "home")


@pytest.fixture
def library(settings: Settings) -> Iterator[Library]:
    opened = Library(settings)
    yield opened
    opened.close()


@pytest.fixture
def seal(tmp_path: Path) -> Callable[..., Path]:
    """A new finished file; its bytes differ each time unless given."""

    def write(content: bytes | None = None, name: str = "sealed.txt") -> Path:
        folder = tmp_path / "work" / uuid.uuid4().hex
        folder.mkdir(parents=True)
        path = folder / name
        path.write_bytes(uuid.uuid4().bytes if content is None else content)
        return path

    return write


@pytest.fixture
def keep(library: Library, seal: Callable[..., Path]) -> Callable[..., Asset]:
    """Add one asset: `keep("prompt", owner=…, model_id=…, text=…, kind=…)`."""

    def add(prompt: str = "a red teapot", *, owner: str = "ann", model_id: str = "smollm2-135m", text: str = "",
            job_id: str = "", **asked: Any) -> Asset:  # fmt: skip
        return library.add(
            seal(), job=job(brief(prompt, **asked), owner, job_id), media_type="text/plain", text=text,
            model=model(model_id), scorecard=Scorecard(), credential=credential(),
        )  # fmt: skip

    return add
