"""The secrets of one installation: the key that signs credentials and the key of its watermarks.

On first use a local authority issues one EC P-256 signing certificate (profile: C2PA 2.2, 14.5.1) and
its own private key is thrown away, so that nothing else can ever be issued in its name. An operator
may set a chain and a key of their own instead.

What is *not* here: revocation, hardware tokens, and a time-stamp authority (only its URL is kept).
"""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from studio.errors import BadInput, StorageFull
from studio.provenance.issue import CA, CHAIN, KEY, MARK, MARK_BYTES, MARK_DIGEST, issue
from studio.settings import Settings

if TYPE_CHECKING:
    from cryptography.x509 import Certificate


@dataclass(frozen=True, slots=True)
class Keys:
    """`chain` is PEM, leaf first. `sign` maps bytes to a raw signature in COSE form (r‖s for ECDSA)."""

    chain: str
    algorithm: str
    signer: str
    expires: datetime
    timestamp_url: str
    sign: Callable[[bytes], bytes] = field(repr=False)


def load_keys(settings: Settings) -> Keys:
    """The signing keys, made on first use. Raises BadInput, whose sentence names the remedy."""
    if bool(settings.signing_chain) != bool(settings.signing_key):
        given, missing = (
            ("signing_chain", "signing_key") if settings.signing_chain else ("signing_key", "signing_chain")
        )
        raise BadInput(f"The setting {given} needs {missing} as well; set both, or neither for a local key.")
    if settings.signing_chain:
        chain, secret = _pem(settings.signing_chain, private=False), _pem(settings.signing_key, private=True)
        remedy = "set signing_chain and signing_key to a pair that belongs together and is valid today"
    else:
        folder = _folder(settings)
        chain, secret = _read(folder / CHAIN), _read(folder / KEY, private=True)
        remedy = f"move the folder {folder} away and a new key will be made"
    return _check(chain, secret, settings.timestamp_url, remedy)


def mark_key(settings: Settings) -> bytes:
    """32 secret bytes for this installation's watermarks, made on first use."""
    return _mark_key(_folder(settings) / MARK)


def known_mark_key(settings: Settings) -> bytes | None:
    """The same for whoever only reads marks: None where no key was made yet. Raises BadInput as `mark_key`."""
    path = settings.home / "keys" / MARK
    return _mark_key(path) if path.exists() else None


def _mark_key(path: Path) -> bytes:
    secret = _read(path, private=True)
    if len(secret) != MARK_BYTES:
        raise BadInput(
            f"The watermark key {path} must be {MARK_BYTES} bytes long; put its backup back in place."
        )
    digest = path.with_name(MARK_DIGEST)  # homes of earlier versions have none
    if digest.exists() and _read(digest).strip() != hashlib.sha256(secret).hexdigest().encode():
        raise BadInput(
            f"The watermark key {path} is not the one that this studio began with, so older marks would go unread;"
            f" put its backup back, or delete {digest} if it was replaced on purpose."
        )
    return secret


def anchors(settings: Settings) -> str:
    """Certificates (PEM) this studio trusts as signers: its own authority, the operator's chain above
    the leaf, and whatever lies in `keys/trusted`. Empty before the first key is made; makes none."""
    folder = settings.home / "keys"
    found = [
        path.read_bytes() for path in (folder / CA, *sorted(folder.glob("trusted/*.pem"))) if path.is_file()
    ]
    known = [certificate for chain in found for certificate in _certificates(chain)]
    if settings.signing_chain:
        known += _certificates(_pem(settings.signing_chain, private=False))[1:]
    return "".join(_as_pem(certificate) for certificate in known)


# --- Reading ------------------------------------------------------------------------------------


def _read(path: Path, *, private: bool = False) -> bytes:
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        if private and os.name == "posix" and mode & 0o077:
            raise BadInput(f"The key {path} can be read by others (mode {mode:o}); run: chmod 600 '{path}'.")
        return path.read_bytes()
    except FileNotFoundError:
        raise BadInput(
            f"The key file {path} is missing; put its backup back, or move its folder away."
        ) from None
    except OSError as error:
        raise BadInput(
            f"The key file {path} cannot be read ({error.strerror}); give this user access to it."
        ) from None


def _pem(setting: str, *, private: bool) -> bytes:
    """A setting that holds PEM text itself or the path of a PEM file."""
    if setting.lstrip().startswith("-----BEGIN"):
        return setting.encode()
    return _read(Path(setting).expanduser(), private=private)


def _certificates(chain: bytes) -> list[Certificate]:
    from cryptography import x509

    try:
        return x509.load_pem_x509_certificates(chain)
    except ValueError:
        raise BadInput(
            "A certificate chain is not readable PEM; give the signer's certificate, then its issuers."
        ) from None


def _as_pem(certificate: Certificate) -> str:
    from cryptography.hazmat.primitives.serialization import Encoding

    return certificate.public_bytes(Encoding.PEM).decode("ascii")


def _check(chain: bytes, secret: bytes, timestamp_url: str, remedy: str) -> Keys:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

    leaf = _certificates(chain)[0]
    try:
        key: Any = load_pem_private_key(secret, None)
    except (TypeError, ValueError):
        raise BadInput(f"The signing key is not an unencrypted PEM private key; {remedy}.") from None
    spki = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    if key.public_key().public_bytes(*spki) != leaf.public_key().public_bytes(*spki):
        raise BadInput(f"The signing key does not belong to the certificate; {remedy}.")
    now = datetime.now(UTC)
    if now > leaf.not_valid_after_utc:
        raise BadInput(f"The signing certificate expired on {leaf.not_valid_after_utc:%Y-%m-%d}; {remedy}.")
    if now < leaf.not_valid_before_utc:
        raise BadInput(
            f"The signing certificate starts on {leaf.not_valid_before_utc:%Y-%m-%d}, after this computer's date;"
            " set the clock right."
        )
    algorithm, sign = _signing(key)
    return Keys(chain.decode(), algorithm, _name(leaf), leaf.not_valid_after_utc, timestamp_url, sign)


def _name(leaf: Certificate) -> str:
    from cryptography.x509.oid import NameOID

    parts = [
        leaf.subject.get_attributes_for_oid(oid) for oid in (NameOID.ORGANIZATION_NAME, NameOID.COMMON_NAME)
    ]
    return " · ".join(str(part[0].value) for part in parts if part) or leaf.subject.rfc4514_string()


def _signing(key: Any) -> tuple[str, Callable[[bytes], bytes]]:
    """COSE algorithm (RFC 9053) and signing function of a private key."""
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
    from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

    curves: dict[str, tuple[str, hashes.HashAlgorithm, int]] = {
        "secp256r1": ("ES256", hashes.SHA256(), 32),
        "secp384r1": ("ES384", hashes.SHA384(), 48),
        "secp521r1": ("ES512", hashes.SHA512(), 66),
    }
    if isinstance(key, ec.EllipticCurvePrivateKey) and key.curve.name in curves:
        algorithm, digest, size = curves[key.curve.name]

        def ecdsa(data: bytes) -> bytes:
            r, s = decode_dss_signature(key.sign(data, ec.ECDSA(digest)))
            return r.to_bytes(size, "big") + s.to_bytes(size, "big")

        return algorithm, ecdsa
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return "ED25519", key.sign
    if isinstance(key, rsa.RSAPrivateKey):
        pss = padding.PSS(padding.MGF1(hashes.SHA256()), hashes.SHA256().digest_size)
        return "PS256", lambda data: key.sign(data, pss, hashes.SHA256())
    raise BadInput(
        "The signing key is of a kind C2PA does not allow; use EC P-256, P-384 or P-521, Ed25519 or RSA."
    )


# --- Making -------------------------------------------------------------------------------------


def _folder(settings: Settings) -> Path:
    """The folder of local keys. Made whole under another name, then renamed: of two studios that start
    at once, one rename wins and both use its keys."""
    folder = settings.home / "keys"
    if folder.exists():
        return folder
    temporary = None
    try:
        settings.home.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=".keys-", dir=settings.home))  # mode 0700
        for name, content in issue(settings.producer).items():
            with open(os.open(temporary / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(content)
                os.fsync(file.fileno())
        temporary.rename(folder)
    except OSError as error:
        if not folder.is_dir():
            raise StorageFull(
                f"No key could be made in {settings.home} ({error.strerror}); free or choose another place."
            ) from error
    finally:
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)
    return folder
