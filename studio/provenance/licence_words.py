"""The words of a licence note: one or two sentences that a person understands, and its list of sources."""

from __future__ import annotations

import re
from collections.abc import Iterable

from studio.provenance.licence_table import Terms, Use

NAMED_AT_MOST = 4
SHOWN_CHARS = 60


def permission(held: Terms) -> str:
    """The beginning of the second sentence: may it be used commercially, and if not, for whose sake."""
    if held.commercial == "no":
        return "Only for non-commercial purposes"
    if held.unknown:
        return f"The terms of {enumerated(held.unknown)} are not known, so ask before any business use"
    if held.against:
        return f"Training data of other terms took part: {enumerated(held.against)}, so ask before any business use"
    if held.untold:
        return "The terms of some training data are not published, so ask before any business use"
    if held.commercial == "conditions":
        return "Commercial use depends on conditions of these licences"
    return "Commercial use is allowed"


def duties(held: Terms) -> str:
    """The rest of the sentence: what to do, credits last since they may be long."""
    # Who is to be named stands in the credits, where there are any.
    wanted = held.obligations - {"attribution"} if held.credits else held.obligations
    said = [_WORDS[duty] for duty in _WORDS if duty in wanted]
    said += [f"credit {enumerated(held.credits)}"] if held.credits else []
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


def enumerated(names: Iterable[str]) -> str:
    """ "a, b and c", or the first few "and 7 more"."""
    listed = sorted(set(names))
    more = len(listed) - NAMED_AT_MOST
    if more > 1:
        return f"{', '.join(listed[:NAMED_AT_MOST])} and {more} more"
    return " and ".join([", ".join(listed[:-1]), listed[-1]] if len(listed) > 1 else listed)


# What `source` writes, taken apart again: role, name, licence id, credit.
SOURCE = re.compile(r"([a-z ]+): (.*) \(([^()]+)\)(?:, credit: (.*))?")


def source(use: Use) -> str:
    credit = f", credit: {use.attribution}" if use.attribution else ""
    return f"{use.role}: {use.name} ({use.licence_id}){credit}"


def short(text: str) -> str:
    return text if len(text) <= SHOWN_CHARS else text[: SHOWN_CHARS - 1].rstrip() + "…"
