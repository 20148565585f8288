"""The table of licences: what each allows and obliges to (assets/licences.toml), and expressions of them."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal, NamedTuple

from studio.settings import ROOT

Family = Literal["software", "content", "data", "model"]
Permission = Literal["yes", "conditions", "unknown", "no"]

ROLES = ("base model", "model", "adapter", "voice", "training data", "input")
UNKNOWN = "LicenseRef-unknown"
LADDER: tuple[Permission, ...] = ("yes", "conditions", "unknown", "no")


@dataclass(frozen=True, slots=True)
class Licence:
    """One licence. `obligations` and `family` are explained at the head of assets/licences.toml."""

    id: str
    name: str
    url: str
    commercial: Permission
    obligations: tuple[str, ...]
    family: Family = "content"


class Use(NamedTuple):
    """One thing that took part in making an output, in one of `ROLES`."""

    role: str
    name: str
    licence_id: str
    attribution: str = ""


@dataclass(frozen=True, slots=True)
class Terms:
    """What holds for an output: each set only grows, and `commercial` only climbs, as uses are added.

    `unknown` names what is used under unknown terms; `against` training data known to restrict commercial
    use, `untold` training data of unknown terms.
    """

    commercial: Permission
    obligations: frozenset[str]
    licences: frozenset[str]
    unknown: frozenset[str]
    against: frozenset[str]
    untold: frozenset[str]
    credits: frozenset[str]


@cache
def licences() -> dict[str, Licence]:
    """Every licence of assets/licences.toml by its id."""
    table: dict[str, Any] = tomllib.loads((ROOT / "assets" / "licences.toml").read_text("utf-8"))
    return {
        key: Licence(
            key, row["name"], row["url"], row["commercial"], tuple(row["obligations"]), row["family"]
        )
        for key, row in table.items()
    }


def licence_of(id: str) -> Licence:
    """The licence called `id` (SPDX, `LicenseRef-…`, letter case ignored); unknown ids give an unknown one.

    "A AND B" gives the stricter of both with the obligations of both, "A OR B" the freer one.
    """
    id = one_line(id)
    if " OR " in id:
        return min((licence_of(part) for part in id.split(" OR ")), key=_strictness)
    if " AND " in id:
        return _together([licence_of(part) for part in id.split(" AND ")])
    known = licences()
    found = known.get(id) or next((one for key, one in known.items() if key.lower() == id.lower()), None)
    return found or Licence(id or UNKNOWN, "Unknown licence", "", "unknown", ())


def licence_url(id: str) -> str:
    """Where the strictest licence of the expression `id` that has an address can be read, else ""."""
    parts = sorted((licence_of(part) for part in id.split(" AND ")), key=_strictness, reverse=True)
    return next((part.url for part in parts if part.url), "")


def one_line(text: str) -> str:
    """One line without control characters, since it goes into headers, XML and pages alike."""
    return " ".join("".join(c if c.isprintable() else " " for c in text[:1000]).split())[:200].rstrip()


def _together(parts: list[Licence]) -> Licence:
    strictest = max(parts, key=_strictness)
    duties = tuple(sorted({duty for part in parts for duty in part.obligations}))
    id = " AND ".join(sorted({word for part in parts for word in part.id.split(" AND ")}))
    return Licence(id, "Several licences", strictest.url, strictest.commercial, duties, strictest.family)


def _strictness(licence: Licence) -> tuple[int, int, str]:
    return LADDER.index(licence.commercial), len(licence.obligations), licence.id
