"""Sealing: every format leaves with all its layers, and nothing leaves when anything fails."""

import dataclasses
import errno
import hashlib
import io
import os
import stat
import threading
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest
import soundfile
from PIL import Image
from seal_drafts import FORMATS, NOTE, PROMPT, TEXT, brief, draft, mp4, payload, seal

from studio.errors import BadInput, SealFailed, StorageFull
from studio.provenance import labels
from studio.provenance import seal as seal_module
from studio.provenance.encode import MEDIA
from studio.provenance.keys import anchors
from studio.provenance.lint import Assertions
from studio.provenance.manifest import GENERATION, LICENCE, MINING, RIGHTS
from studio.provenance.reading import read
from studio.provenance.seal import Sealer
from studio.settings import Settings


@pytest.fixture(scope="module")
def sealer(tmp_path_factory):
    return Sealer(Settings.read({}, home=tmp_path_factory.mktemp("home")))


def contents(name, tmp_path):
    return mp4(tmp_path / "a.mp4") if name == "mp4" else None


def files(sealer):
    return sorted((sealer.settings.home / "tmp").glob("*"))


@pytest.mark.parametrize("name", [*FORMATS, "mp4"])
def test_every_format_carries_the_same_facts_in_every_layer(sealer, tmp_path, name):
    sealed = seal(sealer, name, contents(name, tmp_path))
    credential, data = sealed.credential, sealed.path.read_bytes()
    assert (
        sealed.media_type == MEDIA[name].type
        and sealed.path.name == f"{credential.produce_id}.{MEDIA[name].extension}"
    )
    assert stat.S_IMODE(sealed.path.stat().st_mode) == 0o600
    assert len(credential.produce_id) == 32 and credential.licence == NOTE and sealed.fidelity == {}
    labelled = labels.carries(sealed.media_type)
    assert labelled == (name not in ("txt", "srt", "vtt"))
    assert credential.layers == (("credential", "labels") if labelled else ("credential",))
    reading = read(data, sealed.media_type, anchors(sealer.settings))
    found = Assertions(reading.assertions)
    assert reading.manifest_digest == credential.manifest_digest
    assert found.one(GENERATION)["produce_id"] == credential.produce_id
    assert found.one(LICENCE)["note"] == found.one(RIGHTS)["dc:rights"] == NOTE.note
    if labelled:
        label = labels.read_labels(data, sealed.media_type)
        assert label.licence_note == NOTE.note and label.says == "generated"
        assert credential.produce_id in label.ids and label.aigc.produce_id == credential.produce_id


@pytest.mark.parametrize("name", [*FORMATS, "mp4"])
def test_no_private_word_is_in_the_file(sealer, tmp_path, name):
    data = seal(sealer, name, contents(name, tmp_path)).path.read_bytes()
    for words in (PROMPT, "rain and fog", "The End.", str(sealer.settings.home), str(tmp_path)):
        assert words.encode() not in data


def test_other_libraries_open_the_sealed_files(sealer, tmp_path):
    for name in ("png", "jpeg", "webp"):
        with Image.open(seal(sealer, name).path) as picture:
            picture.load()
            assert picture.size == (40, 48)
        assert name != "png" or np.array_equal(np.asarray(picture), payload("image"))
    for name in ("wav", "flac", "mp3"):
        samples, rate = soundfile.read(io.BytesIO(seal(sealer, name).path.read_bytes()))
        assert rate == 16_000 and (name == "mp3" or len(samples) == 4000)
    import av

    with av.open(str(seal(sealer, "mp4", mp4(tmp_path / "a.mp4")).path)) as video:
        assert len(list(video.decode(video=0))) == 2


def test_visible_text_stays_as_written(sealer):
    assert seal(sealer, "txt").path.read_text("utf-8").startswith(TEXT)
    assert TEXT in seal(sealer, "md").path.read_text("utf-8")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n",
        "x",
        "---\ntitle: mine\n---\nbody",
        "\r\na\r\n",
        "e\u0301",
        "🚲" * 500,
        "</head><script>",
        "a\0b\ud800",
    ],
)
@pytest.mark.parametrize("name", ["md", "txt", "html"])
def test_any_text_can_be_sealed(sealer, name, text):
    assert seal(sealer, name, text).path.stat().st_size


def test_prompt_and_author_only_when_asked(sealer, settings):
    asked = Sealer(dataclasses.replace(settings, prompt_in_file=True, no_training=True))
    sealed = seal(asked, "png", author="Ann Example")
    found = Assertions(read(sealed.path.read_bytes(), "image/png", anchors(settings)).assertions)
    assert found.one(GENERATION)["prompt"] == PROMPT and found.one(GENERATION)["author"] == "Ann Example"
    assert found.one(MINING)["entries"]["cawg.ai_generative_training"] == {"use": "notAllowed"}
    assert b"Ann Example" not in seal(sealer, "png").path.read_bytes()


def test_derived_output_says_edited_and_names_its_parents(sealer):
    first, second = seal(sealer, "png"), seal(sealer, "jpeg")
    child = seal(sealer, "png", parents=[first.path, second.path])
    data = child.path.read_bytes()
    found = Assertions(read(data, "image/png", anchors(sealer.settings)).assertions)
    digests = [hashlib.sha256(one.path.read_bytes()).hexdigest() for one in (first, second)]
    assert found.one(GENERATION)["parents_sha256"] == digests
    assert labels.read_labels(data, "image/png").says == "edited"


def test_label_of_the_first_producer_is_kept(sealer, settings):
    other = Sealer(dataclasses.replace(settings, producer="Another Studio"))
    first = seal(other, "png")
    label = labels.read_labels(seal(sealer, "png", parents=[first.path]).path.read_bytes(), "image/png").aigc
    assert label.produce_id == first.credential.produce_id and "Another" in label.content_producer


def test_minimal_policy_has_no_national_label(settings):
    sealed = seal(Sealer(dataclasses.replace(settings, policy="minimal")), "png")
    assert labels.read_labels(sealed.path.read_bytes(), "image/png").aigc is None


def test_policy_with_labels_that_people_notice(settings):
    sealer = Sealer(dataclasses.replace(settings, policy="cn"))
    assert "（AI生成）" in seal(sealer, "md").path.read_text("utf-8")
    plain = np.full((300, 300, 3), 200, np.uint8)
    with Image.open(seal(sealer, "png", plain).path) as picture:
        shown = np.asarray(picture.convert("L")).astype(int)
    assert np.ptp(shown[:200, :200]) < 12 and np.ptp(shown[250:, 150:]) > 100
    samples, rate = soundfile.read(seal(sealer, "wav").path)
    assert len(samples) > 4000 + rate, "the rhythm stands before the sound"


def test_film_under_a_policy_with_visible_labels_is_refused(settings, tmp_path):
    sealer = Sealer(dataclasses.replace(settings, policy="cn"))
    with pytest.raises(BadInput, match="labels on films"):
        seal(sealer, "mp4", mp4(tmp_path / "a.mp4"))


# --- Failure: nothing is saved -------------------------------------------------------------------


def test_unknown_format_and_missing_parent(sealer, tmp_path):
    before = files(sealer)
    with pytest.raises(BadInput, match="choose one of: md, txt, html"):
        sealer.seal(draft(), brief(format="docx"), NOTE, model_title="Tiny 1M")
    with pytest.raises(BadInput, match=r"input gone\.png cannot be read"):
        seal(sealer, "png", parents=[tmp_path / "gone.png"])
    assert files(sealer) == before


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_full_disk_leaves_nothing(sealer, monkeypatch, code):
    before = files(sealer)

    class Full(io.FileIO):
        def write(self, data):
            super().write(data[:100])
            raise OSError(code, os.strerror(code))

    monkeypatch.setattr(seal_module, "open", lambda descriptor, mode: Full(descriptor, mode), raising=False)
    with pytest.raises(StorageFull, match="is full, so nothing was saved"):
        seal(sealer, "png")
    assert files(sealer) == before


def test_folder_that_cannot_be_written(settings):
    sealer = Sealer(settings)
    seal(sealer, "md").path.unlink()
    (settings.home / "tmp").rmdir()
    (settings.home / "tmp").write_text("a file in the way")
    with pytest.raises(SealFailed, match="could not be written"):
        seal(sealer, "md")


def damage(data):
    return data[:-30] + b"x" + data[-29:]


@pytest.mark.parametrize("name", ["png", "md", "wav"])
def test_file_that_reads_back_wrong_is_not_kept(sealer, monkeypatch, name):
    before, write = files(sealer), seal_module._write
    monkeypatch.setattr(seal_module, "_write", lambda path, data: write(path, damage(data)))
    with pytest.raises(SealFailed, match="does not hold when read back"):
        seal(sealer, name)
    assert files(sealer) == before


def test_file_that_lost_its_labels_is_not_kept(sealer, monkeypatch):
    before = files(sealer)
    monkeypatch.setattr(seal_module.labels, "write_labels", lambda data, *_: data)
    with pytest.raises(SealFailed, match="its labels do not name this output"):
        seal(sealer, "png")
    assert files(sealer) == before


def test_manifest_that_breaks_a_rule_is_not_signed(sealer, monkeypatch):
    before, build = files(sealer), seal_module.build

    def telling(*args):
        manifest = build(*args)
        manifest["assertions"][1]["data"]["prompt"] = PROMPT
        return manifest

    monkeypatch.setattr(seal_module, "build", telling)
    with pytest.raises(SealFailed, match="breaks a rule .* prompt"):
        seal(sealer, "png")
    assert files(sealer) == before


def test_unusable_key_saves_nothing(settings):
    sealer = Sealer(settings)
    seal(sealer, "md").path.unlink()
    (settings.home / "keys" / "signing.key").chmod(0o644)
    with pytest.raises(BadInput, match="chmod 600"):
        seal(Sealer(settings), "md")
    assert files(sealer) == []


def test_interrupted_seal_leaves_nothing(sealer, monkeypatch):
    before = files(sealer)

    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(seal_module, "read", stop)
    with pytest.raises(KeyboardInterrupt):
        seal(sealer, "md")
    assert files(sealer) == before


# --- Together ------------------------------------------------------------------------------------


def test_one_sealer_serves_many_threads(sealer):
    names = ["md", "png", "txt", "wav"] * 8
    gate = threading.Barrier(4)

    def work(part):
        gate.wait()
        return [seal(sealer, name) for name in part]

    with ThreadPoolExecutor(4) as pool:
        sealed = [one for part in pool.map(work, [names[at::4] for at in range(4)]) for one in part]
    assert len({one.credential.produce_id for one in sealed}) == len(names)


def test_sealer_works_on_after_a_fork(sealer):
    signer = seal(sealer, "md").credential.signer
    _SHARED.append(sealer)
    with ProcessPoolExecutor(1, get_context("fork")) as pool:
        assert pool.submit(_seal_shared).result() == signer


_SHARED = []


def _seal_shared():
    return seal(_SHARED[-1], "md").credential.signer


def test_importing_loads_nothing_heavy():
    import subprocess
    import sys

    code = "import sys, studio.provenance.seal, studio.provenance.verify; print([m for m in ('c2pa', 'numpy', 'PIL', 'soundfile', 'cryptography') if m in sys.modules])"
    root = Path(seal_module.__file__).parents[2]
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=root).stdout.strip()
        == "[]"
    )
