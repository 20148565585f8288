"""Credentials of other tools in the formats that other tools write: read, known by the list, changes seen."""

from __future__ import annotations

import io

import av
import numpy as np
import pytest
from label_files import picture, sound
from seal_drafts import flipped
from verify_world import Signer, foreign, plain, resaved

from studio.provenance.trust import refresh
from studio.provenance.verify import Verifier
from studio.settings import Settings

SVG = b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><rect width="9" height="9"/></svg>'


def film(format):
    out = io.BytesIO()
    with av.open(out, "w", format=format) as file:
        stream = file.add_stream("mpeg4", rate=5)
        stream.width, stream.height, stream.pix_fmt = 32, 32, "yuv420p"
        for shade in (40, 200):
            frame = av.VideoFrame.from_ndarray(np.full((32, 32, 3), shade, np.uint8), format="rgb24")
            file.mux(stream.encode(frame))
        file.mux(stream.encode())
    return out.getvalue()


def speech_of_a_phone():
    out = io.BytesIO()
    with av.open(out, "w", format="ipod") as file:
        stream = file.add_stream("aac", rate=16000, layout="mono")
        wave = (0.3 * np.sin(np.arange(4096) / 9)).astype(np.float32)[None]
        frame = av.AudioFrame.from_ndarray(wave, format="fltp", layout="mono")
        frame.sample_rate = 16000
        file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    return out.getvalue()


FORMATS = {
    "image/png": plain,
    "image/jpeg": lambda: picture("JPEG"),
    "image/webp": lambda: picture("WEBP"),
    "image/gif": lambda: resaved(plain(), "GIF"),
    "image/tiff": lambda: resaved(plain(), "TIFF"),
    "image/avif": lambda: resaved(plain(), "AVIF"),
    "image/svg+xml": lambda: SVG,
    "audio/wav": lambda: sound("WAV"),
    "audio/mpeg": lambda: sound("MP3"),
    "audio/flac": lambda: sound("FLAC"),
    "audio/mp4": speech_of_a_phone,
    "video/mp4": lambda: film("mp4"),
    "video/quicktime": lambda: film("mov"),
    "video/x-msvideo": lambda: film("avi"),
}


@pytest.fixture(scope="module")
def known(tmp_path_factory):
    """A verifier whose trust list holds the authority of `listed`."""
    listed = Signer("Lens Corp")
    settings = Settings.read({}, home=tmp_path_factory.mktemp("home"))
    refresh(settings, listed.root.encode())
    return Verifier(settings, lambda key: None), listed, Signer()


@pytest.mark.parametrize("media_type", FORMATS)
def test_other_tools_credentials_are_read(known, media_type, tmp_path):
    verifier, listed, stranger = known
    path = tmp_path / "file"
    for signer, state in ((listed, "listed"), (stranger, "unknown_signer")):
        signed = foreign(
            "digitalCapture", signer=signer, content=FORMATS[media_type](), media_type=media_type
        )
        path.write_bytes(signed)
        report = verifier.verify(path)
        assert (report.verdict, report.layers[0].state) == ("intact", state), report.statement
        assert report.statement.endswith("its credential says that it was recorded by a device.")
        path.write_bytes(flipped(signed, -15))
        assert verifier.verify(path).verdict == "altered"


@pytest.mark.parametrize("place", [60, 3000, 9000])
def test_padding_of_a_strangers_signature_must_be_zeros(known, place, tmp_path):
    """C2PA leaves it unsigned, so something could be hidden there; the standard wants zeros."""
    verifier, _, stranger = known
    signed = foreign(
        "digitalCapture", signer=stranger, content=FORMATS["image/jpeg"](), media_type="image/jpeg"
    )
    path = tmp_path / "file"
    path.write_bytes(flipped(signed, signed.rindex(b"cpad") + place))
    assert verifier.verify(path).verdict == "altered"
