"""Likeness to other candidates and to the last outputs: known cases, and what the line hands over."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from quality_material import copy, image_sample, landscape, text_sample

from studio.line import RECENT
from studio.quality import likeness
from studio.quality.base import Withheld, metrics
from studio.quality.likeness import CandidateLikeness, RecentLikeness, RecentPhrases
from studio.service import Studio
from studio.types import Brief

WORDS = "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen"
LONG = f"{WORDS} seventeen eighteen nineteen twenty twenty-one twenty-two twenty-three"


def test_phrases_said_before(tmp_path: Path) -> None:
    own = text_sample(tmp_path, LONG)
    again, apart = text_sample(tmp_path, LONG.upper(), "x"), text_sample(tmp_path, copy()[0]["text"], "x")
    part = text_sample(tmp_path, WORDS, "x")
    for earlier, expected in (
        ((again,), 100),
        ((apart,), 0),
        ((apart, again), 100),
        ((part,), 100 * 13 / 20),
    ):
        sample = text_sample(tmp_path, LONG, recent=tuple(one.path for one in earlier))
        assert RecentPhrases().score(sample).value == pytest.approx(expected)
    for sample in (own, text_sample(tmp_path, LONG, "y", recent=(tmp_path / "deleted.txt",))):
        with pytest.raises(Withheld, match="nothing of this kind"):
            RecentPhrases().score(sample)


def test_pictures_alike_and_apart(tmp_path: Path) -> None:
    one = landscape(1)
    same, mirrored, flat = (image_sample(tmp_path, p) for p in (one, 255 - one, np.full((64, 64, 3), 9)))
    value = CandidateLikeness().score(image_sample(tmp_path, one, others=(mirrored.path, same.path))).value
    assert value == pytest.approx(1, abs=1e-5)
    value = RecentLikeness().score(image_sample(tmp_path, one, recent=(mirrored.path,))).value
    assert value == pytest.approx(-1, abs=0.02)
    assert CandidateLikeness().score(image_sample(tmp_path, one, others=(flat.path,))).value == 0
    with pytest.raises(Withheld, match="flat"):
        CandidateLikeness().score(image_sample(tmp_path, np.full((64, 64, 3), 9), others=(same.path,)))
    with pytest.raises(Withheld, match="other candidates"):
        CandidateLikeness().score(same)


def test_the_last_output_is_not_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The library names a file by its digest, under which its thumbnail is known already."""
    first = image_sample(tmp_path, landscape(3), others=(image_sample(tmp_path, landscape(4)).path,))
    CandidateLikeness().score(first)
    kept = tmp_path / f"{first.digest.hex()}.png"
    kept.write_bytes(first.path.read_bytes())
    monkeypatch.setattr(likeness, "read_pixels", lambda path: pytest.fail(f"{path.name} was read again"))
    assert RecentLikeness().score(image_sample(tmp_path, landscape(5), recent=(kept,))).value < 1


def test_the_line_hands_over_the_last_of_the_same_person_and_kind(shared_studio: Studio) -> None:
    def made(owner: str, seed: int) -> float | None:
        brief = Brief("text", LONG, engine="echo", seed=seed)
        (asset,) = shared_studio.make(brief, owner=owner)
        score = asset.scorecard.get("recent_phrases")
        return None if score is None else score.value

    assert made("ann", 1) is None
    assert made("ann", 2) == pytest.approx(100, abs=12)
    assert made("bob", 3) is None
    for seed in range(4, 4 + RECENT):
        made("ann", seed)
    (asset,) = shared_studio.make(Brief("text", LONG, engine="echo", seed=90), owner="ann")
    assert f"last {RECENT} texts" in asset.scorecard.get("recent_phrases").domain  # type: ignore[union-attr]


def test_they_are_known() -> None:
    assert {"recent_phrases", "candidate_likeness", "recent_likeness"} <= set(metrics)
