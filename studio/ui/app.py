"""Composes the tabs into one page and serves it."""

from __future__ import annotations

import errno
import logging
import os
import secrets
import socket
import webbrowser
from html import escape
from typing import Any

from studio.errors import BadInput
from studio.service import Studio
from studio.settings import Settings
from studio.ui.guard import LOCAL_NAMES, LocalOnly

logger = logging.getLogger(__name__)

TITLE = "Signet Studio"
NO_DOCS: dict[str, Any] = {"docs_url": None, "redoc_url": None, "openapi_url": None}


def build(studio: Studio) -> Any:
    """The page as Gradio Blocks."""
    import gradio as gr

    from studio.ui.audio_tab import audio_tab
    from studio.ui.desk import QUIET, Visitor
    from studio.ui.edit_tab import edit_button, edit_tab
    from studio.ui.evaluate_tab import evaluate_tab
    from studio.ui.forge_tab import ForgeTab
    from studio.ui.image_tab import image_tab
    from studio.ui.library_tab import LibraryTab
    from studio.ui.listen_tab import captions_button, listen_tab
    from studio.ui.music_tab import music_tab
    from studio.ui.queue_panel import queue_panel
    from studio.ui.tabs import send
    from studio.ui.text_tab import text_tab
    from studio.ui.verify_tab import verify_tab

    secret = _page_secret(studio.settings)
    hours = studio.settings.keep_temporary_days * 86_400
    with gr.Blocks(title=TITLE, analytics_enabled=False, delete_cache=(3600, hours)) as page:
        visitor = Visitor(gr.BrowserState(None, storage_key="signet-visitor", secret=secret))
        status = gr.HTML(_status(studio), elem_id="status")
        with gr.Tabs() as tabs:
            with gr.Tab("Text", id="text"):
                text = text_tab(studio, visitor, secret)
            with gr.Tab("Image", id="image") as image_place:
                image = image_tab(studio, visitor, secret)
            with gr.Tab("Audio", id="audio") as audio_place, gr.Tabs() as sounds:
                with gr.Tab("Speech", id="speech"):
                    audio = audio_tab(studio, visitor, secret)
                with gr.Tab("Music", id="music") as music_place:
                    music = music_tab(studio, visitor, secret)
                with gr.Tab("Listen", id="listen") as listen_place:
                    listen = listen_tab(studio, visitor, secret)
                with gr.Tab("Edit", id="edit") as edit_place:
                    edit, slot, offer = edit_tab(studio, visitor, secret)
            with gr.Tab("Library", id="library") as library_place:
                library = LibraryTab(studio)
            with gr.Tab("Evaluate", id="evaluate") as evaluate_place:
                evaluate = evaluate_tab(studio, visitor, secret)
            with gr.Tab("Verify", id="verify"):
                verify_tab(studio)
            with gr.Tab("Forge", id="forge") as forge_place:
                forge = ForgeTab(studio, visitor, secret)
        queue_panel(studio, visitor)
        with text.desk.actions:
            send(text.desk, audio, tabs, "audio", "Speak it")
            send(text.desk, image, tabs, "image", "Picture it")
        with audio.desk.actions:
            captions_button(studio, audio.desk, listen, sounds, "listen")
            edit_button(audio.desk, slot, sounds, "edit")
        with music.desk.actions:
            edit_button(music.desk, slot, sounds, "edit")
        with listen.desk.actions:
            send(listen.desk, text, tabs, "text", "Use as a brief")
        page.load(lambda name: name or secrets.token_hex(8), visitor.state, visitor.state, **QUIET)
        for room in (text, image, audio, music, listen, edit):
            room.wire(page)
        for room, place in (
            (image, image_place),
            (audio, audio_place),
            (music, music_place),
            (listen, listen_place),
            (edit, edit_place),
        ):
            room.wire_place(place)
        edit_place.select(*offer, **QUIET)
        evaluate.wire(page, evaluate_place)
        find, inputs, outputs = library.refresh
        library_place.select(find, inputs, outputs, **QUIET)
        page.load(find, inputs, outputs, **QUIET)
        forge.wire(forge_place)
        gr.Timer(4).tick(lambda: _status(studio), None, status, **QUIET)
    page.queue(default_concurrency_limit=16)
    return page


def _status(studio: Studio) -> str:
    now = studio.status()
    busy = f"{now.running} running, {now.waiting} waiting" if now.running or now.waiting else "idle"
    models = ", ".join(now.models)
    return (
        '<header class="masthead"><h1>Signet<span>.</span></h1>'
        "<p>One brief; every output with an honest scorecard and a seal.</p>"
        f'<div class="status"><span>Device <b>{escape(now.device)}</b></span>'
        f"<span>Queue <b>{busy}</b></span>"
        f'<span title="{escape(models, quote=True)}">Models <b>{len(now.models)} ready</b></span></div></header>'
    )


def _page_secret(settings: Settings) -> str:
    """Encrypts what the browser keeps; stable, so that a restart does not lose anybody's running job."""
    path = settings.home / "browser.secret"
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return path.read_text("ascii")
    with os.fdopen(handle, "w") as file:
        file.write(secrets.token_hex(16))
    return path.read_text("ascii")


def application(studio: Studio) -> Any:
    """The page as an ASGI application."""
    import gradio as gr
    from fastapi import FastAPI

    from studio.ui.forge_view import CSS as FORGE_CSS
    from studio.ui.theme import STYLE, theme
    from studio.ui.verify_page import add_verify_page
    from studio.ui.verify_view import CSS

    studio.exports.mkdir(parents=True, exist_ok=True, mode=0o700)
    app = FastAPI(**NO_DOCS)
    app.add_middleware(LocalOnly)
    add_verify_page(app, studio)
    return gr.mount_gradio_app(
        app,
        build(studio),
        path="/",
        app_kwargs=NO_DOCS,
        allowed_paths=[str(studio.exports)],
        blocked_paths=[str(studio.settings.home / "keys")],
        max_file_size=f"{studio.settings.max_upload_mb}mb",
        footer_links=[],
        run_history=False,
        show_error=False,
        enable_monitoring=False,
        ssr_mode=False,
        pwa=False,
        theme=theme(),
        css_paths=[STYLE, CSS, FORGE_CSS],
    )


def serve(settings: Settings, *, browse: bool = False) -> None:
    """Open the page and block until Ctrl-C. Raises BadInput for an address that cannot be served."""
    if settings.host not in LOCAL_NAMES:
        raise BadInput(
            f"{settings.host} would open the studio to others, and there are no accounts yet; "
            "use 127.0.0.1 and, for another machine, an SSH tunnel."
        )
    listener = _listen(settings.host, settings.port)
    import uvicorn

    with Studio(settings, serve=True) as studio:
        app = application(studio)
        host = f"[{settings.host}]" if ":" in settings.host else settings.host
        address = f"http://{host}:{listener.getsockname()[1]}"
        config = uvicorn.Config(app, log_level="warning", ws="none", timeout_graceful_shutdown=3)
        print(f"Signet is open at {address}  (Ctrl-C closes it)", flush=True)
        studio.start(warm=True)
        if browse:
            webbrowser.open(address)
        uvicorn.Server(config).run(sockets=[listener])


def _listen(host: str, port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise BadInput(
                f"Port {port} is taken; close the other program or use --port with another number."
            ) from None
        if error.errno == errno.EACCES:
            raise BadInput(
                f"Port {port} needs special rights; use --port with a number above 1023."
            ) from None
        raise BadInput(f"{host}:{port} cannot be served on: {error.strerror}.") from None
    listener.listen(128)
    return listener
