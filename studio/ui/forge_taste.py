"""What people prefer, learnt: the pair whose answer teaches most, and a ranker trained on all answers."""

from __future__ import annotations

from html import escape

import gradio as gr

from studio.errors import StudioError
from studio.service import Studio
from studio.taste import Standing
from studio.types import Asset, Kind
from studio.ui import forge_view, show
from studio.ui.desk import QUIET, Updates, Visitor
from studio.ui.forge_run import RunPanel
from studio.ui.people_panel import PeoplePanel

HINT = (
    "A small ranker learns from your votes and stars which of two results you would rather have. Asked is not "
    "any pair but the one whose answer would teach it most."
)


def taste_panel(studio: Studio, visitor: Visitor, run: RunPanel) -> None:
    with gr.Accordion("Teach a ranker what you prefer", open=False, elem_id="forge-taste") as place:
        gr.Markdown(HINT)
        panel = TastePanel(studio, visitor)
        train = gr.Button("Train the ranker", variant="primary", elem_id="forge-taste-train")

    def begin(kind: Kind) -> Updates:
        try:
            return run.follow(studio.taste.train(kind).name)
        except StudioError as error:
            return {panel.told: show.notice(str(error), trouble=True)}

    train.click(begin, panel.kind, [*run.outputs, panel.told], trigger_mode="once", **QUIET)
    place.expand(panel.next, [panel.kind, visitor.state], panel.outputs, **QUIET)


class TastePanel(PeoplePanel):
    """The ballot of the Evaluate tab, with another choice of pairs and another consequence."""

    def __init__(self, studio: Studio, visitor: Visitor) -> None:
        super().__init__(studio, visitor, prefix="taste")

    def choose(self, kind: Kind, owner: str) -> tuple[Asset, Asset] | None:
        return self.studio.taste.next_pair(kind, owner)

    def below(self, kind: Kind) -> str:
        return _standing(self.studio.taste.standing(kind))


def _standing(standing: Standing) -> str:
    told = f"{standing.choices} choices about {standing.briefs} briefs so far."
    if standing.run is None:
        return show.notice(f"{told} No ranker has been trained yet.")
    return show.notice(f"{told} The newest ranker: {escape(standing.run.name)}.") + forge_view.numbers(
        standing.run
    )
