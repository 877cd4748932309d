"""A controller in a process of its own, as `segue openflow run` starts it, and switches that are sockets of the
test's."""

from __future__ import annotations

import asyncio
import contextlib
import re
import resource
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

from segue.openflow.codec import decode, encode
from segue.openflow.declare import Message
from segue.openflow.protocol import (
    BarrierReply,
    BarrierRequest,
    EchoReply,
    EchoRequest,
    FeaturesReply,
    FeaturesRequest,
    FlowMod,
    FlowModCommand,
    Hello,
    PacketIn,
    PacketOut,
    Port,
    PortDescReply,
    PortDescRequest,
)
from segue.openflow.wire import V13

FILES = 1024
"""Open files that a process may have by default (the soft limit) on most systems."""
MIB = 1 << 20


class Controller:
    """A running `segue openflow run learning-switch`. `log` is all that it has said."""

    def __init__(self, place: Path, *options: str, listen: str = "ptcp:127.0.0.1:0") -> None:
        self._said = place / f"controller-{time.monotonic_ns()}.log"
        command = [sys.executable, "-m", "segue", "openflow", "run", "learning-switch", "--listen", listen, *options]
        with self._said.open("w") as said:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=said, preexec_fn=_few_files)
        end = time.monotonic() + 20
        while "listening at" not in self.log:
            assert self.process.poll() is None and time.monotonic() < end, self.log
            time.sleep(0.02)
        found = re.search(r"listening at \w+:[^ ;]*:(\d+)", self.log)
        self.port = int(found[1]) if found else 0

    @property
    def log(self) -> str:
        return self._said.read_text()

    @property
    def memory(self) -> int:
        """Octets that it has in memory."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        found = re.search(r"VmRSS:\s+(\d+) kB", status)
        assert found
        return int(found[1]) * 1024

    @property
    def files(self) -> int:
        return len(list(Path(f"/proc/{self.process.pid}/fd").iterdir()))

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.kill()


def _few_files() -> None:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(FILES, most), most))


@contextlib.contextmanager
def controller(place: Path, *options: str, listen: str = "ptcp:127.0.0.1:0") -> Iterator[Controller]:
    made = Controller(place, *options, listen=listen)
    try:
        yield made
        assert made.process.poll() is None, made.log
        assert "Traceback" not in made.log, made.log
    finally:
        made.close()


def frame(number: int, source: int = 1) -> bytes:
    """An Ethernet frame to somebody whom nobody has seen."""
    return (
        bytes.fromhex("0200000000ff")
        + (0x020000000000 + source).to_bytes(6, "big")
        + b"\x08\x00"
        + bytes(42)
        + (number.to_bytes(4, "big"))
    )


class Switch:
    """A switch of OpenFlow 1.3 with four ports, that does what it is told by the test."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, datapath_id: int, auxiliary: int
    ) -> None:
        self.reader = reader
        self.writer = writer
        self.datapath_id = datapath_id
        self.auxiliary = auxiliary
        self.seen: list[Message] = []

    def send(self, message: Message, xid: int = 0) -> None:
        self.writer.write(encode(message, xid, V13))

    async def receive(self) -> Message:
        """The next message, after it was answered as every switch answers it. IncompleteReadError at the end."""
        head = await self.reader.readexactly(8)
        message, xid, _ = decode(head + await self.reader.readexactly(int.from_bytes(head[2:4], "big") - 8))
        match message:
            case FeaturesRequest():
                self.send(FeaturesReply(self.datapath_id, n_tables=1, auxiliary_id=self.auxiliary), xid)
            case PortDescRequest():
                self.send(PortDescReply(tuple(Port(n, name=f"p{n}") for n in range(1, 5))), xid)
            case BarrierRequest():
                self.send(BarrierReply(), xid)
            case EchoRequest():
                self.send(EchoReply(message.data), xid)
        self.seen.append(message)
        found: Message = message
        return found

    async def ready(self) -> None:
        """Until the application has told what is to be done with packets that no flow is for."""
        while True:
            message = await self.receive()
            if isinstance(message, FlowMod) and message.command == FlowModCommand.ADD:
                return

    async def packet(self, number: int) -> float:
        """Seconds until a packet-in is answered."""
        begun = asyncio.get_running_loop().time()
        data = frame(number)
        self.send(PacketIn(total_len=len(data), match={"in_port": 1}, data=data))
        await self.writer.drain()
        while True:
            message = await self.receive()
            if isinstance(message, PacketOut) and message.data == data:
                return asyncio.get_running_loop().time() - begun

    async def end(self) -> None:
        """Until the controller closes the connection."""
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                await self.receive()

    def close(self) -> None:
        self.writer.close()


@contextlib.asynccontextmanager
async def switch(port: int, datapath_id: int, *, auxiliary: int = 0, ready: bool = True) -> AsyncIterator[Switch]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    made = Switch(reader, writer, datapath_id, auxiliary)
    try:
        made.send(Hello(), 1)
        if ready:
            async with asyncio.timeout(10):
                await made.ready()
        yield made
    finally:
        made.close()
