"""Who may ask: this machine's own programs and pages. A page from elsewhere must not reach a server on loopback."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from starlette.responses import Response

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send


def is_loopback(host: str) -> bool:
    """Say whether a host name, without its port, means this machine."""
    host = host.strip("[]").rstrip(".").lower()
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def may_ask(host: str, origin: str | None) -> bool:
    """Judge a request's ``Host``, which DNS rebinding makes foreign, and its ``Origin``, which a page sends."""
    try:
        asked = urlsplit(f"//{host}").hostname or ""
        page = None if origin is None else urlsplit(origin).hostname or ""
    except ValueError:
        return False
    return is_loopback(asked) and (page is None or is_loopback(page))


@dataclass(frozen=True, slots=True)
class LoopbackOnly:
    """An app that refuses the rest as Ollama does: 403, and not a word."""

    app: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through or refuse it."""
        if scope["type"] == "http":
            headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
            if not may_ask(headers.get("host", ""), headers.get("origin")):
                await Response(status_code=403)(scope, receive, send)
                return
        await self.app(scope, receive, send)
