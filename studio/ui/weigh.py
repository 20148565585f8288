"""How candidates are ordered: a weight for each score that counts, to be moved without making anything anew."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import gradio as gr

from studio.service import Studio
from studio.types import Asset, Kind
from studio.ui.show import score_title

MOST = 5.0
HINT = (
    "Candidates are ranked score by score, and ordered by the weighted mean of their ranks. "
    "A score that one of them lacks does not count. Nothing is made anew, and every candidate stays in the library."
)


class Weigher:
    """A closed panel of sliders; `panel` is shown beside several candidates."""

    def __init__(self, studio: Studio, kind: Kind) -> None:
        self._studio = studio
        with gr.Accordion(
            "How they are ordered", open=False, visible=False, elem_id=f"{kind}-weights"
        ) as self.panel:
            gr.Markdown(HINT)
            self.sliders = {
                name: gr.Slider(0, MOST, value=weight, step=0.5, label=score_title(name))
                for name, weight in studio.judging.weights(kind).items()
            }

    def order(self, assets: list[Asset], values: Mapping[Any, Any]) -> list[Asset]:
        """Best first by the sliders as they stand in `values`."""
        return self._studio.judging.order(
            assets, {name: values[one] for name, one in self.sliders.items() if values.get(one) is not None}
        )

    def wire(self, job: Any, present: Callable[[list[Asset]], dict[Any, Any]], outputs: list[Any]) -> None:
        """`present` shows the results of the job in the order it is given."""

        def reorder(values: dict[Any, Any]) -> dict[Any, Any]:
            assets = self._studio.results(values[job]) if values[job] else []
            return present(self.order(assets, values)) if assets else {job: gr.skip()}

        for slider in self.sliders.values():
            slider.release(
                reorder, {job, *self.sliders.values()}, outputs, trigger_mode="always_last",
                api_visibility="private", show_progress="hidden",
            )  # fmt: skip
