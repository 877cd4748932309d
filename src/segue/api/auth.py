"""The gate before the application: who speaks, whether they may, and how much of it.

It stands before the router, so that nothing passes it, a path that is not there included, and wraps HTTP and WebSocket
alike. Whom it lets through is the request's ``user``, a ``segue.neutron.caller.Caller``: ``admitted.caller_of``.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import contextlib
import logging
import math
import time
from collections.abc import Callable, Iterator
from typing import Any, NoReturn, Protocol, cast

import msgspec
from litestar.types import ASGIApp, Message, Receive, Send
from uvicorn.protocols.utils import ClientDisconnected

from segue.api.admitted import Admitted, address_of
from segue.api.limits import DEEPEST, LARGEST_NEUTRON, Buckets, depth
from segue.api.permission import ADMIN, ANYBODY, denied, foreign_page, room
from segue.api.service_tokens import ByService
from segue.api.token_file import TokenFile
from segue.neutron.caller import Caller

log = logging.getLogger(__name__)

LOOK_AGAIN = 1.0
"""Seconds between looks whether a token still holds, for what takes its time: WebSockets, streams, waiting."""
SENDING = 30.0
"""Seconds that the body of a Neutron request may take to come."""
_WRONG_RATE, _WRONG_BURST = 1.0, 20.0
"""Wrong tokens from one address, and lines in the log about one, each second and at once."""
_DENIED_RATE, _DENIED_BURST = 10.0, 100.0
"""Lines in the log about what somebody who is known may not do."""
_UNAUTHENTICATED = "The request you have made requires authentication."
_CLOSE_POLICY = 1008


class Authority(Protocol):
    """Says whose token it is, or why it is nobody's. ``challenge``: WWW-Authenticate, once for each scheme.

    ``method`` and ``path`` are for tokens that are good for some requests alone. Raises Refusal where it cannot say.
    """

    challenge: tuple[str, ...]

    async def admit(self, presented: str, method: str, path: str, /) -> Admitted | str: ...


class ByFile:
    """Tokens of a file."""

    challenge: tuple[str, ...] = ('Bearer realm="segue"', 'Basic realm="segue"')

    def __init__(self, file: TokenFile) -> None:
        self._file = file

    async def admit(self, presented: str, *_: str) -> Admitted | str:
        token = self._file.admit(presented)
        if isinstance(token, str):
            return token
        caller = Caller(token.project, "admin" in token.roles, token.roles, token.id)
        return Admitted(caller, f"token {token.id}", lambda: self._file.holds(token))


class Access(msgspec.Struct, frozen=True):
    """``authority``: None lets in everybody, as administrators. ``rate``: requests per second of a caller; 0: any."""

    authority: Authority | None = None
    rate: float = 0.0


class Refusal(Exception):
    """``title``: short, and Neutron's ``type`` where Neutron answers."""

    def __init__(self, status: int, title: str, message: str, headers: tuple[tuple[str, str], ...] = ()) -> None:
        super().__init__(message)
        self.status, self.title, self.message, self.headers = status, title, message, headers


class Gate:
    """``injected``: whose tokens those of services are; without it nobody's."""

    def __init__(
        self,
        app: ASGIApp,
        access: Access,
        clock: Callable[[], float] = time.monotonic,
        injected: ByService | None = None,
    ) -> None:
        self._app = app
        self._authority = access.authority
        self._injected = injected
        self._clock = clock
        self._asked = Buckets(access.rate, 2 * access.rate)
        self._wrong = Buckets(_WRONG_RATE, _WRONG_BURST)
        self._logged = Buckets(_WRONG_RATE, _WRONG_BURST)
        self._denied = Buckets(_DENIED_RATE, _DENIED_BURST)
        self._left_out = 0

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        try:
            admitted = await self._let_in(scope)
            if scope["type"] == "http" and room(scope["path"]) == "neutron":
                receive = await _checked_body(scope, receive)
        except Refusal as refusal:
            await _answer(refusal, scope, receive, send)
            return
        scope["user"] = admitted.caller
        scope["holds"] = admitted.holds
        if admitted.holds is _always:
            await self._app(scope, receive, send)
        else:
            await self._while_it_holds(admitted, scope, receive, send)

    async def _let_in(self, scope: Any) -> Admitted:
        """Raises Refusal."""
        headers, path = _headers(scope), scope["path"]
        local = scope["server"] is not None and scope["server"][1] is None
        if foreign_page(headers.get("host", ""), headers.get("origin", ""), self._authority is not None):
            self._say(scope, f"a page of {headers['origin'][:100]!r} in a browser")
            raise Refusal(403, "Forbidden", "pages of other servers may not ask this one")
        method = "WEBSOCKET" if scope["type"] == "websocket" else scope["method"]
        presented = _presented(headers)
        found = self._injected.admit(presented) if self._injected is not None and presented else None
        if isinstance(found, str):
            self._unknown(found, True, scope)
        if local and found is None:
            return Admitted(ADMIN, "", _always)
        if found is not None:
            admitted = found
        elif self._authority is None:
            admitted = Admitted(ADMIN, address_of(scope), _always)
        elif room(path) == "versions":
            admitted = Admitted(ANYBODY, address_of(scope), _always)
        else:
            admitted = await self._authenticated(self._authority, presented, method, scope)
        self._limit(self._asked, admitted.key)
        no = denied(admitted.caller, method, path)
        if no is not None:
            if no.status == 403:
                self._say(scope, f"{admitted.key}: {no.message}", admitted.key)
            raise Refusal(no.status, "PolicyNotAuthorized" if no.status == 403 else "HTTPNotFound", no.message)
        return admitted

    async def _authenticated(self, authority: Authority, presented: str, method: str, scope: Any) -> Admitted:
        found = await authority.admit(presented, method, scope["path"]) if presented else "no token"
        return found if isinstance(found, Admitted) else self._unknown(found, bool(presented), scope)

    def _unknown(self, why: str, guessed: bool, scope: Any) -> NoReturn:
        """``guessed``: who sends no token guesses nothing; clients ask that way what there is."""
        if guessed:
            self._limit(self._wrong, address_of(scope))
        self._say(scope, why)
        challenges = self._authority.challenge if self._authority is not None else ByFile.challenge
        raise Refusal(401, "Unauthorized", _UNAUTHENTICATED, tuple(("www-authenticate", one) for one in challenges))

    def _limit(self, buckets: Buckets, key: str) -> None:
        wait = buckets.take(key, self._clock())
        if wait:
            text = f"too many requests; ask again in {max(wait, 0.001):.3g} s"
            raise Refusal(429, "TooManyRequests", text, (("retry-after", str(math.ceil(wait))),))

    def _say(self, scope: Any, reason: str, known: str = "") -> None:
        """``known``: who it is, if that is known; the lines about those are counted apart."""
        address = address_of(scope)
        if (self._denied if known else self._logged).take(known or address, self._clock()):
            self._left_out += 1
            return
        more = f" ({self._left_out} refusals before it were not logged)" if self._left_out else ""
        self._left_out = 0
        method = scope.get("method", "WEBSOCKET")
        log.warning("refused %s: %s %.200r: %s%s", address, method, scope["path"], reason, more)

    async def _while_it_holds(self, admitted: Admitted, scope: Any, receive: Receive, send: Send) -> None:
        """Ends what is under way when its token is revoked or expires. Who has received a whole body had a token
        that still held then; who waits for more before he changes anything looks again (``admitted.check``)."""
        started = False

        async def checked() -> Any:
            message = await receive()
            if message["type"] == "http.request" and not message.get("more_body", False) and not admitted.holds():
                watch.end()
                await asyncio.sleep(0)  # ends here, unless another task than the request's own has asked
                return {"type": "http.disconnect"}
            return message

        async def noted(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        with _Watch(admitted.holds) as watch:
            try:
                await self._app(scope, checked, noted)
            except asyncio.CancelledError:
                if not watch.ended:
                    raise
        if not watch.ended:
            return
        self._say(scope, f"{admitted.key} has ended, and with it what it was used for")
        if scope["type"] == "websocket":
            with contextlib.suppress(Exception):  # it may be closed already
                await send({"type": "websocket.close", "code": _CLOSE_POLICY, "reason": "the token has ended"})
        elif not started:
            await _answer(Refusal(401, "Unauthorized", _UNAUTHENTICATED), scope, receive, send)


class _Watch:
    """Cancels the task that enters it once ``holds`` is false."""

    def __init__(self, holds: Callable[[], bool]) -> None:
        self._holds = holds
        self.ended = False

    def __enter__(self) -> _Watch:
        task = asyncio.current_task()
        assert task is not None
        self._task, self._loop = task, asyncio.get_running_loop()
        self._timer = self._loop.call_later(LOOK_AGAIN, self._look)
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()
        if self.ended:
            self._task.uncancel()

    def _look(self) -> None:
        if self._holds():
            self._timer = self._loop.call_later(LOOK_AGAIN, self._look)
        else:
            self.end()

    def end(self) -> None:
        if not self.ended:
            self._timer.cancel()
            self.ended = True
            self._task.cancel()


def _always() -> bool:
    return True


def _headers(scope: Any) -> dict[str, str]:
    """Those that matter here; of one that is given twice the first."""
    wanted = (b"x-auth-token", b"authorization", b"host", b"origin", b"content-length", b"transfer-encoding")
    return {name.decode(): value.decode("latin-1") for name, value in reversed(scope["headers"]) if name in wanted}


def _presented(headers: dict[str, str]) -> str:
    """OpenStack's header, a bearer token (RFC 6750), or the password of Basic (RFC 7617)."""
    if token := headers.get("x-auth-token", "").strip():
        return token
    scheme, _, rest = headers.get("authorization", "").strip().partition(" ")
    if scheme.lower() == "bearer":
        return rest.strip()
    if scheme.lower() == "basic":
        with contextlib.suppress(binascii.Error, ValueError):
            return base64.b64decode(rest.strip(), validate=True).decode("latin-1").partition(":")[2]
    return ""


async def _checked_body(scope: Any, receive: Receive) -> Receive:
    """The whole body, no larger and no deeper than is allowed, to be received again. Raises Refusal."""
    headers = _headers(scope)
    if "transfer-encoding" not in headers and headers.get("content-length", "0") == "0":
        return receive
    too_large = Refusal(413, "HTTPRequestEntityTooLarge", f"the body is larger than {LARGEST_NEUTRON >> 20} MiB")
    length = headers.get("content-length", "")
    if length.isdecimal() and int(length) > LARGEST_NEUTRON:
        raise too_large
    parts, size = [], 0
    try:
        async with asyncio.timeout(SENDING):
            while True:
                message: Any = await receive()
                if message["type"] != "http.request":  # gone
                    return _again([message], receive)
                parts.append(message.get("body", b""))
                size += len(parts[-1])
                if size > LARGEST_NEUTRON:
                    raise too_large
                if not message.get("more_body", False):
                    break
    except TimeoutError:
        raise Refusal(408, "HTTPRequestTimeout", f"the body did not come within {SENDING:g} s") from None
    body = b"".join(parts)
    if depth(body) > DEEPEST:
        raise Refusal(400, "MalformedRequestBody", f"the body is nested more than {DEEPEST} deep")
    return _again([{"type": "http.request", "body": body, "more_body": False}], receive)


def _again(messages: list[Any], receive: Receive) -> Receive:
    async def first_these() -> Any:
        return messages.pop(0) if messages else await receive()

    return first_these


def _body(refusal: Refusal, path: str) -> dict[str, Any]:
    """As whoever speaks on this path is used to it: keystonemiddleware's 401 and Neutron's errors, or our own."""
    if room(path) not in ("neutron", "versions"):
        more = "; give one with --token-file FILE, or in SEGUE_TOKEN" if refusal.status == 401 else ""
        return {"error": f"this needs a token that is known and has not ended{more}" if more else refusal.message}
    if refusal.status == 401:
        return {"error": {"code": 401, "title": refusal.title, "message": refusal.message}}
    return {"NeutronError": {"type": refusal.title, "message": refusal.message, "detail": ""}}


async def _answer(refusal: Refusal, scope: Any, receive: Receive, send: Send) -> None:
    """A WebSocket that is refused gets an HTTP answer in place of its handshake."""
    body = msgspec.json.encode(_body(refusal, scope["path"]))
    kind = "http.response"
    if scope["type"] == "websocket":
        await receive()
        kind = "websocket.http.response"
    said = list(_encoded((*refusal.headers, ("content-type", "application/json"), ("content-length", str(len(body))))))
    await send(cast("Message", {"type": f"{kind}.start", "status": refusal.status, "headers": said}))
    await send(cast("Message", {"type": f"{kind}.body", "body": body, "more_body": False}))
    if scope["type"] == "websocket":
        raise ClientDisconnected  # uvicorn would log, although it sent the answer, that there was no handshake


def _encoded(headers: tuple[tuple[str, str], ...]) -> Iterator[tuple[bytes, bytes]]:
    for name, value in headers:
        yield name.encode(), value.encode()
