"""Damaged and malicious files: reading never raises, writing raises nothing but a StudioError, both end soon."""

import random
import time
import tracemalloc
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from label_files import FACTS, picture, policy, samples

from studio.errors import StudioError
from studio.provenance import label_gb
from studio.provenance.label_fields import Findings
from studio.provenance.label_xmp import build_xmp, read_xmp
from studio.provenance.labels import MEDIA_TYPES, LabelsFound, read_labels, write_labels

KINDS = st.sampled_from([*MEDIA_TYPES, "application/x-unknown"])


def survive(data, kind):
    found = read_labels(data, kind)
    assert isinstance(found, LabelsFound)
    assert all(problem.endswith(".") for problem in found.problems)
    try:
        out = write_labels(data, kind, FACTS, policy("eu"))
    except StudioError as error:
        assert str(error).endswith((".", "retry."))
        return
    assert read_labels(out, kind).licence_note == FACTS.licence_note or kind == "text/plain"


@pytest.mark.parametrize("name", list(samples()))
def test_mutated_files(name):
    """500 files a container: flipped, cut, repeated and swollen at seeded places, mostly in the metadata."""
    kind, plain = samples()[name]
    data = write_labels(plain, kind, FACTS, policy("eu"))
    chance = random.Random(name)
    for _ in range(500):
        bad = bytearray(data)
        for _ in range(chance.choice((1, 1, 2, 8))):
            at = chance.randrange(min(len(bad), 3500))
            match chance.randrange(5):
                case 0:
                    bad[at] ^= 1 << chance.randrange(8)
                case 1:
                    bad[at] = chance.choice((0, 0x7F, 0x80, 0xFF))
                case 2:
                    bad[at : at + 4] = chance.choice(
                        (b"\xff\xff\xff\xff", b"\0\0\0\0", b"\x7f\xff\xff\xff", b"\0\0\0\1")
                    )
                case 3:
                    del bad[at : at + chance.randrange(1, 40)]
                case 4:
                    bad[at:at] = bad[at : at + chance.randrange(1, 400)]
        if chance.random() < 0.2:
            del bad[chance.randrange(len(bad)) :]
        survive(bytes(bad), kind)


@given(st.binary(max_size=300), KINDS)
def test_any_bytes(data, kind):
    survive(data, kind)


STARTS = {
    "image/png": b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR", "image/jpeg": b"\xff\xd8\xff\xe1", "image/webp": b"RIFF\x40\0\0\0WEBP",
    "audio/wav": b"RIFF\x40\0\0\0WAVE", "audio/mpeg": b"ID3\4\0\0\0\0\0\x40", "audio/flac": b"fLaC",
    "video/mp4": b"\0\0\0\x10ftypisom\0\0\0\0", "text/markdown": b"---\nAIGC: ", "text/html": b"<meta name='AIGC' ",
}  # fmt: skip


@given(st.sampled_from(list(STARTS)), st.binary(max_size=200))
def test_any_bytes_after_a_good_start(kind, rest):
    survive(STARTS[kind] + rest, kind)


@given(st.text(max_size=200))
def test_any_text_as_a_label(text):
    label = label_gb.parse(text)
    assert label is None or isinstance(label_gb.faults(label), list)


@given(st.lists(st.text(max_size=40), min_size=7, max_size=7))
def test_a_label_comes_back_from_both_forms(values):
    label = label_gb.GbLabel(*values)
    assert label_gb.parse(label.bare()) == label_gb.parse(label.wrapped()) == label


@given(st.text(min_size=1, max_size=80))
def test_any_producer_fits_annex_e_and_can_be_told_again(producer):
    from urllib.parse import unquote

    code = label_gb.encode(producer)
    assert all(ord(c) in {0x21, *range(0x23, 0x5C), *range(0x5D, 0x7F)} for c in code)
    if producer.isprintable():
        assert unquote(code) == " ".join(producer.split())


@settings(max_examples=200)
@given(
    st.dictionaries(st.sampled_from(["Title", "Rights", "AISystemUsed", "AIGC"]), st.text(max_size=60)),
    st.binary(max_size=80),
)
def test_any_statement_is_a_packet_that_says_it(statement, keep):
    found = Findings()
    read_xmp(build_xmp(statement, keep), found)
    assert not found.problems
    told = {name: value for _, name, value in found.values}
    for name, value in statement.items():
        from studio.provenance.label_fields import clean

        assert told.get(name, "").split() == clean(value).split()


# --- Bombs --------------------------------------------------------------------------------------


def packet(body):
    return (
        b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        + body
        + (b"</rdf:RDF></x:xmpmeta>")
    )


def png(kind, body):
    chunk = len(body).to_bytes(4, "big") + kind + body + zlib.crc32(kind + body).to_bytes(4, "big")
    data = picture("PNG")
    return data[:33] + chunk + data[33:]


def box(kind, body):
    return (len(body) + 8).to_bytes(4, "big") + kind + body


XMP = b"XML:com.adobe.xmp\0\0\0\0\0"
LAUGHS = b'<!DOCTYPE x [<!ENTITY a "ha">' + b"".join(
    b'<!ENTITY %c "&%c;&%c;&%c;&%c;">' % (98 + i, *[97 + i] * 4) for i in range(20)
) + b"]><x>&u;</x>"  # fmt: skip
BOMBS = {
    "billion laughs": ("image/png", png(b"iTXt", XMP + LAUGHS)),
    "external entity": ("image/png", png(b"iTXt", XMP + b'<!DOCTYPE x SYSTEM "file:///etc/passwd"><x/>')),
    "deep XML": ("image/png", png(b"iTXt", XMP + packet(b"<rdf:Description>" + b"<a>" * 20000 + b"</a>" * 20000 + b"</rdf:Description>"))),
    "many namespaces": (
        "image/png",
        png(b"iTXt", XMP + packet(b"<rdf:Description>" + b"".join(b'<n:a xmlns:n="u%d"/>' % i for i in range(15000)) + b"</rdf:Description>")),
    ),
    "huge packet": ("image/png", png(b"iTXt", XMP + packet(b"<rdf:Description/>" * 40000))),
    "zip bomb in zTXt": ("image/png", png(b"zTXt", b"AIGC\0\0" + zlib.compress(bytes(100_000_000), 9))),
    "zip bomb in iTXt": ("image/png", png(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(b"<" * 50_000_000, 9))),
    "deep JSON": ("image/png", png(b"tEXt", b"AIGC\0" + b'{"AIGC":' * 2000)),
    "many chunks": ("image/png", picture("PNG")[:33] + (b"\0\0\0\0tEXt" + zlib.crc32(b"tEXt").to_bytes(4, "big")) * 100_000),
    "endless packet": ("audio/ogg", (b"OggS" + bytes(22) + b"\xff" + b"\xff" * 255 + bytes(255 * 255)) * 100),
    "empty pages": ("audio/ogg", (b"OggS" + bytes(23)) * 200_000),
    "fill bytes": ("image/jpeg", b"\xff" * 5_000_000),
    "fill bytes after a start": ("image/jpeg", b"\xff\xd8" + b"\xff" * 5_000_000),
    "nested boxes": ("video/mp4", b"\0\0\0\x10ftypisom\0\0\0\0" + box(b"moov", box(b"udta", box(b"meta", b"\0" * 4_000_000)))),
    "many keys": (
        "video/mp4",
        b"\0\0\0\x10ftypisom\0\0\0\0"
        + box(b"moov", box(b"udta", box(b"meta", bytes(4) + box(b"hdlr", bytes(8) + b"mdta" + bytes(13)) + box(b"keys", bytes(8) + b"\0\0\0\x09mdtax" * 300_000)))),
    ),
    "many frames": ("audio/mpeg", b"ID3\4\0\0\x01\x7f\x7f\x7f" + (b"TXXX\0\0\0\1\0\0\3") * 400_000),
    "many comments": ("audio/flac", b"fLaC\0\0\0\x22" + bytes(34) + b"\x84\x40\0\0" + bytes(4) + b"\xff\xff\xff\xff" + bytes(0x400000)),
    "many metas": ("text/html", b"<meta name='AIGC' content='" * 100_000),
    "open tags": ("text/html", b"<meta " * 200_000),
    "open comment": ("text/html", b"<!" * 500_000),
    "long attribute": ("text/html", b"<meta name=" + b'"' * 300_000),
    "front matter without end": ("text/markdown", b"---\n" + b"a: b\n" * 300_000),
    "one long line": ("text/markdown", b"---\nAIGC: " + b"'" * 2_000_000),
    "label-like line": ("text/plain", b"\xe6\x9c\xac\xe6\x96\x87" * 1_000_000),
    "decoration": ("text/plain", b"*" * 3_000_000),
}  # fmt: skip


@pytest.mark.parametrize("name", list(BOMBS))
def test_bombs_end_soon(name):
    kind, data = BOMBS[name]
    begun = time.process_time()
    survive(data, kind)
    assert time.process_time() - begun < 3


@pytest.mark.parametrize(
    "name",
    ["billion laughs", "deep XML", "zip bomb in zTXt", "zip bomb in iTXt", "deep JSON", "long attribute"],
)
def test_bombs_stay_small(name):
    kind, data = BOMBS[name]
    tracemalloc.start()
    survive(data, kind)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 40_000_000
