"""Edited sound through the whole line: what was given stays what it was, in credential, labels and watermark."""

from __future__ import annotations

import io
import uuid
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from studio.bench.audio_material import syllables, tune
from studio.errors import BadInput, Refused
from studio.line import Line
from studio.provenance import labels
from studio.provenance.encode import sniff
from studio.provenance.keys import anchors
from studio.provenance.lint import Assertions
from studio.provenance.manifest import GENERATION
from studio.provenance.reading import Reading, read
from studio.provenance.seal import Sealer
from studio.provenance.verify import Verifier
from studio.settings import Settings
from studio.types import Asset, Brief, Draft, Job, LicenceNote, Sound
from studio.uploads import Uploads

NOTE = LicenceNote("MIT", "Made with Tiny (MIT). Commercial use is allowed.", "yes", ("model: Tiny (MIT)",))
TERM = "http://cv.iptc.org/newscodes/digitalsourcetype/"


class World:
    """One studio without worker processes: its line, its uploads, its verifier."""

    def __init__(self, folder: Path, **settings: str) -> None:
        self.folder = folder
        self.settings = Settings.read({}, home=folder / "home", device="cpu", **settings)
        self.line = Line(self.settings, "cpu")
        self.uploads = Uploads(self.settings)
        library = self.line.library
        self.verifier = Verifier(
            self.settings, library.find, find_marked=library.named, recognise=library.recognise
        )

    def run(self, brief: Brief) -> Asset:
        job = Job(uuid.uuid4().hex, brief, "me", "running", datetime.now(UTC))
        (asset,) = [step for step in self.line.produce(job) if isinstance(step, Asset)]
        return asset

    def edit(self, *inputs: str, **options: Any) -> Asset:
        format = options.pop("format", None)
        return self.run(
            Brief(
                "speech",
                "Edited",
                engine="edit_speech",
                options=options,
                inputs=inputs,
                seed=1,
                format=format,
            )
        )

    def generated(self, sound: Sound, name: str = "ai", sealer: Sealer | None = None) -> Path:
        """A sealed file as a speaking model would leave it."""
        draft = Draft("speech", sound, "tiny", "r1", 7, "cpu", "float32", 0.1)
        brief = Brief("speech", "A script", format="wav")
        sealed = (sealer or self.line.sealer).seal(draft, brief, NOTE, model_title="Tiny")
        return sealed.path.rename(self.folder / f"{name}.wav")

    def give(self, path: Path) -> str:
        return self.uploads.stage(path, "speech")

    def reading(self, asset: Asset) -> Reading:
        return read(asset.path.read_bytes(), asset.media_type, anchors(self.settings))


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    yield World(tmp_path_factory.mktemp("editing"))


@pytest.fixture(scope="module")
def recording(world: World) -> str:
    path = world.folder / "mine.wav"
    soundfile.write(path, syllables(1, 4.0).samples, 24_000)
    return world.give(path)


@pytest.fixture(scope="module")
def spoken(world: World) -> str:
    """The key of an upload that this studio generated and sealed."""
    return world.give(world.generated(syllables(2, 5.0)))


def acts(reading: Reading) -> list[tuple[str, str]]:
    return [
        (one["action"].removeprefix("c2pa."), (one.get("digitalSourceType") or "").removeprefix(TERM))
        for one in Assertions(reading.assertions).actions()
    ]


def found(asset: Asset) -> labels.LabelsFound:
    return labels.read_labels(asset.path.read_bytes(), asset.media_type)


@pytest.mark.parametrize("format", ["wav", "mp3", "flac", "opus"])
def test_a_given_recording_that_is_cut_is_nowhere_called_generated(
    world: World, recording: str, format: str
) -> None:
    asset = world.edit(recording, start=0.5, end=3.5, fade_out=0.5, format=format)
    assert acts(world.reading(asset)) == [("opened", ""), ("trimmed", "humanEdits"), ("edited", "humanEdits")]
    assert asset.credential.source == "humanEdits"
    assert asset.credential.mark_payload is None and "No model took part" in asset.credential.unmarked
    told = found(asset)
    assert told.aigc is None and not told.found and told.get("AISystemUsed") is None
    assert told.digital_source_type == TERM + "humanEdits"
    raw = asset.path.read_bytes()
    assert b"AIGC" not in raw and b"trainedAlgorithmicMedia" not in raw
    report = world.verifier.verify(asset.path)
    assert report.verdict == "intact" and "edited by a person" in report.statement
    assert "AI" not in report.statement
    assert [one.state for one in report.ingredients] == ["no_credential"]


def test_a_changed_copy_of_such_an_edit_is_not_called_generated_either(world: World, recording: str) -> None:
    asset = world.edit(recording, end=3.0)
    samples, rate = soundfile.read(asset.path, dtype="float32")
    copy = world.folder / "copy.wav"
    soundfile.write(copy, 0.9 * samples, rate)
    report = world.verifier.verify(copy)
    assert report.verdict == "recovered" and "edited here from a given file" in report.statement


def test_an_edited_output_of_ai_stays_one_and_gets_a_mark_of_its_own(world: World, spoken: str) -> None:
    asset = world.edit(spoken, start=1.0, gain_db=-3)
    assert acts(world.reading(asset)) == [
        ("opened", "trainedAlgorithmicMedia"), ("trimmed", "humanEdits"), ("edited", "humanEdits")
    ]  # fmt: skip
    assert asset.credential.source == "trainedAlgorithmicMedia"
    first = labels.read_labels((world.folder / "ai.wav").read_bytes(), "audio/wav")
    told = found(asset)
    assert told.digital_source_type == labels.GENERATED and told.get("AISystemUsed") == "Tiny"
    assert told.aigc and first.aigc and told.aigc.produce_id == first.aigc.produce_id
    assert told.aigc.propagate_id == asset.credential.produce_id
    assert asset.credential.mark_payload and asset.credential.produce_id.startswith(
        asset.credential.mark_payload
    )
    report = world.verifier.verify(asset.path)
    assert "generated by AI and then edited by a person" in report.statement
    assert [one.state for one in report.ingredients] == ["trusted"]
    assert next(one for one in report.layers if one.layer == "watermark").state == "found"


def test_a_recording_under_an_ai_voice_makes_a_composite_with_ai_in_it(
    world: World, spoken: str, recording: str
) -> None:
    asset = world.edit(spoken, recording, arrange="mix", lead_in=0.5, lead_out=0.5)
    assert acts(world.reading(asset)) == [
        ("opened", "trainedAlgorithmicMedia"), ("placed", ""), ("mixed", "compositeSynthetic")
    ]  # fmt: skip
    assert found(asset).digital_source_type == TERM + "compositeSynthetic" and found(asset).aigc
    assert asset.credential.mark_payload
    assert "at least one of them generated by AI" in world.verifier.verify(asset.path).statement
    behind = world.edit(recording, spoken)  # the AI part second: its labels and its source count all the same
    assert acts(world.reading(behind))[-1] == ("edited", "compositeSynthetic") and found(behind).aigc


def test_two_given_recordings_are_a_composite_of_which_nothing_is_said(world: World, recording: str) -> None:
    asset = world.edit(recording, recording, crossfade=0.2)
    assert acts(world.reading(asset)) == [("opened", ""), ("placed", ""), ("edited", "composite")]
    assert not found(asset).found and asset.credential.source == "composite"


def test_library_outputs_are_parents_and_bring_their_terms(world: World, spoken: str) -> None:
    first = world.edit(spoken, end=4.0)
    second = world.edit(first.id, start=1.0, loudness_lufs=-20)
    assert second.parents == (first.id,)
    relations = [one.state for one in world.verifier.verify(second.path).ingredients]
    assert relations == ["trusted"] and acts(world.reading(second))[0] == (
        "opened",
        "trainedAlgorithmicMedia",
    )


def test_without_its_metadata_an_ai_voice_is_known_by_its_watermark(world: World, spoken: str) -> None:
    samples, rate = soundfile.read(world.folder / "ai.wav", dtype="float32")
    stripped = world.folder / "stripped.wav"
    soundfile.write(stripped, samples, rate)
    asset = world.edit(world.give(stripped), fade_in=0.3)
    assert asset.credential.source == "trainedAlgorithmicMedia" and found(asset).aigc


def test_what_leaves_as_opus_is_checked_and_edited_as_ai_by_its_labels_too(world: World) -> None:
    sealed = world.line.sealer.seal(
        Draft("speech", syllables(6, 3.0), "tiny", "r1", 7, "cpu", "float32", 0.1),
        Brief("speech", "A script", format="opus"),
        NOTE,
        model_title="Tiny",
    )
    layers = {layer.layer: layer for layer in world.verifier.verify(sealed.path).layers}
    assert all(layers[name].found for name in ("credential", "watermark", "labels")), layers
    asset = world.edit(world.give(sealed.path), end=2.5, format="opus")
    found = labels.read_labels(asset.path.read_bytes(), asset.media_type)
    assert TERM + "trainedAlgorithmicMedia" in str(found)


def test_a_label_or_a_strangers_credential_that_says_ai_is_passed_on(world: World) -> None:
    stranger = Sealer(Settings.read({}, home=world.folder / "stranger", device="cpu"))
    theirs = world.generated(tune(3, 4.0), "theirs", stranger)
    asset = world.edit(world.give(theirs), end=3.0)
    assert asset.credential.source == "trainedAlgorithmicMedia"
    (parent,) = world.verifier.verify(asset.path).ingredients
    assert parent.state == "unknown_signer"


def test_replaying_an_edit_gives_the_same_samples(world: World, spoken: str) -> None:
    first, second = (world.edit(spoken, start=1.2, fade_out=0.4) for _ in range(2))
    one, two = (soundfile.read(asset.path)[0] for asset in (first, second))
    assert np.array_equal(one, two)


def test_scores_do_not_take_the_name_of_an_edit_for_a_script(world: World, recording: str) -> None:
    card = world.edit(recording).scorecard
    assert "script" in card.withheld["pace"] and card.get("loudness") is not None


def test_nothing_is_promised_about_recordings_of_unknown_terms(world: World, recording: str) -> None:
    assert world.edit(recording).credential.licence.commercial == "unknown"
    assert world.edit(recording, given_licence="own").credential.licence.commercial == "yes"
    theirs = world.edit(recording, given_licence="CC-BY-NC-4.0").credential.licence
    assert theirs.commercial == "no" and "CC-BY-NC-4.0" in theirs.note
    wish = Brief("speech", "E", engine="edit_speech", inputs=(recording,), licence_wish="commercial")
    with pytest.raises(Refused, match="not known"):
        world.run(wish)


def test_the_audible_notice_stands_before_ai_content_only(
    tmp_path: Path, world: World, recording: str, spoken: str
) -> None:
    loud = World(tmp_path, policy="eu-disclosed")
    mine, ai = (loud.give(world.uploads.find(key)) for key in (recording, spoken))  # type: ignore[arg-type]
    lengths = [soundfile.info(loud.edit(key, end=3.0).path).duration for key in (mine, ai)]
    assert lengths[0] == pytest.approx(3.0, abs=0.01) and lengths[1] > 4.0


@pytest.mark.parametrize("policy", ["eu-disclosed", "cn"])
def test_an_edit_of_what_begins_with_the_notice_gets_no_second_one(
    tmp_path: Path, world: World, spoken: str, policy: str
) -> None:
    loud = World(tmp_path, policy=policy)
    voice = loud.give(world.uploads.find(spoken))  # type: ignore[arg-type]
    noticed = loud.edit(voice, end=3.0)
    length = soundfile.info(noticed.path).duration
    assert length > 4.0
    for options in ({}, {"gain_db": -6.0}, {"loudness_lufs": -20.0, "format": "mp3"}):
        again = loud.edit(loud.give(noticed.path), end=length, **options)
        assert soundfile.info(again.path).duration == pytest.approx(length, abs=0.15)
    later = loud.edit(loud.give(again.path), loudness_lufs=-16.0)  # out of the MP3, whose start lies later
    assert soundfile.info(later.path).duration == pytest.approx(length, abs=0.2)
    for cut in ({"start": 0.4}, {"fade_in": 1.5}):  # what is left of the notice is none
        anew = loud.edit(loud.give(noticed.path), **cut)
        assert soundfile.info(anew.path).duration > length + 0.5


def test_bad_uploads_are_refused_before_they_are_a_job(world: World, tmp_path: Path) -> None:
    film = tmp_path / "film.wav"
    film.write_bytes(b"\0\0\0\x18ftypmp42" + bytes(4000))
    empty = tmp_path / "empty.wav"
    empty.write_bytes(b"")
    torn = tmp_path / "torn.flac"
    buffer = io.BytesIO()
    soundfile.write(buffer, syllables(4, 3.0).samples, 24_000, format="FLAC")
    torn.write_bytes(buffer.getvalue()[:400])
    for path, words in ((film, "MP4 film"), (empty, "empty"), (torn, "damaged|empty")):
        with pytest.raises(BadInput, match=words):
            world.give(path)
    wide = tmp_path / "wide.wav"
    soundfile.write(wide, np.zeros((192_000 * 3, 8), np.float32) + 0.01, 192_000)
    asset = world.edit(world.give(wide))
    info = soundfile.info(asset.path)
    assert (info.samplerate, info.channels) == (48_000, 2)
    with pytest.raises(BadInput, match="cannot start at 99"):
        world.edit(world.give(wide), start=99)


def test_an_edit_that_names_no_input_is_never_sealed(world: World) -> None:
    draft = Draft("speech", syllables(5, 3.0), "speech-editor", "1", 0, "cpu", "float32", 0.1)
    with pytest.raises(Exception, match="nothing that was edited"):
        world.line.sealer.seal(
            replace(draft, edits=("c2pa.edited",)), Brief("speech", "E"), NOTE, model_title="Editor"
        )


def test_the_seal_names_the_output_of_the_edit(world: World, spoken: str) -> None:
    asset = world.edit(spoken)
    said = Assertions(world.reading(asset).assertions).one(GENERATION)
    assert said["produce_id"] == asset.credential.produce_id and said["engine"] == "edit_speech"
    assert sniff(asset.path.read_bytes()) == "audio/wav"
