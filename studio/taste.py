"""What people prefer, learnt: choices out of the library, a ranker trained on them, the next pair to ask.

One part of the door: `Studio.taste`. It joins library, forge and trainings; it loads no model library.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np

from studio.errors import BadInput, StudioError
from studio.forge.preference import Preference, read_choices
from studio.forge.ranker import Ranker, fit, most_telling
from studio.forge.runs import Run
from studio.library.store import Library
from studio.library.votes import question_of
from studio.settings import Settings
from studio.trainings import Trainings
from studio.types import Asset, Kind

NEWEST = 400
EACH_BRIEF = 8


@dataclass(frozen=True, slots=True)
class Standing:
    """Choices there are, about how many briefs, and the newest finished ranker with what it has measured."""

    choices: int
    briefs: int
    run: Run | None


class Taste:
    def __init__(self, settings: Settings, library: Library, trainings: Trainings) -> None:
        self._folder = settings.home / "training"
        self._library, self._trainings = library, trainings

    def standing(self, kind: Kind) -> Standing:
        found = self._library.ballot.comparisons(kind)
        return Standing(len(found), len({one.question for one in found}), self._newest(kind))

    def train(self, kind: Kind) -> Run:
        """Write down today's choices and train a ranker on them. Raises BadInput if there are too few."""
        file = self._write(kind)
        read_choices(file).split(seed=0)
        return self._trainings.submit(Preference.name, file, {})

    def next_pair(self, kind: Kind, owner: str) -> tuple[Asset, Asset] | None:
        """Two results of one brief, not yet voted on, whose comparison would teach the ranker most."""
        pairs = self._open_pairs(kind, owner)
        if not pairs:
            return None
        try:
            choices = read_choices(self._write(kind))
        except BadInput:  # nobody has chosen yet: every pair teaches, the newest first
            return pairs[0]
        now = fit(choices.scale, choices.differences, choices.shares)
        differences = np.array(
            [now.scale.vector(_numbers(a)) - now.scale.vector(_numbers(b)) for a, b in pairs]
        ).reshape(len(pairs), -1)
        return pairs[most_telling(now, differences)[0]]

    def order(self, kind: Kind, assets: Iterable[Asset]) -> list[Asset]:
        """Results as this library's people would like them, best first. Raises BadInput without a ranker."""
        run = self._newest(kind)
        if run is None:
            raise BadInput("There is no ranker yet; train one on your votes and stars in the Forge.")
        ranker = Ranker.load(Path(run.status.result))
        return sorted(assets, key=lambda asset: -ranker.score(_numbers(asset)))

    def _newest(self, kind: Kind) -> Run | None:
        """The newest finished ranker of this kind."""
        for run in self._trainings.runs():
            mine = run.request.recipe == Preference.name and Path(run.request.data).parent.name == kind
            if mine and run.status.state == "done":
                return run
        return None

    def _write(self, kind: Kind) -> Path:
        """Today's choices as a file of their own, so that a resumed run finds what it began with."""
        rows = []
        for one in self._library.ballot.comparisons(kind):
            try:
                sides = [_numbers(self._library.get(asset)) for asset in (one.first, one.second)]
            except StudioError:  # deleted just now
                continue
            rows.append(
                {"question": one.question, "first": sides[0], "second": sides[1], "choice": one.choice}
            )
        folder = self._folder / "choices" / kind
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        file = folder / f"{len(rows)}.jsonl"
        file.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
        return file

    def _open_pairs(self, kind: Kind, owner: str) -> list[tuple[Asset, Asset]]:
        voted = self._library.ballot.voted(kind, owner)
        groups: dict[str, list[Asset]] = {}
        for asset in self._library.search(kind=kind, limit=NEWEST):
            group = groups.setdefault(question_of(asset.brief), [])
            if len(group) < EACH_BRIEF:
                group.append(asset)
        return [
            pair
            for group in groups.values()
            for pair in combinations(group, 2)
            if frozenset(one.id for one in pair) not in voted
        ]


def _numbers(asset: Asset) -> Mapping[str, float]:
    return {score.name: score.value for score in asset.scorecard.scores}
