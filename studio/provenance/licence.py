"""The licence note of an output, computed from everything that made it.

    combine([("base model", "SmolLM2-135M", "Apache-2.0", ""), ("input", "photo.jpg", "CC-BY-NC-4.0", "A. Person")])

What is claimed. The strictest term among model, adapter, voice and inputs holds for the output. Licences
written for *software* (Apache, MIT, GPL …) oblige whoever passes the program or its weights on, and
their texts claim nothing in what the program puts out, so from them only the commercial term reaches an
output. Licences written for *content, data or models* (Creative Commons, Open RAIL, community licences)
are taken to reach it with all their obligations, which is the cautious reading. A given input is taken
to be recognisable in the output, so all its terms hold, of whatever family.

What is not claimed. Whether terms of *training data* follow into outputs is not settled in law. Such data
are named as sources, their obligations are not laid on the output; but if one of them forbids or
restricts commercial use, or is unknown, the note no longer says that commercial use is allowed: it says
whose terms stand in the way. Nothing here says who owns an output, nor that it infringes nothing.
An unknown licence is never guessed: it takes away the words "commercial use" altogether.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from studio.catalog import Model
from studio.errors import BadInput, NotFound
from studio.provenance.licence_table import (
    LADDER,
    UNKNOWN,
    Licence,
    Permission,
    licence_of,
    licence_url,
    licences,
    one_line,
)
from studio.types import Commercial, LicenceNote

__all__ = [
    "Licence",
    "Terms",
    "Use",
    "combine",
    "licence_of",
    "licence_url",
    "licences",
    "note_for",
    "notice",
    "terms",
]

ROLES = ("base model", "model", "adapter", "voice", "training data", "input")
NAMED_AT_MOST = 4
SHOWN_CHARS = 60


class Use(NamedTuple):
    """One thing that took part in making an output, in one of `ROLES`."""

    role: str
    name: str
    licence_id: str
    attribution: str = ""


@dataclass(frozen=True, slots=True)
class Terms:
    """What holds for an output: each set only grows, and `commercial` only climbs, as uses are added."""

    commercial: Permission
    obligations: frozenset[str]
    licences: frozenset[str]
    unknown: frozenset[str]
    against: frozenset[str]
    credits: frozenset[str]


def terms(uses: Iterable[Sequence[str]]) -> Terms:
    """The terms that hold together. Raises BadInput for a role that is not in `ROLES`, or for no uses."""
    listed = {_use(use) for use in uses}
    if not listed:
        raise BadInput("Name at least one source: without any, nothing can be said about a licence.")
    commercial: Permission = "yes"
    obligations, ids, unknown, against, credits = (set[str]() for _ in range(5))
    for use in listed:
        for licence in map(licence_of, use.licence_id.split(" AND ")):
            permission = licence.commercial
            if permission == "unknown":
                unknown.add(_short(use.name))
            if use.role != "training data":
                ids.add(licence.id)
                obligations.update(_reaching(licence, use.role))
            elif permission in ("no", "conditions"):
                against.add(f"{_short(use.name)} ({licence.id})")
                permission = "unknown"
            commercial = max(commercial, permission, key=LADDER.index)
        if use.attribution:
            credits.add(_short(use.attribution))
    sets = (frozenset(one) for one in (obligations, ids, unknown, against, credits))
    return Terms(commercial, *sets)


def combine(uses: Iterable[Sequence[str]]) -> LicenceNote:
    """The note of an output made from `uses`: (role, name, licence id, attribution) each, in any order.

    `commercial` is "yes" only if every licence says so outright; "unknown" covers conditions that the
    studio cannot judge (turnover, registration) as well as unknown licences; the note says which.
    """
    listed = sorted({_use(use) for use in uses})
    held = terms(listed)
    makers = _names(f"{_short(use.name)} ({use.licence_id})" for use in listed if use.role != "training data")
    first = f"Made with {makers}" if makers else "Made from training data alone"
    note = f"{first}. {_permission(held)}{_duties(held)}"
    commercial: Commercial = "unknown" if held.commercial == "conditions" else held.commercial
    id = " AND ".join(sorted(held.licences)) or UNKNOWN
    return LicenceNote(id=id, note=note, commercial=commercial, sources=tuple(map(_source, listed)))


def note_for(
    model: Model,
    catalog_lookup: Callable[[str], Model | None],
    inputs: Iterable[tuple[str, str, str]] = (),
    parts: Iterable[tuple[str, str]] = (),
) -> LicenceNote:
    """The note of an output of `model`, with the models it was made from and the data behind each.

    `catalog_lookup` gives a catalog entry by name (None or NotFound: its licence counts as unknown);
    `inputs` are (name, licence id, attribution) of works given; `parts` are (role, catalog name) of
    adapters and voices used beside the model.
    """
    uses: list[Use] = []
    seen: set[str] = set()
    waiting: list[tuple[str, str, Model | None]] = [("model", model.name, model)]
    waiting += [(role, name, None) for role, name in parts]
    while waiting:
        role, name, entry = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        if entry is None:
            try:
                entry = catalog_lookup(name)
            except NotFound:
                entry = None
        if entry is None:
            uses.append(Use(role, name, UNKNOWN))
            continue
        uses.append(Use(role, entry.title or entry.name, entry.licence, entry.attribution))
        uses += [Use("training data", source.name, source.licence) for source in entry.data]
        waiting += [("base model", base, None) for base in entry.base]
    uses += [Use("input", *given) for given in inputs]
    return combine(uses)


def notice(notes: Sequence[LicenceNote]) -> str:
    """The text of a NOTICE file for a selection of outputs: each note once, its sources, all licences."""
    lines = [
        "NOTICE",
        "",
        "Made with generative models. What the outputs were made from, and on which terms:",
    ]
    ids: set[str] = set()
    for note in sorted({(one.note, one.sources) for one in notes}):
        lines += ["", note[0], *(f"  - {source}" for source in note[1])]
    for one in notes:
        ids.update(one.id.split(" AND "))
        ids.update(match.group(1) for source in one.sources if (match := _ID_OF_SOURCE.search(source)))
    lines += ["", "Licences:"]
    for part in sorted({part for id in ids for part in id.split(" AND ")}):
        licence = licence_of(part)
        lines.append(f"  - {licence.id}: {licence.name}{', ' + licence.url if licence.url else ''}")
    return "\n".join(lines) + "\n"


# --- Words --------------------------------------------------------------------------------------


def _permission(held: Terms) -> str:
    if held.commercial == "no":
        return "Only for non-commercial purposes"
    if held.unknown:
        return f"The terms of {_names(held.unknown)} are not known, so ask before any business use"
    if held.against:
        return (
            f"Training data of other terms took part: {_names(held.against)}, so ask before any business use"
        )
    if held.commercial == "conditions":
        return "Commercial use depends on conditions of these licences"
    return "Commercial use is allowed"


def _duties(held: Terms) -> str:
    """The rest of the sentence: what to do, credits last since they may be long."""
    # Who is to be named stands in the credits, where there are any.
    duties = held.obligations - {"attribution"} if held.credits else held.obligations
    said = [_WORDS[duty] for duty in _WORDS if duty in duties]
    said += [f"credit {_names(held.credits)}"] if held.credits else []
    return f"; {', '.join(said)}." if said else "."


_WORDS = {
    "share-alike": "share under the same licence",
    "no-derivatives": "do not share altered versions",
    "use-restrictions": "keep to the licence's list of forbidden uses",
    "registration": "ask or register first",
    "research-only": "research only",
    "no-training": "do not train other models on it",
    "display-name": "show the name that the licence asks for",
    "notice": "keep its notices",
    "attribution": "name the authors",
}


def _names(names: Iterable[str]) -> str:
    listed = sorted(set(names))
    more = len(listed) - NAMED_AT_MOST
    if more > 1:
        return f"{', '.join(listed[:NAMED_AT_MOST])} and {more} more"
    return " and ".join([", ".join(listed[:-1]), listed[-1]] if len(listed) > 1 else listed)


_ID_OF_SOURCE = re.compile(r" \(([^()]+)\)(?:, credit: |$)")


def _source(use: Use) -> str:
    credit = f", credit: {use.attribution}" if use.attribution else ""
    return f"{use.role}: {use.name} ({use.licence_id}){credit}"


# --- Small parts --------------------------------------------------------------------------------


def _use(given: Sequence[str]) -> Use:
    use = Use(*given)
    if use.role not in ROLES:
        raise BadInput(f"There is no role {use.role!r} in a licence note; use one of: {', '.join(ROLES)}.")
    id = licence_of(use.licence_id).id
    name = one_line(use.name) or "an unnamed source"
    # The name of a given file is a stranger's text: quoted, it cannot pass for a sentence of ours.
    name = f"“{name.translate(_NO_QUOTES)}”" if use.role == "input" else name
    return Use(use.role, name, id, one_line(use.attribution))


_NO_QUOTES = {ord(mark): "'" for mark in '“”"'}


def _short(text: str) -> str:
    return text if len(text) <= SHOWN_CHARS else text[: SHOWN_CHARS - 1].rstrip() + "…"


def _reaching(licence: Licence, role: str) -> tuple[str, ...]:
    """The obligations that reach an output (see the head of this file)."""
    return () if licence.family == "software" and role != "input" else licence.obligations
