"""People: two results of one brief side by side, which is better; and the ranking of models that follows.

Which model made which is not shown before the vote.
"""

from __future__ import annotations

from html import escape
from typing import Any

import gradio as gr

from studio.errors import StudioError
from studio.judging import People
from studio.library.votes import Choice
from studio.service import Studio
from studio.types import Asset, Kind
from studio.ui import show
from studio.ui.desk import QUIET, Updates, Visitor

NO_PAIR = (
    "Nothing to compare",
    "Make several candidates of one brief, or the same brief with two models; they appear here.",
)


class Side:
    """One of the two; only the component of its kind is seen."""

    def __init__(self, name: str, prefix: str) -> None:
        self.name = name
        with gr.Column(min_width=280):
            gr.HTML(f"<h3>{name}</h3>")
            self.text = gr.HTML(visible=False, elem_id=f"{prefix}-{name.lower()}")
            self.image = gr.Image(
                label=name,
                type="filepath",
                format="png",
                interactive=False,
                visible=False,
                buttons=["fullscreen"],
            )
            self.audio = gr.Audio(
                label=name, type="filepath", format=None, interactive=False, visible=False, buttons=[]
            )

    @property
    def outputs(self) -> list[Any]:
        return [self.text, self.image, self.audio]

    def show(self, studio: Studio, asset: Asset | None) -> Updates:
        hidden: Updates = {one: gr.update(visible=False, value=None) for one in self.outputs}
        if asset is None:
            return hidden
        if asset.kind == "text":
            words = f'<div class="stream" dir="auto">{escape(studio.text_of(asset))}</div>'
            return hidden | {self.text: gr.update(value=words, visible=True)}
        face = self.image if asset.kind == "image" else self.audio
        return hidden | {face: gr.update(value=str(studio.public_copy(asset)), visible=True)}


class PeoplePanel:
    def __init__(self, studio: Studio, visitor: Visitor, prefix: str = "vote") -> None:
        self.studio, self.visitor = studio, visitor
        self.pair = gr.State(("", ""))
        self.kind = gr.Radio(
            [("Text", "text"), ("Image", "image"), ("Speech", "speech"), ("Music", "music")],
            value="text", label="Which is better?", elem_id=f"{prefix}-kind",
        )  # fmt: skip
        self.brief = gr.HTML(show.empty(*NO_PAIR), elem_id=f"{prefix}-brief")
        with gr.Row():
            self.left, self.right = Side("A", prefix), Side("B", prefix)
        with gr.Row(visible=False) as self.buttons:
            self.a = gr.Button("A is better", elem_id=f"{prefix}-first")
            self.same = gr.Button("About the same", elem_id=f"{prefix}-same")
            self.b = gr.Button("B is better", elem_id=f"{prefix}-second")
        self.told = gr.HTML()
        self.ranking = gr.HTML(elem_id=f"{prefix}-ranking")
        self.outputs = [
            self.pair, self.brief, *self.left.outputs, *self.right.outputs, self.buttons, self.told, self.ranking,
        ]  # fmt: skip
        asked = [self.kind, visitor.state]
        choices: tuple[tuple[gr.Button, Choice], ...] = (
            (self.a, "first"), (self.same, "same"), (self.b, "second"),
        )  # fmt: skip
        for button, choice in choices:
            button.click(self._voter(choice), [self.pair, *asked], self.outputs, trigger_mode="once", **QUIET)
        self.kind.change(self.next, asked, self.outputs, **QUIET)

    def next(self, kind: Kind, name: str | None) -> Updates:
        """The next pair and the ranking so far."""
        try:
            pair = self.choose(kind, Visitor.owner(name))
            below = self.below(kind)
            left, right = pair or (None, None)
            updates = self.left.show(self.studio, left) | self.right.show(self.studio, right)
        except StudioError as error:
            return {self.told: show.notice(str(error), trouble=True)}
        asked = show.empty(*NO_PAIR) if left is None else show.notice(f"Brief: {left.brief.prompt}")
        return updates | {
            self.pair: (left.id, right.id) if left and right else ("", ""),
            self.brief: asked,
            self.buttons: gr.update(visible=pair is not None),
            self.told: "",
            self.ranking: below,
        }

    def choose(self, kind: Kind, owner: str) -> tuple[Asset, Asset] | None:
        """The pair to ask about."""
        return self.studio.judging.pair(kind, owner)

    def below(self, kind: Kind) -> str:
        """What follows from the votes so far, as HTML."""
        return ranking_table(self.studio.judging.people(kind))

    def _voter(self, choice: Choice) -> Any:
        def vote(pair: tuple[str, str], kind: Kind, name: str | None) -> Updates:
            try:
                first, second = (self.studio.library.get(one) for one in pair)
                self.studio.judging.vote(first.id, second.id, choice, Visitor.owner(name))
            except StudioError as error:
                return {self.told: show.notice(str(error), trouble=True)}
            made = f"A was made by {first.model.id} (seed {first.model.seed}), B by {second.model.id} (seed {second.model.seed})."
            return self.next(kind, name) | {self.told: show.notice(f"Counted. {made}")}

        return vote


def ranking_table(people: People) -> str:
    """Models by their chance to be preferred, with a bar for the interval; or why there is no ranking."""
    counted = f"{people.votes} votes, {people.from_stars} choices that lie in stars"
    if people.withheld:
        body = f'<p class="fine">No ranking yet: {escape(people.withheld)}.</p>'
    else:
        rows = "".join(
            f'<tr><th scope="row">{place}. {escape(one.name)}</th>'
            f'<td class="number">{100 * one.chance:.0f} %</td><td>{_bar(one.interval, one.chance)}</td>'
            f'<td class="fine">{100 * one.interval[0]:.0f} to {100 * one.interval[1]:.0f} %; '
            f"preferred {one.won:g} times of {one.n}</td></tr>"
            for place, one in enumerate(people.places, 1)
        )
        body = f"<table>{rows}</table>"
    return (
        f'<section class="sheet"><h3>Models as people rank them</h3>{body}'
        f'<p class="fine">The chance to be preferred to an average model of this list (Bradley–Terry), with its '
        f"95 % interval. From {counted}.</p></section>"
    )


def _bar(interval: tuple[float, float], chance: float) -> str:
    low, high = (100 * end for end in interval)
    return (
        f'<svg class="span" viewBox="0 0 100 12" preserveAspectRatio="none" role="img" aria-label="{low:.0f} to {high:.0f} %">'
        f'<rect x="0" y="5.5" width="100" height="1" /><rect class="in" x="{low:.1f}" y="3" width="{high - low:.1f}" height="6" />'
        f'<rect class="at" x="{100 * chance - 0.5:.1f}" y="0" width="1" height="12" /></svg>'
    )
