"""Issues the secrets of a new installation: one authority, its only certificate, and two keys.

The certificate follows the profile of C2PA 2.2, 14.5.1 (digitalSignature, e-mail protection, not an
authority). Nothing is written here; see `keys.py`.
"""

from __future__ import annotations

import hashlib
import secrets
from datetime import UTC, datetime, timedelta
from typing import Any

CA, CHAIN, KEY, MARK, MARK_DIGEST = "ca.pem", "chain.pem", "signing.key", "mark.key", "mark.sha256"
MARK_BYTES = 32
# Without a time-stamp a signature is only valid as long as its certificate, so both live long.
LEAF_LIFE, CA_LIFE = timedelta(days=3650), timedelta(days=7300)


def issue(producer: str) -> dict[str, bytes]:
    """A fresh authority, its one signing certificate, that one's key, the key of watermarks and its digest."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    authority, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    tag, start = secrets.token_hex(4), datetime.now(UTC) - timedelta(days=1)

    def name(role: str) -> x509.Name:
        organisation = x509.NameAttribute(NameOID.ORGANIZATION_NAME, producer[:64] or "Signet")
        return x509.Name([organisation, x509.NameAttribute(NameOID.COMMON_NAME, f"Signet {role} {tag}")])

    def certificate(role: str, public: Any, life: timedelta, *extensions: tuple[Any, bool]) -> bytes:
        builder = x509.CertificateBuilder(name("authority"), name(role), public, x509.random_serial_number())
        builder = builder.not_valid_before(start).not_valid_after(start + life)
        for extension, critical in extensions:
            builder = builder.add_extension(extension, critical)
        return builder.sign(authority, hashes.SHA256()).public_bytes(Encoding.PEM)

    ca = certificate(
        "authority",
        authority.public_key(),
        CA_LIFE,
        (x509.BasicConstraints(ca=True, path_length=0), True),
        (_usage("key_cert_sign", "crl_sign"), True),
        (x509.SubjectKeyIdentifier.from_public_key(authority.public_key()), False),
    )
    leaf = certificate(
        "signer",
        key.public_key(),
        LEAF_LIFE,
        (x509.BasicConstraints(ca=False, path_length=None), True),
        (_usage("digital_signature"), True),
        (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), False),
        (x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.public_key()), False),
        (x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False),
    )
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    mark = secrets.token_bytes(MARK_BYTES)
    digest = hashlib.sha256(mark).hexdigest().encode()
    return {CA: ca, CHAIN: leaf + ca, KEY: secret, MARK: mark, MARK_DIGEST: digest}


def _usage(*granted: str) -> Any:
    from cryptography import x509

    names = (
        "digital_signature content_commitment key_encipherment data_encipherment key_agreement"
        " key_cert_sign crl_sign encipher_only decipher_only"
    )
    return x509.KeyUsage(**{name: name in granted for name in names.split()})
