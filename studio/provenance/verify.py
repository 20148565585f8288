"""What can be proved about a file or a text, layer by layer: credential, watermark, labels, library.

    Verifier(settings, library.find).verify(path).statement

Files of any origin are read; nothing in them is believed, fetched or run. What is not here: a list of
signers that the world trusts (only this studio's own are known), and matching by likeness.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote

from studio.provenance import armour, labels
from studio.provenance.base import marks
from studio.provenance.encode import MEDIA, sniff
from studio.provenance.keys import anchors
from studio.provenance.labels import LabelsFound
from studio.provenance.reading import Reading, read
from studio.provenance.statements import Evidence, claim, generation, judge, shown
from studio.settings import Settings
from studio.types import Asset, Kind, Layer, Report

Find = Callable[[str], Asset | None]


class Verifier:
    """`find` looks an asset up by its id (SHA-256 of its bytes) or by its produce id."""

    def __init__(self, settings: Settings, find: Find) -> None:
        self.settings, self._find = settings, find
        self._stamp: tuple[float, ...] = ()
        self._trusted = ""

    def verify(self, path: Path) -> Report:
        """The report on a file. Never raises for what the file is or holds."""
        limit = self.settings.max_upload_mb * 2**20
        try:
            if not path.is_file():
                return _unreadable(str(path), "There is no such file; choose another one.")
            with path.open("rb") as file:
                data = file.read(limit + 1)
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or "its name is not valid"
            return _unreadable(str(path), f"This file cannot be opened ({why}); choose another one.")
        if len(data) > limit:
            too_large = (
                f"This file is larger than the {self.settings.max_upload_mb} MB that are checked at once"
            )
            return _unreadable(str(path), f"{too_large}; an operator can raise max_upload_mb.")
        if not data:
            return _unreadable(str(path), "This file is empty, so there is nothing to check.")
        return self._report(str(path), data, sniff(data))

    def verify_text(self, text: str) -> Report:
        """The report on pasted text."""
        data = text.encode("utf-8", "replace")
        if not data.strip():
            return _unreadable("pasted text", "There is no text to check; paste some.")
        if len(data) > self.settings.max_upload_mb * 2**20:
            limit = self.settings.max_upload_mb
            return _unreadable(
                "pasted text", f"This text is longer than the {limit} MB that are checked at once."
            )
        found = sniff(data)
        return self._report("pasted text", data, found if found in armour.TEXT_TYPES else "text/plain")

    # --- Gathering ------------------------------------------------------------------------------

    def _report(self, name: str, data: bytes, media_type: str | None) -> Report:
        digest = hashlib.sha256(data).hexdigest()
        exact = self._named(digest)
        if media_type is None:
            unread = "This is not a kind of file that this studio can read, so nothing can be said about it."
            evidence = Evidence(Reading("absent"), None, exact, unread=unread)
        else:
            evidence = self._evidence(data, media_type, exact)
        verdict, statement = judge(evidence)
        layers = (
            _credential_layer(evidence.reading, evidence.signed_for),
            _watermark_layer(media_type),
            _labels_layer(evidence.labels),
            _library_layer(evidence),
        )
        asset = evidence.exact or (evidence.signed_for if verdict in ("intact", "altered") else None)
        return Report(name, verdict, statement, layers, asset.id if asset else None)

    def _evidence(self, data: bytes, media_type: str, exact: Asset | None) -> Evidence:
        trusted = self._anchors()
        reading = read(data, media_type, trusted)
        found = labels.read_labels(data, media_type) if media_type in labels.MEDIA_TYPES else None
        signed = generation(reading).get("produce_id") if reading.state != "damaged" else None
        unix = data.replace(b"\r\n", b"\n") if media_type in armour.TEXT_TYPES else data
        line_ends = reading.state == "altered" and unix != data and read(unix, media_type, trusted).whole
        unread = ""
        if reading.state == "absent" and reading.failures and media_type not in armour.TEXT_TYPES:
            unread = f"This cannot be read as {media_type}; it may be damaged or cut short, so nothing can be said about it."
        return Evidence(
            reading,
            found,
            exact,
            signed_for=self._named(signed),
            labelled_for=next(filter(None, map(self._named, found.ids)), None) if found else None,
            line_ends=line_ends,
            unread=unread,
        )

    def _named(self, key: object) -> Asset | None:
        """The asset of exactly this id or produce id: a label that names the beginning of one names none."""
        found = self._find(key) if isinstance(key, str) and 0 < len(key) <= 64 else None
        return found if found and key in (found.id, found.credential.produce_id) else None

    def _anchors(self) -> str:
        """The known signers; read again when the key folder changes, so a running studio learns of them."""
        folder = self.settings.home / "keys"
        stamp = tuple(path.stat().st_mtime for path in (folder, folder / "trusted") if path.is_dir())
        if not self._trusted or stamp != self._stamp:
            self._stamp, self._trusted = stamp, anchors(self.settings)
        return self._trusted


def _unreadable(name: str, statement: str) -> Report:
    reason = "Nothing was read."
    layers = tuple(
        Layer(layer, False, "unreadable", reason)
        for layer in ("credential", "watermark", "labels", "library")
    )
    return Report(name, "unreadable", statement, layers)


# --- Layers -------------------------------------------------------------------------------------


def _credential_layer(reading: Reading, asset: Asset | None) -> Layer:
    if reading.state == "absent":
        return Layer("credential", False, "absent", "It carries no C2PA credential.")
    told = {
        "trusted": "The signature holds and this studio knows the signer",
        "unknown_signer": "The signature holds; this studio does not know the signer",
        "expired": "The signature holds; the signer's certificate has run out",
        "invalid": "The signature holds; the credential breaks a rule of C2PA",
        "altered": "The signature holds, but not for this content",
        "damaged": "The credential does not hold",
    }[reading.state]
    parts = [f"{told} ({reading.reason})" if reading.reason and not reading.whole else told]
    if reading.signer:
        parts.append(f"signed by {shown(reading.signer)}")
    if reading.generator:
        parts.append(f"made with {shown(reading.generator)}")
    if reading.state != "damaged":
        parts += [
            claim(reading),
            f"time-stamped {shown(reading.time)}" if reading.time else "without a time-stamp",
        ]
    return Layer(
        "credential", True, reading.state, "; ".join(parts) + ".", asset_id=asset.id if asset else None
    )


def _watermark_layer(media_type: str | None) -> Layer:
    kinds: set[Kind] = {kind for media in MEDIA.values() if media.type == media_type for kind in media.kinds}
    readers = [mark.name for mark in marks.values() if kinds & set(mark.kinds)]
    what = "this kind of file" if not kinds else " or ".join(sorted(kinds))
    if not readers:
        return Layer(
            "watermark",
            False,
            "not_checked",
            f"This studio has no watermark for {what}, so none was looked for.",
        )
    return Layer(
        "watermark", False, "not_checked", f"The watermark of {what} was not looked for in this file."
    )


def _labels_layer(found: LabelsFound | None) -> Layer:
    if found is None:
        return Layer("labels", False, "not_checked", "Labels in this kind of file are not read.")
    problem = f" {shown(found.problems[0])}" if found.problems else ""
    if not found.found:
        return Layer("labels", False, "absent", f"No label says how it was made.{problem}")
    state = "contradictory" if any("contradict" in problem for problem in found.problems) else found.says
    parts = [f"A label says: {found.says}"]
    if found.aigc:
        parts.append(f"producer {shown(unquote(found.aigc.content_producer)) or 'not named'}")
    if found.licence_note:
        parts.append(f"licence: {shown(found.licence_note).rstrip('.')}")
    return Layer("labels", True, state, "; ".join(parts) + f". Labels are not signed.{problem}")


def _library_layer(evidence: Evidence) -> Layer:
    if evidence.exact:
        return Layer(
            "library", True, "exact", "The library holds these very bytes.", asset_id=evidence.exact.id
        )
    if evidence.signed_for:
        detail = "The credential names an output that the library holds; these are not its bytes."
        return Layer("library", True, "named_by_credential", detail, asset_id=evidence.signed_for.id)
    if evidence.labelled_for:
        detail = "A label names an output that the library holds; labels can be copied, and these are not its bytes."
        return Layer("library", True, "named_by_label", detail, asset_id=evidence.labelled_for.id)
    return Layer("library", False, "absent", "The library holds no file with these bytes.")
