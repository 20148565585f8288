from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from test_pictures import write_data

from studio.errors import BadInput, ModelMissing
from studio.forge.card import Part, curve_svg, write_card
from studio.forge.evaluate_pictures import (
    Evaluation,
    bootstrap,
    evaluate,
    frechet_distance,
    kernel_distance,
    spread,
)
from studio.forge.pictures import PictureData
from studio.forge.pretrain_align import load
from studio.nets.recognise import Recogniser


def normal(count: int, shift: float = 0.0, scale: float = 1.0, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(shift, scale, (count, 4))


def test_the_frechet_distance_of_normal_distributions_is_the_formula() -> None:
    a, b = normal(40_000), normal(40_000, shift=1.0, scale=2.0, seed=1)
    assert frechet_distance(a, a) == pytest.approx(0, abs=1e-6)
    assert frechet_distance(a, b) == pytest.approx(4 * 1.0 + 4 * (2 - 1) ** 2, rel=0.03)


def test_the_kernel_distance_is_unbiased_and_grows_with_the_gap() -> None:
    same = [kernel_distance(normal(50, seed=s), normal(50, seed=s + 1000)) for s in range(200)]
    assert abs(np.mean(same)) < 3 * np.std(same) / np.sqrt(200)
    near, far = (kernel_distance(normal(200), normal(200, shift=g, seed=1)) for g in (0.3, 1.0))
    assert near < far


def test_too_few_pictures_are_refused() -> None:
    for measure in (frechet_distance, kernel_distance):
        with pytest.raises(BadInput, match="at least two pictures"):
            measure(normal(1), normal(5))


def test_the_interval_holds_the_value_and_narrows_with_n() -> None:
    wide, narrow = (bootstrap(lambda x: float(x.mean()), normal(n)) for n in (20, 2000))
    assert wide.low < wide.value < wide.high and wide.high - wide.low > 3 * (narrow.high - narrow.low)


def test_rows_are_spread_evenly() -> None:
    assert spread(np.arange(100), 5).tolist() == [0, 24, 49, 74, 99]
    assert spread(np.arange(3), 5).tolist() == [0, 1, 2]


def test_a_whole_report_from_published_parts(tmp_path: Path) -> None:
    from studio.forge.publish_sticker import publish
    from studio.nets.align import Aligner
    from studio.nets.autoencoder import Autoencoder
    from studio.nets.transformer import StickerTransformer
    from studio.nets.upscaler import Upscaler

    torch.manual_seed(0)
    (tmp_path / "data").mkdir()
    write_data(tmp_path / "data", 24)
    parts = {
        "transformer": StickerTransformer(width=32, depth=1, heads=2),
        "vae": Autoencoder(),
        "upscaler": Upscaler(),
    }
    publish(tmp_path / "model", parts)
    Aligner(widths=(8, 8), blocks=(1, 1)).save_pretrained(tmp_path / "align")
    data = PictureData(tmp_path / "data")
    (tmp_path / "outsider").mkdir()
    features = np.zeros((957, 4), np.float32)
    features[:4] = np.eye(4)
    judge = Recogniser(
        ("thing 0", "thing 1"),
        np.zeros(957, np.float32),
        features,
        np.eye(2, 4, dtype=np.float32),
        np.arange(2),
        9.0,
    )
    judge.save(tmp_path / "outsider")
    evaluation = Evaluation(
        data, tmp_path / "model", tmp_path / "align", steps=2, outsider=tmp_path / "outsider"
    )
    known = np.array([i for i, one in enumerate(data.records) if one.concept in judge.names])
    assert len(evaluation.named_outside(load(data, np.arange(24)), np.arange(24))) == len(known)
    results = evaluate(evaluation, tmp_path / "report", count=6)
    assert {
        "unseen/top5_naming",
        "seen/frechet_drawn",
        "unseen/kernel_floor",
        "autoencoder/psnr_unseen",
        "seen/top5_naming_by_outsider",
        "seen/top5_naming_of_artwork_by_outsider",
    } <= set(results)
    assert 0 <= results["unseen/top5_naming"].value <= 1
    assert {"report.json", "neighbours.png", "seen.png", "unseen.png"} <= {
        p.name for p in (tmp_path / "report").iterdir()
    }
    card = write_card(tmp_path / "model", [], ["It is untrained."], tmp_path / "report" / "report.json")
    assert "| unseen/top5_naming |" in card.read_text() and "- It is untrained." in card.read_text()


def test_without_a_judge_it_says_what_to_make(tmp_path: Path) -> None:
    write_data(tmp_path, 6)
    with pytest.raises(ModelMissing, match="publish_sticker"):
        Evaluation(PictureData(tmp_path), tmp_path / "none", tmp_path)


def test_the_card_says_what_was_not_measured_and_draws_curves(tmp_path: Path) -> None:
    run = tmp_path / "ae"
    (run / "step-0000007").mkdir(parents=True)
    (run / "step-0000007" / "state.json").write_text('{"step": 7, "seconds": 1800}')
    (run / "curve.jsonl").write_text(
        '{"step": 1, "name": "unseen/psnr", "value": 20.0}\n{"step": 7, "name": "unseen/psnr", "value": 29.5}\n'
    )
    text = write_card(tmp_path, [Part("autoencoder", run, "unseen/psnr", "dB")], []).read_text()
    assert "| autoencoder (unseen/psnr) | 7 | 0.50 | 20.000 dB | 29.500 dB | 29.500 dB |" in text
    assert "Not measured yet" in text and (tmp_path / "curve-ae.svg").exists()
    assert "&lt;b&gt;" in curve_svg([(1, 2.0)], "<b>")
