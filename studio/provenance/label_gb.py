"""The implicit label of GB 45438-2025, Annex E: seven values in a fixed order.

Annex E: `Label` is "1" (generated), "2" (possibly) or "3" (suspected); values use the characters 0x21,
0x23–0x5B and 0x5D–0x7E, so a name with spaces or Chinese characters is percent-encoded; when a label is
first written, the propagator is the producer (note 1). Clause 6.1 c: a file holds one label only.
The practice guides put the bare object into XMP (TC260-PG-20259A) and the wrapped one elsewhere; both are
read anywhere.
"""

from __future__ import annotations

import html
import json
from dataclasses import dataclass, fields, replace
from urllib.parse import quote

from studio.errors import BadInput

NAMES = (
    "Label", "ContentProducer", "ProduceID", "ReservedCode1", "ContentPropagator", "PropagateID", "ReservedCode2"
)  # fmt: skip
MEANING = {"1": "generated", "2": "possibly generated", "3": "suspected to be generated"}
MAX_PRODUCE_ID_BYTES = 32
MAX_JSON_CHARS = 16_384
_ALLOWED = frozenset(chr(code) for code in range(0x21, 0x7F)) - {'"', "\\"}
# The percent sign itself is encoded too, so that decoding gives the name back.
_KEPT_AS_IS = "".join(_ALLOWED - {"%"})


@dataclass(frozen=True, slots=True)
class GbLabel:
    """The seven values in Annex E's order; `where` is the place in the file it was read from."""

    label: str = "1"
    content_producer: str = ""
    produce_id: str = ""
    reserved_code1: str = ""
    content_propagator: str = ""
    propagate_id: str = ""
    reserved_code2: str = ""
    where: str = ""

    def values(self) -> dict[str, str]:
        return dict(zip(NAMES, (getattr(self, one.name) for one in fields(self)), strict=False))

    def bare(self) -> str:
        """`{"Label":"1",…}` without spaces, as it stands in XMP."""
        return json.dumps(self.values(), ensure_ascii=False, separators=(",", ":"))

    def wrapped(self) -> str:
        """`{"AIGC":{"Label":"1",…}}`, as it stands in every other container."""
        return f'{{"AIGC":{self.bare()}}}'

    def same_as(self, other: GbLabel) -> bool:
        return self.values() == other.values()


def first_label(producer: str, produce_id: str) -> GbLabel:
    """The label of a new output. Raises BadInput for a produce id that Annex E does not allow."""
    if not produce_id or not set(produce_id) <= _ALLOWED or len(produce_id) > MAX_PRODUCE_ID_BYTES:
        raise BadInput(f"A produce id is 1 to 32 visible ASCII characters, not {produce_id[:60]!r}.")
    name = encode(producer)
    if not name:
        raise BadInput("The producer's name is empty; set `producer` in the settings.")
    return GbLabel("1", name, produce_id, "", name, produce_id, "")


def passed_on(earlier: GbLabel, producer: str, produce_id: str) -> GbLabel:
    """An incoming label, kept, with this studio as the propagator. It is now certain: `Label` is "1"."""
    ours = first_label(producer, produce_id)
    return replace(
        earlier, label="1", content_propagator=ours.content_producer, propagate_id=ours.produce_id, where=""
    )


def encode(name: str) -> str:
    """`name` in the characters of Annex E j: percent-encoded UTF-8 for all others."""
    return quote(" ".join(name.split()).encode("utf-8", "replace"), safe=_KEPT_AS_IS)


def parse(text: str, where: str = "") -> GbLabel | None:
    """The label in `text`, bare or wrapped, entities decoded if need be; None if there is none to read."""
    if len(text) > MAX_JSON_CHARS:
        return None
    for candidate in (text, html.unescape(text)):
        try:
            given = json.loads(candidate)
        except (ValueError, RecursionError):
            continue
        if isinstance(given, dict) and isinstance(given.get("AIGC"), dict):
            given = given["AIGC"]
        return from_values(given, where) if isinstance(given, dict) else None
    return None


def from_values(given: dict[object, object], where: str = "") -> GbLabel | None:
    """The label of a mapping that holds at least `Label` or `ProduceID`; numbers count as their digits."""
    if "Label" not in given and "ProduceID" not in given:
        return None
    texts = (given.get(name, "") for name in NAMES)
    label = GbLabel(*(str(text) if isinstance(text, str | int) else "" for text in texts))
    return replace(label, where=where)


def faults(label: GbLabel) -> list[str]:
    """What Annex E does not allow in `label`, as sentences."""
    found = []
    if label.label not in MEANING:
        found.append(f"The AIGC label has the unknown value {label.label[:20]!r}.")
    for name in ("ContentProducer", "ProduceID"):
        if not label.values()[name]:
            found.append(f"The AIGC label has no {name}.")
    found += [
        f"{name} of the AIGC label has characters outside GB 45438-2025 Annex E."
        for name, value in label.values().items()
        if not set(value) <= _ALLOWED
    ]
    return found
