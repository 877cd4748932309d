"""Who observes is shown all that passes, against what a switch written by hand said and heard."""

import asyncio
from typing import Any

import pytest

from segue.openflow import (
    V10,
    V13,
    V15,
    BarrierReply,
    BarrierRequest,
    EchoReply,
    EchoRequest,
    Error,
    FeaturesReply,
    FeaturesRequest,
    FlowMod,
    Hello,
    PacketIn,
    PacketOut,
    Port,
    PortDescReply,
    PortDescRequest,
    PortStatus,
    SwitchUp,
    decode,
    encode,
)
from segue.openflow.app import App
from segue.openflow.channel import Channel
from segue.openflow.controller import Switch

from .channels import run, until
from .controllers import hub, running

Shown = list[tuple[int | None, str, bytes]]


class ByHand:
    """A switch on a stream. `said` and `heard` are its octets."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, version: int) -> None:
        self.reader, self.writer, self.version = reader, writer, version
        self.said = self.heard = b""
        self.kinds: list[str] = []

    def say(self, *octets: bytes) -> None:
        self.said += b"".join(octets)
        self.writer.write(b"".join(octets))

    async def answer(self) -> None:
        while data := await self.reader.read(8):
            data += await self.reader.readexactly(int.from_bytes(data[2:4]) - 8)
            self.heard += data
            msg, xid, _ = decode(data)
            self.kinds.append(type(msg).__name__)
            ports = (Port(1), Port(2))
            replies: dict[type[Any], list[Any]] = {
                FeaturesRequest: [FeaturesReply(7, ports=() if self.version >= V13 else ports)],
                PortDescRequest: [PortDescReply(ports[:1], flags=1), PortDescReply(ports[1:])],
                BarrierRequest: [BarrierReply()],
                EchoRequest: [EchoReply(msg.data if isinstance(msg, EchoRequest) else b"")],
            }
            self.say(*(encode(reply, xid, self.version) for reply in replies.get(type(msg), ())))


@pytest.mark.parametrize("calls", [False, True], ids=["is called", "calls"])
@pytest.mark.parametrize("version", [V10, V13, V15])
def test_every_message_of_a_connection_is_shown_as_it_passed(version: int, calls: bool) -> None:
    shown: Shown = []
    asking = App("asking")

    @asking.on(SwitchUp)
    async def ask(switch: Switch, _event: SwitchUp) -> None:
        await switch.barrier()

    def observe(switch: Switch | None, _channel: Channel, way: str, octets: bytes) -> None:
        shown.append((None if switch is None else switch.id, way, octets))

    made: asyncio.Queue[ByHand] = asyncio.Queue()

    async def met(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        made.put_nowait(ByHand(reader, writer, version))

    async def main() -> None:
        options: dict[str, Any] = {"observe": observe, "echo_interval": 0.1, "keep_flows": False}
        server = await asyncio.start_server(met, "127.0.0.1", 0)
        there = f"tcp:127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with running([hub(), asking], connecting=[there] if calls else [], **options) as (controller, target):
            if not calls:
                await met(*await asyncio.open_connection("127.0.0.1", int(target.rpartition(":")[2])))
            switch = await made.get()
            answering = asyncio.create_task(switch.answer())
            switch.say(encode(Hello(), 1, version))
            await until(lambda: "BarrierRequest" in switch.kinds)
            switch.say(
                encode(EchoRequest(b"sign"), 11, version),
                encode(PacketIn(in_port=1, data=bytes(60)), 0, version),
                encode(PortStatus(2, Port(3)), 0, version),
                encode(Error(1, 1), 12, version),
                encode(BarrierReply(), 13, version),  # which nobody waits for
                bytes([version, 10, 0, 9]) + bytes(5),  # a packet-in that cannot be read
                bytes([version ^ 7, 2, 0, 8]) + bytes(4),  # of another version
            )
            await until(lambda: {"EchoReply", "PacketOut", "EchoRequest"} <= set(switch.kinds))
            await until(lambda: decode(shown[-1][2])[0] == EchoReply())
            assert set(controller.switches) == {7}
        await answering
        switch.writer.close()
        server.close()
        assert b"".join(octets for _, way, octets in shown if way == "in") == switch.said
        assert b"".join(octets for _, way, octets in shown if way == "out") == switch.heard
        assert all(int.from_bytes(octets[2:4]) == len(octets) for *_, octets in shown), "one by one"
        assert {type(decode(octets)[0]) for _, way, octets in shown if way == "out"} >= {
            *(Hello, FeaturesRequest, FlowMod, BarrierRequest, EchoReply, PacketOut, EchoRequest)
        }
        known = [number for number, *_ in shown]
        assert known == sorted(known, key=lambda number: number is not None)
        assert set(known) == {None, 7}

    run(main)


def test_those_that_agree_on_nothing_are_shown_too() -> None:
    shown: list[tuple[str, str]] = []

    def observe(_switch: Switch | None, _channel: Channel, way: str, octets: bytes) -> None:
        shown.append((way, type(decode(octets)[0]).__name__))

    async def main() -> None:
        async with running([], observe=observe, versions={V13}) as (_, target):
            reader, writer = await asyncio.open_connection("127.0.0.1", int(target.rpartition(":")[2]))
            writer.write(encode(Hello(), 1, V10))
            await reader.read()
            writer.close()
        assert shown == [("out", "Hello"), ("in", "Hello"), ("out", "Error")]

    run(main)
