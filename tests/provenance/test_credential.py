"""Signing and reading: every container, every byte, and every way in which text may be changed."""

import base64
import hashlib
import io
import json
import struct
import zlib
from datetime import UTC, datetime

import c2pa
import c2pa_text
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from seal_drafts import FORMATS, NOTE, brief, draft, flipped, mp4

from studio.errors import SealFailed
from studio.provenance import armour, frames, jumbf
from studio.provenance.credential import Signatory
from studio.provenance.encode import MEDIA, encode, sniff
from studio.provenance.keys import anchors, load_keys
from studio.provenance.lint import Expected, lint
from studio.provenance.manifest import GENERATION, Facts, build
from studio.provenance.reading import read
from studio.settings import Settings

ALL = (*FORMATS, "mp4")
FACTS = Facts("ab" * 16, "Tiny 1M", NOTE, datetime(2026, 11, 24, tzinfo=UTC))
EXPECTED = Expected("ab" * 16, NOTE, brief().prompt, prompt_in_file=False, author=None)


class Signed:
    """One signed file of every format, by one set of keys."""

    def __init__(self, home):
        self.settings = Settings.read({}, home=home)
        self.signatory = Signatory(load_keys(self.settings), anchors(self.settings))
        self.anchors = anchors(self.settings)
        contents = {"mp4": mp4(home / "a.mp4")}
        self.plain, self.files, self.digests = {}, {}, {}
        for name in ALL:
            kind = MEDIA[name].kinds[0]
            data, media = encode(draft(kind, contents.get(name)), name)
            manifest = build(draft(kind, contents.get(name)), brief(kind), FACTS)
            self.plain[name] = data
            self.files[name], self.digests[name] = self.signatory.sign(data, media.type, manifest)

    def frame(self, name):
        data = self.files[name]
        return armour.find(data) if MEDIA[name].kinds == ("text",) else frames.find(data, MEDIA[name].type)


@pytest.fixture(scope="module")
def signed(tmp_path_factory):
    return Signed(tmp_path_factory.mktemp("home"))


@pytest.mark.parametrize("name", ALL)
def test_signed_file_reads_back_trusted(signed, name):
    data = signed.files[name]
    reading = read(data, sniff(data), signed.anchors)
    assert (reading.state, reading.reason, reading.failures) == ("trusted", "", ())
    assert reading.signer == signed.signatory.keys.signer
    assert reading.generator == "Signet 0.1.0" and "Tiny 1M" in reading.title and reading.time == ""
    assert (
        reading.manifest_digest
        == signed.digests[name]
        == hashlib.sha256(signed.frame(name).store).hexdigest()
    )
    assert lint(reading.assertions, EXPECTED, signed=True) == ()


@pytest.mark.parametrize("name", ALL)
def test_without_the_anchor_it_is_whole_but_unknown(signed, name):
    reading = read(signed.files[name], MEDIA[name].type, "")
    assert reading.state == "unknown_signer" and reading.whole


@pytest.mark.parametrize("name", ALL)
def test_plain_file_has_none(signed, name):
    assert read(signed.plain[name], MEDIA[name].type, signed.anchors).state == "absent"


@pytest.mark.parametrize("name", ALL)
@hypothesis_settings(max_examples=60, deadline=None)
@given(chance=st.data())
def test_any_flipped_bit_shows(signed, name, chance):
    """Half of the flips fall into the credential's frame, where C2PA itself looks away in places."""
    data, frame = signed.files[name], signed.frame(name)
    spans = st.integers(0, len(data) - 1), st.integers(frame.start, frame.end - 1)
    changed = flipped(data, chance.draw(st.one_of(*spans)), chance.draw(st.integers(0, 7)))
    media_type = sniff(changed)
    assert media_type is None or not read(changed, media_type, signed.anchors).whole


@pytest.mark.parametrize("name", ALL)
def test_any_flipped_bit_of_what_is_not_signed_shows(signed, name):
    """Every byte around the store and every unsigned byte within it, but for the padding's long zeros."""
    data, frame = signed.files[name], signed.frame(name)
    outer = [
        *range(max(0, frame.start - 40), frame.start + 140),
        *range(frame.end - 90, min(frame.end + 12, len(data))),
    ]
    padding = data.rfind(b"cpad", frame.start, frame.end)
    outer += range(padding - 4, padding + 12) if padding > 0 else []
    for at in outer:
        changed = flipped(data, at, at % 8)
        media_type = sniff(changed)
        assert media_type is None or not read(changed, media_type, signed.anchors).whole, at - frame.start


@pytest.mark.parametrize("bit", range(8))
@pytest.mark.parametrize("name", ["png", "mp3"])
def test_head_of_the_padding_shows_every_flip(signed, name, bit):
    """One bit makes a text of the padding's bytes, which is as long and as empty."""
    data, frame = signed.files[name], signed.frame(name)
    padding = data.rfind(b"cpad", frame.start, frame.end)
    for at in range(padding, padding + 7):
        assert not read(flipped(data, at, bit), MEDIA[name].type, signed.anchors).whole


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("share", [0.2, 0.5, 0.9, 0.999])
def test_truncated_file_is_never_whole(signed, name, share):
    data = signed.files[name]
    cut = data[: int(len(data) * share)]
    media_type = sniff(cut)
    assert media_type is None or not read(cut, media_type, signed.anchors).whole


@pytest.mark.parametrize("name", ALL)
def test_bytes_at_the_end_show(signed, name):
    data = signed.files[name] + (b"\n" if MEDIA[name].kinds == ("text",) else b"\0" * 8)
    assert not read(data, MEDIA[name].type, signed.anchors).whole


def test_lying_type_is_still_read_by_content(signed):
    assert read(signed.files["png"], "audio/wav", signed.anchors).whole is False
    assert read(signed.files["png"], sniff(signed.files["png"]), signed.anchors).whole


def test_credential_of_another_file_is_not_taken(signed):
    """The store of one file, framed rightly in another."""
    store = signed.frame("png").store
    chunk = struct.pack(">I", len(store)) + b"caBX" + store + struct.pack(">I", zlib.crc32(b"caBX" + store))
    other, _ = encode(draft("image", 255 - draft("image").payload), "png")
    moved = other[:33] + chunk + other[33:]
    reading = read(moved, "image/png", signed.anchors)
    assert reading.state == "altered" and "c2pa.hash.data" in dict(reading.assertions)


# --- Text -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["md", "txt", "html"])
@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("\n", "\r\n"),
        lambda text: text.replace("Blue", "Bleu", 1),
        lambda text: text + " ",
        lambda text: " " + text,
        lambda text: text + text,
        lambda text: text.replace("\n", "", 1),
    ],
)
def test_changed_text_is_altered(signed, name, change):
    changed = change(signed.files[name].decode())
    assert read(changed.encode(), MEDIA[name].type, signed.anchors).state in ("altered", "damaged")


@pytest.mark.parametrize("name", ["md", "txt", "html"])
def test_visible_text_is_untouched(signed, name):
    frame = signed.frame(name)
    assert signed.files[name][: frame.start] + signed.files[name][frame.end :] == signed.plain[name]
    assert signed.plain[name].decode().startswith(("#", "<!DOCTYPE"))


def test_text_frames_are_small(signed):
    """The signature box's padding of some ten thousand zeros is taken out."""
    assert len(signed.frame("md").store) < 5000
    assert signed.frame("md").store.count(b"\0" * 100) == 0


def test_nothing_can_hide_within_a_text_frame(signed):
    """A frame longer than its store, excluded from the hash by a manifest that says so."""
    data, frame = signed.files["txt"], signed.frame("txt")
    padded = c2pa_text.encode_wrapper_padded(frame.store, frame.end - frame.start + 400).encode()
    assert read(data[: frame.start] + padded, "text/plain", signed.anchors).state == "altered"
    inner = data[: frame.end - 4] + chr(0xE01EE).encode()
    assert not read(inner, "text/plain", signed.anchors).whole


@pytest.mark.parametrize("name", ["md", "txt", "html"])
def test_two_credentials_are_none(signed, name):
    data, frame = signed.files[name], signed.frame(name)
    twice = data[: frame.end] + b" " + data[frame.start : frame.end] + data[frame.end :]
    reading = read(twice, MEDIA[name].type, signed.anchors)
    assert (reading.state, reading.reason) == ("damaged", "it holds more than one credential")


def test_credentials_of_two_methods_are_none(signed):
    both = signed.files["txt"] + signed.files["md"]
    assert read(both, "text/plain", signed.anchors).reason == "it holds more than one credential"


@pytest.mark.parametrize("name", ["md", "txt", "html"])
def test_credential_cut_short_is_seen(signed, name):
    frame = signed.frame(name)
    for end in (frame.end - 40, frame.start + 400, frame.end - 41):
        assert read(signed.files[name][:end], MEDIA[name].type, signed.anchors).state in (
            "damaged",
            "altered",
        )


@pytest.mark.parametrize(
    "text",
    [
        "-----BEGIN C2PA MANIFEST----- data:application/c2pa;base64,!!!! -----END C2PA MANIFEST-----",
        "-----BEGIN C2PA MANIFEST----- data:application/c2pa;base64,AAAA -----END C2PA MANIFEST-----",
        '<html><head><script type="application/c2pa">AAA</script></head></html>',
        c2pa_text.embed_manifest("x", b""),
        c2pa_text.embed_manifest("x", b"junk that is no store at all"),
    ],
)
def test_nonsense_in_the_place_of_a_credential(text):
    assert read(text.encode(), "text/plain", "").state in ("damaged", "absent")


def test_references_are_not_fetched():
    link = '<html><head><link rel="c2pa-manifest" href="http://127.0.0.1:9/x" type="application/c2pa"></head></html>'
    lines = "-----BEGIN C2PA MANIFEST----- http://127.0.0.1:9/x -----END C2PA MANIFEST-----"
    assert (
        read(link.encode(), "text/html", "").state == read(lines.encode(), "text/plain", "").state == "absent"
    )


@pytest.mark.parametrize(("before", "after"), [("# ", "\n"), ("/* ", " */\n"), ("", "\r\n")])
def test_armour_of_other_tools_at_the_start(before, after):
    lines = c2pa_text.build_manifest_block(c2pa_text.encode_data_uri(b"store"), before.strip(), after.strip())
    text = lines.lstrip() + ("\r\n" if after == "\r\n" else "\n") + "body\n"
    frame = armour.find(text.encode())
    assert frame.exact and frame.store == b"store" and text.encode()[frame.end :] == b"body\n"


def test_page_without_a_head_is_refused(signed):
    with pytest.raises(SealFailed, match="no </head>"):
        signed.signatory.sign(b"<p>x</p>", "text/html", build(draft(), brief(), FACTS))


@given(st.text(max_size=200))
@hypothesis_settings(deadline=None)
def test_reading_text_never_raises(text):
    read(text.encode("utf-8", "replace"), "text/plain", "")


# --- Parents --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["png", "md", "wav"])
def test_parents_become_ingredients(signed, name):
    parents = (signed.files["png"], signed.plain["jpeg"], signed.files["md"])
    facts = Facts(
        "cd" * 16,
        "Tiny 1M",
        NOTE,
        FACTS.when,
        parents=tuple(hashlib.sha256(one).hexdigest() for one in parents),
    )
    kind = MEDIA[name].kinds[0]
    data, _ = signed.signatory.sign(
        signed.plain[name], MEDIA[name].type, build(draft(kind), brief(kind), facts), parents
    )
    reading = read(data, MEDIA[name].type, signed.anchors)
    assert reading.state == "trusted"
    found = dict(reading.assertions)
    links = [found[label]["relationship"] for label in sorted(found) if label.startswith("c2pa.ingredient")]
    assert links == ["parentOf", "componentOf", "componentOf"]
    assert found[GENERATION]["parents_sha256"] == list(facts.parents)
    assert "active_manifest" in str(found["c2pa.ingredient.v3"]) or "activeManifest" in str(
        found["c2pa.ingredient.v3"]
    )


def test_altered_parent_does_not_break_the_child(signed):
    parent = flipped(signed.files["png"], len(signed.files["png"]) - 200)
    facts = Facts("cd" * 16, "Tiny 1M", NOTE, FACTS.when, parents=(hashlib.sha256(parent).hexdigest(),))
    data, _ = signed.signatory.sign(
        signed.plain["png"], "image/png", build(draft("image"), brief("image"), facts), [parent]
    )
    assert read(data, "image/png", signed.anchors).state == "trusted"


# --- Failure ---------------------------------------------------------------------------------------


def test_what_cannot_be_signed_says_so(signed):
    with pytest.raises(SealFailed, match="could not be signed, so nothing was saved"):
        signed.signatory.sign(b"not a png", "image/png", build(draft("image"), brief("image"), FACTS))


def test_time_stamp_authority_out_of_reach(signed):
    from dataclasses import replace

    keys = replace(signed.signatory.keys, timestamp_url="http://127.0.0.1:9/tsa")
    signatory = Signatory(keys, signed.anchors)
    with pytest.raises(SealFailed, match="could not be signed"):
        signatory.sign(signed.plain["png"], "image/png", build(draft("image"), brief("image"), FACTS))


# --- Hostile stores ---------------------------------------------------------------------------------


def box(kind, content):
    return struct.pack(">I4s", 8 + len(content), kind) + content


def described(kind, label, *content, toggles=3):
    return box(
        b"jumb", box(b"jumd", kind + jumbf.TAIL + bytes([toggles]) + label + b"\0") + b"".join(content)
    )


def in_png(plain, store):
    chunk = struct.pack(">I", len(store)) + b"caBX" + store + struct.pack(">I", zlib.crc32(b"caBX" + store))
    return plain[:33] + chunk + plain[33:]


def deep(levels):
    inner = b""
    for _ in range(levels):
        inner = described(b"c2ma", b"x", inner)
    return described(b"c2pa", b"c2pa", inner)


@pytest.mark.parametrize(
    "store",
    [
        b"",
        b"\0" * 50,
        box(b"jumb", b""),
        described(b"c2pa", b"c2pa"),
        described(
            b"c2pa",
            b"c2pa",
            described(b"c2ma", b"x", described(b"c2cs", b"c2pa.signature", box(b"cbor", b"\xd2\x84"))),
        ),
        struct.pack(">I4sQ", 1, b"jumb", 2**63),
        deep(13),
        deep(1000),
        deep(15_000),
        described(b"c2pa", b"c2pa", *[described(b"c2ma", b"x")] * 30_000),
    ],
)
def test_hostile_stores_are_damaged_quickly(signed, store):
    assert jumbf.loose(store)
    assert read(in_png(signed.plain["png"], store), "image/png", signed.anchors).state in (
        "damaged",
        "absent",
    )
    text = c2pa_text.embed_structured("x\n", c2pa_text.encode_data_uri(store), "<!--", "-->").text
    assert read(text.encode(), "text/markdown", signed.anchors).state == "damaged"


@hypothesis_settings(max_examples=150, deadline=None)
@given(chance=st.data())
def test_mutated_stores_never_raise(signed, chance):
    store = bytearray(signed.frame("md").store)
    for _ in range(chance.draw(st.integers(1, 6))):
        at = chance.draw(st.integers(0, len(store) - 1))
        store[at : at + chance.draw(st.integers(0, 3))] = chance.draw(st.binary(max_size=4))
    text = c2pa_text.embed_structured("x\n", c2pa_text.encode_data_uri(bytes(store)), "<!--", "-->").text
    reading = read(text.encode(), "text/markdown", signed.anchors)
    assert not reading.whole
    jumbf.loose(bytes(store))


def test_padding_that_is_not_zero_is_loose(signed):
    store = signed.frame("png").store
    assert jumbf.loose(store) is None
    at = store.rindex(b"cpad") + 500
    assert jumbf.loose(flipped(store, at)) == "the padding of the signature was changed"


def test_store_without_padding_still_validates(signed):
    store = jumbf.without_padding(signed.frame("png").store)
    assert len(store) < len(signed.frame("png").store) - 9000 and jumbf.loose(store) is None
    with c2pa.Reader("image/png", io.BytesIO(signed.plain["png"]), store) as reader:
        codes = {
            entry["code"]
            for entry in json.loads(reader.json())["validation_results"]["activeManifest"]["success"]
        }
    assert "claimSignature.validated" in codes


def test_large_store_in_jpeg_is_found_across_segments(signed):
    data, _ = signed.signatory.sign(
        signed.plain["jpeg"],
        "image/jpeg",
        build(draft("image", settings={"words": ["x"] * 30_000}), brief("image"), FACTS),
    )
    assert len(data) > 70_000
    reading = read(data, "image/jpeg", signed.anchors)
    assert reading.state == "trusted" and frames.find(data, "image/jpeg").exact
    assert reading.manifest_digest


def test_hash_of_text_covers_all_but_the_frame(signed):
    """The binding's own numbers, recomputed by hand from the file."""
    data, frame = signed.files["md"], signed.frame("md")
    binding = dict(read(data, "text/markdown", signed.anchors).assertions)["c2pa.hash.data"]
    assert binding["exclusions"] == [{"start": frame.start, "length": frame.end - frame.start}]
    covered = hashlib.sha256(data[: frame.start] + data[frame.end :]).digest()
    assert base64.b64decode(binding["hash"]) == covered
