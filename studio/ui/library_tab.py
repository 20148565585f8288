"""Library: everything that was made, to find, hear, judge, replay and hand out again."""

from __future__ import annotations

from typing import Any

import gradio as gr

from studio.errors import StudioError
from studio.service import Studio
from studio.types import KINDS, Asset
from studio.ui import show
from studio.ui.desk import QUIET, show_result

PAGE = 24
OPEN_CARD = """
element.addEventListener('click', event => {
  const card = event.target.closest('[data-asset]');
  if (card) trigger('click', {asset: card.dataset.asset});
});
"""


class LibraryTab:
    """Search on top, a grid of results, and the opened asset beside its scores, seal and record."""

    def __init__(self, studio: Studio) -> None:
        self.studio = studio
        self.opened = gr.State("")
        self.shown_count = gr.State(PAGE)
        with gr.Row():
            self.words = gr.Textbox(
                label="Search",
                placeholder="Words of brief, text, note or model",
                elem_id="library-words",
                scale=3,
            )
            self.kind = gr.Radio(["all", *KINDS], value="all", label="Kind", scale=4)
            self.starred = gr.Checkbox(label="Favourites only", scale=1, min_width=120)
        self.count = gr.HTML()
        self.grid = gr.HTML(js_on_load=OPEN_CARD, elem_id="library-grid")
        self.more = gr.Button("Show more", visible=False)
        with gr.Column(visible=False, elem_id="library-open") as self.panel:
            self.text = gr.Textbox(label="Copy", lines=6, max_lines=24, buttons=["copy"], interactive=False)
            self.image = gr.Image(
                label="Picture", type="filepath", format="png", interactive=False, buttons=["fullscreen"]
            )
            self.audio = gr.Audio(
                label="Recording", type="filepath", format=None, interactive=False, buttons=[]
            )
            with gr.Row():
                self.download = gr.DownloadButton(
                    "Download sealed file", variant="primary", elem_id="library-download"
                )
                self.star = gr.Button("☆ Favourite", size="md")
                self.replay = gr.Button("Replay", size="md", elem_id="library-replay")
                self.delete = gr.Button("Delete", variant="stop", size="md", elem_id="library-delete")
                self.sure = gr.Button(
                    "Really delete file and record", variant="stop", visible=False, elem_id="library-sure"
                )
            self.stars = gr.Radio(
                [("Not rated", 0), *((f"{n} ★", n) for n in range(1, 6))],
                value=0, label="Stars", info="They count in the ranking of models and for the forge.",
                elem_id="library-stars",
            )  # fmt: skip
            self.note = gr.Textbox(
                label="Note",
                placeholder="Kept beside the asset; never written into the file",
                max_length=2000,
            )
            self.said = gr.HTML()
            self.details = gr.HTML()
        self._wire()

    def _wire(self) -> None:
        search = [self.words, self.kind, self.starred, self.shown_count]
        found = [self.grid, self.count, self.more]
        for event in (self.words.submit, self.kind.change, self.starred.change):
            event(lambda: PAGE, None, self.shown_count, **QUIET).then(self.find, search, found, **QUIET)
        self.more.click(lambda count: count + PAGE, self.shown_count, self.shown_count, **QUIET).then(
            self.find, search, found, **QUIET
        )
        panel = [
            self.opened, self.panel, self.text, self.image, self.audio, self.download, self.star,
            self.stars, self.note, self.said, self.details, self.sure,
        ]  # fmt: skip
        self.grid.click(self.open, None, panel, **QUIET)
        self.star.click(self.favourite, self.opened, self.star, **QUIET)
        self.stars.input(self.rate, [self.opened, self.stars], self.said, **QUIET)
        self.note.blur(self.write_note, [self.opened, self.note], self.said, **QUIET)
        self.replay.click(self.play_again, self.opened, self.said, concurrency_limit=None, **QUIET)
        self.delete.click(lambda: gr.update(visible=True), None, self.sure, **QUIET)
        self.sure.click(self.remove, self.opened, [self.panel, self.opened, self.sure], **QUIET).then(
            self.find, search, found, **QUIET
        )
        self.refresh = (self.find, search, found)

    # --- Events -----------------------------------------------------------------------------------

    def find(self, words: str | None, kind: str, starred: bool, limit: int) -> tuple[Any, Any, Any]:
        library = self.studio.library
        filters: dict[str, Any] = {
            "kind": None if kind == "all" else kind,
            "favourite": True if starred else None,
        }
        assets = library.search(words or "", limit=limit, **filters)
        total = library.count(words or "", **filters)
        if not assets:
            title = "Nothing fits" if (words or starred or kind != "all") else "The library is empty"
            return (
                show.empty(title, "What you make in the other tabs is kept here."),
                "",
                gr.update(visible=False),
            )
        faces = {asset.id: show.face(asset, self._words_of(asset)) for asset in assets}
        counted = show.notice(f"{len(assets)} of {total} shown" if total > len(assets) else f"{total} in all")
        counted += show.download(self.studio.notice(assets), "NOTICE.txt", "NOTICE for the outputs shown")
        return show.shelf(assets, faces), counted, gr.update(visible=total > len(assets))

    def _words_of(self, asset: Asset) -> str:
        try:
            return self.studio.text_of(asset) if asset.kind == "text" else ""
        except StudioError as error:
            return str(error)

    def open(self, event: gr.EventData) -> dict[Any, Any]:
        try:
            asset = self.studio.library.get(str(event._data["asset"]))
            updates = {
                one: show_result(self.studio, asset)
                if one is self._face_of(asset)
                else gr.update(visible=False, value=None)
                for one in (self.text, self.image, self.audio)
            }
        except StudioError as error:
            return {self.panel: gr.update(visible=True), self.said: show.notice(str(error), trouble=True)}
        return updates | {
            self.opened: asset.id,
            self.panel: gr.update(visible=True),
            self.download: gr.update(value=str(self.studio.public_copy(asset))),
            self.star: gr.update(value="★ Favourite" if asset.favourite else "☆ Favourite"),
            self.stars: asset.stars,
            self.note: asset.note,
            self.said: "",
            self.details: show.film(asset)
            + show.scorecard(asset.scorecard)
            + show.seal(asset.credential)
            + show.record(asset),
            self.sure: gr.update(visible=False),
        }

    def _face_of(self, asset: Asset) -> Any:
        return {"text": self.text, "image": self.image}.get(asset.kind, self.audio)

    def favourite(self, asset_id: str) -> Any:
        library = self.studio.library
        asset = library.favourite(asset_id, not library.get(asset_id).favourite)
        return gr.update(value="★ Favourite" if asset.favourite else "☆ Favourite")

    def rate(self, asset_id: str, stars: int) -> str:
        try:
            self.studio.library.rate(asset_id, stars)
        except StudioError as error:
            return show.notice(str(error), trouble=True)
        return show.notice("Rating kept." if stars else "Rating taken away.")

    def write_note(self, asset_id: str, note: str) -> str:
        if not asset_id or self.studio.library.get(asset_id).note == note:
            return ""
        self.studio.library.note(asset_id, note)
        return show.notice("Note kept.")

    def play_again(self, asset_id: str) -> Any:
        yield show.notice("Making it again from its record…")
        try:
            likeness = self.studio.replay(asset_id).likeness
            yield show.notice(f"Replay: {likeness.outcome}. {likeness.detail}")
        except StudioError as error:
            yield show.notice(str(error), trouble=True)

    def remove(self, asset_id: str) -> tuple[Any, Any, Any]:
        self.studio.library.delete(asset_id)
        return gr.update(visible=False), "", gr.update(visible=False)
