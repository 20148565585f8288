"""Is the best of four better than one? Judged by scores that had no part in ranking.

    python -m studio.bench.best_of_four --out FOLDER [--kind text …] [--briefs 24]

makes four candidates for each brief through the whole line, ranks them as the studio does but without the judges
of that kind, and holds the first's judgement against the mean of all four, paired by brief. `FOLDER/rows.json`
keeps every candidate's scores: a run that was broken off goes on where it stopped, and anyone can rank anew.
`--publish` puts the rows into `assets/studies` and the table into docs/scores.md.

Judges: of texts, how sentences hang together, and whether the subject's own words are used; of speech, the words
that Whisper mishears (Kokoro has no seed, so Joe speaks); of pictures, whether signet-judge, which saw none of
signet-sticker's artwork, recognises the thing; of music each of its two scores in turn, ranked by the other.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from typing import Any

from studio.bench.base import Figure, Place, bench
from studio.bench.score import PROMPTS, SUBJECTS
from studio.quality.base import Sample, Withheld, metrics
from studio.quality.card import score_one, with_models
from studio.quality.language import words
from studio.quality.rank import WEIGHTS, rank
from studio.service import Studio
from studio.settings import ROOT, Settings
from studio.types import Asset, Brief, Kind, Score, Scorecard

CANDIDATES = 4
ALPHA = 0.05
RESULT = ROOT / "assets" / "studies" / "best-of-four.json"
GUIDE = ROOT / "docs" / "scores.md"
BEGIN, END = "<!-- best of four -->\n", "\n<!-- end of best of four -->"
THINGS = (
    "red apple", "guitar", "sailboat", "cat", "umbrella", "hamburger", "bicycle", "owl",
    "lemon", "rocket", "snail", "teapot", "cactus", "soccer ball", "hot dog", "elephant",
    "violin", "carrot", "candle", "strawberry", "fox", "locomotive", "key", "butterfly",
    "banana", "penguin", "trophy", "pizza", "anchor", "tulip", "bus", "hammer",
    "doughnut", "turtle", "crown", "mushroom", "drum", "rainbow", "frog", "scissors",
)  # fmt: skip
SUBJECT_WORDS = "subject_words"
# What judges, together: none of them ranks. Music has two scores; each judges what the other ranked.
JUDGES: dict[Kind, tuple[tuple[str, ...], ...]] = {
    "text": (("coherence", "thread_continuity", SUBJECT_WORDS),),
    "speech": (("intelligibility",),),
    "music": (("key_stability",), ("tempo_stability",)),
    "image": (("recognition",),),
}
Row = dict[str, Any]
log = logging.getLogger(__name__)


def briefs(kind: Kind, most: int) -> Iterator[tuple[str, Brief]]:
    """(subject, brief of four candidates), always the same ones."""
    subjects: Sequence[str] = THINGS if kind == "image" else SUBJECTS
    model, options = None, {}
    if kind == "speech":
        model, options = "joe-us", {"voice": "joe"}
    for i, subject in enumerate(subjects[:most]):
        yield (
            subject,
            Brief(
                kind,
                PROMPTS[kind].format(subject),
                model=model,
                options=options,
                count=CANDIDATES,
                seed=100 * i,
            ),
        )


class Study:
    """Rows by kind and brief in one file, beside the home that holds the outputs."""

    def __init__(self, folder: Path, studio: Studio) -> None:
        self._file, self._studio = folder / "rows.json", studio
        self.rows: dict[str, Row] = json.loads(self._file.read_text("utf-8")) if self._file.exists() else {}

    def run(self, kind: Kind, most: int) -> list[Row]:
        """The rows of this kind, made or judged as far as they were not."""
        found = []
        for subject, brief in briefs(kind, most):
            key = f"{kind} {brief.seed}"
            if key not in self.rows:
                assets = sorted(self._make(brief), key=lambda asset: asset.model.seed)
                made = [{"asset": one.id, "scores": _kept(one.scorecard.scores)} for one in assets]
                self.rows[key] = {"kind": kind, "brief": brief.prompt, "seed": brief.seed, "candidates": made}
                self._save()
            self._judge(self.rows[key], kind, subject)
            found.append(self.rows[key])
        return found

    def _make(self, brief: Brief) -> list[Asset]:
        """A script is spoken once a brief: four takes of it are four briefs with seeds of their own."""
        if brief.kind != "speech":
            return self._studio.make(brief)
        takes = range((brief.seed or 0), (brief.seed or 0) + CANDIDATES)
        return [one for seed in takes for one in self._studio.make(replace(brief, seed=seed, count=1))]

    def _judge(self, row: Row, kind: Kind, subject: str) -> None:
        for name in {name for group in JUDGES[kind] for name in group}:
            for candidate in row["candidates"]:
                if name not in candidate["scores"] and name not in candidate.get("withheld", {}):
                    try:
                        asset = self._studio.library.get(candidate["asset"])
                        candidate["scores"] |= _kept([self._score(name, asset, subject)])
                    except Withheld as reason:
                        candidate.setdefault("withheld", {})[name] = str(reason)
        self._save()

    def _score(self, name: str, asset: Asset, subject: str) -> Score:
        sample = Sample(asset.path, asset.kind, asset.media_type, asset.brief)
        if name == SUBJECT_WORDS:
            return subject_words(sample.text, subject)
        metric, catalog = metrics.lookup(name), self._studio.catalog
        return score_one(metric, with_models(sample, [metric], catalog), catalog)

    def _save(self) -> None:
        part = self._file.with_suffix(".part")
        part.write_text(json.dumps(self.rows, indent=1, ensure_ascii=False) + "\n", "utf-8")
        os.replace(part, self._file)


def subject_words(text: str, subject: str) -> Score:
    """Share of the subject's words of four letters and more that the text uses, plural or not."""
    said = {word.lower().rstrip("s") for word in words(text)}
    asked = [word.lower().rstrip("s") for word in words(subject) if len(word) > 3]
    used = sum(word in said for word in asked) / len(asked)
    return Score(SUBJECT_WORDS, 100 * used, "%", "higher", "whether the subject's own words are used")


def _kept(scores: Sequence[Score]) -> dict[str, tuple[float, str]]:
    return {score.name: (round(score.value, 6), score.better) for score in scores}


def gain(rows: Sequence[Row], judge: str, weights: Mapping[str, float]) -> Figure:
    """The judge's mean of the first by `weights`, against its mean of all candidates that it could judge.

    Rows count whose first it judged, and another. Raises Withheld under two such rows.
    """
    import numpy as np

    from studio.quality.bootstrap import mean_interval, paired_p

    first, single, better = [], [], "higher"
    for row in rows:
        candidates = row["candidates"]
        cards = [
            Scorecard(tuple(Score(n, v, "", side, "") for n, (v, side) in one["scores"].items()))
            for one in candidates
        ]
        chosen = candidates[rank(cards, row["kind"], weights)[0]]["scores"].get(judge)
        found = [one["scores"][judge][0] for one in candidates if judge in one["scores"]]
        if chosen and len(found) > 1:
            first.append(chosen[0])
            single.append(fmean(found))
            better = chosen[1]
    if len(first) < 2:
        raise Withheld(f"{judge} judged {len(first)} of {len(rows)} briefs")
    sides = [np.array([[value, 1.0] for value in side]) for side in (single, first)]
    p = paired_p(sides[0], sides[1], lambda total: float(total[0] / total[1]))
    gains = [a - b for a, b in zip(first, single, strict=True)]
    spread = mean_interval(gains)
    mean, won = fmean(gains), fmean(gains) * (-1 if better == "lower" else 1) > 0
    within = f", 95 % interval {spread[0]:+.4f} to {spread[1]:+.4f}" if spread else ""
    return Figure(
        f"score.best_of_four.{judge}", fmean(first), f"mean of the best, {better} is better", len(first),
        f"better, p < {ALPHA:g}", won and p < ALPHA, fmean(single), fmean(first) / fmean(single) if fmean(single) else None,
        note=f"gain {mean:+.4f}{within}; paired p = {p:.3f}",
    )  # fmt: skip


def figures(kind: Kind, rows: Sequence[Row]) -> list[Figure]:
    """One for each judge of the kind that had enough to judge; why another had not is logged."""
    found = []
    for group in JUDGES[kind]:
        weights = {name: weight for name, weight in WEIGHTS[kind].items() if name not in group}
        for judge in group:
            try:
                found.append(gain(rows, judge, weights))
            except Withheld as reason:
                log.warning("%s", reason)
    return found


def table(found: Mapping[Kind, Sequence[Figure]]) -> str:
    """The figures as Markdown."""
    lines = ["| kind | judge | briefs | first | mean of four | | |", "|---|---|---|---|---|---|---|"]
    for kind, some in found.items():
        for one in some:
            p = float(one.note.rsplit("= ", 1)[1])
            verdict = "better" if one.reached else "**worse**" if p < ALPHA else "no difference shown"
            lines.append(
                f"| {kind} | `{one.name.rsplit('.', 1)[1]}` | {one.n} | {one.figure:.3g} | {one.baseline:.3g} "
                f"| {one.note} | {verdict} |"
            )
    return "\n".join(lines)


def publish(
    study: Study, found: Mapping[Kind, Sequence[Figure]], result: Path = RESULT, guide: Path = GUIDE
) -> None:
    """Every candidate's scores where anyone can rank them anew, and the table into the guide."""
    result.write_text(json.dumps(study.rows, ensure_ascii=False, separators=(",", ":")) + "\n", "utf-8")
    before, rest = guide.read_text("utf-8").split(BEGIN)
    guide.write_text(before + BEGIN + table(found) + END + rest.split(END)[1], "utf-8")


@bench("score.best_of_four")
def best_of_four(place: Place) -> list[Figure]:
    """The first of four candidates against the mean of all, on 24 briefs a kind, by judges that did not rank."""
    found: list[Figure] = []
    with Studio(Settings.read(home=place.folder / "home")) as studio:
        study = Study(place.folder, studio)
        for kind in JUDGES:
            if any(
                model.default and studio.catalog.ready(model.name) for model in studio.catalog.of_kind(kind)
            ):
                found += figures(kind, study.run(kind, len(SUBJECTS)))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m studio.bench.best_of_four", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="kept, so that a run can go on")
    parser.add_argument("--kind", action="append", choices=list(JUDGES))
    parser.add_argument("--briefs", type=int, default=len(SUBJECTS))
    parser.add_argument(
        "--publish", action="store_true", help="write what was found into the guide to scores"
    )
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    with Studio(Settings.read(home=given.out / "home", device="cpu")) as studio:
        study = Study(given.out, studio)
        found = {kind: figures(kind, study.run(kind, given.briefs)) for kind in given.kind or JUDGES}
    print(table(found))
    if given.publish:
        publish(study, found)


if __name__ == "__main__":
    main()
