"""What tests of the forge share: one thread (on busy cores others would only be waited for), and a taught model."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tiny_lm import tiny_folder, write_rows


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """48 prompts with answers; not to be written to."""
    return write_rows(tmp_path_factory.mktemp("pairs") / "rows.jsonl")


@pytest.fixture(scope="session")
def taught(tmp_path_factory: pytest.TempPathFactory, pairs: Path) -> Path:
    """The run of a tiny model that knows `pairs` already; not to be written to."""
    import torch

    from studio.forge.finetune_lm import FinetuneLm, LanguageOptions
    from studio.forge.track import Track
    from studio.options import read_options

    torch.set_num_threads(1)
    root = tmp_path_factory.mktemp("taught")
    options = {"base": str(tiny_folder(root / "tiny")), "epochs": 4, "learning_rate": 0.003, "method": "full"}
    track = Track(root / "run", listen=lambda line: None)
    FinetuneLm().run(pairs, read_options(LanguageOptions, options), track)
    return root / "run"
