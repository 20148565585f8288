"""The result side of a creating tab: progress, preview, candidates best first, scorecard and seal.

A desk follows one job. The job's id is kept by the browser, so that a reload finds it again; the job
itself lives in the studio and goes on whether anybody watches or not.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import gradio as gr

from studio.errors import Cancelled, NotFound, StudioError
from studio.service import Studio
from studio.types import FINAL, Asset, Brief, Job, Kind, Progress
from studio.ui import player, show
from studio.ui.candidates import Candidates
from studio.ui.weigh import Weigher

Updates = dict[Any, Any]
PREVIEW_SECONDS = 0.1
QUIET: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}

NOTHING_YET = {
    "text": ("Nothing written yet", "Describe what you need and press Write."),
    "image": ("No picture yet", "Describe it and press Paint."),
    "listen": ("Nothing written down yet", "Choose or make a recording and press Write down."),
    "edit": ("Nothing edited yet", "Choose a recording, say what is to be done and press Edit."),
    "speech": ("Nothing spoken yet", "Type a script and press Speak."),
    "music": ("Nothing composed yet", "Say what it is for and press Compose."),
}


@dataclass(frozen=True)
class Visitor:
    """Who is asking: a random name that the browser keeps, so that the queue is fair between people."""

    state: gr.BrowserState

    @staticmethod
    def owner(name: str | None) -> str:
        return f"browser-{name}" if name else "browser"


class Desk:
    """Builds its components where it is created and wires what needs no asking side."""

    def __init__(
        self, studio: Studio, kind: Kind, visitor: Visitor, secret: str, name: str | None = None
    ) -> None:
        """`name` tells desks of one kind apart, in the browser's memory and the components' ids."""
        self.studio, self.kind, self.visitor = studio, kind, visitor
        self.name = name = name or kind
        # Rendered by `Room.wire`, outside the tab: within one that is not open the browser gives nothing back.
        self.job = gr.BrowserState("", storage_key=f"signet-{name}-job", secret=secret, render=False)
        self.shown = gr.State("")
        self.status = gr.HTML(show.empty(*NOTHING_YET[name]), elem_id=f"{name}-status")
        self.stop = gr.Button("Stop", variant="stop", visible=False, elem_id=f"{name}-stop")
        self.preview = player.build() if kind == "speech" else gr.HTML(elem_id=f"{name}-preview")
        self.candidates = Candidates(studio, kind, name)
        self.weigher = Weigher(studio, kind)
        self.result = _result(kind, name)
        with gr.Row(visible=False) as self.actions:
            self.download = gr.DownloadButton(
                "Download sealed file", variant="primary", elem_id=f"{name}-download", min_width=220
            )
            self.star = gr.Button("☆ Favourite", elem_id=f"{name}-star", min_width=130)
        self.card = gr.HTML(elem_id=f"{name}-card")
        self.seal = gr.HTML(elem_id=f"{name}-seal")
        self.outputs = [
            self.job, self.shown, self.status, self.stop, self.preview, *self.candidates.outputs, self.weigher.panel, self.result,
            self.actions, self.download, self.star, self.card, self.seal,
        ]  # fmt: skip
        self.candidates.wire(self._choose, self.outputs, **QUIET)
        self.weigher.wire(self.job, self._finished, self.outputs)
        self.star.click(self._favourite, self.shown, self.star, **QUIET)
        self.stop.click(self._stop, [self.job, visitor.state], self.stop, **QUIET)

    # --- Events -----------------------------------------------------------------------------------

    def create(
        self, ask: Callable[[Mapping[Any, Any]], Brief]
    ) -> Callable[[dict[Any, Any]], Iterator[Updates]]:
        """An event handler: reads the brief with `ask`, submits it, and follows the job to its end."""

        def run(values: dict[Any, Any]) -> Iterator[Updates]:
            try:
                brief = ask(values)
                owner = Visitor.owner(values[self.visitor.state])
                job_id = self.studio.submit(brief, owner)
            except StudioError as error:
                yield self._cleared() | {self.status: show.notice(str(error), trouble=True)}
                return
            yield self._cleared() | {self.job: job_id, self.stop: gr.update(visible=True)}
            yield from self.follow(job_id, owner, lambda assets: self.weigher.order(assets, values))

        return run

    def reattach(self, job_id: str, visitor: str | None) -> Iterator[Updates]:
        """After a reload: go on following a running job, or show what a finished one made."""
        if not job_id:
            yield {self.shown: ""}  # a handler that yields nothing would empty all its outputs
            return
        # Who was quicker than the browser's memory at the first visit asked without a name.
        owners = (Visitor.owner(visitor), Visitor.owner(None))
        found = next(filter(None, (self._job(job_id, owner) for owner in owners)), None)
        if found is None:
            yield {self.job: ""}
            return
        job, owner = found
        if job.state in FINAL:
            assets = self.studio.results(job_id)
            yield self._finished(assets) if assets else {self.shown: ""}
            return
        yield {self.stop: gr.update(visible=True)}
        yield from self.follow(job_id, owner)

    def _job(self, job_id: str, owner: str) -> tuple[Job, str] | None:
        try:
            return self.studio.job(job_id, owner), owner
        except NotFound:
            return None

    def follow(
        self, job_id: str, owner: str, order: Callable[[list[Asset]], list[Asset]] = list
    ) -> Iterator[Updates]:
        """Progress as it comes, at most ten a second, then the results or one sentence of trouble.

        `order` puts the results as the visitor weighs them; without it they come as the studio weighs them.
        """
        assets: list[Asset] = []
        texts: dict[int, str] = {}
        playlist = player.Playlist(job_id)
        count = self.studio.job(job_id, owner).brief.count
        started = shown_at = time.monotonic()
        try:
            for event in self.studio.watch(job_id, owner):
                if isinstance(event, Asset):
                    assets.append(event)
                    continue
                if isinstance(event.preview, str):
                    texts[event.candidate] = event.preview
                now = time.monotonic()
                if now - shown_at >= PREVIEW_SECONDS or self._must_show(event):
                    shown_at = now
                    # The button again each time: what comes while a tab is being built is lost.
                    yield {
                        self.status: show.meter(event, _left(event, now - started)),
                        self.stop: gr.update(visible=True),
                    } | self._preview(event, texts, count, playlist)
        except Cancelled:
            yield self._cleared() | {self.status: show.notice("Stopped. Nothing was saved.")}
        except StudioError as error:
            yield self._cleared() | {self.status: show.notice(str(error), trouble=True)}
        else:
            yield self._finished(order(assets))

    def _must_show(self, event: Progress) -> bool:
        return self.kind == "speech" and event.preview is not None

    def _preview(
        self, event: Progress, texts: Mapping[int, str], count: int, playlist: player.Playlist
    ) -> Updates:
        if isinstance(event.preview, str):
            return {self.preview: show.stream(texts, count)}
        if not event.preview:
            return {}
        if self.kind == "speech":
            return {self.preview: playlist.add(event.preview)}
        picture = f'<img alt="Preview of the picture being made" src="{show.data_url(event.preview)}">'
        return {self.preview: picture}

    # --- What the page shows ----------------------------------------------------------------------

    def _cleared(self) -> Updates:
        return {
            self.shown: "",
            self.status: show.empty(*NOTHING_YET[self.name]),
            self.stop: gr.update(visible=False),
            self.preview: player.EMPTY if self.kind == "speech" else "",
            **self.candidates.hide(),
            self.weigher.panel: gr.update(visible=False),
            self.result: gr.update(visible=False),
            self.actions: gr.update(visible=False),
            self.card: "",
            self.seal: "",
        }

    def _finished(self, assets: list[Asset]) -> Updates:
        many = len(assets) > 1
        words = f"{len(assets)} results, best first" if many else "Done"
        seconds = max(asset.model.seconds for asset in assets)
        return (
            self._cleared()
            | {
                self.status: show.notice(f"{words}, made in {seconds:.1f} s. Kept in the Library."),
                **self.candidates.present(assets, self.weigher.sliders),
                self.weigher.panel: gr.update(visible=many and bool(self.weigher.sliders)),
            }
            | self.present(assets[0])
        )

    def quick(self, jpeg: bytes, words: str) -> Updates:
        """A picture that is on the way and nothing else: there is no asset yet."""
        picture = f'<img alt="Quick picture, not kept" src="{show.data_url(jpeg)}">'
        return self._cleared() | {self.status: show.notice(words), self.preview: picture}

    def present(self, asset: Asset) -> Updates:
        """One asset with its scorecard, its seal and a download of the very bytes that were sealed."""
        return {
            self.shown: asset.id,
            self.result: show_result(self.studio, asset),
            **({self.preview: show.film(asset)} if self.kind == "image" else {}),
            self.actions: gr.update(visible=True),
            self.download: gr.update(value=str(self.studio.public_copy(asset))),
            self.star: _star(asset),
            self.card: show.scorecard(asset.scorecard),
            self.seal: show.seal(asset.credential),
        }

    def _choose(self, asset_id: str) -> Updates:
        return self.present(self.studio.library.get(asset_id))

    def _favourite(self, asset_id: str) -> Any:
        if not asset_id:
            return gr.skip()
        library = self.studio.library
        return _star(library.favourite(asset_id, not library.get(asset_id).favourite))

    def _stop(self, job_id: str, visitor: str | None) -> Any:
        if job_id:
            self.studio.cancel(job_id, Visitor.owner(visitor))
        return gr.update(visible=False)


def _result(kind: Kind, name: str) -> Any:
    """The component a finished output is shown in. Files go in by path: Gradio re-encodes arrays."""
    if kind == "text":
        return gr.Textbox(
            label={"text": "Copy", "listen": "Words"}[name],
            lines=10,
            max_lines=30,
            buttons=["copy"],
            interactive=False,
            visible=False,
            elem_id=f"{name}-result",
        )
    if kind == "image":
        return gr.Image(
            label="Picture", type="filepath", format="png", buttons=["fullscreen"], interactive=False, visible=False,
            elem_id=f"{name}-result",
        )  # fmt: skip
    return gr.Audio(
        label="Recording", type="filepath", format=None, buttons=[], interactive=False, visible=False,
        elem_id=f"{name}-result",
    )  # fmt: skip


def show_result(studio: Studio, asset: Asset) -> Any:
    if asset.kind == "text":
        return gr.update(value=studio.text_of(asset), visible=True)
    path = str(studio.public_copy(asset))
    if asset.path.suffix == show.FILM:  # which gr.Image cannot play
        return gr.update(value=None, visible=False)
    if asset.kind == "image":
        return gr.update(value=path, visible=True, alt_text=asset.brief.prompt)
    return gr.update(value=path, visible=True)


def _star(asset: Asset) -> Any:
    return gr.update(value="★ Favourite" if asset.favourite else "☆ Favourite")


def _left(event: Progress, seconds: float) -> float | None:
    if not event.fraction or seconds < 1:
        return None
    return seconds * (1 - event.fraction) / event.fraction
