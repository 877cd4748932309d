"""Keystone as the authority: whom it is asked about, how often, and what is remembered.

What it says of a token is remembered in one place for the process, as long as ``token_cache_time`` says. A Keystone
that does not answer is no wrong token: who is remembered goes on, everybody else hears 503.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from segue.api.admitted import Admitted
from segue.api.auth import Authority, Refusal
from segue.api.keystone_middleware import Known, Middleware, Request, Unreachable
from segue.api.token_file import TokenFile

log = logging.getLogger(__name__)

AT_ONCE = 16
"""Tokens that Keystone is asked about at a time."""
REMEMBERED = 10_000
"""Tokens; of more, those that were asked about longest ago are forgotten."""
REJECTED = 10.0
"""Seconds that a token that Keystone does not know is remembered as one."""
AGAIN = 1.0
"""Seconds after which a Keystone that was not reached is asked again."""
SAY_AGAIN = 60.0
"""Seconds between lines in the log that say so."""
_TOKEN = re.compile(r"[!-~]{1,4096}\Z")
"""What can be in a header; the tokens that Keystone makes are shorter than 2,000 letters."""

Ask = Callable[[Request], Known | str]
"""Blocks. Whose token it is, or why it is nobody's. Raises Unreachable."""


class Keystone:
    """Times: ``clock`` for how long something is remembered, ``wall`` for when tokens end. ``keep``: seconds."""

    def __init__(
        self,
        ask: Ask,
        uri: str,
        keep: float,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self.challenge: tuple[str, ...] = (f'Keystone uri="{uri}"',)
        self.keep, self.clock, self.wall = keep, clock, wall
        self._ask, self._uri = ask, uri
        self._found: dict[bytes, tuple[float, Known | str]] = {}
        """By one of the digests: until when it is remembered, and what."""
        self._asking: dict[bytes, asyncio.Task[Known | str]] = {}
        self._room = asyncio.Semaphore(AT_ONCE)
        self._down = ""
        self._ask_again = self._say_again = 0.0

    async def admit(self, presented: str, method: str, path: str, /) -> Admitted | str:
        """Raises Refusal, with status 503, where Keystone does not say."""
        if not _TOKEN.match(presented):
            return "what cannot be a token of Keystone's"
        request = Request(presented, method, path)
        found = await self.whose(request)
        if isinstance(found, str):
            return found
        key = f"user {found.caller.user} of project {found.caller.project or '-'}"
        return Admitted(found.caller, key, _Held(self, request, found))

    async def whose(self, request: Request) -> Known | str:
        """Raises Refusal."""
        for key in request.digests():
            until, found = self._found.get(key, (0.0, ""))
            if self.clock() < until:
                return found if isinstance(found, str) or self.wall() < found.ends else "a token that has expired"
        key = request.digests()[1]
        task = self._asking.get(key)
        if task is None:
            task = self._asking[key] = asyncio.create_task(self._asked(request))
            task.add_done_callback(partial(self._answered, key))
        return await asyncio.shield(task)

    def _answered(self, key: bytes, task: asyncio.Task[Known | str]) -> None:
        del self._asking[key]
        if not task.cancelled():
            task.exception()  # it was heard, even if nobody waits any more

    async def _asked(self, request: Request) -> Known | str:
        async with self._room:
            if self.clock() < self._ask_again:
                raise self._refusal()
            try:
                found = await _in_thread(lambda: self._ask(request))
            except Unreachable as error:
                self._failed(error)
                raise self._refusal() from None
        if self._down:
            log.warning("Keystone at %s answers again", self._uri)
        self._down, self._say_again = "", 0.0
        self._remember(request, found)
        return found

    def _remember(self, request: Request, found: Known | str) -> None:
        whole, one = request.digests()
        key = one if isinstance(found, str) or found.ruled else whole
        self._found.pop(key, None)
        self._found[key] = (self.clock() + (REJECTED if isinstance(found, str) else self.keep), found)
        if len(self._found) > REMEMBERED:
            del self._found[next(iter(self._found))]

    def _failed(self, error: Unreachable) -> None:
        now = self.clock()
        if error.it:
            self._ask_again = now + AGAIN
        self._down = str(error)
        if now >= self._say_again:
            self._say_again = now + SAY_AGAIN
            log.error("Keystone at %s does not say whose a token is: %s", self._uri, error)

    def _refusal(self) -> Refusal:
        text = "Keystone, which knows the tokens, does not answer this server; ask again later"
        return Refusal(503, "ServiceUnavailable", text, (("retry-after", "1"),))


class _Held:
    """Whether a token that was admitted still is good: until it ends, and Keystone, asked now and then, denies it.

    Called in the event loop. A Keystone that does not answer changes nothing.
    """

    def __init__(self, keystone: Keystone, request: Request, known: Known) -> None:
        self._keystone, self._request, self._known = keystone, request, known
        self._asking: asyncio.Task[Known | str | None] | None = None
        self._next = keystone.clock() + max(keystone.keep, REJECTED)

    def __call__(self) -> bool:
        keystone = self._keystone
        if self._known.ends <= keystone.wall():
            return False
        if self._asking is not None and self._asking.done():
            found, self._asking = self._asking.result(), None
            if found is not None and (isinstance(found, str) or found.caller != self._known.caller):
                return False
        if self._asking is None and keystone.clock() >= self._next:
            self._next = keystone.clock() + max(keystone.keep, REJECTED)
            self._asking = asyncio.create_task(self._look())
        return True

    async def _look(self) -> Known | str | None:
        try:
            return await self._keystone.whose(self._request)
        except Refusal:
            return None


class FileFirst:
    """A token whose id is in the file is the file's; of any other Keystone says whose it is."""

    def __init__(self, file: TokenFile, by_file: Authority, keystone: Authority) -> None:
        self.challenge = (*keystone.challenge, *by_file.challenge)
        self._file, self._by_file, self._keystone = file, by_file, keystone

    async def admit(self, presented: str, method: str, path: str, /) -> Admitted | str:
        which = self._by_file if self._file.names(presented) else self._keystone
        return await which.admit(presented, method, path)


def keystone(path: Path) -> Keystone:
    """By an oslo.config file with [keystone_authtoken]. Raises KeystoneError."""
    middleware = Middleware(path)
    return Keystone(middleware, middleware.uri, middleware.keep)


async def _in_thread(work: Callable[[], Known | str]) -> Known | str:
    """A thread that waits for Keystone does not keep the process from ending, as one of an executor would."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[Known | str] = loop.create_future()

    def settle(found: Known | str | Exception) -> None:
        if future.cancelled():
            return
        if isinstance(found, Exception):
            future.set_exception(found)
        else:
            future.set_result(found)

    def run() -> None:
        try:
            found: Known | str | Exception = work()
        except Exception as error:
            found = error
        with contextlib.suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(settle, found)

    threading.Thread(target=run, name="keystone", daemon=True).start()
    return await future
