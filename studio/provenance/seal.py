"""The one way out of the studio: a draft becomes a labelled, signed file that was read back and checked.

    Sealer(settings).seal(draft, brief, licence, model_title="Kokoro 82M")

Order: labels that people notice, mark, encode, label, sign, write, read back. Signing is the last change
made to the bytes. Any failure raises and leaves no file; nothing is ever saved without its credential. A mark
that the content cannot carry is no failure: the credential then says that there is none, and why.
"""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import studio
from studio.errors import BadInput, SealFailed, StorageFull
from studio.provenance import labels
from studio.provenance.base import Means, mark_for
from studio.provenance.content import content
from studio.provenance.credential import Signatory
from studio.provenance.encode import Media, sniff
from studio.provenance.explicit import make_explicit
from studio.provenance.keys import anchors, load_keys, mark_key
from studio.provenance.label_fields import AI_PROMPT, AI_SYSTEM, AI_SYSTEM_VERSION
from studio.provenance.lint import Expected, lint
from studio.provenance.manifest import EDITED, GENERATED, SOURCE_TYPE, Facts, build, digest, sources
from studio.provenance.marking import Marked, mark_and_encode
from studio.provenance.origin import SYNTHETIC, origin_of, source_of_edit
from studio.provenance.policy import Policy, read_policy
from studio.provenance.reading import read
from studio.settings import Settings
from studio.types import Brief, Credential, Draft, Kind, LicenceNote, Sound

if TYPE_CHECKING:
    from studio.provenance.text_mark import TextMark


UNMARKED_EDIT = (
    "No model took part in it, as far as can be told, so it carries no watermark of generated content."
)


@dataclass(frozen=True, slots=True)
class Sealed:
    """A finished file in `settings.home/"tmp"`; whoever takes it in moves it away.

    `fidelity` says what the imperceptible mark cost (`mark_psnr`, `mark_ssim`, `mark_snr`); empty without one.
    """

    path: Path
    media_type: str
    credential: Credential
    fidelity: dict[str, float] = field(default_factory=dict)


class Sealer:
    """Seals for one installation. Keys are loaded, or made, at the first seal. `means` is what marks may use."""

    def __init__(self, settings: Settings, means: Means | None = None) -> None:
        self.settings, self._means = settings, means or Means()
        self._signatories: dict[int, Signatory] = {}

    @property
    def _signatory(self) -> Signatory:
        process = os.getpid()  # see `reading.context`: a forked process needs its own
        if process not in self._signatories:
            keys = load_keys(self.settings)  # before the anchors, which it may make
            self._signatories[process] = Signatory(keys, anchors(self.settings))
        return self._signatories[process]

    @cached_property
    def _mark_key(self) -> bytes:
        return mark_key(self.settings)

    @cached_property
    def _policy(self) -> Policy:
        return read_policy(self.settings.policy, self.settings)

    def token_mark(self) -> TextMark | None:
        """The mark that a language engine puts into its choice of words; None if the policy wants none."""
        if not self._policy.mark:
            return None
        from studio.provenance.text_mark import TextMark

        return TextMark(self._mark_key)

    def too_little(self, kind: Kind, payload: Any) -> bool:
        """Whether the policy wants a mark that this payload cannot carry, such as too short a sound."""
        mark = mark_for(kind, self._means) if self._policy.mark else None
        return mark is not None and mark.refusal(payload) is not None

    def seal(
        self,
        draft: Draft,
        brief: Brief,
        licence: LicenceNote,
        *,
        model_title: str,
        parents: Sequence[Path] = (),
        author: str | None = None,
        explicit: bool = True,
    ) -> Sealed:
        """The sealed file of a draft.

        `parents` are the files it was derived from; the first is the one that was edited. `author` goes
        into the file, so give it only if the person wants that; `explicit` False leaves out what people would
        see or hear, for a continuation of what had it. Raises BadInput for a format that does not
        fit or a key that cannot be used, StorageFull, and SealFailed for everything else.
        """
        if draft.kind == "video" and self._policy.visible_picture:
            raise BadInput(
                f"The policy {self._policy.name!r} asks for labels on films, which this studio cannot draw yet;"
                ' set policy to "eu" or "minimal".'
            )
        inputs = [_input(path) for path in parents]
        origins = self._origins(inputs) if draft.edits else ()
        source = source_of_edit(origins) if draft.edits else EDITED if inputs else GENERATED
        policy = self._policy if source in SYNTHETIC else replace(self._policy, mark=False)
        noticed = make_explicit(draft, policy) if explicit and source in SYNTHETIC else draft
        marked = mark_and_encode(noticed, brief.format, policy, lambda: self._mark_key, self._means)
        if source not in SYNTHETIC:
            marked = replace(marked, unmarked=UNMARKED_EDIT)
        media = marked.media
        facts = Facts(
            produce_id=marked.produce_id,
            model_title=model_title,
            licence=licence,
            when=datetime.now(UTC).replace(microsecond=0),
            prompt_in_file=self.settings.prompt_in_file,
            author=author,
            no_training=self.settings.no_training,
            parents=tuple(hashlib.sha256(parent).hexdigest() for parent in inputs),
            marks=(marked.declared,) if marked.declared else (),
            unmarked=marked.unmarked,
            source=source,
            origins=origins,
        )
        edit = source if draft.edits else ""
        expected = Expected(facts.produce_id, licence, brief.prompt, facts.prompt_in_file, author, edit)
        manifest = build(draft, brief, facts)
        _refuse("The credential breaks a rule", lint(sources(manifest), expected, signed=False))
        labelled = self._label(marked.data, media, draft, brief, facts, manifest["title"], inputs)
        signed, manifest_digest = self._signatory.sign(labelled, media.type, manifest, inputs)
        credential = Credential(
            produce_id=facts.produce_id,
            licence=licence,
            layers=_layers(media, marked),
            mark_payload=marked.declared.get("value", "") if marked.declared else None,
            manifest_digest=manifest_digest,
            signer=self._signatory.keys.signer,
            signed_at=facts.when,
            unmarked=marked.unmarked,
            source=source.removeprefix(SOURCE_TYPE),
        )
        path = self.settings.home / "tmp" / f"{facts.produce_id}.{media.extension}"
        try:
            _write(path, signed)
            self._read_back(path, media, credential, expected, marked, source in SYNTHETIC)
        except BaseException as error:
            with suppress(OSError):
                path.unlink()
            if isinstance(error, OSError):
                raise _storage(error, path) from error
            raise
        return Sealed(path, media.type, credential, marked.fidelity)

    def _label(
        self,
        data: bytes,
        media: Media,
        draft: Draft,
        brief: Brief,
        facts: Facts,
        title: str,
        inputs: list[bytes],
    ) -> bytes:
        if not labels.carries(media.type):
            return data
        earlier = _earlier(inputs)
        said = labels.LabelFacts(
            produce_id=facts.produce_id,
            producer=self.settings.producer,
            model_title=facts.model_title if not draft.edits else _of(earlier, AI_SYSTEM),
            model_version=draft.revision if not draft.edits else _of(earlier, AI_SYSTEM_VERSION),
            licence_note=facts.licence.note,
            licence_id=facts.licence.id,
            digital_source_type=facts.source,
            created_at=facts.when,
            prompt_digest=digest(brief.prompt) if not draft.edits else "",
            prompt=_of(earlier, AI_PROMPT) if draft.edits else brief.prompt if facts.prompt_in_file else None,
            title=title,
            system=f"Signet {studio.__version__}",
            artificial=facts.source in SYNTHETIC,
        )
        try:
            return labels.write_labels(data, media.type, said, self._policy, earlier)
        except BadInput as error:
            raise SealFailed(f"The file could not be labelled, so nothing was saved: {error}") from error

    def _origins(self, inputs: Sequence[bytes]) -> tuple[str, ...]:
        if not inputs:
            raise SealFailed(
                "An edit names nothing that was edited, so nothing was saved; please report this."
            )
        trusted = self._signatory.anchors
        return tuple(origin_of(data, trusted, lambda: self._mark_key, self._means) for data in inputs)

    def _read_back(
        self,
        path: Path,
        media: Media,
        credential: Credential,
        expected: Expected,
        marked: Marked,
        artificial: bool,
    ) -> None:
        """Read the file as a stranger would and compare with what it should say. Raises SealFailed."""
        data = path.read_bytes()
        reading = read(data, media.type, self._signatory.anchors)
        if reading.state != "trusted" or reading.manifest_digest != credential.manifest_digest:
            _refuse("The credential does not hold when read back", (reading.reason or reading.state,))
        _refuse("The credential is wrong when read back", lint(reading.assertions, expected, signed=True))
        if marked.declared and not _same(content(data, media.type), marked.shown):
            _refuse("The marked content is another when read back", ("its watermark may be gone",))
        if not labels.carries(media.type):
            return
        found = labels.read_labels(data, media.type)
        note = " ".join(credential.licence.note.split())
        checks = {
            "its labels cannot be read": not found.problems,
            "its labels do not name this output": credential.produce_id in found.ids,
            "its labels state another licence": not self._policy.licence or found.licence_note == note,
            "its labels lack the source": not self._policy.iptc or found.digital_source_type is not None,
            "its labels lack the national label": not (self._policy.gb45438 and artificial)
            or bool(found.aigc),
            "its labels speak of AI, which took no part": artificial or not found.found,
        }
        _refuse("The file is wrong when read back", tuple(what for what, good in checks.items() if not good))


def _earlier(inputs: Sequence[bytes]) -> labels.LabelsFound | None:
    """The labels of the first input that has any, else of the first.

    What an input says of its own source is not what the output is: the credential decides.
    """
    found = [labels.read_labels(data, sniff(data) or "") for data in inputs]
    first = next((one for one in found if one.found), found[0] if found else None)
    return replace(first, digital_source_type=None) if first else None


def _of(earlier: labels.LabelsFound | None, name: str) -> str:
    return (earlier.get(name) if earlier else None) or ""


def _layers(media: Media, marked: Marked) -> tuple[str, ...]:
    there = {"credential": True, "labels": labels.carries(media.type), "watermark": bool(marked.declared)}
    return tuple(layer for layer, carried in there.items() if carried)


def _same(one: object, other: object) -> bool:
    """Whether two decoded payloads are the same, sample for sample."""
    import numpy as np

    if isinstance(one, str) or isinstance(other, str):
        return one == other
    a, b = (thing.samples if isinstance(thing, Sound) else thing for thing in (one, other))
    return np.array_equal(a, b)  # type: ignore[arg-type]


def _refuse(what: str, problems: tuple[str, ...]) -> None:
    if problems:
        raise SealFailed(f"{what} ({problems[0]}), so nothing was saved; please report this.")


def _input(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise BadInput(
            f"The input {path.name} cannot be read ({error.strerror}); choose it again."
        ) from error


def _write(path: Path, data: bytes) -> None:
    if not path.parent.is_dir():
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(data)


def _storage(error: OSError, path: Path) -> StorageFull | SealFailed:
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return StorageFull(
            f"The disk of {path.parent} is full, so nothing was saved; free some space and try again."
        )
    return SealFailed(
        f"The file could not be written to {path.parent} ({error.strerror}); give this user access."
    )
