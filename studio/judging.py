"""What people and numbers say about outputs: votes and their ranking, orders weighed anew, evaluations.

One part of the door: `Studio.judging`. Nothing here loads a model; evaluations have their own process.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from studio.evaluation import Done, Evaluations
from studio.library.store import Library
from studio.library.votes import Choice
from studio.quality.base import Withheld
from studio.quality.preference import Ballot, Place, ranking
from studio.quality.rank import WEIGHTS, rank
from studio.settings import Settings
from studio.types import Asset, Kind

SHARE: dict[Choice, float] = {"first": 1.0, "second": 0.0, "same": 0.5}


@dataclass(frozen=True, slots=True)
class People:
    """The models of a kind as people rank them, best first; `withheld` says why there is no ranking yet."""

    kind: Kind
    places: tuple[Place, ...]
    votes: int
    from_stars: int
    withheld: str | None


class Judging:
    def __init__(self, settings: Settings, library: Library) -> None:
        self._settings, self._library = settings, library
        self.evaluations = Evaluations(settings)

    def vote(self, first: str, second: str, choice: Choice, owner: str) -> None:
        """Which of two results of one brief is better. Raises BadInput, NotFound."""
        self._library.vote(first, second, choice, owner)

    def pair(self, kind: Kind, owner: str) -> tuple[Asset, Asset] | None:
        """Two results of one brief that this person has not voted on, or None."""
        found = self._library.ballot.pair(kind, owner)
        return None if found is None else (self._library.get(found[0]), self._library.get(found[1]))

    def people(self, kind: Kind) -> People:
        """The ranking of models by votes and by differing stars on the same brief."""
        counted = self._library.ballot.comparisons(kind)
        ballots = [
            Ballot(one.question, one.first_model, one.second_model, SHARE[one.choice]) for one in counted
        ]
        votes = sum(one.source == "vote" for one in counted)
        try:
            return People(kind, tuple(ranking(ballots)), votes, len(counted) - votes, None)
        except Withheld as reason:
            return People(kind, (), votes, len(counted) - votes, str(reason))

    @staticmethod
    def weights(kind: Kind) -> Mapping[str, float]:
        """The weights that candidates are ordered by when nobody says otherwise."""
        return WEIGHTS[kind]

    @staticmethod
    def order(assets: Sequence[Asset], weights: Mapping[str, float]) -> list[Asset]:
        """Candidates of one brief, best first by these weights; nothing is made or scored anew."""
        if not assets:
            return []
        return [assets[i] for i in rank([one.scorecard for one in assets], assets[0].kind, weights)]

    def publish(self, done: Done) -> list[Path]:
        """Copies of the report's files in the exports folder, the only one the page may serve from."""
        folder = self._settings.home / "exports" / f"evaluation-{done.id}"
        if not folder.is_dir():
            part = folder.with_name(folder.name + ".part")
            shutil.rmtree(part, ignore_errors=True)
            part.mkdir(parents=True, mode=0o700)
            for path in done.files:
                shutil.copyfile(path, part / path.name)
            part.rename(folder)
        return [folder / path.name for path in done.files]

    def close(self) -> None:
        self.evaluations.close()
