"""What stands before every route of the page: whose request it is, and what browsers may do with answers.

Without accounts the page is for this machine only. Requests must name this machine (against DNS
rebinding) and must not come from another site's page (against cross-site POSTs).
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

LOCAL_NAMES = {"localhost", "127.0.0.1", "::1"}

# Gradio compiles component templates in the page, hence unsafe-eval; nothing may come from elsewhere.
POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; media-src 'self' data: blob:; font-src 'self' data:; connect-src 'self' data: blob:; "
    "worker-src 'self' blob:; object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'"
)
HEADERS = [
    (b"content-security-policy", POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
]


class LocalOnly:
    """ASGI middleware: refuses foreign hosts and origins, adds the headers."""

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = {name.lower(): value.decode("latin-1") for name, value in scope["headers"]}
        trouble = refusal(headers.get(b"host", ""), headers.get(b"origin"))
        if trouble is not None:
            await _refuse(scope, send, trouble)
            return

        async def send_guarded(message: Any) -> None:
            if message["type"] == "http.response.start":
                names = {name.lower() for name, _ in message["headers"]}
                message["headers"] = [*message["headers"], *(one for one in HEADERS if one[0] not in names)]
            await send(message)

        await self._app(scope, receive, send_guarded)


def refusal(host: str, origin: str | None) -> str | None:
    """Why a request with these headers is refused; None if it may pass."""
    if _name(f"//{host}") not in LOCAL_NAMES:
        return "This studio answers only to the name of this machine."
    if origin is not None and (_name(origin) not in LOCAL_NAMES or urlsplit(origin).netloc != host):
        return "Requests from another site's page are refused."
    return None


def _name(url: str) -> str | None:
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None


async def _refuse(scope: Any, send: Any, why: str) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008})
        return
    plain = [(b"content-type", b"text/plain; charset=utf-8"), *HEADERS]
    await send({"type": "http.response.start", "status": 403, "headers": plain})
    await send({"type": "http.response.body", "body": why.encode()})
