"""Pictures as people have them: turned, in other colours, of other depths, with holes, with masks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from studio.engines.image_inputs import keep_rest, open_mask, open_picture
from studio.errors import BadInput
from studio.settings import Settings


def saved(image: Image.Image, path: Path, **more: object) -> str:
    image.save(path, **more)
    return str(path)


def test_a_turned_photograph_stands_upright(tmp_path: Path, settings: Settings) -> None:
    image = Image.new("RGB", (80, 40), "white")
    image.paste((255, 0, 0), (0, 0, 20, 40))  # red on the left of the sensor
    exif = Image.Exif()
    exif[0x0112] = 6  # shown after a quarter turn to the right: red on top
    path = saved(image, tmp_path / "turned.jpg", exif=exif, quality=95)
    seen = np.asarray(open_picture(path, settings, None, None))
    assert seen.shape == (80, 40, 3)
    assert seen[5, 20, 0] > 240 and seen[5, 20, 1] < 30 and seen[70, 20, 1] > 240


def test_four_colours_of_print_become_three(tmp_path: Path, settings: Settings) -> None:
    path = saved(Image.new("CMYK", (32, 32), (0, 255, 255, 0)), tmp_path / "print.jpg", quality=95)
    red, green, blue = np.asarray(open_picture(path, settings, None, None))[16, 16]
    assert red > 200 and green < 60 and blue < 60


def test_sixteen_bits_keep_their_greys(tmp_path: Path, settings: Settings) -> None:
    ramp = np.linspace(0, 65535, 64, dtype=np.uint16)[None].repeat(16, 0)
    path = saved(Image.fromarray(ramp), tmp_path / "deep.png")
    grey = np.asarray(open_picture(path, settings, None, None))[8, :, 0].astype(int)
    assert np.abs(grey - np.linspace(0, 255, 64)).max() <= 1


def test_what_is_transparent_is_laid_on_white(tmp_path: Path, settings: Settings) -> None:
    image = Image.new("RGBA", (32, 32), (0, 0, 0, 0))
    image.paste((10, 20, 200, 255), (0, 0, 16, 32))
    for name, how in (("clear.png", {}), ("clear.webp", {"lossless": True})):
        seen = np.asarray(open_picture(saved(image, tmp_path / name, **how), settings, None, None))
        assert tuple(seen[4, 4]) == (10, 20, 200) and tuple(seen[4, 28]) == (255, 255, 255)


def test_a_palette_with_a_clear_colour(tmp_path: Path, settings: Settings) -> None:
    image = Image.new("P", (16, 16), 0)
    image.putpalette([0, 0, 0, 255, 0, 0] + [0] * 762)
    image.paste(1, (0, 0, 8, 16))
    path = saved(image, tmp_path / "palette.png", transparency=0)
    seen = np.asarray(open_picture(path, settings, None, None))
    assert tuple(seen[4, 2]) == (255, 0, 0) and tuple(seen[4, 14]) == (255, 255, 255)


def test_a_large_one_is_brought_to_1024(tmp_path: Path, settings: Settings) -> None:
    path = saved(Image.new("RGB", (3000, 1000)), tmp_path / "large.jpg")
    assert open_picture(path, settings, None, None).size == (1024, 344)
    assert open_picture(path, settings, 512, 512).size == (512, 512)


def test_animated_and_damaged_ones_are_refused(tmp_path: Path, settings: Settings) -> None:
    frames = [Image.new("RGB", (16, 16), colour) for colour in ("red", "blue")]
    path = saved(frames[0], tmp_path / "moving.webp", save_all=True, append_images=frames[1:])
    with pytest.raises(BadInput, match="animated; save the frame"):
        open_picture(path, settings, None, None)
    cut = tmp_path / "cut.png"
    cut.write_bytes(Path(saved(Image.new("RGB", (64, 64)), tmp_path / "whole.png")).read_bytes()[:-20])
    with pytest.raises(BadInput, match="damaged"):
        open_picture(str(cut), settings, None, None)


# --- Masks --------------------------------------------------------------------------------------


@pytest.fixture
def picture(tmp_path: Path) -> str:
    return saved(Image.new("RGB", (200, 100), "green"), tmp_path / "picture.png")


def test_a_mask_of_another_size_but_the_same_shape_fits(
    tmp_path: Path, settings: Settings, picture: str
) -> None:
    mask = Image.new("L", (401, 200), 0)
    mask.paste(255, (200, 0, 401, 200))
    seen = np.asarray(open_mask(saved(mask, tmp_path / "m.png"), picture, settings, (200, 96)))
    assert seen.shape == (96, 200) and seen[:, :95].max() == 0 and seen[:, 105:].min() == 255


def test_a_mask_of_another_shape_is_refused(tmp_path: Path, settings: Settings, picture: str) -> None:
    path = saved(Image.new("L", (100, 200), 255), tmp_path / "m.png")
    with pytest.raises(BadInput, match="100 × 200 and the picture 200 × 100"):
        open_mask(path, picture, settings, (200, 96))


def test_an_empty_mask_is_refused(tmp_path: Path, settings: Settings, picture: str) -> None:
    for mode, colour in (("L", 0), ("RGBA", (255, 255, 255, 0)), ("1", 0)):
        path = saved(Image.new(mode, (200, 100), colour), tmp_path / f"{mode}.png")
        with pytest.raises(BadInput, match="mask is empty"):
            open_mask(path, picture, settings, (200, 96))


def test_what_lies_outside_the_mask_stays() -> None:
    rng = np.random.default_rng(1)
    original = Image.fromarray(rng.integers(0, 255, (40, 64, 3), np.uint8))
    new = rng.integers(0, 255, (2, 40, 64, 3), np.uint8)
    mask = Image.new("L", (64, 40), 0)
    mask.paste(255, (32, 0, 64, 40))
    kept = keep_rest(new, original, mask)
    assert np.array_equal(kept[:, :, :20], np.asarray(original)[None, :, :20].repeat(2, 0))
    assert np.array_equal(kept[:, :, 48:], new[:, :, 48:])
    clear = rng.integers(0, 255, (1, 40, 64, 4), np.uint8)
    assert keep_rest(clear, original, mask) is clear
