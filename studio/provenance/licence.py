"""The licence note of an output, computed from everything that made it.

    combine([("base model", "SmolLM2-135M", "Apache-2.0", ""), ("input", "photo.jpg", "CC-BY-NC-4.0", "A. Person")])

What is claimed. The strictest term among model, adapter, voice and inputs holds for the output. Licences
written for *software* (Apache, MIT, GPL …) oblige whoever passes the program or its weights on, and
their texts claim nothing in what the program puts out, so from them only the commercial term reaches an
output. Licences written for *content, data or models* (Creative Commons, Open RAIL, community licences)
are taken to reach it with all their obligations, which is the cautious reading. A given input is taken
to be recognisable in the output, so all its terms hold, of whatever family.

An unknown licence among these is never guessed: it takes away the words "commercial use" altogether.

What is not claimed. Whether terms of *training data* follow into outputs is not settled in law; they bind
whoever copied the data to train, and the model's publisher grants what its licence says. Such data are
named as sources and their obligations are not laid on the output. But where they are known to forbid or
restrict commercial use, or are not known at all, the note does not say that commercial use is allowed: it
says whose terms stand in the way, or that they are not published.
Nothing here says who owns an output, nor that it infringes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from studio.catalog import Model
from studio.errors import BadInput, NotFound
from studio.provenance.licence_table import (
    LADDER,
    ROLES,
    UNKNOWN,
    Licence,
    Permission,
    Terms,
    Use,
    licence_of,
    licence_url,
    licences,
    one_line,
)
from studio.provenance.licence_words import SOURCE, duties, enumerated, permission, short, source
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
    "terms",
]


def terms(uses: Iterable[Sequence[str]]) -> Terms:
    """The terms that hold together. Raises BadInput for a role that is not in `ROLES`, or for no uses."""
    listed = {_use(use) for use in uses}
    if not listed:
        raise BadInput("Name at least one source: without any, nothing can be said about a licence.")
    commercial: Permission = "yes"
    obligations, ids, unknown, against, untold, credits = (set[str]() for _ in range(6))
    for use in listed:
        for licence in map(licence_of, use.licence_id.split(" AND ")):
            allowed = licence.commercial
            if use.role != "training data":
                ids.add(licence.id)
                obligations.update(_reaching(licence, use.role))
                if allowed == "unknown":
                    unknown.add(short(use.name))
            elif allowed == "unknown":
                untold.add(short(use.name))
            elif allowed != "yes":
                against.add(f"{short(use.name)} ({licence.id})")
                allowed = "unknown"
            commercial = max(commercial, allowed, key=LADDER.index)
        if use.attribution:
            credits.add(use.attribution)
    sets = (frozenset(one) for one in (obligations, ids, unknown, against, untold, credits))
    return Terms(commercial, *sets)


def combine(uses: Iterable[Sequence[str]]) -> LicenceNote:
    """The note of an output made from `uses`: (role, name, licence id, attribution) each, in any order.

    `commercial` is "yes" only if every licence says so outright; "unknown" covers conditions that the
    studio cannot judge (turnover, registration) as well as unknown licences; the note says which.
    """
    listed = sorted({_use(use) for use in uses})
    held = terms(listed)
    makers = enumerated(
        f"{short(use.name)} ({use.licence_id})" for use in listed if use.role != "training data"
    )
    first = f"Made with {makers}" if makers else "Made from training data alone"
    note = f"{first}. {permission(held)}{duties(held)}"
    id = " AND ".join(sorted(held.licences)) or UNKNOWN
    return LicenceNote(
        id=id, note=note, commercial=_outward(held.commercial), sources=tuple(map(source, listed))
    )


def note_for(
    model: Model,
    catalog_lookup: Callable[[str], Model | None],
    inputs: Iterable[tuple[str, LicenceNote]] = (),
    parts: Iterable[tuple[str, str]] = (),
) -> LicenceNote:
    """The note of an output of `model`, with the models it was made from and the data behind each.

    `catalog_lookup` gives a catalog entry by name (None or NotFound: its licence counts as unknown);
    `inputs` are (name, note) of the works given, whose sources and terms are carried over; `parts` are
    (role, catalog name) of adapters and voices used beside the model.
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
        uses.append(Use(role, entry.title or entry.name, _licence_id(entry), entry.attribution))
        uses += [Use("training data", source.name, source.licence) for source in entry.data]
        waiting += [("base model", base, None) for base in entry.base]
    for name, note in inputs:
        uses += _uses_behind(name, note)
    return combine(uses)


def _licence_id(entry: Model) -> str:
    """The entry's licence, with the catalog's own judgement beside it where that is stricter."""
    stricter = LADDER.index(entry.commercial) > LADDER.index(licence_of(entry.licence).commercial)
    doubt = {"unknown": "LicenseRef-terms-in-doubt", "no": "LicenseRef-non-commercial"}
    return f"{entry.licence} AND {doubt[entry.commercial]}" if stricter else entry.licence


def _uses_behind(name: str, note: LicenceNote) -> list[Use]:
    """What an earlier output was made from, read from its note; never looser than the note itself."""
    found = [SOURCE.fullmatch(source) for source in note.sources]
    uses = [Use(*(part or "" for part in match.groups())) for match in found if match]
    whole = len(uses) == len(note.sources) > 0 and all(use.role in ROLES for use in uses)
    if not whole or _outward(terms(uses).commercial) != note.commercial:
        return [Use("input", name, note.id), Use("input", name, UNKNOWN)]
    return uses


def _outward(allowed: Permission) -> Commercial:
    """Conditions that the studio cannot judge count as unknown to the outside."""
    return "unknown" if allowed == "conditions" else allowed


# --- Small parts --------------------------------------------------------------------------------


def _use(given: Sequence[str]) -> Use:
    use = Use(*given)
    if use.role not in ROLES:
        raise BadInput(f"There is no role {use.role!r} in a licence note; use one of: {', '.join(ROLES)}.")
    id = licence_of(use.licence_id).id
    name = one_line(use.name) or "an unnamed source"
    # The name of a given file is a stranger's text: quoted, it cannot pass for a sentence of ours.
    name = f"“{name.strip('“”').translate(_NO_QUOTES)}”" if use.role == "input" else name
    return Use(use.role, name, id, one_line(use.attribution))


_NO_QUOTES = {ord(mark): "'" for mark in '“”"'}


def _reaching(licence: Licence, role: str) -> tuple[str, ...]:
    """The obligations that reach an output (see the head of this file)."""
    return () if licence.family == "software" and role != "input" else licence.obligations
