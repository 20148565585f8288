"""Questions to the library as statements.

With words, SQLite answers from the full-text index alone: filters stand in it as tags, which no text can
contain, and `seq` is both its rowid and the order, so the newest hits come first without sorting and the
search stops at the page's end. Without words, each filter has an index that ends in `seq`. Other
databases compare the same tokens with LIKE.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, func, literal, or_, select

from studio.errors import BadInput
from studio.library.tables import assets, assets_fts, seq_of, shown
from studio.library.words import open_ended, tag, terms, tokens
from studio.types import KINDS, Asset

MOST = 1_000_000
"""Largest page and offset."""


@dataclass(frozen=True, slots=True)
class Query:
    """What is looked for; None and "" mean "any". `since` and `until` are both inclusive."""

    words: str = ""
    kind: str | None = None
    model: str | None = None
    owner: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    favourite: bool | None = None
    job: str | None = None

    def __post_init__(self) -> None:
        if self.kind is not None and self.kind not in KINDS:
            raise BadInput(f"There is no kind {self.kind!r}; choose one of: {', '.join(KINDS)}.")

    @property
    def asks_words(self) -> bool:
        return bool(self.words.strip("\x00 \t\r\n"))

    @property
    def hopeless(self) -> bool:
        """Words were given, but none that text can contain (only quotes, operators, …)."""
        return self.asks_words and not terms(self.words)


def words_of(asset: Asset, text: str) -> str:
    """The tokens an asset is found by: what was asked, what was made, by which model, and its tags."""
    brief, model = asset.brief, asset.model
    fields = (brief.prompt, text, brief.template or "", brief.brand or "", model.id, model.engine)
    tags = [
        tag("kind", asset.kind),
        tag("model", model.id),
        tag("owner", asset.owner),
        tag("job", asset.job_id),
    ]
    return " ".join(tags + [token for field in fields for token in tokens(field)])


def remarks_of(note: str, favourite: bool) -> str:
    return " ".join([tag("favourite", str(int(favourite))), *tokens(note)])


def page(query: Query, dialect: str, limit: int, offset: int) -> Select[Any]:
    """The rows of one page, newest first."""
    if limit < 0 or offset < 0:
        raise BadInput("A page of the library needs a limit and an offset of 0 or more.")
    limit, offset = min(limit, MOST), min(offset, MOST)
    if query.asks_words and dialect == "sqlite":
        hits = select(assets_fts.c.rowid).where(*_matches(query))
        hits = hits.order_by(assets_fts.c.rowid.desc()).limit(limit).offset(offset)
        return select(*shown).where(assets.c.seq.in_(hits)).order_by(assets.c.seq.desc())
    return select(*shown).where(*_filters(query)).order_by(assets.c.seq.desc()).limit(limit).offset(offset)


def total(query: Query, dialect: str) -> Select[Any]:
    """How many rows there are."""
    if query.asks_words and dialect == "sqlite":
        return select(func.count()).select_from(assets_fts).where(*_matches(query))
    return select(func.count()).select_from(assets).where(*_filters(query))


def _matches(query: Query) -> list[ColumnElement[bool]]:
    """The whole query as one FTS5 expression plus the bounds in time."""
    parts = [_quoted(term) for term in terms(query.words)]
    given = {"kind": query.kind, "model": query.model, "owner": query.owner, "job": query.job}
    parts += [f'"{tag(name, value)}"' for name, value in given.items() if value is not None]
    if query.favourite is not None:
        parts.append(f'"{tag("favourite", str(int(query.favourite)))}"')
    found: ColumnElement[bool] = assets_fts.c.assets_fts.op("MATCH", is_comparison=True)(
        literal(" AND ".join(parts))
    )
    return [found, *_bounds(query, assets_fts.c.rowid)]


def _quoted(term: Sequence[str]) -> str:
    return f'"{" ".join(term)}"' + (" *" if open_ended(term[-1]) else "")


def _filters(query: Query) -> list[ColumnElement[bool]]:
    given = {
        assets.c.kind: query.kind,
        assets.c.model_id: query.model,
        assets.c.owner: query.owner,
        assets.c.job_id: query.job,
        assets.c.favourite: None if query.favourite is None else int(query.favourite),
    }
    found: list[ColumnElement[bool]] = [place == value for place, value in given.items() if value is not None]
    for term in terms(query.words):
        found.append(or_(_contains(assets.c.words, term), _contains(assets.c.remarks, term)))
    return found + _bounds(query, assets.c.seq)


def _contains(place: ColumnElement[str], term: Sequence[str]) -> ColumnElement[bool]:
    end = "" if open_ended(term[-1]) else " "
    return (literal(" ") + place + literal(" ")).contains(" " + " ".join(term) + end, autoescape=True)


def _bounds(query: Query, seq: ColumnElement[Any]) -> list[ColumnElement[bool]]:
    bounds = []
    if query.since is not None:
        bounds.append(seq >= seq_of(query.since))
    if query.until is not None:
        bounds.append(seq <= seq_of(query.until))
    return bounds
