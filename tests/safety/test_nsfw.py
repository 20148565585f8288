"""The guard of photographs: what it looks at, what it lets pass, and what it says."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from studio.errors import ModelMissing, Refused
from studio.safety import nsfw
from studio.settings import Settings
from studio.types import Brief, Draft

PICTURE = np.random.default_rng(3).integers(0, 255, (64, 96, 3), np.uint8)


def draft(payload: Any = PICTURE, **facts: float) -> Draft:
    return Draft("image", payload, "m", "1", 1, "cpu", "float32", 1.0, facts=facts)


@pytest.fixture
def rated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nsfw, "rate", lambda *_: 0.85)


def test_it_refuses_with_rating_and_limit(settings: Settings, rated: None) -> None:
    with pytest.raises(Refused, match=r"rates it 0\.85 unsafe for work and the limit is 0\.80"):
        nsfw.NotSafeForWork(settings).check(draft())


def test_the_threshold_is_a_setting(settings: Settings, rated: None) -> None:
    nsfw.NotSafeForWork(replace(settings, nsfw_threshold=0.9)).check(draft())
    nsfw.NotSafeForWork(replace(settings, nsfw_threshold=1.0)).check(draft())
    assert Settings.read({"SIGNET_NSFW_THRESHOLD": "0.3"}, home=settings.home).nsfw_threshold == 0.3


def test_drawings_briefs_and_other_kinds_are_not_looked_at(settings: Settings, rated: None) -> None:
    guard = nsfw.NotSafeForWork(settings)
    guard.check(draft(drawing=1.0))
    guard.check(Brief("image", "anything"))
    guard.check(replace(draft(), kind="text", payload="words"))


def test_without_its_weights_no_photograph_passes(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "catalog.toml").write_text(
        (settings.checkpoints / "catalog.toml").read_text("utf-8"), "utf-8"
    )
    with pytest.raises(ModelMissing, match="models pull"):
        nsfw.NotSafeForWork(replace(settings, checkpoints=tmp_path)).check(draft())


@pytest.mark.real
def test_its_ratings_lie_between_0_and_1_and_plain_pictures_pass(settings: Settings) -> None:
    guard = nsfw.NotSafeForWork(settings)
    weights = settings.checkpoints / nsfw.MODEL / "model.onnx"
    sky = np.full((300, 500, 3), (120, 170, 230), np.uint8)
    for pixels in (PICTURE, sky, np.zeros((17, 900, 3), np.uint8), np.full((64, 64, 4), 128, np.uint8)):
        assert 0 <= nsfw.rate(pixels, weights) < 0.5
        guard.check(draft(pixels))


@pytest.mark.real
def test_it_sees_the_picture_as_the_makers_package_shows_it(settings: Settings) -> None:
    """Skin-coloured ovals rate higher than the same ones in green: channels and mean are in their places."""
    y, x = np.mgrid[-1:1:256j, -1:1:256j]
    oval = (x**2 / 0.3 + y**2 < 0.9)[..., None]
    weights = settings.checkpoints / nsfw.MODEL / "model.onnx"

    def rated(colour: tuple[int, int, int]) -> float:
        shade = (1 - 0.4 * np.abs(x))[..., None]
        return nsfw.rate(np.uint8(np.where(oval, np.array(colour) * shade, 235)), weights)

    assert rated((224, 172, 140)) > rated((140, 224, 172)) and rated((224, 172, 140)) > rated((140, 172, 224))
