"""Keys: made once, kept private, refused with a remedy when something is wrong with them."""

import dataclasses
import os
import shutil
import stat
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from seal_drafts import seal

from studio.errors import BadInput, StorageFull
from studio.provenance import keys
from studio.provenance.keys import anchors, load_keys, mark_key
from studio.provenance.seal import Sealer
from studio.provenance.verify import Verifier
from studio.settings import Settings


def test_first_start_makes_private_files_and_the_second_uses_them(settings):
    first, mark = load_keys(settings), mark_key(settings)
    folder = settings.home / "keys"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}
    assert len(mark) == 32
    again = load_keys(settings)
    assert (again.chain, again.signer, mark_key(settings)) == (first.chain, first.signer, mark)
    assert sorted(path.name for path in settings.home.iterdir()) == ["keys"]


def test_certificate_follows_the_c2pa_profile(settings):
    leaf, authority = x509.load_pem_x509_certificates(load_keys(settings).chain.encode())
    leaf.verify_directly_issued_by(authority)
    usage = leaf.extensions.get_extension_for_class(x509.KeyUsage)
    assert usage.critical and usage.value.digital_signature and not usage.value.key_cert_sign
    assert list(leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value) == [
        ExtendedKeyUsageOID.EMAIL_PROTECTION
    ]
    assert not leaf.extensions.get_extension_for_class(x509.BasicConstraints).value.ca


def test_the_authority_cannot_issue_again(settings):
    load_keys(settings)
    private = [path for path in (settings.home / "keys").iterdir() if b"PRIVATE KEY" in path.read_bytes()]
    assert [path.name for path in private] == ["signing.key"]


def _load(home):
    return load_keys(Settings.read({}, home=home)).chain


def test_two_studios_that_start_at_once_end_with_one_key(settings):
    with ProcessPoolExecutor(4) as pool:
        assert len(set(pool.map(_load, [settings.home] * 8))) == 1
    assert sorted(path.name for path in settings.home.iterdir()) == ["keys"]


def test_loser_of_the_race_takes_the_winners_key(settings, monkeypatch):
    made = []

    def late(producer):
        if not made:
            made.append(True)
            made.append(load_keys(settings).chain)  # another studio, finishing first
        return real(producer)

    real = keys.issue
    monkeypatch.setattr(keys, "issue", late)
    assert load_keys(settings).chain == made[1]
    assert sorted(path.name for path in settings.home.iterdir()) == ["keys"]


def test_anchors_make_no_key(settings):
    assert anchors(settings) == ""
    assert not settings.home.exists()


def test_nowhere_to_write(settings):
    settings.home.parent.mkdir(exist_ok=True)
    settings.home.write_text("a file where the home should be")
    with pytest.raises(StorageFull, match="No key could be made"):
        load_keys(settings)


@pytest.mark.parametrize(
    ("break_it", "sentence"),
    [
        (
            lambda folder: (folder / "signing.key").chmod(0o644),
            r"can be read by others \(mode 644\); run: chmod 600",
        ),
        (lambda folder: (folder / "signing.key").unlink(), "signing.key is missing; put its backup back"),
        (lambda folder: (folder / "chain.pem").unlink(), "chain.pem is missing; put its backup back"),
        (lambda folder: (folder / "chain.pem").write_text("x"), "not readable PEM"),
        (
            lambda folder: (folder / "signing.key").write_text("x"),
            "not an unencrypted PEM private key; move the folder",
        ),
    ],
)
def test_broken_signing_key_is_refused_with_the_remedy(settings, break_it, sentence):
    load_keys(settings)
    break_it(settings.home / "keys")
    with pytest.raises(BadInput, match=sentence):
        load_keys(settings)


@pytest.mark.parametrize(
    ("break_it", "sentence"),
    [
        (lambda path: path.chmod(0o640), "can be read by others"),
        (lambda path: path.write_bytes(b"short"), "must be 32 bytes long"),
        (lambda path: path.unlink(), "mark.key is missing"),
        (
            lambda path: path.write_bytes(bytes(32)),
            r"not the one that this studio began with.*backup.*mark.sha256",
        ),
    ],
)
def test_broken_mark_key_is_refused(settings, break_it, sentence):
    mark_key(settings)
    break_it(settings.home / "keys" / "mark.key")
    with pytest.raises(BadInput, match=sentence):
        mark_key(settings)


def test_mark_key_may_be_replaced_on_purpose(settings):
    mark_key(settings)
    (settings.home / "keys/mark.key").write_bytes(bytes(32))
    (settings.home / "keys/mark.sha256").unlink()
    assert mark_key(settings) == bytes(32)


def test_replaced_key_does_not_belong(settings, tmp_path):
    other = Settings.read({}, home=tmp_path / "other")
    load_keys(settings), load_keys(other)
    shutil.copy(other.home / "keys/signing.key", settings.home / "keys/signing.key")
    with pytest.raises(BadInput, match=r"does not belong to the certificate; move the folder .* away"):
        load_keys(settings)


@pytest.mark.parametrize(("days", "sentence"), [(4000, "expired on"), (-10, "set the clock right")])
def test_clock_outside_the_certificate(settings, monkeypatch, days, sentence):
    load_keys(settings)

    class Later(datetime):
        @classmethod
        def now(cls, tz=None):
            return datetime.now(tz) + timedelta(days=days)

    monkeypatch.setattr(keys, "datetime", Later)
    with pytest.raises(BadInput, match=sentence):
        load_keys(settings)


# --- An operator's own ---------------------------------------------------------------------------


def operator(folder, key, *, root_too=True):
    """Root → intermediate → leaf, as a certificate authority would hand them out."""
    folder.mkdir(exist_ok=True)
    now = datetime.now(UTC)
    root, middle = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())

    def name(common):
        return x509.Name(
            [
                x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Acme"),
                x509.NameAttribute(NameOID.COMMON_NAME, common),
            ]
        )

    def issue(subject, public, issuer, signer, authority):
        usage = keys_usage("key_cert_sign", "crl_sign") if authority else keys_usage("digital_signature")
        built = (
            x509.CertificateBuilder(name(issuer), name(subject), public, x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=30))
            .add_extension(x509.BasicConstraints(authority, None), True)
            .add_extension(usage, True)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), False)
        )
        if not authority:
            built = built.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), False)
        return built.sign(signer, hashes.SHA256()).public_bytes(Encoding.PEM)

    chain = issue("leaf", key.public_key(), "middle", middle, False) + issue(
        "middle", middle.public_key(), "root", root, True
    )
    if root_too:
        chain += issue("root", root.public_key(), "root", root, True)
    (folder / "chain.pem").write_bytes(chain)
    secret = folder / "key.pem"
    secret.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    secret.chmod(0o600)
    return {"signing_chain": str(folder / "chain.pem"), "signing_key": str(secret)}


def keys_usage(*granted):
    from studio.provenance.issue import _usage

    return _usage(*granted)


@pytest.mark.parametrize("root_too", [True, False])
@pytest.mark.parametrize(
    ("algorithm", "make"),
    [
        ("ES256", lambda: ec.generate_private_key(ec.SECP256R1())),
        ("ES384", lambda: ec.generate_private_key(ec.SECP384R1())),
        ("ES512", lambda: ec.generate_private_key(ec.SECP521R1())),
        ("ED25519", ed25519.Ed25519PrivateKey.generate),
        ("PS256", lambda: rsa.generate_private_key(65537, 2048)),
    ],
)
def test_operators_own_chain_signs_and_verifies(settings, tmp_path, algorithm, make, root_too):
    own = dataclasses.replace(settings, **operator(tmp_path / "own", make(), root_too=root_too))
    assert load_keys(own).algorithm == algorithm
    sealed = seal(Sealer(own), "png")
    assert sealed.credential.signer == "Acme · leaf"
    assert Verifier(own, lambda _: None).verify(sealed.path).verdict == "intact"
    assert not (own.home / "keys").exists()


def test_chain_may_be_given_as_text(settings, tmp_path):
    given = operator(tmp_path / "own", ec.generate_private_key(ec.SECP256R1()))
    own = dataclasses.replace(settings, **{name: Path(path).read_text() for name, path in given.items()})
    assert load_keys(own).signer == "Acme · leaf"


def test_half_of_an_operators_pair_is_refused(settings, tmp_path):
    given = operator(tmp_path / "own", ec.generate_private_key(ec.SECP256R1()))
    with pytest.raises(BadInput, match="signing_chain needs signing_key"):
        load_keys(dataclasses.replace(settings, signing_chain=given["signing_chain"]))
    with pytest.raises(BadInput, match="signing_key needs signing_chain"):
        load_keys(dataclasses.replace(settings, signing_key=given["signing_key"]))


def test_operators_key_must_be_private(settings, tmp_path):
    given = operator(tmp_path / "own", ec.generate_private_key(ec.SECP256R1()))
    os.chmod(given["signing_key"], 0o644)
    with pytest.raises(BadInput, match="chmod 600"):
        load_keys(dataclasses.replace(settings, **given))


def test_key_of_a_kind_c2pa_does_not_allow(settings, tmp_path):
    given = operator(tmp_path / "own", ec.generate_private_key(ec.SECP256K1()))
    with pytest.raises(BadInput, match="use EC P-256"):
        load_keys(dataclasses.replace(settings, **given))


def test_signers_put_into_the_trusted_folder_are_known(settings, tmp_path):
    other = Settings.read({}, home=tmp_path / "other")
    sealed = seal(Sealer(other), "png")
    load_keys(settings)
    verifier = Verifier(settings, lambda _: None)
    assert verifier.verify(sealed.path).layers[0].state == "unknown_signer"
    trusted = settings.home / "keys" / "trusted"
    trusted.mkdir()
    shutil.copy(other.home / "keys/ca.pem", trusted / "other.pem")
    assert verifier.verify(sealed.path).layers[0].state == "trusted"
    (trusted / "other.pem").write_text("nonsense")
    os.utime(trusted)
    with pytest.raises(BadInput, match="not readable PEM"):
        anchors(settings)
