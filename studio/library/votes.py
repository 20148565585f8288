"""What people prefer: votes between two assets, and the choices that lie in their stars.

Two assets can be weighed against each other when they answer the same question: the same brief, whatever
the model, options and seed. A vote belongs to whoever cast it and can be changed; it goes with its assets.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Literal, get_args

from sqlalchemy import Connection, Engine, delete, select

from studio.errors import BadInput
from studio.library.codec import brief_from_json
from studio.library.database import reading, writing
from studio.library.tables import assets, votes
from studio.types import Asset, Brief

Choice = Literal["first", "second", "same"]
CHOICES: tuple[Choice, ...] = get_args(Choice)
NEWEST = 600
"""So many of the newest assets of a kind are looked through for a pair."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """One choice: `choice` says which of two assets, made by these models, is better.

    `question` is the same for all comparisons of one brief, which are not independent of each other.
    """

    question: str
    first: str
    second: str
    first_model: str
    second_model: str
    choice: Choice
    source: Literal["vote", "stars"]


def question_of(brief: Brief) -> str:
    """16 hex characters: the same for briefs that ask the same."""
    slots = sorted((name, str(value)) for name, value in brief.options.items()) if brief.template else []
    asked = (brief.kind, " ".join(brief.prompt.split()), brief.template, brief.brand, slots, brief.inputs)
    return hashlib.sha256(repr(asked).encode("utf-8", "surrogatepass")).hexdigest()[:16]


class Ballot:
    """The votes of one library."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def cast(self, first: Asset, second: Asset, choice: Choice, owner: str) -> None:
        """Replaces the owner's earlier vote on the same two. Raises BadInput for two that cannot be weighed."""
        if choice not in CHOICES:
            raise BadInput(f"A vote is one of: {', '.join(CHOICES)}; not {choice!r}.")
        if first.id == second.id:
            raise BadInput("A vote needs two different assets.")
        if question_of(first.brief) != question_of(second.brief):
            raise BadInput("These two answer different briefs; vote between results of the same brief.")
        with writing(self._engine) as connection:
            places = _places(connection, (first.id, second.id))
            if len(places) < 2:
                raise BadInput("One of the two was deleted just now; vote on two that are there.")
            left, right = places[first.id], places[second.id]
            if left > right:  # each pair is kept one way round, so that it is kept once
                left, right = right, left
                choice = {"first": "second", "second": "first"}.get(choice, choice)  # type: ignore[assignment]
            mine = (votes.c.owner == owner, votes.c.first_seq == left, votes.c.second_seq == right)
            connection.execute(delete(votes).where(*mine))
            connection.execute(
                votes.insert(),
                {"owner": owner, "first_seq": left, "second_seq": right, "choice": choice, "at": time.time()},
            )

    def comparisons(self, kind: str) -> list[Comparison]:
        """All votes on this kind, then what the stars say: of two rated answers, the one with more is better.

        Two that somebody voted on are not taken from the stars again.
        """
        first, second = assets.alias("a"), assets.alias("b")
        columns = [side.c[name] for name in ("id", "model_id") for side in (first, second)]
        with reading(self._engine) as connection:
            voted = connection.execute(
                select(*columns, first.c.brief, votes.c.choice)
                .join_from(votes, first, first.c.seq == votes.c.first_seq)
                .join(second, second.c.seq == votes.c.second_seq)
                .where(first.c.kind == kind)
                .order_by(votes.c.at)
            ).all()
            rated = connection.execute(
                select(assets.c.id, assets.c.model_id, assets.c.brief, assets.c.stars).where(
                    assets.c.kind == kind, assets.c.stars > 0
                )
            ).all()
        found = [
            Comparison(question_of(brief_from_json(row.brief)), *row[:4], row.choice, "vote") for row in voted
        ]
        known = {frozenset((one.first, one.second)) for one in found}
        return found + [one for one in _from_stars(rated) if frozenset((one.first, one.second)) not in known]

    def voted(self, kind: str, owner: str) -> set[frozenset[str]]:
        """The pairs of asset ids that this owner has voted on."""
        first, second = assets.alias("a"), assets.alias("b")
        with reading(self._engine) as connection:
            rows = connection.execute(
                select(first.c.id, second.c.id)
                .join_from(votes, first, first.c.seq == votes.c.first_seq)
                .join(second, second.c.seq == votes.c.second_seq)
                .where(votes.c.owner == owner, first.c.kind == kind)
            ).all()
        return {frozenset(row) for row in rows}

    def pair(self, kind: str, owner: str) -> tuple[str, str] | None:
        """Two assets of one brief that the owner has not voted on: different models first, newest first."""
        with reading(self._engine) as connection:
            newest = connection.execute(
                select(assets.c.seq, assets.c.id, assets.c.model_id, assets.c.brief)
                .where(assets.c.kind == kind)
                .order_by(assets.c.seq.desc())
                .limit(NEWEST)
            ).all()
            cast = select(votes.c.first_seq, votes.c.second_seq).where(votes.c.owner == owner)
            done = {frozenset(row) for row in connection.execute(cast).all()}
        groups: dict[str, list[Any]] = {}
        for row in newest:
            groups.setdefault(question_of(brief_from_json(row.brief)), []).append(row)
        open_pairs = [
            (one.model_id == other.model_id, -max(one.seq, other.seq), one.id, other.id)
            for group in groups.values()
            for one, other in combinations(group[:12], 2)
            if frozenset((one.seq, other.seq)) not in done
        ]
        if not open_pairs:
            return None
        _, _, first, second = min(open_pairs)
        # Which stands left must not tell which is newer; it stays the same if the page is loaded again.
        return (
            (first, second) if hashlib.sha256((first + second).encode()).digest()[0] & 1 else (second, first)
        )


def _places(connection: Connection, ids: Iterable[str]) -> dict[str, int]:
    rows = connection.execute(select(assets.c.id, assets.c.seq).where(assets.c.id.in_(list(ids))))
    return {row.id: row.seq for row in rows}


def _from_stars(rated: Iterable[Any]) -> Iterator[Comparison]:
    groups: dict[str, list[Any]] = {}
    for row in rated:
        groups.setdefault(question_of(brief_from_json(row.brief)), []).append(row)
    for question, group in groups.items():
        for one, other in combinations(group, 2):
            if one.stars == other.stars:
                choice: Choice = "same"
            else:
                choice = "first" if one.stars > other.stars else "second"
            yield Comparison(question, one.id, other.id, one.model_id, other.model_id, choice, "stars")
