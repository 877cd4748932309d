"""One recorded connection, played again: the part of one side, against a live other one."""

from __future__ import annotations

import asyncio
import contextlib
import math
import time

from segue.cli.openflow_conversation import (
    ECHO_REPLY,
    ECHO_REQUEST,
    HELLO,
    SIDES,
    Conversation,
    Line,
    answers,
    kind,
    last_part,
    xid,
)
from segue.cli.openflow_frames import Frames
from segue.cli.openflow_report import Report, name_of
from segue.openflow.wire import HEADER, V13, VERSION_NAMES

_CHUNK = 1 << 16
_HELLO_XID = 0x5E60E000
_OFPET_HELLO_FAILED = b"\0\0"


class Player:
    def __init__(
        self,
        conversation: Conversation,
        side: str,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        report: Report,
        patience: float,
    ) -> None:
        self._conversation = conversation
        self._side = side
        self._reader = reader
        self._writer = writer
        self._report = report
        self._patience = patience
        self._heard: list[bytes] = []
        self._used: set[int] = set()
        self._questions: dict[int, bytes] = {}
        self._hello: bytes | None = None
        self._ended = False
        self._changed = asyncio.Event()

    async def play(self, speed: float, wait: bool) -> None:
        """`speed` is infinite for no pauses."""
        conversation, version = self._conversation, self._conversation.version
        other = SIDES[self._side == SIDES[0]]
        for line in conversation.said_by(other):
            self._report.expected(line.data)
        listening = asyncio.create_task(self._listen())
        try:
            self._writer.write(_hello(version))
            await self._until(lambda: self._hello is not None)
            if not self._agrees(version):
                return
            begin = time.monotonic()
            for line in conversation.lines:
                if line.side == self._side and not await self._say(line, begin, speed, wait):
                    return
            await self._rest(len(conversation.said_by(other)))
        finally:
            listening.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await listening
            for data in self._heard:
                self._report.received(data)

    def _agrees(self, version: int) -> bool:
        if self._hello is None:
            why = "the connection ended" if self._ended else "there was no hello"
            self._report.problem(f"connection {self._conversation.number}: {why} before anything was sent", fatal=True)
            return False
        if self._hello[0] < version and not _in_bitmap(self._hello, version):
            name, theirs = (
                VERSION_NAMES.get(version, str(version)),
                VERSION_NAMES.get(self._hello[0], str(self._hello[0])),
            )
            self._report.problem(f"the recording is of OpenFlow {name}, and the other end speaks {theirs}", fatal=True)
            return False
        return True

    async def _say(self, line: Line, begin: float, speed: float, wait: bool) -> bool:
        """Sends one message when its time has come. False: the other end has gone."""
        data = line.data
        if wait:
            if line.answer_to is not None:
                question = await self._asked(line.answer_to)
                if question is None:
                    asked = name_of(self._conversation.lines[line.answer_to].data)
                    self._report.problem(f"nobody asked {asked} again, so {name_of(data)} was not sent")
                    return not self._ended
                data = data[:4] + xid(question) + data[8:]
        elif speed != math.inf:
            due = begin + (line.time - self._conversation.begin) / 1e6 / speed
            await asyncio.sleep(max(0.0, due - time.monotonic()))
        if not self._ended:
            try:
                self._writer.write(data)
                await self._writer.drain()
                self._report.sent += 1
            except OSError:
                self._ended = True
        if self._ended:
            left = sum(1 for other in self._conversation.lines if other.side == self._side) - self._report.sent
            self._report.problem(
                f"connection {self._conversation.number}: the other end ended it, {max(left, 1)} messages early",
                fatal=True,
            )
            return False
        if wait and line.answered and not await self._until(lambda: self._answered(data)):
            self._report.problem(f"nobody answered {name_of(data)} (xid {int.from_bytes(xid(data), 'big')})")
        return True

    def _answered(self, question: bytes) -> bool:
        return any(answers(heard, question) and last_part(heard) for heard in self._heard)

    async def _asked(self, place: int) -> bytes | None:
        """The live question that stands for a recorded one. Several parts of an answer are to the same one."""
        if place not in self._questions:
            wanted = kind(self._conversation.lines[place].data)
            if not await self._until(lambda: self._unused(wanted) is not None):
                return None
            found = self._unused(wanted)
            assert found is not None
            self._used.add(found)
            self._questions[place] = self._heard[found]
        return self._questions[place]

    def _unused(self, wanted: tuple[int, bytes]) -> int | None:
        for place, data in enumerate(self._heard):
            if place not in self._used and kind(data) == wanted:
                return place
        return None

    async def _until(self, holds: object) -> bool:
        """Waits until `holds()`; False when patience, or the connection, ends."""
        assert callable(holds)
        deadline = time.monotonic() + self._patience
        while not holds():
            left = deadline - time.monotonic()
            if left <= 0 or self._ended:
                return False
            self._changed.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), left)
        return True

    async def _rest(self, expected: int) -> None:
        """What still comes back: as much as was recorded, or nothing more for a while."""
        while len(self._heard) < expected and not self._ended:
            before = len(self._heard)
            if not await self._until(lambda before=before: len(self._heard) > before):
                return
        await asyncio.sleep(min(0.1, self._patience))  # and what is not expected

    async def _listen(self) -> None:
        frames = Frames()
        while True:
            try:
                data = await self._reader.read(_CHUNK)
            except OSError:
                data = b""
            for frame in frames.feed(data) if data else frames.finish():
                self._hear(frame.data)
            if not data:
                self._ended = True
            self._changed.set()
            if not data:
                return

    def _hear(self, data: bytes) -> None:
        if len(data) < 8:
            self._heard.append(data)
        elif data[1] == HELLO:
            self._hello = self._hello or data
        elif data[1] == ECHO_REQUEST:
            self._writer.write(data[:1] + bytes([ECHO_REPLY]) + data[2:])
        elif data[1] != ECHO_REPLY:
            self._heard.append(data)


def _hello(version: int) -> bytes:
    """OpenFlow 1.5.1 section 7.5.1: since 1.3 with a bitmap, of this version alone."""
    if version < V13:
        return HEADER.pack(version, HELLO, 8, _HELLO_XID)
    return HEADER.pack(version, HELLO, 16, _HELLO_XID) + b"\0\1\0\x08" + (1 << version).to_bytes(4, "big")


def _in_bitmap(hello: bytes, version: int) -> bool:
    return hello[8:12] == b"\0\1\0\x08" and bool(int.from_bytes(hello[12:16], "big") >> version & 1)
