"""What a credential says: the C2PA manifest of one output, as plain data.

The prompt and free-text options are private: only their SHA-256 is written unless the operator asks for
more (`prompt_in_file`), as the EU Code of Practice on marking wants it. Actions follow C2PA 2.2, 18.15.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import studio
from studio.types import Brief, Draft, LicenceNote

SOURCE_TYPE = "http://cv.iptc.org/newscodes/digitalsourcetype/"
GENERATED = SOURCE_TYPE + "trainedAlgorithmicMedia"
EDITED = SOURCE_TYPE + "compositeWithTrainedAlgorithmicMedia"
# Of edits without a model; see origin.py.
HUMAN_EDITS = SOURCE_TYPE + "humanEdits"
COMPOSITE, COMPOSITE_SYNTHETIC = SOURCE_TYPE + "composite", SOURCE_TYPE + "compositeSynthetic"

ACTIONS, GENERATION, LICENCE = "c2pa.actions", "org.signet.generation", "org.signet.licence"
MARKS, RIGHTS, MINING = "org.signet.marks", "cawg.metadata", "cawg.training-mining"

# Option names whose text a person wrote, and short words that are surely no private text.
FREE_TEXT = re.compile(r"prompt|text|script|system|stop|message|lyrics|instruction|path|file", re.IGNORECASE)
PLAIN_WORD = re.compile(r"[A-Za-z0-9][\w.+:#-]{0,39}")


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything a manifest says that the draft and the brief do not. `marks` declare imperceptible marks,
    `unmarked` says why there is none. `source` is the source type of the whole; of an edit without a model
    `origins` are those of the parents ("" where nothing is known)."""

    produce_id: str
    model_title: str
    licence: LicenceNote
    when: datetime
    prompt_in_file: bool = False
    author: str | None = None
    no_training: bool = False
    parents: tuple[str, ...] = ()  # SHA-256 of each, in order; the first is the one that was edited
    marks: tuple[Mapping[str, Any], ...] = ()
    unmarked: str = ""
    source: str = GENERATED
    origins: tuple[str, ...] = ()


def digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()


def build(draft: Draft, brief: Brief, facts: Facts) -> dict[str, Any]:
    """The manifest definition for `c2pa.Builder`, all of it asserted by this studio itself."""
    assertions: dict[str, Any] = {
        ACTIONS: {"actions": _actions(facts, draft.edits)},
        GENERATION: _generation(draft, brief, facts),
        LICENCE: licence_data(facts.licence),
        RIGHTS: _rights(facts),
    }
    if facts.no_training:
        kinds = ("data_mining", "ai_inference", "ai_generative_training", "ai_training")
        assertions[MINING] = {"entries": {f"cawg.{kind}": {"use": "notAllowed"} for kind in kinds}}
    if facts.marks or facts.unmarked:
        none = {"reason": facts.unmarked} if facts.unmarked else {}
        assertions[MARKS] = {"marks": [dict(mark) for mark in facts.marks], **none}
    return {
        "claim_generator_info": [{"name": "Signet", "version": studio.__version__}],
        "title": f"{draft.kind.capitalize()} {'edited' if draft.edits else 'made'} with {facts.model_title}",
        "assertions": [
            {"label": label, "data": data, "created": True} | ({"kind": "Json"} if label == RIGHTS else {})
            for label, data in assertions.items()
        ],
    }


def parent_label(index: int) -> str:
    return f"parent-{index}"


def licence_data(note: LicenceNote) -> dict[str, Any]:
    return {
        "id": note.id,
        "note": note.note,
        "commercial": note.commercial,
        "sources": list(note.sources),
    }


def _actions(facts: Facts, edits: Sequence[str]) -> list[dict[str, Any]]:
    when = facts.when.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    agent = {"name": "Signet", "version": studio.__version__}
    if not facts.parents:
        return [
            {"action": "c2pa.created", "digitalSourceType": GENERATED, "when": when, "softwareAgent": agent}
        ]
    opened, *placed = (
        {"action": action, "parameters": {"ingredientIds": [parent_label(index)]}}
        for index, action in enumerate(["c2pa.opened"] + ["c2pa.placed"] * (len(facts.parents) - 1))
    )
    kinds = [EDITED] if not edits else [HUMAN_EDITS] * (len(edits) - 1) + [_last_kind(facts)]
    for taken, origin in zip([opened, *placed], facts.origins, strict=False):
        if origin:
            taken["digitalSourceType"] = origin
    done = [
        {"action": action, "digitalSourceType": kind, "when": when, "softwareAgent": agent}
        for action, kind in zip(edits or ["c2pa.edited"], kinds, strict=True)
    ]
    return [opened, *placed, *done]


def _last_kind(facts: Facts) -> str:
    """Several parts are a composite from the last action on; of one part only what a person did to it is told."""
    return facts.source if len(facts.parents) > 1 else HUMAN_EDITS


def _generation(draft: Draft, brief: Brief, facts: Facts) -> dict[str, Any]:
    data: dict[str, Any] = {
        "produce_id": facts.produce_id,
        "kind": draft.kind,
        "model": {"id": draft.model_id, "title": facts.model_title, "revision": draft.revision},
        "engine": brief.engine or "default",
        "seed": draft.seed,
        "device": draft.device,
        "dtype": draft.dtype,
        "settings": {
            key: value if facts.prompt_in_file else _private(key, value)
            for key, value in _plain(draft.settings).items()
        },
        "prompt_sha256": digest(brief.prompt),
    }
    if facts.prompt_in_file:
        data["prompt"] = brief.prompt
    if facts.author:
        data["author"] = facts.author
    if facts.parents:
        data["parents_sha256"] = list(facts.parents)
    return data


def _plain(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings as JSON values; what is none is written as text."""

    def plain(value: Any) -> Any:
        if isinstance(value, Mapping):
            return {str(key): plain(item) for key, item in value.items()}
        if isinstance(value, list | tuple | set | frozenset):
            return [plain(item) for item in value]
        if value is None or isinstance(value, bool | int | str):
            return value
        if isinstance(value, float):
            return value if value == value and abs(value) != float("inf") else str(value)
        return str(value)

    return {str(key): plain(value) for key, value in settings.items()}


def _private(key: str, value: Any) -> Any:
    """The value, with every text that a person may have written replaced by its SHA-256."""
    if isinstance(value, dict):
        return {inner: _private(f"{key}.{inner}", item) for inner, item in value.items()}
    if isinstance(value, list):
        return [_private(key, item) for item in value]
    if isinstance(value, str) and (FREE_TEXT.search(key) or not PLAIN_WORD.fullmatch(value)):
        return f"sha256:{digest(value)}" if value else ""
    return value


def _rights(facts: Facts) -> dict[str, Any]:
    """Rights in the words of Dublin Core and XMP, for readers that do not know our own assertion."""
    data: dict[str, Any] = {
        "@context": {
            "dc": "http://purl.org/dc/elements/1.1/",
            "xmpRights": "http://ns.adobe.com/xap/1.0/rights/",
        },
        "dc:rights": facts.licence.note,
        "xmpRights:UsageTerms": facts.licence.note,
    }
    if facts.author:
        data["dc:creator"] = [facts.author]
    return data


def sources(manifest: Mapping[str, Any]) -> Sequence[tuple[str, Any]]:
    """(label, data) of a definition's assertions, in order."""
    return [(assertion["label"], assertion["data"]) for assertion in manifest["assertions"]]
