"""A studio with sealed files and a library, another studio, and someone else's camera; for tests of verifying."""

from __future__ import annotations

import hashlib
import io
import json
import re
import struct
import zlib
from datetime import UTC, datetime, timedelta
from functools import cached_property

import c2pa
import numpy as np
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from PIL import Image
from seal_drafts import NOTE, draft, flipped, seal
from test_image_mark import sticker
from test_marking import speech, text_of, tokenize

from studio.provenance import frames, labels
from studio.provenance.base import Means
from studio.provenance.encode import encode
from studio.provenance.keys import _signing, load_keys, mark_key
from studio.provenance.manifest import SOURCE_TYPE
from studio.provenance.seal import Sealer
from studio.provenance.trust import refresh
from studio.provenance.verify import Verifier
from studio.settings import Settings
from studio.types import Asset, Brief, Credential, ModelUse, Scorecard

# Whatever the evidence, a sentence may not claim any of this.
FORBIDDEN = re.compile(
    r"\breal\b|not (made|generated) (by|with) AI|not AI|authentic|genuine|human-made|\btrue\b", re.IGNORECASE
)


MEANS = Means(tokenizers=lambda: (tokenize,))


def asset(id, produce_id, path, parents=()):
    credential = Credential(produce_id, NOTE, ("credential",), None, "0" * 64, "s", datetime.now(UTC))
    use = ModelUse("tiny", "r1", "echo", 7, "cpu", "float32", 0.1)
    brief, now = Brief("image", "p"), datetime.now(UTC)
    return Asset(id, "job", "image", path, "image/png", brief, use, Scorecard(), credential, parents, now)


class World:
    """`shelf` is the library: what `keep` put there. `alike` is what it says that a file resembles.

    `camera` signs for a name that nobody vouches for, `listed` for one whose authority is on the trust list.
    """

    def __init__(self, folder):
        self.folder, self.shelf, self.alike = folder, [], None
        self.settings = Settings.read({}, home=folder / "home", max_upload_mb=4)
        self.sealer = Sealer(self.settings, MEANS)
        self.other = Sealer(Settings.read({}, home=folder / "other"))
        self.camera, self.listed = Signer(), Signer("Lens Corp")
        refresh(self.settings, self.listed.root.encode())
        self.verifier = Verifier(
            self.settings,
            lambda key: next((one for one in self.shelf if key in (one.id, one.credential.produce_id)), None),
            find_marked=lambda start: [
                one for one in self.shelf if one.credential.produce_id.startswith(start)
            ],
            recognise=lambda path, media_type, text: self.alike,
            means=MEANS,
        )
        self.signer, self.stranger = load_keys(self.settings).signer, load_keys(self.other.settings).signer

    def keep(self, data, produce_id="none", parents=()):
        """The asset that the library then holds."""
        self.shelf.append(asset(hashlib.sha256(data).hexdigest(), produce_id, self.folder / "kept", parents))
        return self.shelf[-1]

    def keep_sealed(self, sealed, **more):
        return self.keep(data(sealed), sealed.credential.produce_id, **more)

    def check(self, data):
        path = self.folder / f"file-{len(list(self.folder.iterdir()))}"
        path.write_bytes(data)
        return self.verifier.verify(path)

    # Outputs that are large enough to carry a watermark, made once.

    @cached_property
    def picture(self):
        return seal(self.sealer, "png", sticker())

    @cached_property
    def clip(self):
        return seal(self.sealer, "wav", speech())

    @cached_property
    def words(self):
        return text_of(mark_key(self.settings))


def plain(name="png"):
    kind = {"md": "text", "txt": "text", "wav": "speech"}.get(name, "image")
    return encode(draft(kind), name)[0]


def data(sealed):
    return sealed.path.read_bytes()


# --- Labels ---------------------------------------------------------------------------------------


def facts(**changes):
    known = dict(
        produce_id="ab" * 16,
        producer="Signet Studio",
        model_title="Tiny 1M",
        model_version="r1",
        licence_note=NOTE.note,
        licence_id=NOTE.id,
        digital_source_type=labels.GENERATED,
        created_at=datetime.now(UTC),
        prompt_digest="0" * 64,
        prompt=None,
        title="Image",
        system="Signet 0.1.0",
    )
    return labels.LabelFacts(**{**known, **changes})


def labelled(world, name="png", content=None, **changes):
    media_type = {"png": "image/png", "md": "text/markdown", "wav": "audio/wav"}[name]
    return labels.write_labels(content or plain(name), media_type, facts(**changes), world.sealer._policy)


# --- Other tools ----------------------------------------------------------------------------------


class Signer:
    """Another tool's certificate, by an authority of its own. `starts` and `life` are counted from now.

    The C2PA library refuses to sign with a certificate that is not valid today. One that ran out, or is
    still to come, takes the place of a valid twin of the same key in the finished file (`aged`).
    """

    def __init__(self, name="Camera Ltd", life=timedelta(days=1), starts=timedelta(days=-1)):
        self._authority, self._key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
        self._issuer = x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Root of others")])
        self.root = self._root()
        self._today, self._wanted = self._leaf(name), b""
        while not starts < timedelta(0) < life and len(self._wanted) != len(self._today):
            self._wanted = self._leaf(name, starts, life)  # lengths vary with the authority's signature
        self._sign, self._signed = _signing(self._key)[1], (b"", b"")
        chain = x509.load_der_x509_certificate(self._today).public_bytes(Encoding.PEM).decode()
        self.signer = c2pa.Signer.from_callback(self._listen, c2pa.C2paSigningAlg.ES256, chain)

    def aged(self, png):
        """The PNG that was signed last, with the certificate that was asked for."""
        if not self._wanted:
            return png
        told, signature = self._signed
        store = frames.find(png, "image/png").store.replace(self._today, self._wanted)
        again = self._sign(told.replace(self._today, self._wanted))
        return with_store(without_store(png), store.replace(signature, again))

    def _listen(self, told):
        self._signed = told, self._sign(told)
        return self._signed[1]

    def _root(self):
        public, now = self._authority.public_key(), datetime.now(UTC)
        builder = x509.CertificateBuilder(self._issuer, self._issuer, public, x509.random_serial_number())
        return (
            builder.not_valid_before(now - timedelta(days=400))
            .not_valid_after(now + timedelta(days=400))
            .add_extension(x509.BasicConstraints(True, 0), True)
            .add_extension(_usage("key_cert_sign", "crl_sign"), True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), False)
            .sign(self._authority, hashes.SHA256())
            .public_bytes(Encoding.PEM)
            .decode()
        )

    def _leaf(self, name, starts=timedelta(days=-1), life=timedelta(days=1)):
        subject, now = x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, name)]), datetime.now(UTC)
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._authority.public_key())
        public, serial = self._key.public_key(), x509.random_serial_number() | 1 << 158
        return (
            x509.CertificateBuilder(self._issuer, subject, public, serial)
            .not_valid_before(now + starts)
            .not_valid_after(now + life)
            .add_extension(x509.BasicConstraints(False, None), True)
            .add_extension(_usage("digital_signature"), True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), False)
            .add_extension(issuer, False)
            .sign(self._authority, hashes.SHA256())
            .public_bytes(Encoding.DER)
        )


def _usage(*granted):
    names = (
        "digital_signature content_commitment key_encipherment data_encipherment key_agreement key_cert_sign"
        " crl_sign encipher_only decipher_only"
    )
    return x509.KeyUsage(**{name: name in granted for name in names.split()})


def foreign(
    kind=None,
    action="c2pa.created",
    generator="Camera",
    *,
    signer=None,
    content=None,
    media_type="image/png",
    parents=(),
    title="IMG_1",
    assertions=(),
    **certificate,
):
    """A file signed by another tool; `parents` are (bytes, media type) of what it was made from."""
    signer = signer or Signer(**certificate)
    said = {"action": action} | ({"digitalSourceType": SOURCE_TYPE + kind} if kind else {})
    if parents:
        said["parameters"] = {"ingredientIds": ["input-0"]}
    actions = {"label": "c2pa.actions", "data": {"actions": [said]}}
    manifest = {
        "claim_generator_info": [{"name": generator, "version": "2"}],
        "title": title,
        "assertions": [actions, *assertions],
    }
    quiet = {"builder": {"thumbnail": {"enabled": False}}, "verify": {"verify_after_sign": False}}
    out = io.BytesIO()
    with c2pa.Builder(json.dumps(manifest), c2pa.Context.from_dict(quiet)) as builder:
        for number, (parent, parent_type) in enumerate(parents):
            ingredient = {"relationship": "parentOf", "label": f"input-{number}", "title": f"Scan {number}"}
            builder.add_ingredient(ingredient, parent_type, io.BytesIO(parent))
        builder.sign(signer.signer, media_type, io.BytesIO(content or plain()), out)
    return signer.aged(out.getvalue())


# --- Attacks --------------------------------------------------------------------------------------


def moved(signed, other):
    """The credential of one PNG, framed rightly in another."""
    return with_store(other, frames.find(signed, "image/png").store)


def with_store(png, store):
    chunk = struct.pack(">I", len(store)) + b"caBX" + store + struct.pack(">I", zlib.crc32(b"caBX" + store))
    return png[:33] + chunk + png[33:]


def without_store(png):
    frame = frames.find(png, "image/png")
    return png[: frame.start] + png[frame.end :]


def resaved(original, format, **options):
    """As another program would save it: pixels and nothing else."""
    out = io.BytesIO()
    with Image.open(io.BytesIO(original)) as picture:
        bare = Image.fromarray(np.asarray(picture.convert("RGB")))
    bare.save(out, format, **options)
    return out.getvalue()


def broken_signature(signed, media_type="image/png"):
    frame = frames.find(signed, media_type)
    return flipped(signed, frame.end - 30)


def chunks(png):
    """(type, start of content, end of content) of a PNG's chunks."""
    at = 8
    while at < len(png):
        (size,), kind = struct.unpack_from(">I", png, at), png[at + 4 : at + 8]
        yield kind, at + 8, at + 8 + size
        at += 12 + size


def contradictory(world):
    once = labelled(world, "wav")
    chunk = b'{"AIGC":{"Label":"1","ContentProducer":"Else","ProduceID":"9","ReservedCode1":"","ContentPropagator":"","PropagateID":"","ReservedCode2":""}}'
    more = once + b"AIGC" + struct.pack("<I", len(chunk)) + chunk + b"\0" * (len(chunk) % 2)
    return more[:4] + struct.pack("<I", len(more) - 8) + more[8:]
