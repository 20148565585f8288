from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from gguf import GGMLQuantizationType, quants
from tiny_lm import rows, tiny_llama, tiny_tokenizer

from studio.forge.data_rows import Example
from studio.forge.gguf_read import GgufModel
from studio.forge.gguf_round import BLOCK, input_products, q4_1
from studio.forge.gguf_write import write_gguf
from studio.forge.lm_task import collate, encode


def read_back(packed: Any) -> Any:
    return quants.dequantize(packed, GGMLQuantizationType.Q4_1)


def test_the_bytes_are_those_of_the_format() -> None:
    rng = np.random.default_rng(0)
    weights = rng.normal(size=(6, 96)).astype(np.float32)
    packed = q4_1(weights, torch.eye(96))  # inputs that do not go together: nothing to make good
    assert packed.shape == (6, 96 // BLOCK * 20) and packed.dtype == np.uint8
    blocks = weights.reshape(6, -1, BLOCK)
    step = (blocks.max(-1) - blocks.min(-1)) / 15
    error = np.abs(read_back(packed) - weights).reshape(6, -1, BLOCK)
    assert (error <= 0.52 * step[..., None] + 1e-3).all()


def test_what_a_layer_computes_is_kept_better_than_by_rounding_alone() -> None:
    rng = np.random.default_rng(1)
    weights = rng.normal(size=(64, 128)).astype(np.float32)
    inputs = (
        rng.normal(size=(400, 12)) @ rng.normal(size=(12, 128)) + 0.1 * rng.normal(size=(400, 128))
    ).astype(np.float32)
    products = torch.from_numpy(inputs.T @ inputs)
    plain = read_back(quants.quantize(weights, GGMLQuantizationType.Q4_1))
    kept = read_back(q4_1(weights, products))
    lost = [float(np.square(inputs @ (weights - one).T).sum()) for one in (plain, kept)]
    assert lost[1] < 0.3 * lost[0]


def test_constant_rows_and_silent_inputs_do_no_harm() -> None:
    weights = np.full((3, 64), 0.25, np.float32)
    weights[1] = 0
    assert np.isfinite(read_back(q4_1(weights, torch.zeros(64, 64)))).all()
    np.testing.assert_allclose(read_back(q4_1(weights, torch.zeros(64, 64))), weights, atol=1e-3)


def test_a_small_change_to_four_bit_weights_survives(tmp_path: Path) -> None:
    tokenizer = tiny_tokenizer()
    write_gguf(tiny_llama(len(tokenizer)), tokenizer, tmp_path / "grid.gguf", "Q4_1", name="tiny")
    model = GgufModel(tmp_path / "grid.gguf").model()
    torch.manual_seed(0)
    with torch.no_grad():
        for layer in model.model.layers:
            for part in (
                layer.mlp.up_proj,
                layer.mlp.down_proj,
                layer.self_attn.q_proj,
                layer.self_attn.o_proj,
            ):
                rank_two = torch.randn(part.out_features, 2) @ torch.randn(2, part.in_features)
                part.weight.add_(rank_two * 0.02 * part.weight.norm() / rank_two.norm())
    pairs = [encode(tokenizer, Example("", row["answer"], row["prompt"]), 256) for row in rows()]
    products = input_products(model, [collate(pairs[:24], "cpu")])
    told = collate(pairs[24:32], "cpu")
    distances = []
    for given in (None, products):
        write_gguf(model, tokenizer, tmp_path / "m.gguf", "Q4_1", name="tiny", products=given)
        again = GgufModel(tmp_path / "m.gguf").model()
        with torch.no_grad():
            p, q = (one(input_ids=told.ids).logits.log_softmax(-1) for one in (model, again))
        distances.append(float((p.exp() * (p - q)).sum(-1).mean()))
    assert distances[1] < 0.8 * distances[0]  # a model with fresh weights has little to gain
