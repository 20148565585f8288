"""Labels and C2PA in one file: signing leaves the labels readable, labels leave the manifest's place alone."""

import io
import json

import pytest
from label_files import FACTS, policy, samples

from studio.errors import StudioError
from studio.provenance import label_fields as names
from studio.provenance.issue import issue
from studio.provenance.labels import read_labels, write_labels

BINARY = [name for name, (kind, _) in samples().items() if not kind.startswith("text/")]
MANIFEST = {
    "claim_generator_info": [{"name": "test"}],
    "title": "test",
    "assertions": [
        {
            "label": "c2pa.actions.v2",
            "data": {"actions": [{"action": "c2pa.created", "digitalSourceType": FACTS.digital_source_type}]},
        }
    ],
}


@pytest.fixture(scope="module")
def c2pa_tools():
    import c2pa
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    keys = issue("Test")
    secret = load_pem_private_key(keys["signing.key"], None)

    def sign(data):
        r, s = decode_dss_signature(secret.sign(data, ec.ECDSA(hashes.SHA256())))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")

    context = c2pa.Context.from_dict(
        {
            "trust": {"user_anchors": keys["ca.pem"].decode()},
            "verify": {"remote_manifest_fetch": False, "ocsp_fetch": False},
            "builder": {"thumbnail": {"enabled": False}},
        }
    )
    signer = c2pa.Signer.from_callback(sign, c2pa.C2paSigningAlg.ES256, keys["chain.pem"].decode(), None)

    def seal(data, kind):
        out = io.BytesIO()
        with c2pa.Builder(json.dumps(MANIFEST), context) as builder:
            builder.sign(signer, kind, io.BytesIO(data), out)
        return out.getvalue()

    def state(data, kind):
        with c2pa.Reader(kind, io.BytesIO(data), context=context) as reader:
            return reader.get_validation_state()

    return seal, state


@pytest.mark.parametrize("name", BINARY)
def test_a_signed_file_still_says_what_its_labels_say(name, c2pa_tools):
    seal, state = c2pa_tools
    kind, data = samples()[name]
    labelled = write_labels(data, kind, FACTS, policy("eu"))
    signed = seal(labelled, kind)
    assert state(signed, kind) == "Trusted"
    before, after = read_labels(labelled, kind), read_labels(signed, kind)
    assert after.problems == ()
    assert (after.aigc, after.digital_source_type, after.licence_note) == (
        before.aigc,
        before.digital_source_type,
        before.licence_note,
    )
    for field in names.NAMES:
        assert after.get(field) == before.get(field), field


@pytest.mark.parametrize("name", BINARY)
def test_a_signed_file_can_be_labelled_again_and_the_signature_then_says_altered(name, c2pa_tools):
    seal, state = c2pa_tools
    kind, data = samples()[name]
    signed = seal(data, kind)
    try:
        labelled = write_labels(signed, kind, FACTS, policy("eu"))
    except StudioError as error:
        pytest.fail(str(error))
    assert read_labels(labelled, kind).ids == (FACTS.produce_id,)
    assert state(labelled, kind) == "Invalid"
