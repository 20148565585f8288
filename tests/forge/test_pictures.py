from __future__ import annotations

import json
import random
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio.errors import BadInput, ModelMissing
from studio.forge.captions import HELD_OUT, STYLES, colours, family, held_out_caption, training_captions
from studio.forge.pictures import CAPTIONS, SOURCES, PictureData, flatten, icon_svg, render_svg, split_of

ICONS = {
    "width": 32, "height": 32,
    "icons": {"hand-left": {"body": '<path fill="#f00" d="M0 8h16v16H0z"/>'}},
    "aliases": {"hand-right": {"parent": "hand-left", "hFlip": True}},
}  # fmt: skip


def plain(colour: tuple[int, int, int], alpha: int = 255) -> np.ndarray:
    return np.broadcast_to(np.array([*colour, alpha], np.uint8), (8, 8, 4)).copy()


@pytest.mark.parametrize(
    ("colour", "name"),
    [((240, 20, 20), "red"), ((250, 210, 40), "yellow"), ((30, 90, 230), "blue"), ((40, 170, 60), "green"),
     ((120, 70, 40), "brown"), ((10, 10, 12), "black"), ((250, 250, 250), "white"), ((140, 140, 140), "grey"),
     ((250, 120, 190), "pink"), ((140, 60, 220), "purple")],
)  # fmt: skip
def test_colours_are_named_as_people_name_them(colour: tuple[int, int, int], name: str) -> None:
    assert colours(plain(colour)) == (name,)


def test_what_is_transparent_has_no_colour() -> None:
    assert colours(plain((240, 20, 20), alpha=0)) == ()


@given(st.text("abcdefgh ", min_size=1, max_size=30), st.lists(st.text("xyz", min_size=3, max_size=8), max_size=6),
       st.sampled_from(STYLES), st.integers(0, 2**32))  # fmt: skip
def test_captions_are_many_start_with_the_name_and_never_use_a_held_out_phrasing(
    name: str, words: list[str], style: str, seed: int
) -> None:
    captions = training_captions(name, words, style, ["red"], CAPTIONS, random.Random(seed))
    assert len(captions) == CAPTIONS and captions[0] == name
    assert captions == training_captions(name, words, style, ["red"], CAPTIONS, random.Random(seed))
    held_out = held_out_caption(name, words, random.Random(seed))
    assert held_out not in captions
    assert not any("please draw" in c or "a picture of" in c or "for my page" in c for c in captions)
    assert any(held_out.startswith(phrase.split("{")[0]) for phrase in HELD_OUT)


def test_variants_of_one_concept_stay_in_one_split() -> None:
    assert family("man running") == family("woman running") == "running"
    assert family("man") == "man"
    for concept in ("running", "farmer", "red apple", "rocket"):
        splits = {
            split_of(f"{who} {concept}", style) == "unseen" for who in ("man", "woman") for style in STYLES
        }
        assert len(splits) == 1


def test_splits_have_their_sizes() -> None:
    drawn = [split_of(f"thing {i}", style) for i in range(2000) for style in STYLES]
    assert 0.03 < drawn.count("unseen") / len(drawn) < 0.07
    assert 0.02 < drawn.count("valid") / len(drawn) < 0.04


def test_an_alias_is_drawn_mirrored() -> None:
    left, right = (icon_svg(ICONS, name) for name in ("hand-left", "hand-right"))
    assert left and right and icon_svg(ICONS, "hand-up") is None
    a, b = render_svg(left, 32), render_svg(right, 32)
    assert a.shape == (32, 32, 4) and a[16, 4, 0] == 255 and a[16, 28, 3] == 0
    np.testing.assert_array_equal(a, b[:, ::-1])


def test_pictures_lie_on_white() -> None:
    picture = np.array([[[255, 0, 0, 255], [0, 0, 0, 0], [0, 0, 0, 128]]], np.uint8)
    np.testing.assert_array_equal(flatten(picture)[0], [[255, 0, 0], [255, 255, 255], [127, 127, 127]])


def test_every_source_is_pinned_and_licensed() -> None:
    for source in SOURCES:
        assert source.version[0].isdigit() and source.licence in ("MIT", "Apache-2.0")
        assert source.url.startswith("https://")


def test_missing_and_damaged_data_say_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ModelMissing, match="python -m studio.forge.pictures"):
        PictureData(tmp_path)
    write_data(tmp_path, 4)
    np.save(tmp_path / "pictures-64.npy", np.zeros((3, 64, 64, 4), np.uint8))
    with pytest.raises(BadInput, match="3 pictures for 4 records"):
        PictureData(tmp_path)


def test_texts_are_padded_and_masked(tmp_path: Path) -> None:
    write_data(tmp_path, 4)
    states, mask = PictureData(tmp_path).text(np.array([1, 2]), np.array([0, CAPTIONS]))
    assert states.shape == (2, 16, 384) and mask.sum(1).tolist() == [3, 3]
    assert (states[~mask] == 0).all() and (states[0, 0] == 1 * (CAPTIONS + 1)).all()


def write_data(folder: Path, count: int) -> None:
    """A tiny data folder: coloured squares; the states of caption i are all i, three tokens each."""
    rng = np.random.default_rng(0)
    pictures = np.zeros((count, 64, 64, 4), np.uint8)
    records = []
    for i in range(count):
        pictures[i, 12:52, 12:52] = [*rng.integers(0, 255, 3), 255]
        split = ("train", "train", "train", "unseen", "train", "valid")[i % 6]
        records.append(
            {"concept": f"thing {i // 2}", "style": STYLES[i % 4], "source": "test", "licence": "MIT", "group": "g",
             "chinese": "", "split": split, "captions": [f"thing {i}"] * CAPTIONS, "held_out": "x"}
        )  # fmt: skip
    np.save(folder / "pictures-64.npy", pictures)
    captions = count * (CAPTIONS + 1)
    base = np.repeat(np.arange(captions) % 100, 3)[:, None]
    np.save(folder / "states.npy", np.broadcast_to(base, (3 * captions, 384)).astype(np.float16))
    np.save(folder / "offsets.npy", np.arange(captions + 1) * 3)
    (folder / "records.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
