"""Readers that share no code with the studio agree on what leaves it: credentials, tags, labels.

encypher-c2pa is an implementation of C2PA of its own, written in Rust; c2pa-ts another, in TypeScript
(`npm install --prefix tests/readers --ignore-scripts --no-package-lock`). docs/verify.md keeps the results.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import encypher_c2pa
import pytest
from seal_drafts import NOTE, flipped, mp4, seal
from test_labels import GB_NAMES, raw_aigc

from studio.provenance import labels
from studio.provenance.encode import MEDIA
from studio.provenance.keys import anchors, load_keys
from studio.provenance.seal import Sealer
from studio.settings import Settings

READERS = Path(__file__).parent.parent / "readers"
# What the other implementations read as well.
SHARED = ("md", "txt", "html", "png", "jpeg", "webp", "wav", "mp3", "flac", "opus")
NAMES = [*SHARED, "mp4", "edit"]


class Files:
    """One sealed file of each format, and `edit`: a PNG that was made from the JPEG."""

    def __init__(self, folder):
        self.settings = Settings.read({}, home=folder / "home")
        sealer = Sealer(self.settings)
        sealed = {name: seal(sealer, name) for name in SHARED}
        sealed["mp4"] = seal(sealer, "mp4", mp4(folder / "film.mp4"))
        sealed["edit"] = seal(sealer, "png", parents=[sealed["jpeg"].path])
        self.paths = {name: one.path for name, one in sealed.items()}
        self.ids = {name: one.credential.produce_id for name, one in sealed.items()}
        self.anchors = anchors(self.settings)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return Files(tmp_path_factory.mktemp("files"))


def media_type(name):
    return MEDIA["png" if name == "edit" else name].type


def second_opinion(data, name, trust):
    return encypher_c2pa.verify(
        data, media_type(name), trust_pem=trust, no_default_trust=True, telemetry=False, online=False
    )


@pytest.mark.parametrize("name", NAMES)
def test_another_implementation_verifies_the_credential(files, name):
    report = second_opinion(files.paths[name].read_bytes(), name, files.anchors)
    assert (report["integrity"], report["signature"], report["hard_binding"]) == ("valid", "valid", "match")
    assert report["trust"]["status"] == "valid_for_supplied_material"
    assert report["validation_results"]["failure"] == []


@pytest.mark.parametrize("name", NAMES)
def test_another_implementation_sees_changes_and_strangers(files, name, tmp_path):
    original = files.paths[name].read_bytes()
    changed = flipped(original, 20 if name in ("md", "txt", "html") else len(original) - 40)
    assert second_opinion(changed, name, files.anchors)["integrity"] != "valid"
    others = Settings.read({}, home=tmp_path / "other")
    load_keys(others)
    report = second_opinion(original, name, anchors(others))
    assert report["integrity"] == "valid" and report["trust"]["status"] != "valid_for_supplied_material"


@pytest.mark.skipif(
    shutil.which("node") is None or not (READERS / "node_modules").is_dir(),
    reason="c2pa-ts is not here: npm install --prefix tests/readers --ignore-scripts --no-package-lock",
)
def test_a_third_implementation_agrees_on_pictures(files):
    good = [files.paths[name] for name in ("png", "jpeg", "edit")]
    bad = files.settings.home / "changed.png"
    bad.write_bytes(flipped(good[0].read_bytes(), -100))
    told = subprocess.run(
        ["node", READERS / "check.mjs", *good, bad], capture_output=True, text=True, check=True, cwd=READERS
    )
    found = [json.loads(line) for line in told.stdout.splitlines()]
    assert [one["valid"] for one in found] == [True, True, True, False], told.stdout
    assert (
        "assertion.dataHash.match" in found[0]["codes"] and "assertion.dataHash.mismatch" in found[3]["codes"]
    )


# --- Metadata of files as they leave: labelled and then signed ------------------------------------

TAGGED = ("png", "jpeg", "webp", "wav", "mp3", "flac", "opus", "mp4")


def test_exiftool_reads_the_tags_of_sealed_files(files):
    assert shutil.which("exiftool"), "exiftool is missing; install libimage-exiftool-perl"
    for name in TAGGED:
        command = ["exiftool", "-a", "-G1", "-s", "-charset", "utf8", "-all", "-warning", files.paths[name]]
        told = subprocess.run(command, capture_output=True, check=True).stdout.decode()
        # exiftool looks for another frame header behind a long last frame, and finds the end of the tag.
        told = told.replace("Invalid ID3 frame size", "") if name in ("mp3", "flac") else told
        assert not re.search(r"(Error|Warning) +: \S", told), (name, told)
        assert NOTE.note in told and labels.GENERATED in told, (name, told)
        if name != "wav":  # exiftool knows no RIFF chunk of that name
            assert f'"ProduceID":"{files.ids[name]}"' in told


@pytest.mark.parametrize("name", ["png", "jpeg", "webp", "wav", "mp3", "flac", "opus", "mp4", "md", "html"])
def test_a_parser_of_raw_bytes_finds_the_label_of_sealed_files(files, name):
    label = raw_aigc({"md": "markdown", "opus": "mp4"}.get(name, name), files.paths[name].read_bytes())
    assert tuple(label) == GB_NAMES
    assert (label["Label"], label["ProduceID"]) == ("1", files.ids[name])
