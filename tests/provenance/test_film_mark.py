"""The mark of films: in every frame, read after another codec, a smaller size and a cut, and never from hostile bytes."""

from __future__ import annotations

import io
from pathlib import Path

import av
import numpy as np
import pytest

from studio.errors import BadInput
from studio.provenance import content
from studio.provenance.encode_film import film
from studio.provenance.film_mark import STILLS, FilmMark
from studio.provenance.image_detect import FALSE_ALARM
from studio.provenance.image_mark import message_of
from studio.provenance.keys import mark_key
from studio.provenance.seal import Sealed, Sealer
from studio.provenance.verify import Verifier
from studio.settings import Settings
from studio.types import Brief, Draft, LicenceNote

NOTE = LicenceNote("MIT", "Use it as you like.", "yes")
KEY, MESSAGE = b"k" * 32, message_of("0123456789abcdef")
SIDE = 512


def frames(count: int = 3, channels: int = 3) -> list[np.ndarray]:
    """A soft disc on white that goes from red to blue."""
    y, x = np.mgrid[:SIDE, :SIDE]
    far = np.hypot(x - SIDE / 2, y - SIDE / 2)
    inside = np.clip((SIDE / 2.6 - far) / 3, 0, 1)[..., None]
    made = []
    for share in np.linspace(0, 1, count):
        colour = (
            np.array((230 * (1 - share) + 20, 90 + far[0, 0] / 20, 230 * share + 20)) - far[..., None] / 9
        )
        picture = np.round(255 * (1 - inside) + inside * np.clip(colour, 0, 255)).astype(np.uint8)
        if channels == 4:
            picture = np.dstack([picture, np.round(255 * inside).astype(np.uint8)])
        made.append(picture)
    return made


def coded_again(data: bytes, side: int, skip: int = 0) -> bytes:
    """Decoded, cut, made smaller and encoded anew at a low rate, as a platform would; nothing of the container stays."""
    out = io.BytesIO()
    with av.open(io.BytesIO(data)) as given, av.open(out, "w", format="mp4") as made:
        stream = made.add_stream("libx264", rate=12, options={"crf": "28", "threads": "1"})
        stream.width = stream.height = side
        stream.pix_fmt = "yuv420p"
        for at, frame in enumerate(given.decode(video=0)):
            if at >= skip:
                small = frame.reformat(side, side, "rgb24").to_ndarray()
                made.mux(stream.encode(av.VideoFrame.from_ndarray(small, format="rgb24")))
        made.mux(stream.encode())
    return out.getvalue()


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return Settings.read({}, home=tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="module")
def sealed(settings: Settings) -> Sealed:
    draft = Draft("image", frames(), "m", "1", 1, "cpu", "float32", 0.1)
    return Sealer(settings).seal(draft, Brief("image", "a red disc", format="mp4"), NOTE, model_title="T")


def test_a_sealed_film_is_marked_and_declares_it(settings: Settings, sealed: Sealed) -> None:
    assert sealed.credential.layers == ("credential", "labels", "watermark")
    assert sealed.credential.unmarked == "" and sealed.fidelity["mark_psnr"] > 38
    report = Verifier(settings, lambda _: None).verify(sealed.path)
    mark = report.layers[1]
    assert report.verdict == "intact" and mark.found and mark.p_value <= STILLS * FALSE_ALARM
    assert b"org.signet.mark.film.1" in sealed.path.read_bytes()
    assert sealed.credential.mark_payload and sealed.credential.produce_id.startswith(
        sealed.credential.mark_payload
    )


@pytest.mark.parametrize(("side", "skip"), [(512, 0), (384, 7)])
def test_a_film_coded_again_leads_to_its_output(
    settings: Settings, sealed: Sealed, tmp_path: Path, side: int, skip: int
) -> None:
    path, asked = tmp_path / "again.mp4", []

    def find_marked(beginning: str) -> tuple[()]:
        asked.append(beginning)
        return ()

    path.write_bytes(coded_again(sealed.path.read_bytes(), side, skip))
    report = Verifier(settings, lambda _: None, find_marked=find_marked).verify(path)
    assert report.verdict == "marked" and asked == [sealed.credential.mark_payload]


def test_frames_with_clear_parts_are_marked_as_they_are_shown() -> None:
    mark = FilmMark()
    marked = mark.embed(frames(2, 4), MESSAGE, KEY)
    assert [one.shape for one in marked] == [(SIDE, SIDE, 3)] * 2
    shown = content.stills(film(marked))
    assert mark.detect(shown, KEY).message == MESSAGE
    assert mark.confirm(shown, MESSAGE, KEY).margin is not None


def test_unmarked_films_and_other_keys_are_silent(settings: Settings, sealed: Sealed) -> None:
    mark = FilmMark()
    assert not mark.detect(content.stills(film(frames())), mark_key(settings)).found
    assert not mark.detect(content.stills(sealed.path.read_bytes()), KEY).found


def test_what_cannot_carry_says_why() -> None:
    mark = FilmMark()
    assert "an engine wrote" in (mark.refusal(Path("film.mp4")) or "")
    assert "256" in (mark.refusal([np.zeros((64, 64, 3), np.uint8)]) or "")
    with pytest.raises(BadInput, match="256"):
        mark.embed([np.zeros((64, 64, 3), np.uint8)], MESSAGE, KEY)


def test_large_frames_are_not_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(content, "MOST_FRAME_PIXELS", 1000)
    with pytest.raises(BadInput, match="were not looked at"):
        content.stills(film(frames(2)))


def test_sound_in_a_films_container_is_no_film(settings: Settings, tmp_path: Path) -> None:
    path = tmp_path / "sound.mp4"
    with av.open(str(path), "w", format="mp4") as made:
        stream = made.add_stream("aac", rate=44_100, layout="mono")
        silence = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        silence.sample_rate = 44_100
        made.mux(stream.encode(silence))
        made.mux(stream.encode(None))
    report = Verifier(settings, lambda _: None).verify(path)
    assert "sound alone, no frames" in report.layers[1].detail and report.verdict == "nothing_found"


def test_broken_films_are_one_sentence() -> None:
    data, draw = film(frames(2)), np.random.default_rng(5)
    for number in range(60):
        broken = bytearray(data)
        if number % 3 == 0:
            del broken[int(draw.integers(len(data))) :]
        for _ in range(int(draw.integers(1, 30))):
            if broken:
                broken[int(draw.integers(len(broken)))] = int(draw.integers(256))
        try:
            shown = content.stills(bytes(broken))
        except BadInput as error:
            assert str(error).endswith(".")
        else:
            assert 1 <= len(shown) <= STILLS and all(one.dtype == np.uint8 for one in shown)
