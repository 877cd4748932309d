"""The client against a peer that does as a script says: what a real switch does seldom or never."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from segue.openflow.client import ClientEvent, ConnectionLost, Disconnected, OpenFlowClient, OpenFlowError
from segue.openflow.codec import decode, encode
from segue.openflow.connection import Received, Refused, VersionError
from segue.openflow.declare import Message
from segue.openflow.protocol.actions import Output
from segue.openflow.protocol.basic import BarrierReply, BarrierRequest, EchoRequest, Error, Hello, VersionBitmap
from segue.openflow.protocol.bundles import BundleAddMessage, BundleControl, BundleControlType, OnfBundleControl
from segue.openflow.protocol.flow_mod import FlowMod
from segue.openflow.protocol.flows import FlowDesc, FlowDescReply, FlowDescRequest, FlowStats, FlowStatsReply
from segue.openflow.protocol.ports import Port, PortDescReply, PortDescRequest, PortStatus
from segue.openflow.protocol.switch import (
    FeaturesReply,
    FeaturesRequest,
    GetConfigReply,
    GetConfigRequest,
    SetConfig,
)
from segue.openflow.wire import V10, V13, V14, V15, EncodeError

PORT = Port(1, name="p1")
PLAIN_MOD = FlowMod({"in_port": 1}, (Output(2),), priority=7)
Handler = Callable[["Peer", Message, int], Awaitable[None]]


class Peer:
    """The switch's side: says hello and features, answers barriers and bundles, and else does as `handle` does."""

    def __init__(self, handle: Handler | None = None, version: int = V15, hello: bytes | None = None) -> None:
        self.handle = handle
        self.version = version
        self.hello = encode(Hello((VersionBitmap.of({version}),)), 1, version) if hello is None else hello
        self.seen: list[Message] = []
        self.writer: asyncio.StreamWriter | None = None
        self.reading = asyncio.Event()
        self.reading.set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writer = writer
        writer.write(self.hello)
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            while True:
                header = await reader.readexactly(8)
                message, xid, _ = decode(header + await reader.readexactly(int.from_bytes(header[2:4], "big") - 8))
                self.seen.append(message)
                await self.reading.wait()
                await self.answer(message, xid)
        writer.close()

    def say(self, message: Message, xid: int) -> None:
        assert self.writer is not None
        self.writer.write(encode(message, xid, self.version))

    async def answer(self, message: Message, xid: int) -> None:
        if self.handle is not None:
            await self.handle(self, message, xid)
        if isinstance(message, FeaturesRequest):
            self.say(FeaturesReply(5), xid)
        elif isinstance(message, BarrierRequest):
            self.say(BarrierReply(), xid)
        elif isinstance(message, BundleControl):
            self.say(type(message)(message.bundle_id, message.type + 1), xid)

    def bundle_steps(self) -> list[int]:
        return [m.type for m in self.seen if isinstance(m, BundleControl)]


@contextlib.asynccontextmanager
async def serving(peer: Peer, tmp_path: Path) -> AsyncIterator[str]:
    path = tmp_path / "peer.sock"
    server = await asyncio.start_unix_server(peer.serve, path)
    try:
        yield f"unix:{path}"
    finally:
        server.close()


def test_connect_request_close(tmp_path: Path) -> None:
    async def main() -> None:
        events: list[ClientEvent] = []
        async with serving(Peer(), tmp_path) as target:
            async with OpenFlowClient(target, on_event=events.append) as client:
                assert client.features == FeaturesReply(5)
                assert client.connected
                await client.barrier()
                assert await client.request(FlowMod()) is None
            assert not client.connected
            assert events == [Disconnected("closed here")]
            assert await client.wait_closed() == "closed here"
            with pytest.raises(ConnectionLost, match="closed here"):
                await client.barrier()
            with pytest.raises(RuntimeError, match="connects once"):
                await client.connect()

    asyncio.run(main())


def test_over_tcp() -> None:
    async def main() -> None:
        server = await asyncio.start_server(Peer().serve, "127.0.0.1", 0)
        host, port = server.sockets[0].getsockname()
        async with OpenFlowClient(f"tcp:{host}:{port}") as client:
            await client.barrier()
        server.close()

    asyncio.run(main())


def test_targets_that_are_none(tmp_path: Path) -> None:
    async def main() -> None:
        with pytest.raises(OSError):
            await OpenFlowClient(f"unix:{tmp_path}/nobody").connect()
        with pytest.raises(ValueError, match="is no target"):
            await OpenFlowClient("br0").connect()

    asyncio.run(main())


def test_a_switch_of_another_version(tmp_path: Path) -> None:
    async def main() -> None:
        peer = Peer(hello=encode(Hello((VersionBitmap.of({V10, V13}),)), 1, V13))
        async with serving(peer, tmp_path) as target:
            with pytest.raises(VersionError) as e:
                await OpenFlowClient(target).connect()
            assert e.value.versions == (V10, V13)
            for _ in range(50):
                if len(peer.seen) == 2:
                    break
                await asyncio.sleep(0.01)
            assert peer.seen[1] == Error(0, 0, b"OpenFlow 1.5 is spoken here")

    asyncio.run(main())


def test_a_switch_that_says_nothing(tmp_path: Path) -> None:
    async def main() -> None:
        async with serving(Peer(hello=b""), tmp_path) as target:
            with pytest.raises(TimeoutError):
                await OpenFlowClient(target, connect_timeout=0.1).connect()

    asyncio.run(main())


def test_a_switch_that_falls_silent(tmp_path: Path) -> None:
    async def main() -> None:
        peer = Peer()
        events: list[ClientEvent] = []
        async with serving(peer, tmp_path) as target:
            client = OpenFlowClient(target, on_event=events.append, echo_interval=0.05, echo_timeout=0.1)
            await client.connect()
            peer.reading.clear()
            with pytest.raises(ConnectionLost, match="silent"):
                await client.barrier()
            assert "silent" in await client.wait_closed()
            assert [event.__class__ for event in events] == [Disconnected]
            peer.reading.set()

    asyncio.run(main())


def test_a_switch_that_hangs_up(tmp_path: Path) -> None:
    async def hang_up(peer: Peer, message: Message, xid: int) -> None:
        if isinstance(message, PortDescRequest):
            assert peer.writer is not None
            peer.writer.close()

    async def main() -> None:
        async with serving(Peer(hang_up), tmp_path) as target:
            client = OpenFlowClient(target)
            await client.connect()
            with pytest.raises(ConnectionLost, match="closed the connection"):
                await client.request(PortDescRequest())
            with pytest.raises(ConnectionLost):
                await client.bundle([FlowMod()])
            with pytest.raises(ConnectionLost):
                async for _ in client.flow_stats():
                    pass

    asyncio.run(main())


def test_a_switch_that_talks_nonsense(tmp_path: Path) -> None:
    async def nonsense(peer: Peer, message: Message, xid: int) -> None:
        if isinstance(message, PortDescRequest):
            assert peer.writer is not None
            peer.writer.write(b"\x06\x13\x00\x07nonsense")

    async def main() -> None:
        async with serving(Peer(nonsense), tmp_path) as target:
            client = OpenFlowClient(target)
            await client.connect()
            with pytest.raises(ConnectionLost, match="7 bytes"):
                await client.request(PortDescRequest())

    asyncio.run(main())


def test_refusals_and_events_reach_whom_they_concern(tmp_path: Path) -> None:
    error = Error(4, 9, b"the start of it")

    async def refuse(peer: Peer, message: Message, xid: int) -> None:
        if isinstance(message, PortDescRequest | FlowDescRequest) or (
            isinstance(message, FlowMod) and message.priority == 13
        ):
            peer.say(PortStatus(0, PORT), 0)
            peer.say(error, xid)

    async def main() -> None:
        events: list[ClientEvent] = []
        async with serving(Peer(refuse), tmp_path) as target:
            async with OpenFlowClient(target, on_event=events.append) as client:
                for message in (PortDescRequest(), FlowMod(priority=13)):
                    with pytest.raises(OpenFlowError, match="OFPBMC_BAD_PREREQ") as e:
                        await client.request(message)
                    assert (e.value.error, e.value.request, e.value.index) == (error, message, None)
                with pytest.raises(OpenFlowError):
                    async for _ in client.flow_stats():
                        pass
                assert await client.request(FlowMod(priority=12)) is None
                xid = await client.send(FlowMod(priority=13))
                await client.barrier()
        told = Received(PortStatus(0, PORT), 0)
        assert events[:-1] == [told, told, told, told, Refused(error, xid, FlowMod(priority=13))]

    asyncio.run(main())


def test_an_event_handler_that_fails_does_no_harm(tmp_path: Path) -> None:
    async def tell(peer: Peer, message: Message, xid: int) -> None:
        peer.say(PortStatus(0, PORT), 0)

    async def main() -> None:
        complaints: list[dict[str, object]] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))

        def fail(_: ClientEvent) -> None:
            raise RuntimeError("no")

        async with serving(Peer(tell), tmp_path) as target:
            async with OpenFlowClient(target, on_event=fail) as client:
                await client.barrier()
        assert len(complaints) >= 2

    asyncio.run(main())


# -- bundles -------------------------------------------------------------------------------------------------------

OPEN, COMMIT, DISCARD = (
    BundleControlType.OPEN_REQUEST,
    BundleControlType.COMMIT_REQUEST,
    BundleControlType.DISCARD_REQUEST,
)


def test_a_bundle(tmp_path: Path) -> None:
    async def main() -> None:
        peer = Peer()
        mods = [FlowMod(priority=n) for n in range(1000)]
        async with serving(peer, tmp_path) as target:
            async with OpenFlowClient(target) as client:
                await client.bundle([])
                assert peer.bundle_steps() == []
                await client.bundle(mods)
        assert peer.bundle_steps() == [OPEN, COMMIT]
        adds = [m for m in peer.seen if isinstance(m, BundleAddMessage)]
        assert [add.message for add in adds] == mods
        # Nothing is committed before a barrier has shown that every addition was taken.
        kinds = [m.__class__ for m in peer.seen]
        assert kinds.index(BarrierRequest) == len(kinds) - 2
        assert isinstance(peer.seen[-1], BundleControl)

    asyncio.run(main())


def test_a_bundle_with_a_refused_addition_is_not_committed(tmp_path: Path) -> None:
    async def refuse(peer: Peer, message: Message, xid: int) -> None:
        if isinstance(message, BundleAddMessage):
            mod = message.message
            assert isinstance(mod, FlowMod)
            if mod.priority in (700, 701):
                peer.say(Error(4, 9), xid)

    async def main() -> None:
        peer = Peer(refuse)
        mods = [FlowMod(priority=n) for n in range(1000)]
        events: list[ClientEvent] = []
        async with serving(peer, tmp_path) as target:
            async with OpenFlowClient(target, on_event=events.append) as client:
                with pytest.raises(OpenFlowError, match=r"FlowMod number 700 of the bundle: .*BAD_PREREQ") as e:
                    await client.bundle(mods)
                assert (e.value.index, e.value.request) == (700, mods[700])
                assert peer.bundle_steps() == [OPEN, DISCARD]
                await client.bundle(mods[:10])
                assert events == []

    asyncio.run(main())


@pytest.mark.parametrize("about_a_mod", [True, False])
def test_a_bundle_that_fails_at_its_commit(tmp_path: Path, about_a_mod: bool) -> None:
    adds: list[int] = []

    async def refuse(peer: Peer, message: Message, xid: int) -> None:
        if isinstance(message, BundleAddMessage):
            adds.append(xid)
        if isinstance(message, BundleControl) and message.type == COMMIT:
            if about_a_mod:
                peer.say(Error(5, 1), adds[3])
            peer.say(Error(17, 13), xid)

    async def main() -> None:
        peer = Peer(refuse)
        async with serving(peer, tmp_path) as target:
            async with OpenFlowClient(target) as client:
                with pytest.raises(OpenFlowError) as e:
                    await client.bundle([PLAIN_MOD] * 10)
        if about_a_mod:
            assert (e.value.index, e.value.name) == (3, "OFPFMFC_TABLE_FULL")
        else:
            assert (e.value.index, e.value.name) == (None, "OFPBFC_MSG_FAILED")
        assert peer.bundle_steps() == [OPEN, COMMIT]

    asyncio.run(main())


def test_a_bundle_that_cannot_be_opened(tmp_path: Path) -> None:
    async def refuse(peer: Peer, message: Message, xid: int) -> None:
        if isinstance(message, BundleControl) and message.type in (OPEN, DISCARD):
            peer.say(Error(17, 5), xid)

    async def main() -> None:
        peer = Peer(refuse)
        async with serving(peer, tmp_path) as target:
            async with OpenFlowClient(target) as client:
                with pytest.raises(OpenFlowError, match="OUT_OF_BUNDLES"):
                    await client.bundle([PLAIN_MOD] * 1000)
        assert COMMIT not in peer.bundle_steps()

    asyncio.run(main())


def test_a_bundle_with_what_cannot_be_said_is_discarded(tmp_path: Path) -> None:
    async def main() -> None:
        peer = Peer()
        async with serving(peer, tmp_path) as target:
            async with OpenFlowClient(target) as client:
                with pytest.raises(EncodeError) as e:
                    await client.bundle([PLAIN_MOD] * 600 + [FlowMod(match={"eth_typo": 1})])
                assert e.value.index == 600
                await client.barrier()
        assert peer.bundle_steps() == [OPEN, DISCARD]

    asyncio.run(main())


def test_a_cancelled_bundle_is_discarded(tmp_path: Path) -> None:
    async def main() -> None:
        peer = Peer()
        async with serving(peer, tmp_path) as target:
            async with OpenFlowClient(target) as client:
                peer.reading.clear()
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(0.1):
                        await client.bundle([PLAIN_MOD] * 10)
                peer.reading.set()
                await client.barrier()
        assert peer.bundle_steps() == [OPEN, DISCARD]

    asyncio.run(main())


def test_writing_waits_for_a_slow_switch(tmp_path: Path) -> None:
    async def main() -> None:
        peer = Peer()
        mods = [PLAIN_MOD] * 20000
        async with serving(peer, tmp_path) as target:
            async with OpenFlowClient(target) as client:
                peer.reading.clear()
                bundle = asyncio.create_task(client.bundle(mods))
                await asyncio.sleep(0.3)
                assert client.channel is not None
                assert 0 < client.channel.unsent < 200_000
                peer.reading.set()
                await bundle

    asyncio.run(main())


# -- streams -------------------------------------------------------------------------------------------------------


def flows_of(count: int, parts: int) -> list[FlowDescReply]:
    return [
        FlowDescReply(tuple(FlowDesc({"reg0": n}, priority=part) for n in range(count)), flags=int(part < parts - 1))
        for part in range(parts)
    ]


async def send_flows(peer: Peer, message: Message, xid: int) -> None:
    if isinstance(message, FlowDescRequest):
        for part in flows_of(300, 200):
            peer.say(part, xid)
            assert peer.writer is not None
            await peer.writer.drain()
    elif isinstance(message, PortDescRequest):
        peer.say(PortDescReply((PORT,)), xid)


def test_a_slow_consumer_stops_the_reading_and_not_the_connection(tmp_path: Path) -> None:
    async def main() -> None:
        async with serving(Peer(send_flows), tmp_path) as target:
            async with OpenFlowClient(target, echo_interval=0.05, echo_timeout=0.05) as client:
                count = 0
                async for part in client.flow_stats():
                    if count == 0:
                        await asyncio.sleep(0.4)
                        assert client.channel is not None
                        assert client.channel._streams is not None
                        (queue,) = client.channel._streams.values()
                        assert queue.qsize() < 20
                    count += len(part)
                assert count == 300 * 200
                await client.barrier()
                assert client.channel is not None
                assert not client.channel._streams

    asyncio.run(main())


def test_a_consumer_may_ask_for_something_else_meanwhile(tmp_path: Path) -> None:
    async def main() -> None:
        async with serving(Peer(send_flows), tmp_path) as target:
            async with OpenFlowClient(target) as client, asyncio.timeout(20):
                seen = 0
                async for part in client.flow_stats():
                    seen += len(part)
                    if seen % 6000 == 0:
                        await asyncio.sleep(0.05)
                        assert await client.request(PortDescRequest()) == PortDescReply((PORT,))
                assert seen == 300 * 200

    asyncio.run(main())


def test_a_consumer_may_leave(tmp_path: Path) -> None:
    async def main() -> None:
        async with serving(Peer(send_flows), tmp_path) as target:
            async with OpenFlowClient(target) as client, asyncio.timeout(20):
                async with contextlib.aclosing(client.flow_stats()) as parts:
                    async for _ in parts:
                        break
                await client.barrier()
                assert client.channel is not None
                assert not client.channel._streams

    asyncio.run(main())


def test_a_stream_ends_with_the_connection(tmp_path: Path) -> None:
    async def hang_up(peer: Peer, message: Message, xid: int) -> None:
        if isinstance(message, FlowDescRequest):
            peer.say(flows_of(3, 2)[0], xid)
            assert peer.writer is not None
            peer.writer.close()

    async def main() -> None:
        async with serving(Peer(hang_up), tmp_path) as target:
            async with OpenFlowClient(target) as client, asyncio.timeout(10):
                parts = []
                with pytest.raises(ConnectionLost, match="closed the connection"):
                    async for part in client.flow_stats():
                        parts.append(part)  # noqa: PERF401
                assert [len(part) for part in parts] == [3]

    asyncio.run(main())


def test_an_echo_from_the_switch_is_answered(tmp_path: Path) -> None:
    async def ask(peer: Peer, message: Message, xid: int) -> None:
        if isinstance(message, PortDescRequest):
            peer.say(EchoRequest(b"still there?"), 99)
            peer.say(PortDescReply(()), xid)

    async def main() -> None:
        peer = Peer(ask)
        async with serving(peer, tmp_path) as target:
            async with OpenFlowClient(target) as client:
                await client.request(PortDescRequest())
                await client.barrier()
        assert any(getattr(m, "data", None) == b"still there?" for m in peer.seen)

    asyncio.run(main())


# -- other versions ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", [V13, V14, V15])
def test_bundles_in_other_versions(tmp_path: Path, version: int) -> None:
    async def main() -> None:
        peer = Peer(version=version)
        async with serving(peer, tmp_path) as target:
            async with OpenFlowClient(target, version=version) as client:
                assert client.version == version
                await client.bundle([PLAIN_MOD] * 3)
        assert peer.bundle_steps() == [OPEN, COMMIT]
        assert any(isinstance(m, OnfBundleControl) for m in peer.seen) == (version == V13)
        assert [m.message.priority for m in peer.seen if isinstance(m, BundleAddMessage)] == [7] * 3

    asyncio.run(main())


def test_versions_without_bundles(tmp_path: Path) -> None:
    async def send_old_flows(peer: Peer, message: Message, xid: int) -> None:
        if hasattr(message, "out_port") and not isinstance(message, FlowMod):
            peer.say(FlowStatsReply((FlowStats(cookie=1),), flags=1), xid)
            peer.say(FlowStatsReply((FlowStats(cookie=2),)), xid)

    async def main() -> None:
        peer = Peer(send_old_flows, version=V10, hello=encode(Hello(), 1, V10))
        async with serving(peer, tmp_path) as target:
            async with OpenFlowClient(target, version=(V10, V13)) as client:
                assert client.version == V10
                with pytest.raises(EncodeError, match=r"OpenFlow 1\.0 has no bundles"):
                    await client.bundle([PLAIN_MOD])
                assert [flow.cookie async for flows in client.flow_stats() for flow in flows] == [1, 2]

    asyncio.run(main())


def test_asking_for_what_comes_unasked(tmp_path: Path) -> None:
    async def configure(peer: Peer, message: Message, xid: int) -> None:
        if isinstance(message, GetConfigRequest):
            peer.say(GetConfigReply(1, 0), xid)

    async def main() -> None:
        peer = Peer(configure)
        async with serving(peer, tmp_path) as target:
            client = OpenFlowClient(target)
            await client.connect(asynchronous=True)
            await client.close()
        assert SetConfig(1, 128) in peer.seen

    asyncio.run(main())
