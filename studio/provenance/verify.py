"""What can be proved about a file or a text, layer by layer: credential, watermark, labels, library.

    Verifier(settings, library.find).verify(path).statement

Files of any origin are read; nothing in them is believed, fetched or run. Signers are known by this studio's
own keys (`keys`) or by the C2PA trust list (`trust`). What is not here: the watermarks of other studios.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from studio.errors import BadInput
from studio.provenance import armour, labels
from studio.provenance.base import Detection, Means, mark_for
from studio.provenance.content import content, kinds_of
from studio.provenance.encode import sniff
from studio.provenance.evidence import Evidence, generation
from studio.provenance.keys import anchors, known_mark_key
from studio.provenance.layers import layers_of, unread_layers
from studio.provenance.reading import Reading, read
from studio.provenance.statements import judge
from studio.provenance.tree import ingredients
from studio.provenance.trust import TrustList, trust_list
from studio.settings import Settings
from studio.types import Asset, Report, Sound

Find = Callable[[str], Asset | None]
FindMarked = Callable[[str], Sequence[Asset]]
Recognise = Callable[[Path, str, str], tuple[Asset, float] | None]

# What a foreign file is read for: a picture shrunk to so many pixels, the first so many seconds of sound.
MOST_PIXELS, MOST_SECONDS = 4_000_000, 600


class Verifier:
    """`find` looks an asset up by its id (SHA-256 of its bytes) or by its produce id, `find_marked` by the
    beginning of its produce id, `recognise` by what it looks, sounds or reads like (path, media type, text):
    the asset and a distance of 0 to 1. `means` is what marks may use."""

    def __init__(
        self,
        settings: Settings,
        find: Find,
        *,
        find_marked: FindMarked = lambda beginning: (),
        recognise: Recognise = lambda path, media_type, text: None,
        means: Means | None = None,
    ) -> None:
        self.settings, self._find = settings, find
        self._find_marked, self._recognise = find_marked, recognise
        self._means = means or Means()
        self._stamp: tuple[float, ...] = ()
        self._trusted = ""
        self._listed: tuple[float, TrustList] | None = None

    def verify(self, path: Path) -> Report:
        """The report on a file. Never raises for what the file is or holds."""
        limit = self.settings.max_upload_mb * 2**20
        try:
            if not path.is_file():
                what = (
                    "This is a folder or a device, not a file" if path.exists() else "There is no such file"
                )
                return _unreadable(str(path), f"{what}; choose another one.")
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
        return self._report(str(path), data, sniff(data), path)

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
        media_type = found if found in armour.TEXT_TYPES else "text/plain"
        return self._report("pasted text", data, media_type, Path())

    # --- Gathering ------------------------------------------------------------------------------

    def _report(self, name: str, data: bytes, media_type: str | None, path: Path) -> Report:
        digest = hashlib.sha256(data).hexdigest()
        exact = self._named(digest)
        if media_type is None:
            unread = "This is not a kind of file that this studio can read, so nothing can be said about it."
            evidence = Evidence(Reading("absent"), None, exact, unread=unread)
        else:
            evidence = self._evidence(data, media_type, exact, path)
        verdict, statement = judge(evidence)
        asset = {
            "intact": evidence.exact or evidence.signed_for,
            "altered": evidence.exact or evidence.signed_for,
            "recovered": evidence.origin,
        }.get(verdict)
        return Report(
            name,
            verdict,
            statement,
            layers_of(evidence),
            asset.id if asset else None,
            ingredients(evidence.reading),
            digest,
            len(data),
            datetime.now(UTC),
            self._known_to_others().told,
        )

    def _evidence(self, data: bytes, media_type: str, exact: Asset | None, path: Path) -> Evidence:
        known = self._anchors(), self._known_to_others()
        reading = read(data, media_type, *known)
        found = labels.read_labels(data, media_type) if labels.reads(media_type) else None
        signed = generation(reading).get("produce_id") if reading.state != "damaged" else None
        unix = data.replace(b"\r\n", b"\n") if media_type in armour.TEXT_TYPES else data
        line_ends = reading.state == "altered" and unix != data and read(unix, media_type, *known).whole
        shown, mark, names = self._look(data, media_type)
        unread = ""
        if reading.state == "absent" and reading.failures and media_type not in armour.TEXT_TYPES:
            unread = f"This cannot be read as {media_type}; it may be damaged or cut short, so nothing can be said about it."
        alike = None
        if exact is None and reading.state != "trusted" and shown is not None:
            with suppress(BadInput):
                alike = self._recognise(path, media_type, shown if isinstance(shown, str) else "")
        return Evidence(
            reading,
            found,
            exact,
            signed_for=self._named(signed),
            labelled_for=next(filter(None, map(self._named, found.ids)), None) if found else None,
            mark=mark,
            mark_names=names,
            marked=tuple(self._find_marked(names)) if names else (),
            alike=alike,
            line_ends=line_ends,
            unread=unread,
        )

    def _look(self, data: bytes, media_type: str) -> tuple[object, Detection, str]:
        """The decoded content (None if it is not read), its mark, and the beginning of the id that this names."""
        kinds = kinds_of(media_type)
        mark = mark_for(kinds[0], self._means) if kinds else None
        if mark is None:
            return (
                None,
                _unseen("This studio has no watermark for this kind of file, so none was looked for."),
                "",
            )
        try:
            shown = content(data, media_type, most_pixels=MOST_PIXELS, most_seconds=MOST_SECONDS)
        except BadInput as error:
            return None, _unseen(f"No watermark was looked for. {error}"), ""
        try:
            key = known_mark_key(self.settings)
            if key is None:
                return shown, _unseen("This studio has no watermark key yet, so none was looked for."), ""
            found = mark.detect(shown, key)
        except BadInput as error:
            return shown, _unseen(f"No watermark was looked for. {error}"), ""
        if isinstance(shown, Sound) and len(shown.samples) >= MOST_SECONDS * shown.sample_rate:
            told = f"{found.detail} Only the first {MOST_SECONDS // 60} minutes were read."
            found = replace(found, detail=told)
        return shown, found, mark.names(found.message) if found.message else ""

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

    def _known_to_others(self) -> TrustList:
        """The trust list; read again when a newer one was put into the home folder."""
        folder = self.settings.home / "trust"
        stamp = folder.stat().st_mtime if folder.is_dir() else 0.0
        if self._listed is None or stamp != self._listed[0]:
            self._listed = stamp, trust_list(self.settings)
        return self._listed[1]


def _unseen(why: str) -> Detection:
    return Detection(False, 1.0, detail=why, state="not_checked")


def _unreadable(name: str, statement: str) -> Report:
    return Report(name, "unreadable", statement, unread_layers())
