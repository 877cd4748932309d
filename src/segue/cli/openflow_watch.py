"""``segue openflow watch``: between switches and their controller, and what passes.

Octets are passed on as they were read, before anybody looks at them as messages. Each direction reads on when the
other end has taken what was read before, so memory is bounded: by a few socket buffers, and one message that is not
whole yet.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import socket
import ssl
import sys
from typing import Any

from segue.cli.openflow_conversation import datapath_of
from segue.cli.openflow_decode import show, to_object
from segue.cli.openflow_filter import Test, by_type, types, where
from segue.cli.openflow_frames import Frame, Frames
from segue.cli.openflow_recording import Recorder
from segue.cli.openflow_sockets import end, listening, place, unlist
from segue.cli.openflow_sources import Said
from segue.cli.openflow_streams import connect, serve
from segue.cli.openflow_time import now
from segue.cli.openflow_tls import certificates, context, why
from segue.cli.terminal import complain
from segue.openflow.endpoint import Endpoint

_CHUNK = 1 << 16
_OTHER = {"switch": "controller", "controller": "switch"}


def run(args: argparse.Namespace) -> int:
    target = end(args.target, listen=False)
    bound_at = end(args.listen, listen=True)
    towards = certificates(args, target, prefix="target_")
    own = certificates(args, bound_at) if towards is not None else certificates(args, bound_at, target)
    there, here = context(target, towards or own), context(bound_at, own)
    tests = _tests(args)
    if args.count is not None and args.count < 1:
        from segue.cli.errors import Mistake

        raise Mistake(f"--count {args.count}: at least 1 is wanted")
    bound = listening(args.listen)
    recorder: Recorder | None = None
    try:
        recorder = Recorder(args.record) if args.record else None
        form = args.output or ("text" if sys.stdout.isatty() else "json")
        watcher = Watcher(target, there, args.caller, tests, recorder, form, args.count)
        callers = "switches" if args.caller == "switch" else "controllers"
        complain(f"listening at {place(bound, secure=here is not None)} for {callers}, calling {args.target} for each")
        asyncio.run(watcher.serve(bound, here))
    finally:
        unlist(bound)
        bound.close()
    return 1 if recorder is not None and recorder.broken else 0


def _tests(args: argparse.Namespace) -> list[Test]:
    tests: list[Test] = []
    if args.type:
        tests.append(by_type(types(args.type, "--type")))
    if args.not_type:
        unwanted = by_type(types(args.not_type, "--not-type"))
        tests.append(lambda obj: not unwanted(obj))
    if args.side:
        tests.append(lambda obj: obj["from"] == args.side)
    return [*tests, *map(where, args.where)]


class Watcher:
    """All connections of one run."""

    def __init__(
        self,
        target: Endpoint,
        tls: ssl.SSLContext | None,
        caller: str,
        tests: list[Test],
        recorder: Recorder | None,
        form: str,
        count: int | None,
    ) -> None:
        self._target = target
        self._tls = tls
        self._caller = caller
        self._tests = tests
        self._recorder = recorder
        self._form = form
        self._left = count
        self._connections = 0

    async def serve(self, bound: socket.socket, tls: ssl.SSLContext | None) -> None:
        """Until `count` messages are printed, or for ever."""
        self._done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        server = asyncio.create_task(serve(bound, tls, self._called))
        try:
            await self._done
        finally:
            server.cancel()
            await asyncio.gather(server, return_exceptions=True)
            if self._recorder is not None:
                self._recorder.close()

    async def _called(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connections += 1
        try:
            await _Connection(self, self._connections, self._caller).run(reader, writer, self._target, self._tls)
        except asyncio.CancelledError:
            pass  # the run is over
        except BaseException as error:  # such as nobody reading the output any more
            if not self._done.done():
                self._done.set_exception(error)
        finally:
            writer.close()

    def record(self, at: int, connection: int, side: str, frames: list[Frame]) -> None:
        if self._recorder is not None:
            for frame in frames:
                self._recorder.write(at, connection, side, frame.data)

    def show(self, said: Said, datapath: str) -> None:
        if self._left == 0:
            return
        obj = to_object(said, datapath)
        if all(test(obj) for test in self._tests):
            show(obj, self._form)
            sys.stdout.flush()
            if self._left is not None:
                self._left -= 1
                if self._left == 0 and not self._done.done():
                    self._done.set_result(None)


class _Connection:
    """One switch and the controller."""

    def __init__(self, watcher: Watcher, number: int, caller: str) -> None:
        self._caller = caller
        self._watcher = watcher
        self._number = number
        self._datapath = ""

    async def run(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        target: Endpoint,
        tls: ssl.SSLContext | None,
    ) -> None:
        try:
            there = await connect(target, tls)
        except (OSError, TimeoutError) as error:
            complain(f"connection {self._number}: cannot connect to {target}: {why(error)}")
            return
        for one in (writer, there[1]):
            link = one.get_extra_info("socket")
            if link.family != socket.AF_UNIX:
                link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        both = [
            asyncio.create_task(self._pass(reader, there[1], self._caller)),
            asyncio.create_task(self._pass(there[0], writer, _OTHER[self._caller])),
        ]
        try:
            await asyncio.wait(both, return_when=asyncio.FIRST_EXCEPTION)
        finally:
            for task in both:
                task.cancel()
            results = await asyncio.gather(*both, return_exceptions=True)
            there[1].close()
        for result in results:
            if isinstance(result, OSError) and not isinstance(result, BrokenPipeError):
                complain(f"connection {self._number} ended: {why(result)}")
            elif isinstance(result, BaseException) and not isinstance(result, asyncio.CancelledError):
                raise result

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, side: str) -> None:
        frames = Frames()
        while data := await reader.read(_CHUNK):
            at = now()
            found = frames.feed(data)
            self._watcher.record(at, self._number, side, found)
            with _passing():
                writer.write(data)
            self._show(at, side, found)
            with _passing():
                await writer.drain()
        found = frames.finish()
        self._watcher.record(now(), self._number, side, found)
        self._show(now(), side, found)
        if not writer.can_write_eof():  # TLS has no half of a connection
            writer.close()
            return
        with contextlib.suppress(OSError):
            writer.write_eof()

    def _show(self, at: int, side: str, frames: list[Frame]) -> None:
        for frame in frames:
            if side == "switch" and (datapath := datapath_of(frame.data)):
                self._datapath = datapath
            self._watcher.show(Said(frame, at, side, _OTHER[side], self._number), self._datapath)


class _passing:  # noqa: N801
    """A peer that went away is the connection's end; a reader of the output that went away is the command's. Both
    would be a BrokenPipeError."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if isinstance(error, BrokenPipeError):
            raise ConnectionResetError(error.errno or 0, "the other end has gone") from None
