"""The guided demo: thirty blurbs, one training, the same briefs written before and after, with their scores."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr

from studio.errors import StudioError
from studio.forge.runs import Run
from studio.service import Studio
from studio.settings import Settings
from studio.types import Asset, Brief
from studio.ui import show
from studio.ui.desk import QUIET
from studio.ui.forge_run import RunPanel


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
    )
    seed: int = 7
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
    "both write the same briefs, each text with its scorecard.",
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
                yield show.notice("Publishing: writing the files and proving them in llama.cpp…")
                self.studio.publish(run.name, model)
            pairs: list[tuple[Asset, Asset]] = []
            for number, words in enumerate(DEMO.briefs):
                yield _shown(self.studio, run, pairs) + show.notice(
                    f"Both are writing brief {number + 1} of {len(DEMO.briefs)}…"
                )
                pairs.append((self._write(words, DEMO.base), self._write(words, model)))
            yield _shown(self.studio, run, pairs)
        except StudioError as error:
            yield show.notice(str(error), trouble=True)

    def _write(self, words: str, model: str) -> Asset:
        options = {"max_tokens": DEMO.words}
        return self.studio.make(Brief("text", words, model=model, seed=DEMO.seed, options=options))[0]


def _shown(studio: Studio, run: Run, pairs: list[tuple[Asset, Asset]]) -> str:
    report = run.report()
    head = ""
    if {"perplexity_before", "perplexity_after"} <= report.keys():
        before, after = report["perplexity_before"], report["perplexity_after"]
        head = show.notice(
            f"Perplexity on {report.get('test_examples', 0)} blurbs it has never seen: {before:.1f} before, "
            f"{after:.1f} after ({after / before - 1:+.0%}). Lower means that the voice surprises it less."
        )
    return head + "".join(
        f'<h4 dir="auto">{escape(before.brief.prompt)}</h4><div class="pair">'
        f"{_side(studio, 'Before', before)}{_side(studio, 'After', after)}</div>{_scores(before, after)}"
        for before, after in pairs
    )


def _side(studio: Studio, when: str, asset: Asset) -> str:
    text = escape(studio.text_of(asset))
    return f'<div><h4>{when}: {escape(asset.model.id)}</h4><div class="stream" dir="auto">{text}</div></div>'


def _scores(before: Asset, after: Asset) -> str:
    """The numbers that both scorecards carry, beside each other; the whole cards are in the Library."""
    old = {score.name: score for score in before.scorecard.scores}
    rows = "".join(
        f'<tr><th scope="row">{escape(one.name.replace("_", " ").capitalize())}</th>'
        f'<td class="number">{old[one.name].value:.3g}</td><td class="number">{one.value:.3g} {escape(one.unit)}</td>'
        f'<td class="fine">{show.BETTER[one.better]}</td></tr>'
        for one in after.scorecard.scores
        if one.name in old
    )
    return (
        '<section class="sheet"><table><tr><td></td><th scope="col">Before</th><th scope="col">After</th><td></td></tr>'
        f"{rows}</table></section>"
    )
