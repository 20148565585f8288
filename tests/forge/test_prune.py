from __future__ import annotations

import json
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import pytest
import torch

from studio.engines.llama_model import LlamaModel
from studio.errors import BadInput
from studio.forge.data import read_data
from studio.forge.lm_base import load_base
from studio.forge.lm_task import collate, encode
from studio.forge.loop.checkpoint import newest
from studio.forge.prune import Prune, PruneOptions
from studio.forge.prune_gradual import add_masks, apply_masks, sparsity_at, take_masks_off, update_masks
from studio.forge.prune_report import Row, front, pareto_svg, table, verdict
from studio.forge.prune_structure import importance, without_channels, without_heads, without_layers
from studio.forge.track import Track, read_curve
from studio.options import read_options
from studio.publish import Wish, publish
from studio.settings import Settings


def quiet(folder: Path, **kinds: Any) -> Track:
    return Track(folder, listen=lambda line: None, **kinds)


def options(taught: Path, **changes: Any) -> PruneOptions:
    given = {
        "base": str(taught),
        "layers": 1,
        "heads": 1,
        "channels": 0.25,
        "epochs": 3,
        "learning_rate": 0.01,
    }
    return read_options(PruneOptions, given | changes)


@pytest.mark.recipe("prune")
def test_a_smaller_model_recovers_and_is_published(pairs: Path, taught: Path, tmp_path: Path) -> None:
    folder = Prune().run(pairs, options(taught), quiet(tmp_path / "run"))
    rows = {row["step"]: row for row in json.loads((tmp_path / "run" / "pareto.json").read_text())["rows"]}
    start, recovered, small = rows["start, half precision"], rows["recovered"], rows["GGUF Q8_0"]
    assert recovered["perplexity"] < rows["25% channels less"]["perplexity"]
    assert recovered["megabytes"] < 0.8 * start["megabytes"] and small["megabytes"] < recovered["megabytes"]
    assert recovered["speed"] > 0 and rows["only 50% channels"]["tried"]
    assert rows["int8 in PyTorch"]["perplexity"] < 1.2 * recovered["perplexity"]
    curve = read_curve(tmp_path / "run")["epoch/model"]
    assert curve[-1][1] < 0.9 * curve[0][1]
    config = load_base(str(folder)).model.config
    assert (config.num_hidden_layers, config.num_key_value_heads, config.intermediate_size) == (2, 2, 96)
    assert (
        "stops paying" in (tmp_path / "run" / "table.txt").read_text()
        or "pays" in (tmp_path / "run" / "table.txt").read_text()
    )
    (tmp_path / "checkpoints").mkdir()
    settings = Settings(home=tmp_path / "home", checkpoints=tmp_path / "checkpoints")
    model = publish(settings, tmp_path / "run", Wish("small", data_licence="MIT", base_licence="MIT"))
    card = (model.folder / "card.md").read_text()
    assert "start.gguf" in card and [file.path for file in model.files] == [
        "model-q8_0.gguf",
        "model-q4_1.gguf",
    ]
    LlamaModel(model.folder / model.files[0].path).close()


@pytest.fixture(scope="module")
def measured(pairs: Path, taught: Path) -> tuple[Any, Any]:
    base = load_base(str(taught))
    batch = collate([encode(base.tokenizer, one, 256) for one in read_data(pairs).examples[:6]], "cpu")
    return base.model, importance(base.model, [batch])


def test_parts_that_do_nothing_are_the_first_to_go(taught: Path, pairs: Path) -> None:
    base = load_base(str(taught))
    batch = collate([encode(base.tokenizer, one, 256) for one in read_data(pairs).examples[:4]], "cpu")
    layer = base.model.model.layers[1]
    with torch.no_grad():
        layer.mlp.down_proj.weight[:, 5:37] = 0  # 32 channels without effect
        layer.self_attn.o_proj.weight[:, 64:128] = 0  # the second of three groups
    found = importance(base.model, [batch])
    assert set(found.channels[1].topk(32, largest=False).indices.tolist()) == set(range(5, 37))
    assert int(found.heads[1].argmin()) == 1
    with torch.no_grad():
        for part in (layer.mlp.down_proj, layer.self_attn.o_proj):
            part.weight.zero_()
        for other in (base.model.model.layers[0], base.model.model.layers[2]):
            other.mlp.down_proj.weight[:, 96:] = 0
            other.self_attn.o_proj.weight[:, 128:] = 0
    found = importance(base.model, [batch])
    assert int(found.layers.argmin()) == 1
    before = base.model(input_ids=batch.ids).logits
    smaller, left = without_layers(base.model, found, 1)
    smaller = without_channels(without_heads(smaller, left, 1), left, 0.25)
    torch.testing.assert_close(smaller(input_ids=batch.ids).logits, before, atol=1e-4, rtol=1e-4)


def test_what_cannot_leave_is_refused(
    measured: tuple[Any, Any], taught: Path, pairs: Path, tmp_path: Path
) -> None:
    model, found = measured
    with pytest.raises(BadInput, match=r"choose one of: \[0, 1, 2\]"):
        without_heads(model, found, 3)
    with pytest.raises(BadInput, match="At most 1 of 3 layers"):
        without_layers(model, found, 2)
    with pytest.raises(BadInput, match="set method to full"):
        Prune().run(pairs, options(taught, sparsity=0.5), quiet(tmp_path))


def test_zeros_grow_by_the_schedule_and_stay(taught: Path) -> None:
    assert sparsity_at(0, 100, 0.8) == 0.0
    assert sparsity_at(35, 100, 0.8) == pytest.approx(0.8 * (1 - 0.5**3))  # Zhu & Gupta, equation 1
    assert sparsity_at(70, 100, 0.8) == sparsity_at(100, 100, 0.8) == 0.8
    model = load_base(str(taught)).model
    add_masks(model)
    weight = model.model.layers[0].mlp.up_proj.weight
    smallest = weight.abs().flatten().topk(weight.numel() // 4, largest=False).indices
    update_masks(model, 0.25)
    apply_masks(model)
    assert (weight.flatten()[smallest] == 0).all()
    with torch.no_grad():
        weight.add_(1.0)
    update_masks(model, 0.5)
    apply_masks(model)
    assert (weight.flatten()[smallest] == 0).all() and float((weight == 0).float().mean()) == pytest.approx(
        0.5
    )
    assert take_masks_off(model) == pytest.approx(0.5, abs=1e-3)
    assert not any("mask" in name for name in model.state_dict())


def test_gradual_pruning_trains_resumes_and_leaves_zeros(pairs: Path, taught: Path, tmp_path: Path) -> None:
    bare = {"layers": 0, "heads": 0, "channels": 0.0, "sweep": False, "learning_rate": 0.001}
    chosen = options(taught, sparsity=0.6, method="full", epochs=2, **bare)
    folder = Prune().run(pairs, chosen, quiet(tmp_path))
    state = newest(tmp_path)
    assert state is not None and (state / "state.json").exists()
    model = load_base(str(folder)).model
    matrix = model.model.layers[0].mlp.up_proj.weight
    assert float((matrix == 0).float().mean()) == pytest.approx(0.6, abs=0.01)
    names = [row["step"] for row in json.loads((tmp_path / "pareto.json").read_text())["rows"]]
    assert "recovered, 60% zeros" in names


ROWS = [
    Row("start", 100.0, 10.0, 1.0),
    Row("a", 60.0, 10.5, 1.4),
    Row("worse", 70.0, 12.0, 1.2),
    Row("b", 30.0, 14.0, 2.0),
    Row("tried", 20.0, 9.0, None, tried=True),
]


def test_the_verdict_says_up_to_where_it_pays() -> None:
    told = verdict(ROWS, 0.1)
    assert "pays up to “a”: 0.60 × the size at +5.0%" in told and "stops paying at “b” (+40.0%)" in told
    assert "Beaten in both by another step: worse" in told
    assert [row.step for row in front(ROWS[:4])] == ["b", "a", "start"]
    assert "Nothing here pays" in verdict([ROWS[0], ROWS[3]][1:] + [Row("c", 20.0, 90.0, None)], -0.5)
    assert "1.40×" in table(ROWS) and "–" in table(ROWS).splitlines()[-1]


def test_the_plot_is_sound_and_escapes_names() -> None:
    root = ElementTree.fromstring(pareto_svg([*ROWS, Row("<&>", 50.0, 11.0, None)]))
    assert len([one for one in root if one.tag.endswith("circle")]) == 6
