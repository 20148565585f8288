"""Assets that lost their credential find it again; what only resembles them, or is too plain to tell, does not."""

from __future__ import annotations

import io
import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import soxr
from library_nouns import brief, credential, job, model
from PIL import Image, ImageDraw, ImageEnhance

from studio.errors import BadInput
from studio.library import Library
from studio.settings import Settings
from studio.types import Asset, Kind, Scorecard

MANY = 30
RATE = 24_000


def keep(library: Library, path: Path, kind: Kind, media_type: str) -> Asset:
    return library.add(
        path, job=job(replace(brief(), kind=kind)), media_type=media_type, model=model(), scorecard=Scorecard(),
        credential=credential(),
    )  # fmt: skip


# --- Made-up content ----------------------------------------------------------------------------


def picture(seed: int, size: tuple[int, int] = (320, 240)) -> Image.Image:
    """Flat shapes on white, which is hard: little texture, much alike."""
    draw = random.Random(seed)
    made = Image.new("RGB", size, "white")
    pen = ImageDraw.Draw(made)
    for _ in range(6):
        x, y, r = draw.randrange(40, size[0] - 40), draw.randrange(40, size[1] - 40), draw.randrange(15, 70)
        colour = tuple(draw.randrange(30, 230) for _ in range(3))
        shape = draw.choice([pen.ellipse, pen.rectangle])
        shape((x - r, y - r * draw.uniform(0.4, 1), x + r, y + r), fill=colour)
    return made


def melody(seed: int, seconds: float = 9.0) -> Any:
    draw = random.Random(seed)
    made = np.zeros(int(RATE * (seconds + 2)), np.float32)
    at = 0.0
    while at < seconds:
        time = np.arange(int(RATE * draw.uniform(0.2, 0.8))) / RATE
        pitch = 440 * 2 ** (draw.randrange(-18, 18) / 12)
        tone = sum(np.sin(2 * np.pi * pitch * n * time) * draw.uniform(0.1, 1) / n for n in range(1, 6))
        made[int(at * RATE) : int(at * RATE) + len(time)] += tone * np.exp(-3 * time)
        at += draw.choice([0.15, 0.2, 0.3])
    made = made[: int(RATE * seconds)]
    return made / np.abs(made).max() * 0.5


def story(seed: int, length: int = 90) -> str:
    draw = random.Random(seed)
    names = [
        a + b
        for a in ["bad", "bel", "cor", "dan", "fer", "gal", "hol", "kim", "lor", "mar", "nel"]
        for b in ["a", "en", "o", "is", "um", "y"]
    ]
    return " ".join(draw.choice(names) for _ in range(length))


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Library, dict[str, list[Asset]]]]:
    """A library of many pictures, melodies and stories."""
    work = tmp_path_factory.mktemp("full")
    library = Library(Settings(home=work / "home"))
    kept: dict[str, list[Asset]] = {"picture": [], "sound": [], "text": []}
    for seed in range(MANY):
        picture(seed).save(work / "a.png")
        kept["picture"].append(keep(library, work / "a.png", "image", "image/png"))
        soundfile.write(work / "a.wav", melody(seed), RATE)
        kept["sound"].append(keep(library, work / "a.wav", "music", "audio/wav"))
        (work / "a.txt").write_text(story(seed))
        kept["text"].append(keep(library, work / "a.txt", "text", "text/plain"))
    yield library, kept
    library.close()


# --- Pictures -----------------------------------------------------------------------------------


def jpeg(given: Image.Image, quality: int) -> Image.Image:
    out = io.BytesIO()
    given.save(out, "JPEG", quality=quality)
    return Image.open(out)


def cut(given: Image.Image, share: float) -> Image.Image:
    width, height = round(given.width * share), round(given.height * share)
    left, top = (given.width - width) // 3, (given.height - height) * 2 // 3
    return given.crop((left, top, left + width, top + height))


PICTURES: dict[str, Callable[[Image.Image], Image.Image]] = {
    "stripped": lambda given: given,
    "JPEG 30": lambda given: jpeg(given, 30),
    "half size": lambda given: given.resize((160, 120)),
    "double size": lambda given: given.resize((640, 480)),
    "squeezed": lambda given: given.resize((200, 240)),
    "75 % of the area, JPEG 70": lambda given: jpeg(cut(given, 0.866), 70),
    "half the area, scaled": lambda given: cut(given, 0.71).resize((512, 384)),
    "square out of wide": lambda given: given.crop((50, 0, 290, 240)),
    "darker": lambda given: ImageEnhance.Brightness(given).enhance(0.85),
    "grey ground": lambda given: ImageEnhance.Contrast(given).enhance(0.8),
}


@pytest.mark.parametrize("attack", PICTURES)
def test_pictures_are_recognised(
    full: tuple[Library, dict[str, list[Asset]]], tmp_path: Path, attack: str
) -> None:
    library, kept = full
    for seed in range(0, MANY, 5):
        PICTURES[attack](picture(seed)).save(tmp_path / "q.png")
        found = library.recognise(tmp_path / "q.png", "image/png")
        assert found is not None and found[0] == kept["picture"][seed], (attack, seed, found)
        assert 0 <= found[1] <= 1


def test_other_pictures_are_not(full: tuple[Library, dict[str, list[Asset]]], tmp_path: Path) -> None:
    library, _ = full
    for seed in range(1000, 1020):
        picture(seed).save(tmp_path / "q.png")
        assert library.recognise(tmp_path / "q.png", "image/png") is None, seed


def test_one_shape_of_another_colour_is_another_picture(
    full: tuple[Library, dict[str, list[Asset]]], tmp_path: Path
) -> None:
    library, _ = full
    for seed in range(0, MANY, 6):
        red, green, blue = picture(seed).split()
        Image.merge("RGB", (blue, red, green)).save(tmp_path / "q.png")
        assert library.recognise(tmp_path / "q.png", "image/png") is None, seed


@pytest.mark.parametrize("ground", ["white", "black", "#808080", (10, 200, 90)])
def test_a_plain_picture_is_nobodys(library: Library, tmp_path: Path, ground: Any) -> None:
    Image.new("RGB", (200, 200), ground).save(tmp_path / "a.png")
    keep(library, tmp_path / "a.png", "image", "image/png")
    Image.new("RGB", (180, 200), ground).save(tmp_path / "q.png")
    assert library.recognise(tmp_path / "q.png", "image/png") is None


def test_a_transparent_picture_flattened_on_white(library: Library, tmp_path: Path) -> None:
    clear = picture(5).convert("RGBA")
    clear.putalpha(Image.new("L", clear.size, 0))
    clear.paste(picture(5).crop((60, 40, 260, 200)).convert("RGBA"), (60, 40))
    clear.save(tmp_path / "a.png")
    asset = keep(library, tmp_path / "a.png", "image", "image/png")
    flat = Image.new("RGB", clear.size, "white")
    flat.paste(clear, mask=clear.getchannel("A"))
    flat.save(tmp_path / "q.jpg", quality=60)
    found = library.recognise(tmp_path / "q.jpg", "image/jpeg")
    assert found is not None and found[0] == asset


# --- Sound --------------------------------------------------------------------------------------


def as_mp3(samples: Any, path: Path) -> None:
    soundfile.write(path, samples, RATE, format="MP3")


def noisy(samples: Any) -> Any:
    noise = np.random.default_rng(1).normal(size=len(samples)) * np.sqrt((samples**2).mean()) / 10
    return (samples + noise).astype(np.float32)


SOUNDS: dict[str, Callable[[Any], Any]] = {
    "stripped": lambda samples: samples,
    "4 s out of it": lambda samples: samples[int(2.3 * RATE) : int(6.3 * RATE)],
    "quieter": lambda samples: samples * 0.2,
    "telephone": lambda samples: soxr.resample(soxr.resample(samples, RATE, 8_000), 8_000, RATE),
    "noise at 20 dB": noisy,
    "within a longer one": lambda samples: np.concatenate([melody(777, 4), samples, melody(778, 4)]),
}


@pytest.mark.parametrize("attack", SOUNDS)
def test_sounds_are_recognised(
    full: tuple[Library, dict[str, list[Asset]]], tmp_path: Path, attack: str
) -> None:
    library, kept = full
    for seed in range(0, MANY, 6):
        as_mp3(SOUNDS[attack](melody(seed)), tmp_path / "q.mp3")
        found = library.recognise(tmp_path / "q.mp3", "audio/mpeg")
        assert found is not None and found[0] == kept["sound"][seed], (attack, seed, found)


def test_other_sounds_are_not(full: tuple[Library, dict[str, list[Asset]]], tmp_path: Path) -> None:
    library, _ = full
    for seed in range(1000, 1040):
        soundfile.write(tmp_path / "q.wav", melody(seed, 5), RATE)
        assert library.recognise(tmp_path / "q.wav", "audio/wav") is None, seed


def test_silence_and_a_moment_are_nobodys(
    full: tuple[Library, dict[str, list[Asset]]], tmp_path: Path
) -> None:
    library, _ = full
    silence = np.zeros(5 * RATE, np.float32)
    for samples in (silence, silence + 1e-6, melody(0)[:RATE], melody(0)[:1000]):
        soundfile.write(tmp_path / "q.wav", samples, RATE)
        assert library.recognise(tmp_path / "q.wav", "audio/wav") is None


# --- Text ---------------------------------------------------------------------------------------

TEXTS: dict[str, Callable[[str], str]] = {
    "stripped": lambda text: text,
    "other case and breaks": lambda text: text.upper().replace(" ", "\r\n"),
    "a third of it": lambda text: " ".join(text.split()[30:60]),
    "within a longer one": lambda text: f"{story(501)} {text} {story(502)}",
    "every eighth word changed": lambda text: " ".join(
        "other" if place % 8 == 0 else word for place, word in enumerate(text.split())
    ),
    "invisible marks between": lambda text: "\ufeff\ufe01\U000e0100".join(text),
}


@pytest.mark.parametrize("attack", TEXTS)
def test_texts_are_recognised(
    full: tuple[Library, dict[str, list[Asset]]], tmp_path: Path, attack: str
) -> None:
    library, kept = full
    for seed in range(0, MANY, 3):
        (tmp_path / "q.txt").write_text(TEXTS[attack](story(seed)), "utf-8")
        found = library.recognise(tmp_path / "q.txt", "text/plain")
        assert found is not None and found[0] == kept["text"][seed], (attack, seed, found)


def test_other_and_short_texts_are_not(full: tuple[Library, dict[str, list[Asset]]], tmp_path: Path) -> None:
    library, _ = full
    for text in [story(seed) for seed in range(1000, 1300)] + [" ".join(story(0).split()[:10]), "", "🔥"]:
        (tmp_path / "q.txt").write_text(text, "utf-8")
        assert library.recognise(tmp_path / "q.txt", "text/plain") is None, text


def test_html_and_chinese(library: Library, tmp_path: Path) -> None:
    signs = "".join(random.Random(3).choices("红色的茶壶广告产品描述城市阳光清晨山水花园音乐电影故事", k=80))
    (tmp_path / "a.html").write_text(
        f"<html><style>p {{}}</style><p>{signs[:40]}</p>\n<b>{signs[40:]}</b></html>", "utf-8"
    )
    asset = keep(library, tmp_path / "a.html", "text", "text/html")
    (tmp_path / "q.txt").write_text(f"前言{signs[20:70]}", "utf-8")
    found = library.recognise(tmp_path / "q.txt", "text/plain")
    assert found is not None and found[0] == asset


def test_a_disclaimer_that_all_share_tells_nothing(library: Library, tmp_path: Path) -> None:
    disclaimer = story(999, 40)
    for seed in range(12):
        (tmp_path / "a.txt").write_text(f"{story(seed, 30)} {disclaimer}")
        keep(library, tmp_path / "a.txt", "text", "text/plain")
    (tmp_path / "q.txt").write_text(f"{story(500, 30)} {disclaimer}")
    assert library.recognise(tmp_path / "q.txt", "text/plain") is None


# --- The library around it ----------------------------------------------------------------------


def test_what_comes_and_goes_is_seen_at_the_next_question(settings: Settings, tmp_path: Path) -> None:
    here, there = Library(settings), Library(settings)
    question = tmp_path / "q.txt"
    question.write_text(story(1))
    assert here.recognise(question, "text/plain") is None
    kept = []
    for seed in (1, 2, 3):
        (tmp_path / "a.txt").write_text(story(seed))
        kept.append(keep(there, tmp_path / "a.txt", "text", "text/plain"))
        found = here.recognise(question, "text/plain")
        assert found is not None and found[0] == kept[0]
    there.delete(kept[0].id)
    assert here.recognise(question, "text/plain") is None
    (tmp_path / "q.txt").write_text(story(3))
    found = here.recognise(question, "text/plain")
    assert found is not None and found[0] == kept[2]
    here.close()
    there.close()


@pytest.mark.parametrize("media_type", ["image/png", "audio/wav"])
@pytest.mark.parametrize(
    "content", [b"", b"hello", b"\x89PNG\r\n\x1a\n" + b"\x00" * 50, b"RIFF\xff\xff\xff\xffWAVEfmt "]
)
def test_what_cannot_be_decoded(library: Library, tmp_path: Path, media_type: str, content: bytes) -> None:
    (tmp_path / "q").write_bytes(content)
    with pytest.raises(BadInput, match="can be read|holds no sound"):
        library.recognise(tmp_path / "q", media_type)


def test_a_bomb_is_not_unpacked(library: Library, tmp_path: Path) -> None:
    Image.new("1", (20_000, 20_000)).save(tmp_path / "q.png")
    with pytest.raises(BadInput, match="megapixels|DecompressionBomb"):
        library.recognise(tmp_path / "q.png", "image/png")
    (tmp_path / "q.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(BadInput, match="not UTF-8"):
        library.recognise(tmp_path / "q.txt", "text/plain")


def test_media_that_are_not_covered_are_nobodys(library: Library, tmp_path: Path) -> None:
    (tmp_path / "q").write_bytes(b"anything")
    for media_type in ("video/mp4", "image/svg+xml", "application/pdf"):
        assert library.recognise(tmp_path / "q", media_type) is None


def test_an_asset_that_cannot_be_decoded_is_kept_all_the_same(library: Library, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"no picture")
    asset = keep(library, tmp_path / "a.png", "image", "image/png")
    assert library.get(asset.id) == asset
