"""M4A files: Opus of the studio comes back as it was encoded, AAC of telephones is taken, damage is one sentence."""

from __future__ import annotations

import io
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile
import soxr

from studio.bench.audio_material import syllables, tune
from studio.engines.edit_sound import read
from studio.engines.listen_whisper import read_16k
from studio.errors import BadInput
from studio.provenance.content import content
from studio.provenance.encode import encode, sniff
from studio.quality.decode import read_sound
from studio.recordings import playable
from studio.safety.uploads import check_sound
from studio.settings import Settings
from studio.types import Draft, Sound


def opus(sound: Sound) -> bytes:
    data, media = encode(Draft("speech", sound, "tiny", "1", 0, "cpu", "float32", 0.1), "opus")
    assert (media.type, media.extension, sniff(data)) == ("audio/mp4", "m4a", "audio/mp4")
    return data


def aac(seconds: float, brand: str = "M4A ") -> bytes:
    out = io.BytesIO()
    with av.open(out, "w", format="mp4", options={"brand": brand}) as file:
        stream = file.add_stream("aac", rate=44_100, layout="stereo")
        tone = np.sin(np.arange(round(seconds * 44_100)) / 20).astype(np.float32) / 2
        frame = av.AudioFrame.from_ndarray(np.stack([tone, tone]), "fltp", "stereo")
        frame.sample_rate = 44_100
        file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    return out.getvalue()


@pytest.mark.parametrize("rate", [16_000, 24_000, 44_100, 48_000])
@pytest.mark.parametrize("channels", [1, 2])
def test_opus_sounds_as_before_and_begins_where_it_began(tmp_path: Path, rate: int, channels: int) -> None:
    sound = syllables(3, 3.0)
    samples = soxr.resample(sound.samples, sound.sample_rate, rate)
    before = Sound(np.repeat(samples, channels, axis=1).astype(np.float32), rate)
    path = tmp_path / "a.m4a"
    path.write_bytes(opus(before))
    assert path.read_bytes() == opus(before)
    heard = read_sound(path)
    assert (heard.sample_rate, heard.samples.shape[1]) == (48_000, channels)
    at_48k = soxr.resample(before.samples, rate, 48_000)
    length = min(len(at_48k), len(heard.samples))
    assert abs(len(at_48k) - len(heard.samples)) < 0.03 * 48_000
    assert np.corrcoef(at_48k[:length, 0], heard.samples[:length, 0])[0, 1] > 0.95
    assert len(path.read_bytes()) < 3 * 14_000 * channels


def test_every_reader_hears_the_same(tmp_path: Path) -> None:
    path = tmp_path / "a.m4a"
    path.write_bytes(opus(tune(3, 4.0)))
    whole = content(path.read_bytes(), "audio/mp4")
    edited, judged = read(path, "The recording"), read_sound(path)
    assert len(edited.samples) == len(judged.samples) == pytest.approx(len(whole.samples), abs=1000)
    assert len(read_16k(path)) == pytest.approx(len(judged.samples) / 3, abs=20)
    assert check_sound(path, Settings(home=tmp_path)).format == "M4A"


def test_a_voice_message_of_a_telephone_is_not_scrambled(tmp_path: Path) -> None:
    m4a, ogg = tmp_path / "a.m4a", tmp_path / "a.ogg"
    m4a.write_bytes(opus(tune(3, 4.0)))
    ogg.write_bytes(playable(m4a).getvalue())  # type: ignore[union-attr]
    right = content(m4a.read_bytes(), "audio/mp4").samples
    for heard in (
        read_sound(ogg).samples,
        read(ogg, "It").samples,
        content(ogg.read_bytes(), "audio/ogg").samples,
    ):
        assert np.abs(heard - right[: len(heard)]).max() < 2e-3


def test_a_voice_memo_is_taken_and_another_file_opened_as_it_is(tmp_path: Path) -> None:
    memo, wav = tmp_path / "memo.m4a", tmp_path / "a.wav"
    memo.write_bytes(aac(12.0))
    facts = check_sound(memo, Settings(home=tmp_path))
    assert (facts.sample_rate, facts.channels) == (44_100, 2) and facts.seconds == pytest.approx(12, abs=0.1)
    assert np.abs(read(memo, "It", 2.0, 3.0).samples).max() == pytest.approx(0.5, abs=0.05)
    soundfile.write(wav, np.zeros(100), 8_000)
    assert playable(wav) == wav
    with pytest.raises(FileNotFoundError):
        playable(tmp_path / "nowhere")


def test_a_damaged_file_is_read_in_part_or_refused_in_one_sentence(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    refused = 0
    for whole in (opus(syllables(2, 2.0)), aac(2.0)):
        for step in range(24):
            data = bytearray(whole)
            if step % 2:
                data = data[: max(12, len(data) * step // 24)]
            else:
                for place in rng.integers(12, len(data), 40):
                    data[place] = rng.integers(256)
            path = tmp_path / "torn.m4a"
            path.write_bytes(bytes(data))
            try:
                check_sound(path, Settings(home=tmp_path))
            except BadInput as error:
                refused += 1
                assert str(error).endswith(".") and "\n" not in str(error)
    assert refused > 10


def test_a_film_and_an_endless_recording_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "film.m4a"
    path.write_bytes(aac(1.0, brand="isom"))
    with pytest.raises(BadInput, match="MP4 film or sound"):
        check_sound(path, Settings(home=tmp_path))
    path.write_bytes(aac(3.0))
    monkeypatch.setattr("studio.recordings._MOST_SECONDS", 2)
    with pytest.raises(BadInput, match="longer than an hour; cut it"):
        check_sound(path, Settings(home=tmp_path))
