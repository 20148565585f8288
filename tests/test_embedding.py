"""The numpy encoder is the published model: equal to transformers, cached, and clear about broken files."""

from __future__ import annotations

import math
import shutil
from pathlib import Path

import numpy as np
import pytest

from studio import embedding
from studio.catalog import Catalog
from studio.embedding import embed, token_states
from studio.errors import ModelBroken, ModelMissing
from studio.settings import Settings

TEXTS = [
    "a red apple",
    "",
    "你好，世界 🎉",
    "naïve café — ‘quotes’",
    "Write a product description for a solar-powered camping lantern that charges in two hours. " * 30,
]


@pytest.fixture
def folder(settings: Settings) -> Path:
    return Catalog.read(settings).require(embedding.MODEL).folder


@pytest.mark.real
def test_equals_transformers(folder: Path) -> None:
    import torch
    from transformers import AutoModel, AutoTokenizer

    model, tokenizer = AutoModel.from_pretrained(folder).eval(), AutoTokenizer.from_pretrained(folder)
    with torch.no_grad():
        given = tokenizer(TEXTS, padding=True, truncation=True, max_length=256, return_tensors="pt")
        states = model(**given).last_hidden_state
        weights = given["attention_mask"][..., None].float()
        expected = torch.nn.functional.normalize((states * weights).sum(1) / weights.sum(1), dim=1).numpy()
        short = tokenizer(TEXTS, padding="max_length", truncation=True, max_length=16, return_tensors="pt")
        expected_states = model(**short).last_hidden_state.numpy()
    assert abs(embed(TEXTS, folder) - expected).max() < 1e-5
    found, mask = token_states(TEXTS, folder, 16)
    assert (mask == short["attention_mask"].numpy().astype(bool)).all()
    assert abs(found - expected_states * mask[..., None]).max() < 1e-4


@pytest.mark.real
def test_order_and_batches_do_not_matter(folder: Path) -> None:
    many = [f"{'very ' * (i % 9)}small house number {i}" for i in range(60)]
    together = embed(many, folder)
    embedding._cache.clear()
    apart = np.concatenate([embed([text], folder) for text in reversed(many)])[::-1]
    assert together.shape == (60, 384) and together.dtype == np.float32
    assert abs(together - apart).max() < 1e-5
    assert embed([], folder).shape == (0, 384)


@pytest.mark.real
def test_same_text_is_computed_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = embed(["seen before", "seen before"], folder)
    monkeypatch.setattr(embedding.Encoder, "forward", lambda *_: pytest.fail("computed again"))
    assert (embed(["seen before"], folder)[0] == first[1]).all()


def test_missing_and_broken_models_say_so(tmp_path: Path) -> None:
    with pytest.raises(ModelMissing, match="models pull minilm-l6-v2"):
        embed(["x"], tmp_path)


@pytest.mark.real
@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.json", "config.json"])
def test_truncated_files_say_so(folder: Path, tmp_path: Path, name: str) -> None:
    for file in ("config.json", "tokenizer.json", "model.safetensors"):
        shutil.copy(folder / file, tmp_path)
    data = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(data[: len(data) // 2])
    with pytest.raises(ModelBroken, match="cannot be read"):
        embed(["x"], tmp_path)


def test_the_error_function_is_near_enough_everywhere() -> None:
    x = np.linspace(-6, 6, 10_001, dtype=np.float32)
    exact = np.array([math.erf(value) for value in x])
    assert np.abs(embedding._erf(x) - exact).max() < 1e-6
    assert embedding._erf(np.float32([-0.0, np.inf, -np.inf])).tolist() == [0.0, 1.0, -1.0]
