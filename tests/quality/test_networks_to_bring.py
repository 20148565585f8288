"""CLIP and Inception where a user has them, on tiny random instances; withheld with a reason where not."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from quality_material import image_sample, landscape, photograph, rng, sticker

from studio.catalog import Catalog
from studio.errors import ModelBroken, StudioError
from studio.quality import image_clip, image_inception
from studio.quality.base import Sample, Withheld
from studio.quality.batch_items import Item
from studio.quality.batch_sets import steps, vectors
from studio.quality.card import score_one
from studio.quality.image_clip import ClipAlignment, ClipFeatures
from studio.quality.image_inception import InceptionFeatures
from studio.settings import Settings

MEAN, DEVIATION = [0.48, 0.46, 0.41], [0.27, 0.26, 0.28]


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CLIP of two layers and random weights, saved as the real one is."""
    import torch
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Whitespace
    from tokenizers.processors import TemplateProcessing
    from transformers import CLIPConfig, CLIPModel

    torch.manual_seed(0)
    small = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    text = small | {"vocab_size": 20, "max_position_embeddings": 12, "bos_token_id": 0, "eos_token_id": 1}
    config = CLIPConfig(
        text_config=text, vision_config=small | {"image_size": 32, "patch_size": 8}, projection_dim=8
    )
    folder = tmp_path_factory.mktemp("clip")
    CLIPModel(config).save_pretrained(folder)
    known = {
        w: i for i, w in enumerate(["<s>", "</s>", "?", "a", "red", "heart", "yellow", "star", "with", "the"])
    }
    tokenizer = Tokenizer(WordLevel(known, unk_token="?"))
    tokenizer.pre_tokenizer = Whitespace()
    tokenizer.post_processor = TemplateProcessing("<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 1)])
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "preprocessor_config.json").write_text(json.dumps({"image_mean": MEAN, "image_std": DEVIATION}))
    return folder


def test_both_sides_are_the_models_own(clip: Path, tmp_path: Path) -> None:
    import torch
    from transformers import CLIPModel

    sample = image_sample(tmp_path, sticker(0), "a red heart", models={image_clip.MODEL: clip})
    model = CLIPModel.from_pretrained(clip).eval()
    pixels = image_clip.prepared(sample.pixels, 32, MEAN, DEVIATION)
    with torch.inference_mode():
        found = model(input_ids=torch.tensor([[0, 3, 4, 5, 1]]), pixel_values=torch.from_numpy(pixels)[None])
        expected = float(found.logits_per_image[0, 0] / model.logit_scale.exp())
    score = ClipAlignment().score(sample)
    assert score.value == pytest.approx(expected, abs=1e-5)
    assert (score.unit, score.model, score.percentile) == ("cosine", image_clip.MODEL, None)
    rows = ClipFeatures().vectors([sample, sample])
    assert rows.shape == (2, 8) and np.allclose(np.linalg.norm(rows, axis=1), 1)


def test_a_long_brief_is_cut_and_not_refused(clip: Path) -> None:
    assert np.allclose(
        image_clip.sentence("a red heart " * 4, clip), image_clip.sentence("a red heart " * 400, clip)
    )


@pytest.mark.parametrize("shape", [(64, 64), (64, 200), (301, 77)])
def test_pictures_of_any_shape_are_prepared(shape: tuple[int, int]) -> None:
    found = image_clip.prepared(np.full((*shape, 3), 128, np.uint8), 32, MEAN, DEVIATION)
    assert found.shape == (3, 32, 32) and found.dtype == np.float32
    assert found[:, 5, 5] == pytest.approx((128 / 255 - np.array(MEAN)) / DEVIATION, abs=1e-5)


@pytest.mark.parametrize(
    ("make", "prompt", "reason"),
    [
        (lambda: sticker(0), "?!", "no words"),
        (lambda: sticker(0), "ein rotes Herz und der Stern", "English only"),
        (lambda: np.zeros((8, 8, 3)), "a red heart", "64 × 64"),
    ],
)
def test_out_of_its_domain(
    make: Callable[[], Any], prompt: str, reason: str, clip: Path, tmp_path: Path
) -> None:
    with pytest.raises(Withheld, match=reason):
        ClipAlignment().score(image_sample(tmp_path, make(), prompt, models={image_clip.MODEL: clip}))


def test_without_the_models_there_are_reasons(tmp_path: Path, settings: Settings) -> None:
    catalog, sample = Catalog.read(settings), image_sample(tmp_path, landscape(0))
    assert not catalog.ready(image_clip.MODEL), "this test is about a studio without CLIP"
    with pytest.raises(StudioError, match=f"models pull {image_clip.MODEL}"):
        score_one(ClipAlignment, sample, catalog)
    items = [Item(str(i), sample) for i in range(1000)]
    for family, reason in ((ClipFeatures, "models pull"), (InceptionFeatures, "yours to bring")):
        for name, step in steps(family, items, items, catalog):
            assert family.name in name
            with pytest.raises((Withheld, StudioError), match=reason):
                list(step())


def network(folder: Path, weights: Any) -> Path:
    """An "Inception" that averages each channel and multiplies by `weights` (3, d)."""
    from onnx import TensorProto, helper, numpy_helper, save_model

    nodes = [
        helper.make_node("GlobalAveragePool", ["x"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["flat"]),
        helper.make_node("MatMul", ["flat", "w"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes, "tiny",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3, 299, 299])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", weights.shape[1]])],
        [numpy_helper.from_array(weights.astype(np.float32), "w")],
    )  # fmt: skip
    folder.mkdir(parents=True, exist_ok=True)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    save_model(model, folder / "model.onnx")
    return folder


def test_a_network_of_ones_own(tmp_path: Path, settings: Settings) -> None:
    """Brought as a folder with a model.toml, it is found and named in the figures."""
    checkpoints = tmp_path / "checkpoints"
    checkpoints.mkdir()
    (checkpoints / "catalog.toml").write_bytes((settings.checkpoints / "catalog.toml").read_bytes())
    weights = rng(0).normal(size=(3, 6))
    (network(checkpoints / "inception-v3", weights) / "model.toml").write_text(
        'kind = "quality"\ntitle = "Inception v3"\nsummary = "Features of photographs."\nlicence = "Apache-2.0"\n'
        'licence_url = "https://example.org/licence"\ncommercial = "unknown"\nrevision = "1"\nmemory_mb = 200\n'
        'pinned = false\nsource = { type = "local" }\n'
    )
    catalog = Catalog.read(replace(settings, checkpoints=checkpoints))
    samples = [image_sample(tmp_path, photograph(seed)) for seed in range(3)]
    found = vectors(InceptionFeatures, [Item(str(i), sample) for i, sample in enumerate(samples)], catalog)
    means = np.array([sample.pixels.mean(axis=(0, 1)) for sample in samples]) / 127.5 - 1
    assert np.allclose(found, means @ weights, atol=0.02)


def with_network(folder: Path, pixels: Any, place: Path) -> Sample:
    return image_sample(place, pixels, models={image_inception.MODEL: folder})


def test_a_network_that_cannot_be_used_gets_words(tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "model.onnx").write_bytes(b"no network")
    with pytest.raises(ModelBroken, match="export it again"):
        InceptionFeatures().vectors([with_network(broken, landscape(0), tmp_path)])
    four = network(tmp_path / "four", np.ones((4, 2)))
    with pytest.raises(ModelBroken, match="export it"):
        InceptionFeatures().vectors([with_network(four, landscape(0), tmp_path)])
