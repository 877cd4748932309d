"""Request targets in absolute form, ``GET http://HOST/PATH``: served as those in origin form, ``GET /PATH``.

A server must take both (RFC 9112 section 3.2.2), and of the former believes the target's authority, not the field Host.
This stands before everything that judges a request by its path. Pure but for the call onward.
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import unquote

from litestar.types import ASGIApp, Receive, Send

_ABSOLUTE = re.compile(rb"https?://([^/?#@]+)(?=[/?]|$)", re.IGNORECASE)
"""Without user information, which RFC 9110 section 4.2.4 says to take for an error; such a target is found nowhere."""


def origin_form(scope: Any) -> Any:
    """The scope of a request, with its target in origin form and the target's authority as its Host."""
    target = scope.get("raw_path") or b""
    found = _ABSOLUTE.match(target)
    if found is None:
        return scope
    raw = target[found.end() :].partition(b"?")[0] or b"/"
    headers = [(name, value) for name, value in scope["headers"] if name != b"host"]
    path = unquote(raw.decode("latin-1"))
    return {**scope, "path": path, "raw_path": raw, "headers": [(b"host", found[1].lower()), *headers]}


def in_origin_form(app: ASGIApp) -> ASGIApp:
    async def answer(scope: Any, receive: Receive, send: Send) -> None:
        await app(origin_form(scope) if scope["type"] in ("http", "websocket") else scope, receive, send)

    return answer
