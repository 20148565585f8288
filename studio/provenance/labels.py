"""Machine-readable labels in a file's metadata: GB 45438-2025, IPTC 2025.1, licence note. The public face.

    labelled = write_labels(data, "image/png", facts, read_policy("eu", settings))
    read_labels(labelled, "image/png").aigc.produce_id

Labels are unsigned statements that anyone can write or remove: they inform, they prove nothing. They are
written before the file is signed. Nothing here changes what a person sees or hears (see `explicit`).
One file per container family lies beside this one (label_png, label_jpeg, …).
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from studio.errors import BadInput, StudioError
from studio.provenance import (
    label_flac,
    label_gb,
    label_id3,
    label_jpeg,
    label_mp4,
    label_png,
    label_riff,
    label_svg,
    label_text,
)
from studio.provenance.label_fields import (
    AI_PROMPT,
    AI_SYSTEM,
    AI_SYSTEM_VERSION,
    AIGC,
    CREATED,
    CREATOR_TOOL,
    CREDIT,
    DIGITAL_SOURCE_TYPE,
    IDENTIFIER,
    RIGHTS,
    SOURCE,
    TITLE,
    WEB_STATEMENT,
    Findings,
    Statement,
)
from studio.provenance.label_types import ARTIFICIAL, EDITED, GENERATED, LabelFacts, LabelsFound, interpreted
from studio.provenance.licence_table import licence_url
from studio.provenance.policy import Policy

__all__ = [
    "EDITED", "GENERATED", "MEDIA_TYPES", "LabelFacts", "LabelsFound", "carries", "read_labels", "reads", "sniff", "write_labels"
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Container:
    """How one media type is read and written (None: only read); `wrapped` is the form of its AIGC label."""

    title: str
    read: Callable[[bytes, Findings], None]
    write: Callable[[bytes, Statement], bytes] | None
    wrapped: bool = True


_CONTAINERS = {
    "image/png": Container("PNG", label_png.read, label_png.write, wrapped=False),
    "image/jpeg": Container("JPEG", label_jpeg.read, label_jpeg.write, wrapped=False),
    "image/webp": Container("WebP", label_riff.read_webp, label_riff.write_webp, wrapped=False),
    "image/svg+xml": Container("SVG", label_svg.read, label_svg.write, wrapped=False),
    "audio/wav": Container("WAV", label_riff.read_wav, label_riff.write_wav),
    "audio/mpeg": Container("MP3", label_id3.read, label_id3.write),
    "audio/flac": Container("FLAC", label_flac.read, label_flac.write),
    "audio/ogg": Container("Ogg", label_flac.read_ogg, None),
    "video/mp4": Container("MP4", label_mp4.read, label_mp4.write),
    "text/plain": Container("plain text", label_text.read_plain, label_text.write_plain),
    "text/markdown": Container("Markdown", label_text.read_markdown, label_text.write_markdown),
    "text/html": Container("HTML", label_text.read_html, label_text.write_html),
}
_ALIASES = {
    "image/jpg": "image/jpeg", "audio/x-wav": "audio/wav", "audio/wave": "audio/wav", "audio/vnd.wave": "audio/wav",
    "audio/mp3": "audio/mpeg", "audio/x-flac": "audio/flac", "application/ogg": "audio/ogg", "audio/opus": "audio/ogg", "audio/mp4": "video/mp4", "audio/x-m4a": "video/mp4",
    "video/quicktime": "video/mp4", "text/x-markdown": "text/markdown",
}  # fmt: skip
MEDIA_TYPES = tuple(_CONTAINERS)
_WRITTEN = tuple(kind for kind, container in _CONTAINERS.items() if container.write)


def carries(media_type: str) -> bool:
    """Whether a file of this type can hold a label that nobody sees; plain text cannot."""
    kind = _ALIASES.get(media_type, media_type)
    return kind in _WRITTEN and kind != "text/plain"


def reads(media_type: str) -> bool:
    """Whether labels in files of this type, by whichever of its names, are read."""
    return _ALIASES.get(media_type, media_type) in _CONTAINERS


def write_labels(
    data: bytes, media_type: str, facts: LabelFacts, policy: Policy, earlier: LabelsFound | None = None
) -> bytes:
    """`data` with the labels that `policy` asks for; what others wrote into its metadata stays.

    An AIGC label that the file has already, or that `earlier` (the labels of the input that it was made
    from) has, is kept with this studio as propagator; so are an IPTC source type that says artificial and
    rights stated by someone else (as `dc:source`). Plain text comes back as it was. Raises BadInput for
    data that is not an intact file of `media_type`, or a type that the studio does not label.
    """
    kind = _ALIASES.get(media_type, media_type)
    container = _CONTAINERS.get(kind)
    if container is None or container.write is None:
        raise BadInput(f"Files of type {media_type!r} cannot be labelled; use one of: {', '.join(_WRITTEN)}.")
    here = read_labels(data, kind)
    try:
        return container.write(data, _statement(facts, policy, here, earlier, container.wrapped))
    except (ValueError, IndexError, struct.error) as error:
        raise BadInput(
            f"This {container.title} file is damaged ({error}); export it again and retry."
        ) from error


def read_labels(data: bytes, media_type: str) -> LabelsFound:
    """The labels in `data`. Never raises: what cannot be read is a problem of the result.

    A file whose beginning shows another type than `media_type` is read as what it is, and that is a problem.
    """
    kind, found = _ALIASES.get(media_type, media_type), Findings()
    actual = sniff(data)
    if actual and actual != kind:
        found.problem(f"The file is called {media_type[:60]} but is {_CONTAINERS[actual].title}.")
        kind = actual
    if kind not in _CONTAINERS:
        found.problem(f"Labels of files of type {media_type[:60]} cannot be read.")
        return LabelsFound(kind, problems=tuple(found.problems))
    try:
        _CONTAINERS[kind].read(data, found)
    except StudioError as error:
        found.problem(str(error))
    except (ValueError, IndexError, struct.error, RecursionError) as error:
        found.problem(f"The metadata of this {_CONTAINERS[kind].title} file cannot be read ({error}).")
    return interpreted(kind, found)


def sniff(data: bytes) -> str | None:
    """The media type that the first bytes show; None for text and everything unknown."""
    if data[:4] == b"RIFF":
        return {b"WEBP": "image/webp", b"WAVE": "audio/wav"}.get(data[8:12])
    if data[:3] == b"ID3" and len(data) > 10:
        # FLAC may hide behind an ID3 tag.
        size = sum((byte & 0x7F) << shift for byte, shift in zip(data[6:10], (21, 14, 7, 0), strict=True))
        return "audio/flac" if data[10 + size : 14 + size] == b"fLaC" else "audio/mpeg"
    if data[4:8] == b"ftyp":
        return "video/mp4"
    starts = {
        label_png.SIGNATURE: "image/png",
        b"\xff\xd8\xff": "image/jpeg",
        b"fLaC": "audio/flac",
        b"OggS": "audio/ogg",
    }
    return next((kind for start, kind in starts.items() if data.startswith(start)), None)


# --- What is said -------------------------------------------------------------------------------


def _statement(
    facts: LabelFacts, policy: Policy, here: LabelsFound, earlier: LabelsFound | None, wrapped: bool
) -> dict[str, str]:
    """The names and values to be written, in the order in which they are written."""
    said = {
        TITLE: facts.title,
        CREATOR_TOOL: facts.system,
        CREDIT: facts.producer,
        IDENTIFIER: facts.produce_id,
    }
    said[CREATED] = _iso(facts.created_at)
    kept = here.aigc or (earlier.aigc if earlier else None)
    if kept:
        label = label_gb.passed_on(kept, facts.producer, facts.produce_id)
    elif policy.gb45438 and facts.artificial:
        label = label_gb.first_label(facts.producer, facts.produce_id)
    if kept or (policy.gb45438 and facts.artificial):
        said[AIGC] = label.wrapped() if wrapped else label.bare()
    if policy.iptc:
        types = (here.digital_source_type, earlier.digital_source_type if earlier else None)
        said[DIGITAL_SOURCE_TYPE] = next(
            (one for one in types if one in ARTIFICIAL), facts.digital_source_type
        )
    if policy.iptc and facts.artificial:
        said[AI_SYSTEM], said[AI_SYSTEM_VERSION] = facts.model_title, facts.model_version
    if (
        policy.iptc
        and policy.prompt_information
        and facts.artificial
        and (facts.prompt or facts.prompt_digest)
    ):
        said[AI_PROMPT] = facts.prompt or f"SHA-256 {facts.prompt_digest}"
    if policy.licence:
        said[RIGHTS], said[WEB_STATEMENT] = facts.licence_note, licence_url(facts.licence_id)
        rights = here.licence_note or (earlier.licence_note if earlier else None)
        if rights and rights != facts.licence_note and here.get(IDENTIFIER) != facts.produce_id:
            said[SOURCE] = f"Rights stated by the input: {rights}"
    return {name: " ".join(text.split()) for name, text in said.items() if text}


def _iso(moment: datetime) -> str:
    """ISO 8601 in UTC to the second; a time without a zone is taken as UTC."""
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
