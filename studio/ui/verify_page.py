"""/verify: the check as a plain page of its own, without an account and without a script.

It shows the same report as the tab (verify_view). What it never shows is anything out of the library: a
visitor brings a file and learns about that file. Two checks run at once, a few wait, others are asked to
come back; what was sent is deleted when its report is written.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from studio.errors import BadInput, StudioError
from studio.service import Studio
from studio.types import Report
from studio.ui.show import notice
from studio.ui.verify_case import examine
from studio.ui.verify_view import Shown, page, report

if TYPE_CHECKING:
    from fastapi import Request
    from fastapi.responses import HTMLResponse

ROUTE = "/verify"
AT_ONCE, WAITING = 2, 8
MOST_TEXT = 1_000_000
CHUNK = 2**20
# Nothing but its own styles and pictures that stand in the page itself; no script at all.
POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
LEAD = (
    "What can, and what cannot, be proved about a file or a text: credentials of this and other tools, this"
    " studio's watermark, labels. The file is checked on this machine and is not kept."
)
BUSY = "Too many files are being checked just now; try again in a minute."

Case = tuple[Report, Shown]


def add_verify_page(app: Any, studio: Studio) -> None:
    """Put the page on a FastAPI application, before anything is mounted at "/"."""
    import anyio
    from fastapi.responses import HTMLResponse

    limiter = anyio.CapacityLimiter(AT_ONCE)
    most = studio.settings.max_upload_mb * 2**20

    def answer(body: str, status: int = 200) -> HTMLResponse:
        whole = page("Verify · Signet", f"<h1>Signet<span>.</span> verify</h1>{body}{_form(most)}")
        headers = {"Content-Security-Policy": POLICY, "Cache-Control": "no-store"}
        headers["Referrer-Policy"] = (
            "same-origin"  # with "no-referrer" the form would be sent from origin "null"
        )
        return HTMLResponse(whole, status, headers)

    def write(check: Callable[[], Case]) -> str:
        return report(*check())

    def ask(_: Request) -> HTMLResponse:
        return answer(f'<p class="lead">{LEAD}</p>')

    async def check(request: Request) -> HTMLResponse:
        if limiter.statistics().tasks_waiting >= WAITING:
            return answer(notice(BUSY, trouble=True), 503)
        with tempfile.TemporaryDirectory(prefix="signet-verify-") as folder:
            try:
                case = await _case(request, studio, Path(folder) / "given", most)
                found = await anyio.to_thread.run_sync(write, case, limiter=limiter)
            except StudioError as error:
                return answer(notice(str(error), trouble=True), 400)
        return answer(found)

    app.add_route(ROUTE, ask, methods=["GET"])
    app.add_route(ROUTE, check, methods=["POST"])


async def _case(request: Any, studio: Studio, path: Path, most: int) -> Callable[[], Case]:
    """What was sent, as the check that is to run. Raises BadInput for what is too large or is no form."""
    from starlette.datastructures import UploadFile
    from starlette.exceptions import HTTPException
    from starlette.requests import Request

    too_large = f"This is larger than the {most >> 20} MB that are checked at once."
    length = request.headers.get("content-length", "")
    if not length.isdigit() or int(length) > most + MOST_TEXT * 4 + CHUNK:
        raise BadInput(
            too_large if length.isdigit() else "The request does not say how long it is; send a form."
        )
    left = int(length)

    async def receive() -> Any:
        """The request's body, which ends where it said it would."""
        nonlocal left
        message = await request.receive()
        left -= len(message.get("body", b""))
        if left < 0:
            raise BadInput(too_large)
        return message

    bounded = Request(request.scope, receive)
    try:
        async with bounded.form(max_files=1, max_fields=2, max_part_size=4 * MOST_TEXT) as form:
            given, text = form.get("file"), form.get("text")
            if isinstance(given, UploadFile) and given.filename:
                await _keep(given, path, most, too_large)
                name = Path(given.filename.replace("\\", "/")).name or "file"
                return lambda: examine(studio, path, name=name, original=False)
    except (HTTPException, UnicodeDecodeError) as error:
        raise BadInput("The form could not be read; choose the file again and send it once more.") from error
    words = text if isinstance(text, str) else ""
    if not words.strip():
        raise BadInput("Choose a file or paste a text first.")
    if len(words) > MOST_TEXT:
        raise BadInput(f"This text is longer than the {MOST_TEXT:,} characters that are checked at once.")
    return lambda: examine(studio, words, original=False)


async def _keep(given: Any, path: Path, most: int, too_large: str) -> None:
    size = 0
    with path.open("wb") as file:
        while block := await given.read(CHUNK):
            size += len(block)
            if size > most:
                raise BadInput(too_large)
            file.write(block)


def _form(most: int) -> str:
    return (
        f'<form method="post" action="{ROUTE}" enctype="multipart/form-data">'
        f'<label for="file">File, up to {most >> 20} MB</label><input id="file" type="file" name="file">'
        '<label for="text">Or a text</label>'
        f'<textarea id="text" name="text" rows="5" maxlength="{MOST_TEXT}"></textarea>'
        f"<button>Check</button></form>"
        '<p class="fine">Nothing found is the most that absence allows: it never means that a person made it.</p>'
    )
