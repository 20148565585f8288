"""Signers that others vouch for: the C2PA trust list.

    trust_list(settings).told   →   "C2PA trust list of 2026-09-24 (30 authorities)"

A snapshot comes with the studio (assets/trust); `refresh` puts a newer one into the home folder, which then
counts instead. To be on the list says that the programme admitted the signer's authority, not that what a
signer claims is so. Not here: revocation of single certificates, which would need the network at every check, and
the separate list of time-stamp authorities: the C2PA library would take those for authorities of signers.
"""

from __future__ import annotations

import hashlib
import os
import tomllib
import urllib.request
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

from studio.errors import BadInput, StorageFull
from studio.settings import Settings

NAME, INDEX = "C2PA-TRUST-LIST.pem", "index.toml"
SOURCE = f"https://raw.githubusercontent.com/c2pa-org/conformance-public/main/trust-list/{NAME}"
MAX_BYTES, SECONDS = 4 * 2**20, 20
MAX_CERTIFICATES = 2000


@dataclass(frozen=True, slots=True)
class TrustList:
    """The list as PEM; `taken` is the day it was fetched, `count` the authorities on it."""

    pem: str
    taken: date
    count: int

    @property
    def told(self) -> str:
        return f"C2PA trust list of {self.taken} ({self.count} authorities)"


def trust_list(settings: Settings) -> TrustList:
    """The list in force. Raises BadInput, whose sentence names the remedy, for one that was damaged."""
    own = settings.home / "trust"
    folder, remedy = (
        (own, f"remove the folder {own}")
        if own.is_dir()
        else (settings.assets / "trust", "install the studio anew")
    )
    try:
        index = tomllib.loads((folder / INDEX).read_text("utf-8"))
        content = (folder / NAME).read_bytes()
        whole = hashlib.sha256(content).hexdigest() == index["sha256"]
        taken = index["taken"]
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise BadInput(f"The trust list in {folder} cannot be read ({error}); {remedy}.") from error
    if not whole or not isinstance(taken, date):
        raise BadInput(f"The trust list in {folder} was changed; {remedy}.")
    return TrustList(content.decode(), taken, content.count(b"-----BEGIN CERTIFICATE-----"))


def refresh(settings: Settings, content: bytes | None = None) -> TrustList:
    """Fetch the list, check it, and let it count from now on.

    `content` is a list that was fetched by other means; None asks the publisher. Raises BadInput for what is
    no list of authorities, and StorageFull; then the list that was in force stays in force.
    """
    content = _published() if content is None else content
    _check(content)
    index = f'taken = {datetime.now(UTC).date()}\nsha256 = "{hashlib.sha256(content).hexdigest()}"\n'
    _put(settings.home / "trust", {NAME: content, INDEX: index.encode()})
    return trust_list(settings)


def from_file(path: Path) -> bytes:
    """A list that was fetched by other means, for machines without a network. Raises BadInput."""
    try:
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except OSError as error:
        raise BadInput(f"{path} cannot be read ({error.strerror}); fetch it from {SOURCE}.") from error


def _published() -> bytes:
    class NoRedirect(urllib.request.HTTPRedirectHandler):
        def redirect_request(self, *_: object) -> None:
            return None

    opener = urllib.request.build_opener(NoRedirect)
    try:
        with opener.open(SOURCE, timeout=SECONDS) as answer:
            return bytes(answer.read(MAX_BYTES + 1))
    except (OSError, ValueError) as error:
        why = getattr(error, "reason", None) or error
        raise BadInput(
            f"The trust list could not be fetched from {SOURCE} ({why}); fetch it on another machine and name it"
            " with --file."
        ) from error


def _check(content: bytes) -> None:
    from cryptography import x509

    if len(content) > MAX_BYTES:
        raise BadInput(
            f"This is larger than {MAX_BYTES >> 20} MB, so it is no trust list; nothing was changed."
        )
    try:
        certificates = x509.load_pem_x509_certificates(content)
        authorities = all(
            one.extensions.get_extension_for_class(x509.BasicConstraints).value.ca for one in certificates
        )
    except (ValueError, x509.ExtensionNotFound) as error:
        raise BadInput(f"This is not a list of certificates ({error}); nothing was changed.") from error
    if not authorities or not 0 < len(certificates) <= MAX_CERTIFICATES:
        raise BadInput("It holds certificates that are no authorities; nothing was changed.")


def _put(folder: Path, files: dict[str, bytes]) -> None:
    """Each file under another name, then renamed; the index, which holds their digests, last."""
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for name, content in files.items():
            part = folder / f".{name}.{os.getpid()}"
            part.write_bytes(content)
            part.replace(folder / name)
    except OSError as error:
        raise StorageFull(
            f"The trust list could not be written to {folder} ({error.strerror}); free or choose another place."
        ) from error
