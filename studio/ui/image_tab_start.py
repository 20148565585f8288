"""Starting from a picture: an upload or a result, shown with what it says of itself, to be painted over.

The very bytes that were uploaded are kept for the engine and the seal; what is shown and painted over is a
copy, since the editor re-encodes what it holds.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr

from studio.errors import BadInput, StudioError
from studio.pictures import read_picture
from studio.service import Studio
from studio.types import Asset, Report
from studio.ui import show
from studio.ui.desk import QUIET

SHOWN_SIDE = 1024
NO_PIXELS = {"image/svg+xml": "An SVG", "video/mp4": "A film"}  # results that nothing can be drawn from
NOTHING = (
    '<p class="fine">Give a picture, or press <b>Take further</b> at a result. Paint over a part of it to have only'
    " that part drawn anew.</p>"
)

# The editor takes a picture only once its canvas stands, some moments after it is shown.
CANVAS_STANDS = """async () => {
  for (let tries = 0; tries < 60 && !document.querySelector('#image-mask canvas'); tries++)
    await new Promise(done => setTimeout(done, 100));
  await new Promise(done => setTimeout(done, 200));
}"""


class Start:
    """The accordion; `read` gives the keys for `Brief.inputs` and the options that go with them."""

    def __init__(self, studio: Studio, *, image: bool, inpaint: bool) -> None:
        self.studio = studio
        self.key = gr.State("")
        self.copy = gr.State("")  # of the picture to paint over
        with gr.Accordion(
            "Start from a picture", open=False, visible=image, elem_id="image-start"
        ) as self.panel:
            self.given = gr.File(
                label="Picture (PNG, JPEG or WebP)",
                file_types=[".png", ".jpg", ".jpeg", ".webp"],
                elem_id="image-given",
                height=110,
            )
            self.said = gr.HTML(NOTHING, elem_id="image-given-said")
            self.editor = gr.ImageEditor(
                label="Paint over a part", interactive=True, type="filepath", format="png", sources=[], transforms=[], layers=False, buttons=[],
                brush=gr.Brush(default_size=36, colors=[("#e11d48", 0.65)], color_mode="fixed"), visible=False,
                elem_id="image-mask", height=420,
            )  # fmt: skip
            self.plain = gr.Image(
                label="Start picture", interactive=False, visible=False, format="png", elem_id="image-from"
            )
            self.strength = gr.Slider(
                0.05, 1.0, value=0.7, step=0.05, label="Change", elem_id="image-strength",
                info="Little keeps the picture, 1 keeps hardly anything.", visible=False,
            )  # fmt: skip
            self.drop = gr.Button("Start from nothing again", size="sm", visible=False)
        self.masks = gr.State(inpaint)
        self.outputs = [self.key, self.copy, self.said, self.editor, self.plain, self.strength, self.drop]
        self.fill(self.given.upload(self._upload, [self.given, self.masks], self.outputs, **QUIET))
        self.given.clear(self._empty, None, self.outputs, **QUIET)
        self.drop.click(
            lambda: self._empty() | {self.given: None}, None, [*self.outputs, self.given], **QUIET
        )

    def fill(self, event: Any) -> None:
        """After `event` has shown the editor, put the picture into it."""
        event.then(None, None, None, js=CANVAS_STANDS, **QUIET).then(
            _painted_over, self.copy, self.editor, **QUIET
        )

    @property
    def inputs(self) -> set[Any]:
        return {self.key, self.editor, self.strength, self.masks}

    def follow(self, tasks: frozenset[str]) -> dict[Any, Any]:
        """Another model: what it cannot do is not shown, and a picture given before is put away."""
        return self._empty() | {
            self.panel: gr.update(visible="image" in tasks),
            self.masks: "inpaint" in tasks,
            self.given: None,
        }

    def read(self, values: Mapping[Any, Any]) -> tuple[tuple[str, ...], dict[str, Any]]:
        """(), or the picture's key, or those of picture and mask; with the strength."""
        if not values[self.key]:
            return (), {}
        keys = [values[self.key]]
        mask = self._mask(values[self.editor]) if values[self.masks] else None
        return (*keys, *([mask] if mask else [])), {"strength": values[self.strength]}

    def take(self, asset: Asset, masks: bool) -> dict[Any, Any]:
        """A result of the studio as the start of the next."""
        try:
            if asset.media_type in NO_PIXELS:
                raise BadInput(
                    f"{NO_PIXELS[asset.media_type]} cannot be taken further; make the picture as PNG and use that."
                )
            said = show.notice("The result becomes an ingredient of the next one.")
            return self._shown(asset.id, asset.path, said, masks) | {self.panel: gr.update(open=True)}
        except StudioError as error:
            return self._empty() | {self.said: show.notice(str(error), trouble=True)}

    # --- Events -----------------------------------------------------------------------------------

    def _upload(self, path: str | None, masks: bool) -> dict[Any, Any]:
        if not path:
            return self._empty()
        try:
            key = self.studio.uploads.stage(Path(path), "image")
            return self._shown(key, Path(path), _origin(self.studio.verify(Path(path))), masks)
        except StudioError as error:
            return self._empty() | {self.said: show.notice(str(error), trouble=True)}

    def _empty(self) -> dict[Any, Any]:
        hidden = gr.update(value=None, visible=False)
        return {
            self.key: "",
            self.copy: "",
            self.said: NOTHING,
            self.editor: hidden,
            self.plain: hidden,
            self.strength: gr.update(visible=False),
            self.drop: gr.update(visible=False),
        }

    def _shown(self, key: str, path: Path, said: str, masks: bool) -> dict[Any, Any]:
        copy = self._copy(path)
        return {
            self.key: key,
            self.copy: copy if masks else "",
            self.said: said,
            self.editor: gr.update(value=None, visible=masks),
            self.plain: gr.update(value=None if masks else copy, visible=not masks),
            self.strength: gr.update(visible=True),
            self.drop: gr.update(visible=True),
        }

    def _copy(self, path: Path) -> str:
        """A picture to look at, in the folder that the page may serve from."""
        picture = read_picture(path, self.studio.settings)
        picture.thumbnail((SHOWN_SIDE, SHOWN_SIDE))
        folder = self.studio.exports / hashlib.sha256(str(path).encode()).hexdigest()[:32]
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        copy = folder / "start.png"
        picture.save(copy, compress_level=1)
        return str(copy)

    def _mask(self, painted: Mapping[str, Any] | None) -> str | None:
        """The key of a mask, white where anything was painted; None if nothing was."""
        from PIL import ImageChops

        layers = [Path(one) for one in (painted or {}).get("layers") or [] if one]
        whole: Any = None
        for layer in layers:
            alpha = read_picture(layer, self.studio.settings).convert("RGBA").getchannel("A")
            alpha = alpha.point(lambda value: 255 if value > 16 else 0)
            whole = alpha if whole is None else ImageChops.lighter(whole, alpha.resize(whole.size))
        if whole is None or not whole.getbbox():
            return None
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "mask.png"
            whole.save(path)
            return self.studio.uploads.stage(path, "image")


def _painted_over(copy: str) -> Any:
    return {"background": copy, "layers": [], "composite": copy} if copy else gr.skip()


def _origin(found: Report) -> str:
    """What the picture says of itself, which goes into the result as its parent, unchanged."""
    kept = "It becomes an ingredient of the result; what it carries is kept."
    return f'<div class="notice" role="status">{escape(found.statement)}<br><span class="fine">{kept}</span></div>'
