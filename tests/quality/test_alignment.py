"""signet-align on its own ground: the right words are nearest, and what it cannot judge it refuses."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from quality_material import THINGS, image_sample, photograph, sticker

from studio.catalog import Catalog
from studio.quality.base import Sample, Withheld
from studio.quality.card import make_scorecard, with_models
from studio.quality.image_alignment import Alignment, AlignmentFeatures, closeness, need_sticker, small
from studio.settings import Settings


@pytest.mark.real
def test_the_right_words_are_nearest(settings: Settings) -> None:
    aligner, text_model = settings.checkpoints / "signet-align", settings.checkpoints / "minilm-l6-v2"
    for i in range(len(THINGS)):
        near = [closeness(sticker(i), name, aligner, text_model) for name in THINGS]
        assert int(np.argmax(near)) == i and all(-1 <= value <= 1 for value in near)


@pytest.mark.real
def test_it_stands_with_its_percentile_among_drawn_art(tmp_path: Path, settings: Settings) -> None:
    card = make_scorecard(image_sample(tmp_path, sticker(0), "a red heart"), Catalog.read(settings), settings)
    score = card.get("alignment")
    assert score is not None and score.percentile is not None and score.percentile > 50
    assert score.reference is not None and score.reference.startswith("signet-stickers (N = ")


@pytest.mark.real
def test_features_of_a_set(tmp_path: Path, settings: Settings) -> None:
    catalog = Catalog.read(settings)

    def ready(pixels: object) -> Sample:
        return with_models(image_sample(tmp_path, np.asarray(pixels)), [Alignment], catalog)

    hearts = [ready(sticker(0)), ready(np.roll(sticker(0), 6, axis=0)), ready(sticker(3))]
    rows = AlignmentFeatures().vectors(hearts)
    assert rows.shape == (3, 512)
    assert np.linalg.norm(rows[0] - rows[1]) < np.linalg.norm(rows[0] - rows[2])
    with pytest.raises(Withheld, match="fills its frame"):
        AlignmentFeatures().vectors([*hearts, ready(photograph(0))])


def test_any_shape_becomes_a_small_square_on_white(tmp_path: Path) -> None:
    wide = np.zeros((40, 120, 4), np.uint8)
    found = small(wide)
    assert found.shape == (3, 64, 64) and found.min() == pytest.approx(1)
    with pytest.raises(Withheld, match="nothing on the white ground"):
        need_sticker(image_sample(tmp_path, wide))
