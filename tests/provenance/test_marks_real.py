"""Marks on the whole line, with the models people use: made, proved, copied out, made again."""

from __future__ import annotations

from pathlib import Path

import pytest

from studio.service import Studio
from studio.types import Brief


def layer(report, name="watermark"):
    return next(one for one in report.layers if one.layer == name)


@pytest.mark.real
def test_copy_is_marked_found_when_pasted_and_the_same_again(studio: Studio) -> None:
    brief = Brief(
        "text", "Describe a lighthouse lamp.", model="smollm2-135m", seed=5, options={"max_tokens": 160}
    )
    (asset,) = studio.make(brief)
    assert "watermark" in asset.credential.layers and asset.credential.mark_payload == ""
    text = studio.text_of(asset)
    report = studio.verify_text(text)
    assert report.verdict == "recovered" and report.asset_id == asset.id
    assert layer(report).found and layer(report).p_value < 1e-6
    half = studio.verify_text(text[: len(text) * 2 // 3])
    assert layer(half).found
    assert studio.replay(asset.id).likeness.outcome == "bit-identical"


def test_marked_picture_is_recovered_from_a_copy(studio: Studio, tmp_path: Path) -> None:
    from PIL import Image

    (asset,) = studio.make(Brief("image", "dusk", engine="echo_image", seed=7))
    assert asset.scorecard.get("mark_psnr") is not None and asset.scorecard.get("mark_ssim") is not None
    with Image.open(asset.path) as picture:
        picture.convert("RGB").save(tmp_path / "copy.jpg", quality=80)
    report = studio.verify(tmp_path / "copy.jpg")
    assert report.verdict == "recovered" and report.asset_id == asset.id, report.statement
    assert layer(report).asset_id == asset.id and layer(report, "library").found
    assert studio.replay(asset.id).likeness.outcome == "bit-identical"


def test_texts_of_engines_without_a_sampler_carry_no_mark(studio: Studio) -> None:
    (asset,) = studio.make(Brief("text", "words " * 100, engine="echo", seed=7))
    assert "watermark" not in asset.credential.layers and asset.credential.unmarked
