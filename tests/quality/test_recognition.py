"""signet-judge: it names what it knows, finds the name in a brief, and refuses what it cannot judge."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from quality_material import THINGS, image_sample, photograph, rng, sticker

from studio.catalog import Catalog
from studio.nets.recognise import SIDE, Recogniser, centred, features
from studio.quality.base import Withheld
from studio.quality.card import score_one, with_models
from studio.quality.image_recognition import Recognition, asked_for
from studio.settings import Settings

NAMES = ("apple", "red apple", "hot dog", "dog", "o button (blood type)")


@pytest.mark.parametrize(
    ("prompt", "name"),
    [
        ("a red apple on white", "red apple"),
        ("An Apple.", "apple"),
        ("hot dog", "hot dog"),
        ("a dog and an apple", "dog"),
        ("the O button (blood type)", "o button (blood type)"),
    ],
)
def test_the_longest_name_in_the_brief_is_asked_for(prompt: str, name: str) -> None:
    assert NAMES[asked_for(prompt, NAMES)] == name


@pytest.mark.parametrize("prompt", ["pineapple", "a nice thing", "?!", ""])
def test_a_brief_that_names_nothing(prompt: str) -> None:
    with pytest.raises(Withheld, match="names none of the 5 things"):
        asked_for(prompt, NAMES)


@pytest.mark.real
def test_things_are_named(tmp_path: Path, settings: Settings) -> None:
    catalog = Catalog.read(settings)
    found = np.zeros((len(THINGS), len(THINGS)))
    for i in range(len(THINGS)):
        for j, name in enumerate(THINGS):
            sample = with_models(image_sample(tmp_path, sticker(i), name), [Recognition], catalog)
            found[i, j] = score_one(Recognition, sample, catalog).value
    assert (found.argmax(axis=1) == range(len(THINGS))).all()
    assert ((found >= 0) & (found <= 100)).all()


@pytest.mark.real
@pytest.mark.parametrize(
    ("pixels", "prompt", "why"),
    [
        (photograph(0), "a red heart", "fills its frame"),
        (np.full((64, 64, 3), 255), "a red heart", "nothing on the white ground"),
        (np.full((1, 1, 3), 255), "a red heart", "at least"),
        (sticker(0), " ", "no words"),
        (sticker(0), "ein rotes Herz und der Stern", "English only"),
        (sticker(0), "a thingamajig of no known sort", "names none of the"),
    ],
)
def test_what_it_cannot_judge(
    pixels: object, prompt: str, why: str, tmp_path: Path, settings: Settings
) -> None:
    catalog = Catalog.read(settings)
    sample = with_models(image_sample(tmp_path, np.asarray(pixels), prompt), [Recognition], catalog)
    with pytest.raises(Withheld, match=why):
        score_one(Recognition, sample, catalog)


def test_place_and_size_do_not_count() -> None:
    thing = np.full((SIDE, SIDE, 3), 255, np.uint8)
    thing[10:30, 12:22] = 40, 90, 200
    moved = np.full((SIDE, SIDE, 3), 255, np.uint8)
    moved[20:60, 30:50] = 40, 90, 200
    assert abs(features(thing[None]) - features(moved[None])).max() < 0.05
    paper = np.full((SIDE, SIDE, 3), 255, np.uint8)
    assert np.array_equal(centred(paper), paper) and np.isfinite(features(paper[None])).all()


def test_kept_and_read_again(tmp_path: Path) -> None:
    random = rng(0)
    pictures = random.integers(0, 255, (6, SIDE, SIDE, 3)).astype(np.uint8)
    seen = features(pictures)
    turn = random.normal(size=(seen.shape[1], 16)).astype(np.float32)
    judge = Recogniser(
        ("a", "b", "c"), seen.mean(axis=0), turn, np.empty((0, 16)), np.array([0, 0, 1, 1, 2, 2]), 9
    )
    judge.drawings = judge.vectors(pictures)
    judge.save(tmp_path)
    again = Recogniser.load(tmp_path)
    near = again.closeness(again.vectors(pictures))
    assert (near.argmax(axis=1) == [0, 0, 1, 1, 2, 2]).all() and near.max() == pytest.approx(1, abs=0.01)
    assert again.chances(near).sum(axis=1) == pytest.approx(1, abs=1e-5)
    left_out = np.eye(6, dtype=bool)
    assert again.closeness(again.vectors(pictures), left_out)[0, 0] < 0.99
