"""Marks in the seal: every kind leaves with the mark it can carry, read back from the file, or says why not."""

import dataclasses
import io

import numpy as np
import pytest
import soundfile
from PIL import Image
from seal_drafts import NOTE, brief, draft, seal
from test_image_mark import gradient, sticker

from studio.bench.audio_material import syllables
from studio.errors import BadInput
from studio.provenance import marking
from studio.provenance.base import Means, mark_for, marks
from studio.provenance.content import content, pixels, sound, words
from studio.provenance.encode import MEDIA
from studio.provenance.image_mark import ImageMark
from studio.provenance.keys import anchors, mark_key
from studio.provenance.lint import Assertions, Expected, lint
from studio.provenance.manifest import MARKS
from studio.provenance.reading import read
from studio.provenance.seal import Sealer
from studio.provenance.text_mark import TextMark
from studio.settings import Settings
from studio.types import Sound


def speech():
    return syllables(1, 6.0)


def tokenize(text):
    """Words as tokens: enough of a vocabulary to carry a mark."""
    return [hash_of(word) for word in text.split()]


def hash_of(word):
    return int.from_bytes(word.encode()[:6], "big") % 50_000


def text_of(key, tokens=200, seed=3):
    """Words drawn by the mark's sampler from a flat model of four hundred words."""
    vocabulary = [f"w{number:03d}" for number in range(400)]
    ids = np.array([hash_of(word) for word in vocabulary])
    assert len(set(ids.tolist())) == len(ids)
    marker, rng, written = TextMark(key).start(seed), np.random.default_rng(seed), []
    for _ in range(tokens):
        some = rng.choice(len(vocabulary), 40, replace=False)
        context = [int(ids[at]) for at in written]
        written.append(int(some[marker.choose(context, ids[some], np.full(40, 1 / 40), rng)]))
    return " ".join(vocabulary[at] for at in written)


@pytest.fixture(scope="module")
def sealer(tmp_path_factory):
    settings = Settings.read({}, home=tmp_path_factory.mktemp("home"))
    return Sealer(settings, Means(tokenizers=lambda: (tokenize,)))


@pytest.fixture(scope="module")
def key(sealer):
    return mark_key(sealer.settings)


def payload_for(name, key):
    kind = MEDIA[name].kinds[0]
    return {"text": lambda: text_of(key), "image": sticker, "speech": speech}[kind]()


def declared(sealed, sealer):
    reading = read(sealed.path.read_bytes(), sealed.media_type, anchors(sealer.settings))
    return Assertions(reading.assertions).one(MARKS)


def test_there_is_one_mark_for_each_kind():
    assert {kind: mark_for(kind, Means()).name for kind in ("text", "image", "speech", "music", "video")} == {
        "text": "text", "image": "image", "speech": "audio_spread_spectrum", "music": "audio_spread_spectrum", "video": "film",
    }  # fmt: skip
    assert len({mark.algorithm for mark in marks.values()}) == len(marks.values()) == 4


@pytest.mark.parametrize("name", ["md", "txt", "html", "png", "jpeg", "webp", "wav", "mp3", "flac"])
def test_every_format_leaves_with_a_mark_that_reads(sealer, key, name):
    sealed = seal(sealer, name, payload_for(name, key))
    credential, said = sealed.credential, declared(sealed, sealer)
    kind = MEDIA[name].kinds[0]
    mark = mark_for(kind, Means(tokenizers=lambda: (tokenize,)))
    found = mark.detect(content(sealed.path.read_bytes(), sealed.media_type), key)
    assert found.found and found.p_value <= 1e-6
    assert credential.layers[-1] == "watermark" and credential.unmarked == ""
    assert said["marks"][0]["alg"] == mark.algorithm
    if kind == "text":
        assert found.message is None and credential.mark_payload == "" and sealed.fidelity == {}
    else:
        assert mark.names(found.message) == credential.mark_payload == said["marks"][0]["value"]
        assert credential.produce_id.startswith(credential.mark_payload)
    if kind == "image":
        assert sealed.fidelity["mark_psnr"] >= 41 and sealed.fidelity["mark_ssim"] >= 0.99
        assert float(said["marks"][0]["margin_db"]) > 0, "a weak picture is known by its credential"
    if kind == "speech":
        assert sealed.fidelity["mark_snr"] >= 25


@pytest.mark.parametrize(
    ("name", "small", "reason"),
    [
        ("txt", "A short line.", "too short"),
        ("txt", text_of(b"o" * 32), "No watermark of this studio's key"),
        ("png", np.full((200, 300, 3), 90, np.uint8), "at least 256 pixels"),
        ("png", gradient(256, 1000), "1 : 3"),
        ("wav", Sound(np.full((8000, 1), 0.1, np.float32), 16_000), "needs 2 seconds"),
        ("wav", Sound(np.zeros((80_000, 1), np.float32), 16_000), "not silent"),
    ],
)
def test_what_cannot_carry_a_mark_leaves_without_and_says_why(sealer, name, small, reason):
    sealed = seal(sealer, name, small)
    assert "watermark" not in sealed.credential.layers and sealed.credential.mark_payload is None
    assert reason in sealed.credential.unmarked and sealed.credential.unmarked.endswith(".")
    assert declared(sealed, sealer) == {"marks": [], "reason": sealed.credential.unmarked}
    assert sealed.fidelity == {}


def test_policy_without_marks_leaves_the_pixels_alone(settings):
    sealer = Sealer(dataclasses.replace(settings, policy="minimal"))
    sealed = seal(sealer, "png", sticker())
    assert np.array_equal(pixels(sealed.path.read_bytes()), sticker())
    assert sealed.credential.unmarked == "The policy wants no watermark." and sealer.token_mark() is None


def test_same_content_gets_the_same_mark_and_another_id(sealer):
    first, second = (seal(sealer, "png", gradient()) for _ in range(2))
    assert np.array_equal(*(pixels(one.path.read_bytes()) for one in (first, second)))
    assert first.credential.mark_payload == second.credential.mark_payload
    assert first.credential.produce_id != second.credential.produce_id
    assert seal(sealer, "png", sticker()).credential.mark_payload != first.credential.mark_payload


def test_mark_that_cannot_be_read_back_is_tried_once_stronger(sealer, monkeypatch):
    strengths, embed = [], ImageMark.embed

    def weak(self, payload, message, key):
        strengths.append(self.strength)
        return payload if len(strengths) == 1 else embed(self, payload, message, key)

    monkeypatch.setattr(ImageMark, "embed", weak)
    assert "watermark" in seal(sealer, "png", gradient()).credential.layers
    assert len(strengths) == 2 and strengths[1] > strengths[0]


def test_mark_that_never_reads_back_is_not_claimed(sealer, monkeypatch):
    monkeypatch.setattr(ImageMark, "embed", lambda self, payload, message, key: payload)
    credential = seal(sealer, "png", gradient()).credential
    assert "watermark" not in credential.layers and "could not be read back" in credential.unmarked

    def refuse(self, payload, message, key):
        raise BadInput("It cannot.")

    monkeypatch.setattr(ImageMark, "embed", refuse)
    assert seal(sealer, "png", gradient()).credential.unmarked == "It cannot."


def test_mark_naming_another_output_is_not_claimed(sealer, key, monkeypatch):
    other = ImageMark().embed(gradient(), b"other", key)
    monkeypatch.setattr(ImageMark, "embed", lambda *_: other)
    assert "watermark" not in seal(sealer, "png", gradient()).credential.layers


def test_content_that_changes_after_marking_is_not_kept(sealer, monkeypatch):
    from studio.errors import SealFailed
    from studio.provenance import seal as seal_module

    monkeypatch.setattr(seal_module, "content", lambda data, media_type: gradient() // 2)
    with pytest.raises(SealFailed, match="another when read back"):
        seal(sealer, "png", gradient())


def test_seal_needs_no_tokenizer(settings):
    said = seal(Sealer(settings), "txt", "words that go on and on " * 20).credential.unmarked
    assert said.startswith("No language model is here")


def test_credential_may_not_declare_the_mark_of_another_output():
    expected = Expected("ab" * 16, NOTE, "p", False, None)
    for said in (
        {"marks": [{"alg": "x", "value": "cd"}]},
        {"marks": []},
        {"marks": [{"alg": "x"}], "reason": "y"},
    ):
        problems = lint([(MARKS, said)], expected, signed=False)
        assert any("mark" in problem for problem in problems)


def test_ids_do_not_tell_the_content_without_the_key():
    ids = {marking._id(draft("image", gradient()), bytes([n]) * 32)[:10] for n in range(4)}
    assert len(ids) == 4


# --- Decoding -------------------------------------------------------------------------------------


def test_words_are_those_that_were_written(sealer):
    text = "# A title\n\nFirst & second.\n\n- one\n- two"
    for name, expected in (("md", text), ("txt", text), ("html", "A title\n\nFirst & second.\n\none\n\ntwo")):
        sealed = seal(sealer, name, text)
        assert words(sealed.path.read_bytes(), sealed.media_type).split() == expected.split()
    assert words(b"\n\n  indented\r\nline \n", "text/plain") == "\n\n  indented\nline"


def test_pictures_are_bounded_upright_and_shrunk():
    out = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (400, 200)).save(out, "JPEG", exif=exif)
    assert pixels(out.getvalue()).shape == (400, 200, 3)
    assert pixels(out.getvalue(), most=20_000).shape == (200, 100, 3)
    huge = io.BytesIO()
    Image.new("1", (9000, 9000)).save(huge, "PNG")
    with pytest.raises(BadInput, match="64 megapixels"):
        pixels(huge.getvalue())
    with pytest.raises(BadInput, match="cannot be read"):
        pixels(out.getvalue()[:300])


def test_sound_is_bounded_and_finite():
    out = io.BytesIO()
    samples = np.zeros((48_000, 2), np.float32)
    samples[5] = np.nan
    soundfile.write(out, samples, 16_000, format="WAV", subtype="FLOAT")
    assert sound(out.getvalue(), most=1).samples.shape == (16_000, 2)
    assert np.isfinite(sound(out.getvalue()).samples).all()
    with pytest.raises(BadInput, match="cannot be read"):
        sound(b"RIFF" + bytes(40))


def test_sound_that_libsndfile_does_not_know_is_read_as_well():
    import av

    out = io.BytesIO()
    with av.open(out, "w", format="adts") as container:
        stream = container.add_stream("aac", rate=16_000, layout="mono")
        frame = av.AudioFrame.from_ndarray(
            np.full((1, 32_000), 0.1, np.float32), format="fltp", layout="mono"
        )
        frame.sample_rate = 16_000
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            container.mux(packet)
    found = sound(out.getvalue())
    assert found.sample_rate == 16_000 and abs(len(found.samples) - 32_000) < 4096


def test_content_of_other_types_is_none():
    assert content(b"x", "video/webm") is None and content(b"<svg/>", "image/svg+xml") is None


def test_seal_of_a_brief_with_marks_leaves_one_file(sealer):
    before = set((sealer.settings.home / "tmp").glob("*"))
    sealed = sealer.seal(draft("image", sticker()), brief("image"), NOTE, model_title="Tiny 1M")
    assert set((sealer.settings.home / "tmp").glob("*")) - before == {sealed.path}
