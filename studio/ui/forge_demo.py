"""The guided demo: thirty blurbs, one training, the same briefs written before and after, with their scores."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import gradio as gr

from studio.errors import StudioError
from studio.forge.runs import Run
from studio.service import Studio
from studio.settings import Settings
from studio.types import Asset, Brief, Score
from studio.ui import show
from studio.ui.desk import QUIET
from studio.ui.forge_run import RunPanel

Pair = tuple[Asset, Asset]  # before and after, of the same brief and seed
LEAST_PAIRS = 5  # below, a standard error says little


@dataclass(frozen=True)
class Plan:
    """What the demo trains, and the briefs that are written with both models afterwards."""

    recipe: str = "finetune_lm"
    base: str = "smollm2-135m"
    file: str = "blurbs-demo.jsonl"
    options: Mapping[str, Any] = field(
        default_factory=lambda: {"epochs": 4, "batch_size": 4, "warmup_steps": 3}
    )
    briefs: tuple[str, ...] = (
        "Write a product blurb for a brass table lamp.",
        "Write a product blurb for a linen apron.",
        "Write a product blurb for a garden trowel.",
        "Write a product blurb for a pair of wool socks.",
        "Write a product blurb for a jar of honey.",
        "Write a product blurb for an enamel mug.",
    )
    seeds: tuple[int, ...] = (7, 8)  # a single text may be good or bad by luck
    read: int = 3  # pairs shown in full; all of them are counted
    words: int = 90

    def data(self, settings: Settings) -> Path:
        return settings.assets / "training" / self.file

    def made(self, run: Run) -> bool:
        """Whether this run is one of the demo's, finished."""
        return Path(run.request.data).name == self.file and run.status.state == "done"


DEMO = Plan()
STEPS = (
    "On the left stand thirty product blurbs in one voice, and the options to learn it. Press <b>Train</b>.",
    "Watch the loss fall; it takes a few minutes. You may stop, close the page, and resume.",
    "When it is finished, press <b>Write before and after</b>: the model is published into your catalog, then "
    "both write the same six briefs twice, and their scores are compared pair by pair.",
)


class Demo:
    def __init__(self, studio: Studio, run: RunPanel) -> None:
        self.studio = studio
        with gr.Column(visible=False, elem_id="forge-demo-steps") as self.panel:
            self.steps = gr.HTML()
            self.write = gr.Button("Write before and after", elem_id="forge-demo-write")
            self.shown = gr.HTML(elem_id="forge-demo-shown")
        self.outputs = [self.panel, self.steps, self.shown]
        self.write.click(self._both, run.shown, self.shown, trigger_mode="once", concurrency_limit=2, **QUIET)

    def introduce(self) -> dict[Any, Any]:
        items = "".join(f"<li>{step}</li>" for step in STEPS)
        return {
            self.panel: gr.update(visible=True),
            self.steps: f'<section class="sheet"><h3>Guided demo</h3><ol>{items}</ol></section>',
            self.shown: "",
        }

    def _both(self, name: str) -> Iterator[str]:
        try:
            run = self.studio.trainings.get(name)
            if not DEMO.made(run):
                yield show.notice(
                    "Train on the thirty blurbs first, and wait until it is finished.", trouble=True
                )
                return
            model = run.name.lower()
            if model not in self.studio.catalog.names:
                yield show.notice("Publishing: writing the file and proving it in llama.cpp…")
                self.studio.publish(run.name, model, four_bits=False)
            pairs: list[Pair] = []
            asked = [(words, seed) for seed in DEMO.seeds for words in DEMO.briefs]
            for number, (words, seed) in enumerate(asked, 1):
                yield show.notice(f"Both are writing, {number} of {len(asked)}…") + _shown(
                    self.studio, run, pairs
                )
                pairs.append((self._write(words, seed, DEMO.base), self._write(words, seed, model)))
            yield _shown(self.studio, run, pairs)
        except StudioError as error:
            yield show.notice(str(error), trouble=True)

    def _write(self, words: str, seed: int, model: str) -> Asset:
        options = {"max_tokens": DEMO.words}
        return self.studio.make(Brief("text", words, model=model, seed=seed, options=options))[0]


def _shown(studio: Studio, run: Run, pairs: Sequence[Pair]) -> str:
    report = run.report()
    head = ""
    if {"perplexity_before", "perplexity_after"} <= report.keys():
        before, after = report["perplexity_before"], report["perplexity_after"]
        head = show.notice(
            f"Perplexity on {report.get('test_examples', 0)} blurbs it has never seen: {before:.1f} before, "
            f"{after:.1f} after ({after / before - 1:+.0%}). Lower means that the voice surprises it less."
        )
    texts = "".join(
        f'<h4 dir="auto">{escape(before.brief.prompt)}</h4><div class="pair">'
        f"{_side(studio, 'Before', before)}{_side(studio, 'After', after)}</div>"
        for before, after in pairs[: DEMO.read]
    )
    return head + (_table(pairs) if pairs else "") + texts


def _side(studio: Studio, when: str, asset: Asset) -> str:
    text = escape(studio.text_of(asset))
    return f'<div><h4>{when}: {escape(asset.model.id)}</h4><div class="stream" dir="auto">{text}</div></div>'


def _table(pairs: Sequence[Pair]) -> str:
    """Means over the pairs that carry a score on both sides; single scorecards are in the Library."""
    rows = "".join(
        f'<tr><th scope="row">{escape(one.name.replace("_", " ").capitalize())}</th>'
        f'<td class="number">{one.before:.3g}</td><td class="number">{one.after:.3g} {escape(one.unit)}</td>'
        f'<td>{one.verdict}</td><td class="fine">{escape(one.basis)}</td></tr>'
        for one in compared(pairs)
    )
    return (
        f'<section class="sheet"><h3>{len(pairs)} texts each, the same briefs and seeds</h3><table>'
        '<tr><td></td><th scope="col">Before</th><th scope="col">After</th><th scope="col">Verdict</th><td></td></tr>'
        f"{rows}</table></section>"
    )


@dataclass(frozen=True, slots=True)
class Compared:
    """Mean values of one score over `pairs` pairs; `spread` is the standard error of the mean difference."""

    name: str
    unit: str
    better: str
    before: float
    after: float
    spread: float
    pairs: int

    @property
    def basis(self) -> str:
        """On how many pairs it stands, and which way is good if one is."""
        counted = "1 pair" if self.pairs == 1 else f"{self.pairs} pairs"
        return ", ".join(filter(None, (counted, show.BETTER[self.better])))

    @property
    def verdict(self) -> str:
        """What the pairs say: nothing, where the difference is within twice its standard error."""
        difference = self.after - self.before
        if self.better not in ("higher", "lower"):
            return ""
        if self.pairs < LEAST_PAIRS or abs(difference) <= 2 * self.spread:
            return "no clear difference"
        return "better" if (difference > 0) == (self.better == "higher") else "worse"


def compared(pairs: Sequence[Pair]) -> list[Compared]:
    """Every score that both sides of at least one pair carry, in the order of the scorecards."""
    found: dict[str, list[tuple[Score, Score]]] = {}
    for before, after in pairs:
        old = {score.name: score for score in before.scorecard.scores}
        for one in after.scorecard.scores:
            if one.name in old:
                found.setdefault(one.name, []).append((old[one.name], one))
    return [_compared(scores) for scores in found.values()]


def _compared(scores: Sequence[tuple[Score, Score]]) -> Compared:
    last, count = scores[0][1], len(scores)
    differences = [after.value - before.value for before, after in scores]
    spread = stdev(differences) / math.sqrt(count) if count > 1 else math.inf
    before, after = (fmean(pair[side].value for pair in scores) for side in (0, 1))
    return Compared(last.name, last.unit, last.better, before, after, spread, count)
