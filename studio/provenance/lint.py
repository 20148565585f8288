"""Our own rules for manifests, which the C2PA library lets pass.

Each rule yields sentences about what is wrong; no sentence means that the manifest keeps it. The rules run
on every manifest before it is signed and again on what is read back from the file.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from studio.provenance.manifest import (
    ACTIONS,
    COMPOSITE_SYNTHETIC,
    EDITED,
    GENERATED,
    GENERATION,
    HUMAN_EDITS,
    LICENCE,
    MARKS,
    RIGHTS,
    SOURCE_TYPE,
    digest,
    licence_data,
)
from studio.types import LicenceNote

HARD_BINDINGS = ("c2pa.hash.data", "c2pa.hash.bmff", "c2pa.hash.boxes")
FIRST = ("c2pa.created", "c2pa.opened")
# IPTC NewsCodes, digital source type, version of 2025; the c2pa.org terms are C2PA's own.
SOURCE_TYPES = {
    *(
        SOURCE_TYPE + name
        for name in (
            "algorithmicMedia",
            "algorithmicallyEnhanced",
            "composite",
            "compositeCapture",
            "compositeSynthetic",
            "compositeWithTrainedAlgorithmicMedia",
            "computationalCapture",
            "dataDrivenMedia",
            "digitalCapture",
            "digitalCreation",
            "humanEdits",
            "negativeFilm",
            "positiveFilm",
            "print",
            "screenCapture",
            "trainedAlgorithmicMedia",
            "virtualRecording",
        )
    ),
    "http://c2pa.org/digitalsourcetype/empty",
    "http://c2pa.org/digitalsourcetype/trainedAlgorithmicData",
}
# A prompt shorter than this may stand in a manifest by chance ("png", "licence").
TELLING_CHARS = 24


@dataclass(frozen=True, slots=True)
class Expected:
    """What the manifest of one output must say, and what it must not.

    `edit` is the source type of an output that no model made: its inputs were edited by other means.
    """

    produce_id: str
    licence: LicenceNote
    prompt: str
    prompt_in_file: bool
    author: str | None
    edit: str = ""


class Assertions:
    """The assertions of a manifest by label, without version ("….v2") and instance ("…__1")."""

    def __init__(self, pairs: Sequence[tuple[str, Any]]) -> None:
        self.pairs = [(_bare(label), data) for label, data in pairs]

    def all(self, label: str) -> list[Any]:
        return [data for name, data in self.pairs if name == label]

    def one(self, label: str) -> dict[str, Any]:
        found = self.all(label)
        return found[0] if len(found) == 1 and isinstance(found[0], dict) else {}

    def actions(self) -> list[dict[str, Any]]:
        """All actions; a source type that is no text, which only a hostile signer writes, reads as some text."""
        lists = [data.get("actions") for data in self.all(ACTIONS) if isinstance(data, dict)]
        found = [
            action for one in lists if isinstance(one, list) for action in one if isinstance(action, dict)
        ]
        return [
            action
            if isinstance(kind := action.get("digitalSourceType"), str | None)
            else action | {"digitalSourceType": str(kind)}
            for action in found
        ]


@lru_cache(maxsize=256)
def _bare(label: str) -> str:
    return re.sub(r"(\.v\d+)?(__\d+)?$", "", label)


def lint(
    pairs: Sequence[tuple[str, Any]], expected: Expected | None = None, *, signed: bool
) -> tuple[str, ...]:
    """What is wrong with the assertions; `signed` tells a manifest that was read back from a draft.

    Without `expected` only the rules that hold for any tool's manifest are looked at.
    """
    found = Assertions(pairs)
    problems = [problem for rule in (_actions, _source_type) for problem in rule(found)]
    if signed:
        problems += _binding(found)
    if expected is not None:
        problems += [problem for rule in OWN_RULES for problem in rule(found, expected)]
    return tuple(problems)


# --- Rules for any manifest ---------------------------------------------------------------------


def _actions(found: Assertions) -> Iterator[str]:
    names = [action.get("action") for action in found.actions()]
    if not names:
        yield "it has no actions"
    elif sum(names.count(name) for name in FIRST) != 1 or names[0] not in FIRST:
        yield "its first action, and only that, must be c2pa.created or c2pa.opened"
    if len(found.all(ACTIONS)) > 1:
        yield "it has more than one list of actions"


def _source_type(found: Assertions) -> Iterator[str]:
    for action in found.actions():
        kind = action.get("digitalSourceType")
        if kind is None and action.get("action") == "c2pa.created":
            yield "c2pa.created does not say its digitalSourceType"
        if kind is not None and kind not in SOURCE_TYPES:
            yield "its digitalSourceType is not a term of the IPTC list"


def _binding(found: Assertions) -> Iterator[str]:
    if sum(len(found.all(label)) for label in HARD_BINDINGS) != 1:
        yield "it is not bound to the content by exactly one hash"


# --- Rules for our own --------------------------------------------------------------------------


def _origin(found: Assertions, expected: Expected) -> Iterator[str]:
    if expected.edit:
        yield from _edit(found, expected.edit)
        return
    parents = bool(found.one(GENERATION).get("parents_sha256"))
    first = found.actions()[0].get("action") if found.actions() else None
    kinds = {action.get("digitalSourceType") for action in found.actions()} - {None}
    if (first, kinds) != (("c2pa.opened", {EDITED}) if parents else ("c2pa.created", {GENERATED})):
        yield "its actions do not say whether the content was generated or edited"


def _edit(found: Assertions, source: str) -> Iterator[str]:
    """What no model made says that AI took part exactly if it did in its inputs."""
    kinds = [action.get("digitalSourceType") for action in found.actions()]
    opened = found.actions()[0].get("action") if kinds else None
    synthetic = {GENERATED, EDITED, COMPOSITE_SYNTHETIC}
    if opened != "c2pa.opened" or kinds[-1] not in (HUMAN_EDITS, source):
        yield "its actions do not say that something given was edited"
    if bool(synthetic & set(kinds)) != (source in synthetic):
        yield "its actions do not say whether AI took part in what was edited"


def _identity(found: Assertions, expected: Expected) -> Iterator[str]:
    if found.one(GENERATION).get("produce_id") != expected.produce_id:
        yield "it does not name this output"


def _marks(found: Assertions, expected: Expected) -> Iterator[str]:
    said = found.one(MARKS)
    for mark in said.get("marks", []):
        if not expected.produce_id.startswith(mark.get("value", "")):
            yield "the mark it declares names another output"
    if said and bool(said.get("marks")) == bool(said.get("reason")):
        yield "it neither declares a mark nor says why there is none"


def _licence(found: Assertions, expected: Expected) -> Iterator[str]:
    if found.one(LICENCE) != licence_data(expected.licence):
        yield "its licence is not the licence of this output"
    if found.one(RIGHTS).get("dc:rights") != expected.licence.note:
        yield "its rights statement is not the licence note"


def _privacy(found: Assertions, expected: Expected) -> Iterator[str]:
    generation = found.one(GENERATION)
    if generation.get("prompt_sha256") != digest(expected.prompt):
        yield "it does not carry the digest of the prompt"
    if generation.get("prompt") != (expected.prompt if expected.prompt_in_file else None):
        yield "it carries the prompt although nobody asked for it, or lacks it although somebody did"
    quoted = json.dumps(expected.prompt, ensure_ascii=False)[1:-1]
    if not expected.prompt_in_file and len(quoted) >= TELLING_CHARS:
        everything = json.dumps([data for _, data in found.pairs], ensure_ascii=False)
        if quoted in everything:
            yield "the prompt stands in it although nobody asked for it"
    creators = found.one(RIGHTS).get("dc:creator")
    if generation.get("author") != expected.author or creators != (
        [expected.author] if expected.author else None
    ):
        yield "it names an author although nobody asked for it, or another one"


OWN_RULES: tuple[Callable[[Assertions, Expected], Iterator[str]], ...] = (
    _origin,
    _identity,
    _marks,
    _licence,
    _privacy,
)
