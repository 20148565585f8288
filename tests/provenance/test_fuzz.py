"""Byte flips and broken files of every container: none is called intact, none raises, none takes long.

`bench seal.flips seal.fuzz` does the same with 1,000 and 10,000 files; its seeds are its own.
"""

from __future__ import annotations

import base64
import resource
import struct
import subprocess
import sys
import time
import zlib

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from seal_drafts import mp4, seal
from verify_world import FORBIDDEN, Signer, foreign, plain, resaved

from studio.bench.seal_fuzz import Range, broken, flips
from studio.provenance.evidence import Evidence
from studio.provenance.keys import mark_key
from studio.provenance.layers import layers_of
from studio.provenance.reading import Reading
from studio.provenance.seal import Sealer
from studio.provenance.statements import judge
from studio.provenance.tree import MAX_DEPTH, MAX_PARTS, ingredients
from studio.provenance.verify import Verifier
from studio.settings import ROOT, Settings

LABELS = (
    "c2pa.actions",
    "c2pa.actions.v2__1",
    "org.signet.generation",
    "org.signet.marks",
    "c2pa.ingredient",
    "x",
)
KEYS = (
    "actions", "action", "digitalSourceType", "model", "title", "produce_id", "marks", "value", "activeManifest", "url",
    "assertion_store", "c2pa.ingredient", "validationResults", "failure", "code", "relationship", "signature", "issuer",
)  # fmt: skip
SECONDS = 5  # of processor time for one file, on a machine of any speed


@pytest.fixture(scope="module")
def range_(tmp_path_factory):
    folder = tmp_path_factory.mktemp("range")
    one = Range(folder)
    one.files["mp4"] = seal(Sealer(one.settings), "mp4", mp4(folder / "film.mp4")).path.read_bytes()
    return one


def peak_mb():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def test_a_thousand_byte_flips_are_never_called_intact(range_):
    for name, data in range_.files.items():
        assert range_.check(data).verdict == "intact", name
    called = [
        (name, at)
        for name, at, data in flips(range_.files, 1000, 11)
        if range_.check(data).verdict == "intact"
    ]
    assert called == []


def test_broken_files_never_raise_and_take_little(range_):
    before = peak_mb()
    for name, data in broken(range_.files, 1500, 12):
        began = time.process_time()
        report = range_.check(data)
        assert time.process_time() - began < SECONDS, name
        assert report.verdict != "intact" or data in range_.files.values(), name
        assert not FORBIDDEN.search(report.statement)
    assert peak_mb() - before < 200


@hypothesis_settings(max_examples=150, deadline=None)
@given(chance=st.data())
def test_any_splice_of_two_files_gets_a_report(range_, chance):
    """Hypothesis looks for the smallest file that breaks something; the seeded ones above only pass by."""
    names = st.sampled_from(sorted(range_.files))
    first, second = range_.files[chance.draw(names)], range_.files[chance.draw(names)]
    head = first[: chance.draw(st.integers(0, len(first)))]
    tail = second[chance.draw(st.integers(0, len(second))) :]
    data = head + chance.draw(st.binary(max_size=40)) + tail
    assert range_.check(data).verdict != "intact" or data in range_.files.values()


# --- Files that lie, and files that are too much --------------------------------------------------

LIARS = {
    "PNG that goes on as WAV": lambda files: files["png"][:40] + files["wav"][12:],
    "JPEG that is a page": lambda files: b"\xff\xd8\xff\xe0" + files["html"],
    "RIFF of no kind": lambda files: files["wav"].replace(b"WAVE", b"WXYZ", 1),
    "WAV with the body of WebP": lambda files: files["wav"][:12] + files["webp"][12:],
    "MP3 whose tag claims the whole file": lambda files: files["mp3"][:6] + b"\x7f\x7f\x7f\x7f" + files["mp3"][10:],
    "FLAC behind an endless tag": lambda files: b"ID3\4\0\0\x7f\x7f\x7f\x7f" + files["flac"],
    "MP4 whose first box is empty": lambda files: b"\0\0\0\0ftypisom" + files["mp4"][12:],
    "text that says it is PNG": lambda files: b"\x89PNG\r\n\x1a\n" + b"not a picture at all " * 50,
    "page inside a picture's text": lambda files: files["png"][:33] + b"<!doctype html>" + files["png"][33:],
}  # fmt: skip


@pytest.mark.parametrize("what", LIARS)
def test_files_that_lie_about_what_they_are(range_, what):
    report = range_.check(LIARS[what](range_.files))
    assert report.verdict in ("unreadable", "altered", "nothing_found", "labelled")


def chunk(kind, content):
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def huge_manifests():
    """100 MB where a credential should be, flat and deep, in three containers."""
    size = 100 * 2**20
    flat = struct.pack(">I4s", size, b"jumb") + bytes(size - 8)
    deep = struct.pack(">I4s", size, b"jumb") * (size // 8)
    png = plain()
    yield "png flat", png[:33] + chunk(b"caBX", flat) + png[33:]
    yield "png deep", png[:33] + chunk(b"caBX", deep) + png[33:]
    wav = plain("wav")
    yield (
        "wav",
        wav[:4] + struct.pack("<I", len(wav) + size) + wav[8:] + b"C2PA" + struct.pack("<I", size) + flat,
    )
    block = b"-----BEGIN C2PA MANIFEST----- data:application/c2pa;base64," + base64.b64encode(
        flat[: 72 * 2**20]
    )
    yield "markdown", b"# A\n<!-- " + block + b" -----END C2PA MANIFEST----- -->\n"


def test_manifests_of_a_hundred_megabytes(tmp_path):
    verifier = Verifier(Settings.read({}, home=tmp_path / "home", max_upload_mb=128), lambda key: None)
    path = tmp_path / "given"
    for name, data in huge_manifests():
        path.write_bytes(data)
        began = time.process_time()
        report = verifier.verify(path)
        assert report.verdict in ("altered", "unreadable", "nothing_found"), (name, report.statement)
        assert time.process_time() - began < 20, name


BOMB = """
import resource, sys
from pathlib import Path
from studio.provenance.verify import Verifier
from studio.settings import Settings
verifier = Verifier(Settings.read({}, home=sys.argv[1]), lambda key: None)
verifier.verify(Path(sys.argv[2]))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
verdict = verifier.verify(Path(sys.argv[3])).verdict
print(verdict, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


@pytest.mark.parametrize(("side", "most_mb"), [(40_000, 50), (7_900, 450)])
def test_a_picture_of_nothing_does_not_fill_the_memory(tmp_path, side, most_mb):
    """Kilobytes that unpack to gigabytes are refused by their header; what is within the bound is unpacked once."""
    home = tmp_path / "home"
    mark_key(Settings.read({}, home=home))
    small, bomb = tmp_path / "small.png", tmp_path / "bomb.png"
    small.write_bytes(resaved(plain(), "PNG"))
    squeeze = zlib.compressobj(9)
    body = b"".join(squeeze.compress(bytes(3 * side + 1)) for _ in range(min(side, 8000))) + squeeze.flush()
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    bomb.write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")
    )
    assert bomb.stat().st_size < 2**20
    told = subprocess.run(
        [sys.executable, "-c", BOMB, home, small, bomb], capture_output=True, text=True, check=True, cwd=ROOT
    ).stdout.split()
    assert told[0] == "nothing_found" and int(told[1]) < most_mb


# --- Ingredients ----------------------------------------------------------------------------------


def test_a_chain_of_edits_is_told_down_to_a_bounded_depth(range_):
    signer, data = Signer(), None
    for _ in range(MAX_DEPTH + 3):
        parents = [(data, "image/png")] if data else []
        action = "c2pa.opened" if data else "c2pa.created"
        data = foreign("humanEdits", action, "Editor", signer=signer, parents=parents)
    report = range_.check(data)
    assert report.verdict == "intact"
    part, depth = report.ingredients[0], 1
    while part.parts:
        (part,), depth = part.parts, depth + 1
    assert depth == MAX_DEPTH + 1 and part.state == "cut"


def named(name):
    return {
        "dc:title": name,
        "relationship": "parentOf",
        "activeManifest": {"url": f"self#jumbf=/c2pa/{name}"},
    }


def test_ingredients_that_name_each_other_end():
    manifests = {
        "a": {"assertion_store": {"c2pa.ingredient.v3": named("b")}},
        "b": {"assertion_store": {"c2pa.ingredient.v3": named("a")}},
    }
    (top,) = ingredients(
        Reading("unknown_signer", assertions=(("c2pa.ingredient", named("a")),), manifests=manifests)
    )
    assert [top.title, top.parts[0].title, top.parts[0].parts[0].state] == ["a", "b", "cut"]


def test_ingredients_without_number_are_cut():
    every = {f"c2pa.ingredient__{n}": named("a") for n in range(30)}
    reading = Reading(
        "unknown_signer", assertions=tuple(every.items()), manifests={"a": {"assertion_store": every}}
    )

    def count(parts):
        return sum(1 + count(part.parts) for part in parts)

    assert 30 <= count(ingredients(reading)) <= MAX_PARTS


@pytest.mark.parametrize(
    "said",
    [
        None, "text", [], {"dc:title": 7}, {"activeManifest": "x"}, {"activeManifest": {"url": 9}},
        {"c2pa_manifest": {"url": "self#jumbf=/c2pa/gone"}}, {"validationResults": [1]}, {"validationStatus": {"a": 1}},
        {"dc:title": "\u202e<script>\n" * 50, "relationship": ["parentOf"]},
    ],
)  # fmt: skip
def test_any_ingredient_is_told_on_one_line(said):
    for part in ingredients(Reading("invalid", assertions=(("c2pa.ingredient", said),), manifests={"x": 1})):
        assert "\n" not in part.title + part.detail and len(part.title) <= 80


LEAVES = st.none() | st.booleans() | st.integers() | st.text(max_size=20)
NAMES = st.sampled_from(KEYS) | st.text(max_size=5)
values = st.deferred(
    lambda: LEAVES | st.lists(values, max_size=3) | st.dictionaries(NAMES, values, max_size=3)
)


@hypothesis_settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(["trusted", "listed", "unknown_signer", "expired", "invalid", "altered", "damaged"]),
    st.lists(st.tuples(st.sampled_from(LABELS), values), max_size=5),
    values,
)
def test_whatever_a_signer_writes_becomes_sentences(state, assertions, manifest):
    """Anybody can sign anything: shapes that no honest tool writes must not stop the check."""
    reading = Reading(state, signer="S", assertions=tuple(assertions), manifests={"a": manifest})
    evidence = Evidence(reading, None)
    _, statement = judge(evidence)
    for told in (statement, *(layer.detail for layer in layers_of(evidence))):
        assert told.endswith(".") and "\n" not in told
    ingredients(reading)


def test_nothing_is_said_of_inputs_by_a_credential_that_does_not_hold():
    for state in ("damaged", "absent"):
        assert ingredients(Reading(state, assertions=(("c2pa.ingredient", named("a")),))) == ()


def test_the_range_covers_every_container(range_):
    from studio.provenance.encode import MEDIA

    assert set(range_.files) == set(MEDIA)
