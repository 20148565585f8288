"""What the three creating tabs have in common: a button that asks, a desk that answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import gradio as gr

from studio.errors import BadInput
from studio.types import Brief
from studio.ui import show
from studio.ui.desk import QUIET, Desk, Updates

HOW_TO_GET = {
    "listen": ("No listening model is here yet", "Run: python -m studio models pull whisper-base"),
    "text": ("No text model is here yet", "Run: python -m studio models pull smollm2-135m"),
    "speech": ("No voice is here yet", "Run: python -m studio models pull kokoro-82m"),
    "music": ("No music model is here yet", "Run: python -m studio models pull fluid-r3-mono"),
    "image": (
        "No picture model is here yet",
        "The studio runs any diffusers pipeline: put its folder into checkpoints/ with a model.toml, or set "
        "hub = true in signet.toml and run: python -m studio models pull NAME (models list shows the names).",
    ),
}


# Right after a reload the browser needs a moment until it has given back what it keeps.
REMEMBERED = "async () => { await new Promise(done => setTimeout(done, 700)); }"

# On a telephone the answer stands far below the button; where it is in sight nothing moves.
SHOW_ANSWER = """() => {
  const answer = document.getElementById("%s-status"), at = answer.getBoundingClientRect();
  if (at.top > innerHeight - 80 || at.bottom < 0) answer.scrollIntoView({block: "start", behavior: "smooth"});
}"""


@dataclass
class Room:
    """One creating tab. `ask` reads the brief from the values of `inputs`; `ready` says a model is here."""

    desk: Desk
    prompt: gr.Textbox
    button: gr.Button
    ask: Callable[[Mapping[Any, Any]], Brief]
    inputs: set[Any]
    ready: bool

    def wire(self, page: gr.Blocks) -> None:
        """Create on click or Ctrl-Enter's equivalent, and pick up a running job when the page loads."""
        desk = self.desk
        desk.job.render()
        if not self.ready:
            self.button.interactive = False
            desk.status.value = show.empty(*HOW_TO_GET[desk.name])
        inputs = self.inputs | {desk.visitor.state, *desk.weigher.sliders.values()}
        common: dict[str, Any] = {"concurrency_limit": None, "show_progress": "hidden"}
        self.button.click(
            desk.create(self.ask),
            inputs,
            desk.outputs,
            api_visibility="private",
            trigger_mode="once",
            **common,
        )
        self.button.click(None, None, None, js=SHOW_ANSWER % desk.name, **QUIET)
        page.load(
            desk.reattach, [desk.job, desk.visitor.state], desk.outputs, api_visibility="private", **common
        )

    def wire_place(self, place: gr.Tab) -> None:
        """What a reload found belongs to components that stand only once their tab is opened: find it again then."""
        desk = self.desk

        def again(job: str, visitor: str | None, shown: str) -> Iterator[Updates]:
            yield from ({desk.shown: shown},) if shown else desk.reattach(job, visitor)

        place.select(None, None, None, js=REMEMBERED, **QUIET).then(
            again, [desk.job, desk.visitor.state, desk.shown], desk.outputs, concurrency_limit=None, **QUIET,
        )  # fmt: skip


def send(source: Desk, target: Room, tabs: gr.Tabs, tab: str, label: str) -> gr.Button:
    """A button that carries a text result into another tab's prompt and goes there."""
    button = gr.Button(label, size="md", min_width=90)

    def carry(text: str | None) -> tuple[Any, Any]:
        return (text or "").strip(), gr.Tabs(selected=tab)

    button.click(carry, source.result, [target.prompt, tabs], **QUIET)
    return button


def read_seed(typed: str | None) -> int | None:
    """A whole number from 0 to 2³¹ − 1, or None for an empty box."""
    word = (typed or "").strip()
    if not word:
        return None
    if not word.isascii() or not word.isdigit() or int(word) >= 2**31:
        raise BadInput(f"A seed is a whole number from 0 to {2**31 - 1}, not {word!r}.")
    return int(word)
