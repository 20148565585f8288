"""The NOTICE file for a selection of outputs: whom to credit, what is owed, and what everything was made from.

    notice([("poster.png", asset.credential.licence), …])

It only gathers what each output's licence note says; how that came about stands in `licence`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from studio.provenance.licence_table import licence_of
from studio.provenance.licence_words import SOURCE
from studio.types import LicenceNote

COMMERCIAL = {
    "yes": "Commercial use: allowed by every source.",
    "unknown": "Commercial use: cannot be promised for everything here; see each note.",
    "no": "Commercial use: not allowed for everything here; see each note.",
}
OBLIGATIONS = {
    "attribution": "name the authors",
    "notice": "keep copyright and licence texts",
    "share-alike": "share under the same licence",
    "disclose-source": "pass the source on with the work",
    "no-derivatives": "do not share altered versions",
    "use-restrictions": "keep to the list of forbidden uses",
    "non-commercial": "no commercial use",
    "registration": "ask or register first",
    "research-only": "research only",
    "display-name": "show the name or line that the licence asks for",
    "user-threshold": "other terms hold above a number of users or a turnover",
    "no-training": "do not train other models on it",
}


def notice(entries: Sequence[tuple[str, LicenceNote]]) -> str:
    """The text for outputs of these (file name, note); the same note stands once, with all its files."""
    files: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for name, note in entries:
        files.setdefault((note.note, note.sources), []).append(_line(name))
    lines = [
        "NOTICE",
        "",
        "Made with generative models. What these outputs were made from, and on which terms:",
    ]
    for (words, sources), names in sorted(files.items()):
        lines += ["", words, "  Files:", *(f"    {name}" for name in sorted(names))]
        lines += ["  Made from:", *(f"    {source}" for source in sources)]
    credits, ids = _credits(entries), _licence_ids(entries)
    if credits:
        lines += ["", "Credits to show:", *(f"  {credit}" for credit in credits)]
    lines += ["", "Licences and what they ask for:"]
    for id in ids:
        licence = licence_of(id)
        lines.append(f"  {licence.id}: {licence.name}{', ' + licence.url if licence.url else ''}")
        lines += [f"    - {OBLIGATIONS.get(duty, duty)}" for duty in licence.obligations]
    worst = max((note.commercial for _, note in entries), key=list(COMMERCIAL).index, default="unknown")
    lines += ["", COMMERCIAL[worst]]
    lines += [
        "Which of a licence's terms reach an output is said in the note above it. This file is no legal advice."
    ]
    return "\n".join(lines) + "\n"


def _credits(entries: Iterable[tuple[str, LicenceNote]]) -> list[str]:
    found = {match[4] for _, note in entries for one in note.sources if (match := SOURCE.fullmatch(one))}
    return sorted(credit for credit in found if credit)


def _licence_ids(entries: Iterable[tuple[str, LicenceNote]]) -> list[str]:
    listed = {note.id for _, note in entries}
    listed |= {match[3] for _, note in entries for one in note.sources if (match := SOURCE.fullmatch(one))}
    return sorted({part for id in listed for part in id.split(" AND ")})


def _line(name: str) -> str:
    return "".join(c if c.isprintable() else "�" for c in name)
