"""The results of one job, best first, to choose from: pictures side by side, everything else by its first scores."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import gradio as gr

from studio.service import Studio
from studio.types import Asset, Kind
from studio.ui import show

LABEL = "Candidates, best first"


class Candidates:
    """`outputs` are the components that `present` and `hide` speak of."""

    def __init__(self, studio: Studio, kind: Kind, name: str) -> None:
        self._studio = studio
        self.ids = gr.State([])
        self._pictures = kind == "image"
        self.panel = (
            gr.Gallery(
                label=LABEL, show_label=False, visible=False, columns=4, height="auto", object_fit="contain", allow_preview=False,
                interactive=False, buttons=[], elem_id=f"{name}-candidates", elem_classes="candidates",
            )
            if self._pictures
            else gr.Radio([], label=LABEL, visible=False, elem_id=f"{name}-candidates")
        )  # fmt: skip
        self.outputs = [self.ids, self.panel]

    def present(self, assets: list[Asset], weighed: Iterable[str]) -> dict[Any, Any]:
        """Several results to choose from, the first chosen; one result needs no choice."""
        if len(assets) < 2:
            return self.hide()
        ids = [asset.id for asset in assets]
        told = 1 if self._pictures else 2  # scores that a label has room for
        labels = [_label(place, asset, weighed, told) for place, asset in enumerate(assets)]
        if self._pictures:
            paths = [str(self._studio.public_copy(asset)) for asset in assets]
            shown = gr.update(
                value=list(zip(paths, labels, strict=True)), selected_index=0, visible=True,
            )  # fmt: skip
        else:
            shown = gr.update(choices=list(zip(labels, ids, strict=True)), value=ids[0], visible=True)
        return {self.ids: ids, self.panel: shown}

    def hide(self) -> dict[Any, Any]:
        return {self.ids: [], self.panel: gr.update(visible=False)}

    def wire(self, choose: Callable[[str], dict[Any, Any]], outputs: list[Any], **quiet: Any) -> None:
        """`choose` is called with the id of the result that a person picks."""

        def picked(ids: list[str], event: gr.SelectData) -> dict[Any, Any]:
            return choose(ids[int(event.index)])

        if self._pictures:
            self.panel.select(picked, self.ids, outputs, **quiet)
        else:
            self.panel.input(choose, self.panel, outputs, **quiet)


def _label(place: int, asset: Asset, weighed: Iterable[str], told: int) -> str:
    """The place and the first `told` scores that decide about it."""
    scores = [score for name in weighed if (score := asset.scorecard.get(name))]
    words = ", ".join(f"{show.score_title(score.name)} {score.value:.2g}" for score in scores[:told])
    return f"{place + 1} · {words}" if words else f"{place + 1}"
