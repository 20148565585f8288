"""Labels in every container: written, read again, still decodable, seen by readers that are not ours."""

import io
import json
import re
import shutil
import struct
import subprocess
from dataclasses import replace

import numpy as np
import pytest
import soundfile
from label_files import FACTS, HTML, MARKDOWN, frames_of, picture, policy, samples, sound
from PIL import Image

from studio.errors import BadInput
from studio.provenance import label_fields as names
from studio.provenance.label_gb import NAMES as GB_NAMES
from studio.provenance.labels import (
    EDITED,
    GENERATED,
    MEDIA_TYPES,
    LabelsFound,
    carries,
    read_labels,
    write_labels,
)
from studio.provenance.licence import licence_of

BARE = '{"Label":"1","ContentProducer":"p","ProduceID":"q"}'
WRAPPED = f'{{"AIGC":{BARE}}}'
EVERY = pytest.mark.parametrize("name", list(samples()))
PICTURES = [name for name, (kind, _) in samples().items() if kind.startswith("image/")]
SOUNDS = [name for name, (kind, _) in samples().items() if kind.startswith("audio/")]
FILMS = [name for name, (kind, _) in samples().items() if kind.startswith("video/")]
PRODUCER = "Signet%20Studio%20&%20S%C3%B6hne%20%E5%8D%B0"


def labelled(name, facts=FACTS, policy_name="eu", earlier=None):
    kind, data = samples()[name]
    return kind, write_labels(data, kind, facts, policy(policy_name), earlier)


# --- What is said -------------------------------------------------------------------------------


@EVERY
def test_every_field_comes_back(name):
    kind, data = labelled(name)
    found = read_labels(data, kind)
    assert found.problems == ()
    assert found.found and found.says == "generated"
    assert tuple(found.aigc.values().items()) == (
        ("Label", "1"),
        ("ContentProducer", PRODUCER),
        ("ProduceID", FACTS.produce_id),
        ("ReservedCode1", ""),
        ("ContentPropagator", PRODUCER),
        ("PropagateID", FACTS.produce_id),
        ("ReservedCode2", ""),
    )
    assert found.digital_source_type == GENERATED
    assert found.licence_note == FACTS.licence_note
    assert found.ids == (FACTS.produce_id,)
    assert found.get(names.WEB_STATEMENT) == licence_of("Apache-2.0").url
    assert found.get(names.AI_SYSTEM) == FACTS.model_title
    assert found.get(names.AI_SYSTEM_VERSION) == FACTS.model_version
    assert found.get(names.AI_PROMPT) == f"SHA-256 {FACTS.prompt_digest}"
    assert found.get(names.CREATOR_TOOL) == FACTS.system
    assert found.get(names.CREDIT) == FACTS.producer
    assert found.get(names.CREATED) == "2026-11-24T06:30:00Z"


@EVERY
def test_writing_again_changes_nothing(name):
    kind, data = labelled(name)
    assert write_labels(data, kind, FACTS, policy("eu")) == data


@EVERY
def test_the_aigc_label_stands_once(name):
    """GB 45438-2025, 6.1 c. Looked for in the raw bytes, entities and quoting apart."""
    _, data = labelled(name)
    text = data.decode("latin-1").replace("&quot;", '"').replace('\\"', '"')
    assert len(re.findall(r'"?ContentPropagator"?\s*:', text)) == 1


@EVERY
def test_the_prompt_is_written_only_when_it_is_allowed(name):
    prompt = 'A cat & a <dog>; “quoted” "text" 一只猫\nsecond line'
    kind, data = labelled(name, replace(FACTS, prompt=prompt))
    assert read_labels(data, kind).get(names.AI_PROMPT) == " ".join(prompt.split())
    kind, data = labelled(name, replace(FACTS, prompt=prompt), "minimal")
    assert read_labels(data, kind).get(names.AI_PROMPT) is None


@EVERY
def test_the_minimal_policy_writes_no_national_label(name):
    kind, data = labelled(name, policy_name="minimal")
    found = read_labels(data, kind)
    assert found.aigc is None and b"AIGC" not in data
    assert found.digital_source_type == GENERATED and found.licence_note == FACTS.licence_note
    assert found.ids == (FACTS.produce_id,)


@EVERY
def test_an_unlabelled_file_says_nothing(name):
    kind, data = samples()[name]
    found = read_labels(data, kind)
    assert not found.found and found.says == "unknown" and found.problems == ()


# --- Others can still open the file -------------------------------------------------------------


@pytest.mark.parametrize("name", PICTURES)
def test_pictures_decode_to_the_same_pixels(name):
    with (
        Image.open(io.BytesIO(samples()[name][1])) as before,
        Image.open(io.BytesIO(labelled(name)[1])) as after,
    ):
        assert before.size == after.size and before.mode == after.mode
        assert getattr(before, "n_frames", 1) == getattr(after, "n_frames", 1)
        assert np.array_equal(np.asarray(before), np.asarray(after))
        after.seek(0)
        xmp = after.info.get("xmp") or after.info["XML:com.adobe.xmp"].encode()
    assert b"<TC260:AIGC>{&quot;Label&quot;:&quot;1&quot;,&quot;ContentProducer&quot;" in xmp


@pytest.mark.parametrize("name", SOUNDS)
def test_sounds_decode_to_the_same_samples(name):
    before, rate = soundfile.read(io.BytesIO(samples()[name][1]))
    after, same_rate = soundfile.read(io.BytesIO(labelled(name)[1]))
    assert rate == same_rate and np.array_equal(before, after)


@pytest.mark.parametrize("name", FILMS)
def test_films_decode_to_the_same_frames(name):
    assert np.array_equal(frames_of(samples()[name][1]), frames_of(labelled(name)[1]))


def test_text_keeps_its_words():
    assert labelled("markdown")[1].decode().endswith("---\n\n" + MARKDOWN)
    html = labelled("html")[1].decode()
    assert re.sub(r"<meta name=[^>]*>\n", "", html) == HTML
    assert html.index("<head>") < html.index('<meta name="AIGC"') < html.index("<title>")


def test_plain_text_has_no_place_for_a_hidden_label_and_says_so():
    assert write_labels(b"A cat.\n", "text/plain", FACTS, policy("eu")) == b"A cat.\n"
    assert not carries("text/plain")
    assert all(carries(kind) for kind in MEDIA_TYPES if kind not in ("text/plain", "audio/ogg"))


# --- Readers written apart from the writer ------------------------------------------------------


def raw_xmp(kind, data):
    """The XMP packet, found by its fixed begin and end alone."""
    begin = data.index(b"<x:xmpmeta")
    return data[begin : data.index(b"</x:xmpmeta>") + 12].decode()


def raw_aigc(name, data):
    """The AIGC label by the byte layout of the container's own standard; shares no code with the studio."""
    if name.startswith(("png", "jpeg", "webp")):
        text = re.search(r"<TC260:AIGC>(.*?)</TC260:AIGC>", raw_xmp(name, data))[1]
        return json.loads(text.replace("&quot;", '"').replace("&amp;", "&"))
    if name.startswith("wav"):
        at = data.index(b"AIGC")
        size = struct.unpack_from("<I", data, at + 4)[0]
        return json.loads(data[at + 8 : at + 8 + size])["AIGC"]
    if name == "mp3":
        at = data.index(b"TXXX")
        size = int("".join(f"{byte:07b}" for byte in data[at + 4 : at + 8]), 2)
        encoding, description, value = data[at + 10], *data[at + 11 : at + 10 + size].split(b"\0")
        assert data[:5] == b"ID3\4\0" and encoding == 3 and description == b"AIGC"
        return json.loads(value)["AIGC"]
    if name == "flac":
        at = data.index(b"AIGC=")
        size = struct.unpack_from("<I", data, at - 4)[0]
        return json.loads(data[at + 5 : at + size])["AIGC"]
    if name.startswith(("mp4", "mov")):
        at = data.index(b"mdtaAIGC") - 4
        number = 1
        keys = data.index(b"keys") + 12
        while keys != at:
            keys += struct.unpack_from(">I", data, keys)[0]
            number += 1
        item = data.index(b"ilst") + 4
        while struct.unpack_from(">I", data, item + 4)[0] != number:
            item += struct.unpack_from(">I", data, item)[0]
        size, kind, text_type = struct.unpack_from(">I4sI", data, item + 8)
        assert kind == b"data" and text_type == 1
        return json.loads(data[item + 24 : item + 8 + size])["AIGC"]
    if name == "markdown":
        return dict(re.findall(r'^  (\w+): "(.*)"$', data.decode(), re.M))
    text = re.search(r'<meta name="AIGC" content="([^"]*)">', data.decode())[1]
    return json.loads(text.replace("&quot;", '"').replace("&amp;", "&"))["AIGC"]


@EVERY
def test_a_parser_written_apart_finds_the_label(name):
    label = raw_aigc(name, labelled(name)[1])
    assert tuple(label) == GB_NAMES
    assert (label["Label"], label["ProduceID"]) == ("1", FACTS.produce_id)
    assert len(label["ProduceID"].encode()) <= 32
    allowed = {0x21, *range(0x23, 0x5C), *range(0x5D, 0x7F)}
    assert all(set(value.encode()) <= allowed for value in label.values())


@pytest.mark.parametrize(
    "name", [n for n in samples() if n.split()[0] in ("png", "jpeg", "webp", "wav", "mp4", "mov")]
)
def test_xmp_says_what_iptc_2025_1_asks_for(name):
    xmp = raw_xmp(name, labelled(name)[1])
    assert 'xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"' in xmp
    assert f"<Iptc4xmpExt:DigitalSourceType>{GENERATED}</Iptc4xmpExt:DigitalSourceType>" in xmp
    assert (
        "<Iptc4xmpExt:AISystemUsed>SmolLM2 &lt;135M&gt; &quot;Instruct&quot;</Iptc4xmpExt:AISystemUsed>"
        in xmp
    )
    assert f"<Iptc4xmpExt:AIPromptInformation>SHA-256 {FACTS.prompt_digest}</" in xmp
    assert '<dc:rights><rdf:Alt><rdf:li xml:lang="x-default">Made with SmolLM2' in xmp


@pytest.mark.skipif(
    shutil.which("exiftool") is None, reason="the parsers above check the same without exiftool"
)
@pytest.mark.parametrize("name", [*PICTURES, *SOUNDS, *FILMS])
def test_exiftool_agrees(name, tmp_path):
    path = tmp_path / "file"
    path.write_bytes(labelled(name)[1])
    told = subprocess.run(
        ["exiftool", "-a", "-G1", "-s", "-charset", "utf8", "-all", "-validate", path], capture_output=True
    )
    lines = told.stdout.decode()
    assert told.returncode == 0 and "Error" not in lines
    assert FACTS.licence_note in lines and GENERATED in lines
    if not name.startswith("wav"):  # exiftool knows no RIFF chunk of that name
        assert f'"ProduceID":"{FACTS.produce_id}"' in lines


# --- Labels of others are kept ------------------------------------------------------------------

FOREIGN = (
    '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    '<rdf:Description rdf:about="" xmlns:T="http://www.tc260.org.cn/ns/AIGC/1.0/" xmlns:dc="http://purl.org/dc/elements/1.1/"'
    ' xmlns:odd="http://example.org/odd/" xmlns:i="http://iptc.org/std/Iptc4xmpExt/2008-02-29/" odd:flag="a&amp;b"'
    ' i:DigitalSourceType="%s">'
    "<T:AIGC>{&quot;Label&quot;:&quot;3&quot;,&quot;ContentProducer&quot;:&quot;doubao&quot;,&quot;ProduceID&quot;:&quot;x-1&quot;}</T:AIGC>"
    "<dc:rights><rdf:Alt><rdf:li xml:lang='x-default'>© A. Person</rdf:li></rdf:Alt></dc:rights>"
    "<dc:creator><rdf:Seq><rdf:li>A. Person</rdf:li></rdf:Seq></dc:creator>"
    '<odd:deep rdf:parseType="Resource"><odd:in>1 &lt; 2</odd:in></odd:deep>'
    "</rdf:Description></rdf:RDF></x:xmpmeta>"
)


def foreign(kind=GENERATED):
    return picture("JPEG", xmp=(FOREIGN % kind).encode())


def test_an_incoming_label_is_kept_and_passed_on():
    data = write_labels(foreign(), "image/jpeg", FACTS, policy("eu"))
    found = read_labels(data, "image/jpeg")
    assert (found.aigc.content_producer, found.aigc.produce_id) == ("doubao", "x-1")
    assert (found.aigc.content_propagator, found.aigc.propagate_id) == (PRODUCER, FACTS.produce_id)
    assert found.aigc.label == "1"
    assert found.ids == (FACTS.produce_id, "x-1")
    assert found.licence_note == FACTS.licence_note
    assert found.get(names.SOURCE) == "Rights stated by the input: © A. Person"
    assert found.get("dc:creator") == "A. Person"
    xmp = raw_xmp("jpeg", data)
    assert "1 &lt; 2" in xmp and "a&amp;b" in xmp and "http://example.org/odd/" in xmp
    assert data.count(b"http://ns.adobe.com/xap/1.0/\0") == 1


def test_labels_of_the_input_come_along_into_another_container():
    earlier = read_labels(foreign(), "image/jpeg")
    for name in samples():
        kind, data = labelled(name, replace(FACTS, digital_source_type=EDITED), earlier=earlier)
        found = read_labels(data, kind)
        assert found.aigc.content_producer == "doubao" and found.aigc.propagate_id == FACTS.produce_id
        assert found.digital_source_type == GENERATED, "an artificial source type is not softened"
        assert found.get(names.SOURCE) == "Rights stated by the input: © A. Person"


def test_a_photograph_that_was_edited_is_no_longer_called_a_capture():
    earlier = read_labels(
        foreign("http://cv.iptc.org/newscodes/digitalsourcetype/digitalCapture"), "image/jpeg"
    )
    kind, data = labelled("png", replace(FACTS, digital_source_type=EDITED), earlier=earlier)
    found = read_labels(data, kind)
    assert found.digital_source_type == EDITED and found.says == "edited"


def test_the_minimal_policy_still_keeps_an_incoming_label():
    data = write_labels(foreign(), "image/jpeg", FACTS, policy("minimal"))
    assert read_labels(data, "image/jpeg").aigc.content_producer == "doubao"


def id3v23(unsynchronised=False):
    """A tag as older tools write it: UTF-16 text, a year, an object, a described text in other letter case."""
    texts = {b"TPE1": "A. Person", b"TYER": "1999", b"TXXX": "aigc\0" + BARE}
    frames = {id: b"\1" + text.encode("utf-16") for id, text in texts.items()}
    frames[b"GEOB"] = b"\0application/x-c2pa\0file\0C2PA\0" + bytes(range(256)) * 2 + b"\xff\0\xff"
    body = b"".join(id + len(frame).to_bytes(4, "big") + b"\0\0" + frame for id, frame in frames.items())
    body = body.replace(b"\xff", b"\xff\0") if unsynchronised else body
    size = bytes(len(body) + 20 >> shift & 0x7F for shift in (21, 14, 7, 0))
    return b"ID3\3\0" + (b"\x80" if unsynchronised else b"\0") + size + body + bytes(20)


@pytest.mark.parametrize("unsynchronised", [False, True])
def test_an_older_id3_tag_becomes_2_4_and_loses_nothing(unsynchronised):
    old = id3v23(unsynchronised) + sound("MP3")
    assert read_labels(old, "audio/mpeg").aigc.content_producer == "p"
    data = write_labels(old, "audio/mpeg", FACTS, policy("eu"))
    found = read_labels(data, "audio/mpeg")
    assert (
        found.problems == ()
        and found.aigc.content_producer == "p"
        and found.aigc.propagate_id == FACTS.produce_id
    )
    assert found.get("TPE1") == "A. Person"
    assert bytes(range(256)) * 2 + b"\xff\0\xff" in data and data.count(b"TXXX") == 7 and b"TYER" not in data
    assert data.endswith(sound("MP3"))


def test_metadata_of_others_stays_in_every_sound_container():
    import av

    def tagged(format):
        out = io.BytesIO()
        with soundfile.SoundFile(out, "w", 22050, 1, format=format) as file:
            file.artist = "A. Person"
            file.write(np.zeros(2000, np.float32))
        return out.getvalue() if format != "MP3" else id3v23() + out.getvalue()

    for format, kind in (("WAV", "audio/wav"), ("FLAC", "audio/flac"), ("MP3", "audio/mpeg")):
        data = write_labels(tagged(format), kind, FACTS, policy("eu"))
        with av.open(io.BytesIO(data)) as container:
            tags = {key.lower(): value for key, value in container.metadata.items()}
        assert tags.get("artist") == "A. Person", (format, tags)
        assert tags["title"] == FACTS.title


# --- Forms seen in the wild ---------------------------------------------------------------------


def png_with(kind, body):
    import zlib

    chunk = len(body).to_bytes(4, "big") + kind + body + zlib.crc32(kind + body).to_bytes(4, "big")
    data = picture("PNG")
    return data[:33] + chunk + data[33:]


def wild():
    import zlib

    xmp = FOREIGN.replace("i:DigitalSourceType", "i:ignored") % "x"
    for form in (BARE, WRAPPED):
        yield "image/png", png_with(b"tEXt", b"AIGC\0" + form.encode())
        yield "image/png", png_with(b"zTXt", b"AIGC\0\0" + zlib.compress(form.encode()))
        yield "image/png", png_with(b"iTXt", b"AIGC\0\1\0\0\0" + zlib.compress(form.encode()))
        yield "text/html", f"<meta content='{form}' name=\"AIGC\">".encode()
        yield "text/markdown", f"---\ntitle: x\nAIGC: {form}\n---\ntext".encode()
        yield "text/markdown", f"---\nAIGC: '{form}'\n---\ntext".encode()
        data = sound("WAV")
        body = b"AIGC" + len(form).to_bytes(4, "little") + form.encode() + b"\0" * (len(form) % 2)
        listed = b"LIST" + (len(body) + 4).to_bytes(4, "little") + b"INFO" + body
        for added in (body, listed):
            yield "audio/wav", b"RIFF" + (len(data) + len(added) - 8).to_bytes(4, "little") + data[8:] + added
        exif = (
            b"II*\0\x08\0\0\0\1\0"
            + struct.pack("<HHII", 0x9286, 7, 8 + len(form), 26)
            + bytes(4)
            + b"ASCII\0\0\0"
        )
        yield "image/jpeg", picture("JPEG", exif=b"Exif\0\0" + exif + form.encode())
    yield "image/png", png_with(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + xmp.encode())
    yield "text/markdown", b"---\nAIGC:\n  Label: '1'\n  ContentProducer: 'p'\n  ProduceID: q\n---\n\ntext"


@pytest.mark.parametrize(("kind", "data"), list(wild()))
def test_forms_seen_in_the_wild_are_read(kind, data):
    found = read_labels(data, kind)
    assert found.problems == ()
    assert found.aigc.content_producer in ("p", "doubao") and found.aigc.produce_id in ("q", "x-1")


def test_comments_of_ogg_vorbis_are_read():
    out = io.BytesIO()
    with soundfile.SoundFile(out, "w", 22050, 1, format="OGG") as file:
        file.title = "A cat"
        file.write(np.zeros(2000, np.float32))
    assert read_labels(out.getvalue(), "audio/ogg").get(names.TITLE) == "A cat"


def test_labels_in_ogg_are_read_though_not_written():
    import av

    out = io.BytesIO()
    with av.open(out, "w", format="ogg") as container:
        container.metadata["AIGC"] = WRAPPED
        stream = container.add_stream("libopus", rate=48000)
        stream.metadata["AIGC"] = WRAPPED
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 960 * 4), np.float32), "fltp", "mono")
        frame.rate = 48000
        for packet in [*stream.encode(frame), *stream.encode()]:
            container.mux(packet)
    found = read_labels(out.getvalue(), "audio/ogg")
    assert found.problems == () and found.aigc.content_producer == "p"
    assert not carries("audio/ogg")
    with pytest.raises(BadInput, match="audio/flac"):
        write_labels(out.getvalue(), "audio/ogg", FACTS, policy("eu"))
    for cut in range(0, 400, 7):
        read_labels(out.getvalue()[:cut], "audio/ogg")


def test_labels_that_contradict_each_other_are_a_problem():
    data = write_labels(picture("PNG"), "image/png", FACTS, policy("eu"))
    other = b"AIGC\0" + BARE.encode()
    chunk = png_with(b"tEXt", other)[33 : 33 + 12 + len(other)]
    assert "contradict" in read_labels(data[:33] + chunk + data[33:], "image/png").problems[-1]


def test_a_label_outside_annex_e_is_read_and_named_as_faulty():
    found = read_labels(png_with(b"tEXt", b'AIGC\0{"Label":"9","ContentProducer":"a b"}'), "image/png")
    assert found.aigc.content_producer == "a b"
    assert len(found.problems) == 3


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("Body\n\n(AI-generated)\n", "(AI-generated)"),
        ("本文由AI生成\n正文", "本文由AI生成"),
        ("正文\n——（人工智能生成合成）", "——（人工智能生成合成）"),
        ("AI-generated images flood the web\n\nBody", None),
        ("Body about AI and 生成 things", None),
    ],
)
def test_visible_labels_of_texts_are_seen_but_headlines_are_not(text, seen):
    assert read_labels(text.encode(), "text/plain").visible == ((seen,) if seen else ())


# --- What is refused ----------------------------------------------------------------------------


@EVERY
def test_a_file_of_another_type_is_refused(name):
    kind, _ = samples()[name]
    wrong = b"\0\xff" * 50
    with pytest.raises(BadInput):
        write_labels(wrong, kind, FACTS, policy("eu"))
    assert isinstance(read_labels(wrong, kind), LabelsFound)


def test_a_file_that_lies_about_its_type_is_read_as_what_it_is():
    found = read_labels(labelled("png")[1], "image/jpeg")
    assert found.aigc and "is PNG" in found.problems[0]
    with pytest.raises(BadInput):
        write_labels(samples()["png"][1], "image/jpeg", FACTS, policy("eu"))


def test_unknown_types_and_bad_ids_are_refused():
    with pytest.raises(BadInput, match="image/png"):
        write_labels(b"%PDF", "application/pdf", FACTS, policy("eu"))
    for id in ("", "a b", "x" * 33, 'a"b'):
        with pytest.raises(BadInput, match="produce id"):
            write_labels(samples()["png"][1], "image/png", replace(FACTS, produce_id=id), policy("eu"))
