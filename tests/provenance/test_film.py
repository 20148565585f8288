"""A film of pictures: encoded, labelled, sealed and checked. These are too small for a mark, and say so (see test_film_mark)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from studio.errors import BadInput, SealFailed
from studio.provenance.encode import encode
from studio.provenance.encode_film import HELD, film
from studio.provenance.seal import Sealer
from studio.provenance.verify import Verifier
from studio.quality.decode import read_frames
from studio.settings import Settings
from studio.types import Brief, Draft, LicenceNote

NOTE = LicenceNote("MIT", "Use it as you like.", "yes")


def frames(count: int = 3, height: int = 96, width: int = 128, channels: int = 3) -> list[np.ndarray]:
    """A disc that goes from red to blue."""
    y, x = np.mgrid[:height, :width]
    inside = (x - width / 2) ** 2 + (y - height / 2) ** 2 < (height / 3) ** 2
    made = []
    for place in range(count):
        share = place / (count - 1)
        picture = np.full((height, width, channels), 255, np.uint8)
        if channels == 4:
            picture[..., 3] = np.where(inside, 255, 0)
        picture[inside, :3] = (230 * (1 - share) + 20, 30, 230 * share + 20)
        made.append(picture)
    return made


def draft(payload: object) -> Draft:
    return Draft("image", payload, "m", "1", 1, "cpu", "float32", 0.1, settings={"to_prompt": "a blue disc"})


def sealed(settings: Settings, policy: str = "eu") -> Path:
    sealer = Sealer(replace(settings, policy=policy))
    made = sealer.seal(draft(frames()), Brief("image", "a red disc", format="mp4"), NOTE, model_title="T")
    assert made.media_type == "video/mp4" and made.path.suffix == ".mp4"
    assert made.credential.layers == ("credential", "labels") and made.credential.mark_payload is None
    assert made.credential.unmarked.startswith("A picture mark needs at least 256") and not made.fidelity
    return made.path


def test_it_goes_there_and_back(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(film(frames(4)))
    seen = read_frames(path)
    assert seen.shape == (2 * HELD + 4, 96, 128, 3)
    middle = seen[:, 48, 64].astype(int)
    assert (
        np.abs(middle[0] - (250, 30, 20)).max() < 16 and np.abs(middle[HELD + 2] - (20, 30, 250)).max() < 16
    )
    assert np.abs(middle[HELD] - middle[-1]).max() < 12  # the same one, on the way there and back
    assert film(frames(4)) == path.read_bytes()


def test_odd_sides_and_clear_parts(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(film(frames(2, 65, 97, 4)))
    seen = read_frames(path)
    assert seen.shape[1:] == (66, 98, 3) and seen[0, 0, 0].min() > 245


def test_a_sealed_film_is_proved_and_a_changed_one_is_not(settings: Settings) -> None:
    path = sealed(settings)
    report = Verifier(settings, lambda _: None).verify(path)
    assert report.verdict == "intact"
    assert "Its credential says why: “A picture mark needs at least 256" in report.layers[1].detail
    data = bytearray(path.read_bytes())
    data[data.index(b"mdat") + 60] ^= 1
    path.write_bytes(data)
    assert Verifier(settings, lambda _: None).verify(path).verdict == "altered"


def test_a_policy_that_wants_a_visible_label_gets_it_in_every_frame(settings: Settings) -> None:
    plain, labelled = (read_frames(sealed(settings, policy)).astype(int) for policy in ("eu", "eu-disclosed"))
    changed = np.abs(plain - labelled).max(axis=3) > 60
    assert len(changed) == 2 * HELD + 2 and (changed.mean(axis=(1, 2)) > 0.005).all()


def test_what_is_no_film_is_refused() -> None:
    with pytest.raises(BadInput, match="One picture is no film"):
        encode(draft(frames()[0]), "mp4")
    with pytest.raises(SealFailed, match="different sizes"):
        film([*frames(2), *frames(2, 32, 32)])
