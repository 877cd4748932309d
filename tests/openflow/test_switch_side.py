"""A switch's end with several controllers, over socket pairs."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest

from segue.openflow.bundle_state import BundleError, Committed, Limits
from segue.openflow.channel import Channel, OpenFlowError
from segue.openflow.connection import Connection, Event, Received
from segue.openflow.protocol.actions import Output
from segue.openflow.protocol.basic import BarrierReply, BarrierRequest
from segue.openflow.protocol.bundles import BundleAddMessage, BundleControl, OnfBundleControl
from segue.openflow.protocol.flow_mod import FlowMod
from segue.openflow.protocol.instructions import ApplyActions
from segue.openflow.protocol.nicira_messages import NxRoleReply, NxRoleRequest, NxSetAsyncConfig, NxSetAsyncConfig2
from segue.openflow.protocol.packets import PacketIn
from segue.openflow.protocol.ports import Port, PortStatus
from segue.openflow.protocol.roles import (
    AsyncPacketInMaster,
    AsyncPacketInSlave,
    AsyncRoleStatusSlave,
    GetAsyncReply,
    GetAsyncRequest,
    RoleReply,
    RoleRequest,
    RoleStatus,
    SetAsync,
)
from segue.openflow.roles_state import EQUAL, MASTER, NOCHANGE, SLAVE
from segue.openflow.switch_side import SwitchSide
from segue.openflow.wire import V10, V13, V14, V15

from .channels import run, until

MOD = FlowMod({"in_port": 1}, instructions=(ApplyActions((Output(2),)),), priority=7)


class World:
    def __init__(self, **settings: Any) -> None:
        self.side = SwitchSide(self.serve, **settings)
        self.seen: list[Any] = []
        self.heard: dict[Channel, list[Any]] = {}

    def serve(self, channel: Channel, event: Event) -> None:
        assert isinstance(event, Received)
        self.seen.append(event.message)
        if isinstance(event.message, BarrierRequest):
            channel.send(BarrierReply(), event.xid)

    async def controller(self, version: int) -> Channel:
        ours, theirs = socket.socketpair()
        loop = asyncio.get_running_loop()
        ready: asyncio.Future[None] = loop.create_future()
        switch = Channel(Connection(0.0, side="switch", versions={version}), loop, self.side.attach)
        channel = Channel(Connection(0.0, versions={version}), loop, lambda _: ready.set_result(None))
        heard = self.heard[channel] = []
        channel.on_event = lambda event: heard.append(getattr(event, "message", event))
        await loop.connect_accepted_socket(lambda: switch, ours)
        await loop.connect_accepted_socket(lambda: channel, theirs)
        await ready
        await channel.barrier()
        return channel

    async def told(self, message: Any) -> list[int]:
        """Places of the controllers that get it."""
        for heard in self.heard.values():
            heard.clear()
        count = self.side.tell(message)
        for channel in self.heard:
            if channel.connected:
                await channel.barrier()
        got = [n for n, heard in enumerate(self.heard.values()) if any(type(m) is type(message) for m in heard)]
        assert len(got) == count
        return got


@contextlib.asynccontextmanager
async def world(*versions: int, **settings: Any) -> AsyncIterator[tuple[World, list[Channel]]]:
    made = World(**settings)
    channels = [await made.controller(version) for version in versions]
    try:
        yield made, channels
    finally:
        for channel in (*made.side.channels, *channels):
            channel.abort()
        await asyncio.sleep(0)


def test_masters_and_slaves() -> None:
    async def main() -> None:
        async with world(V15, V13, V10) as (own, (first, second, old)):
            packet, port = PacketIn(data=b"x"), PortStatus(2, Port(1))
            assert await own.told(packet) == [0, 1, 2]
            await first.request(SetAsync(properties=(AsyncRoleStatusSlave(1),)))
            reply = await first.request(RoleRequest(MASTER, 5, 9))
            assert reply == RoleReply(MASTER, 5, 9)
            assert await second.request(RoleRequest(SLAVE, 5)) == RoleReply(SLAVE, 5)
            assert await own.told(packet) == [0, 2]
            assert await own.told(port) == [0, 1, 2]
            with pytest.raises(OpenFlowError, match="OFPBRC_IS_SLAVE"):
                await second.request(MOD)
            await first.request(MOD)
            assert own.seen.count(MOD) == 1
            assert await second.request(RoleRequest(MASTER, 6)) == RoleReply(MASTER, 6)
            await first.barrier()
            assert own.heard[first][-1] == RoleStatus(SLAVE, 0, 6)
            with pytest.raises(OpenFlowError, match="OFPRRFC_STALE"):
                await first.request(RoleRequest(MASTER, 5))
            assert await first.request(RoleRequest(NOCHANGE)) == RoleReply(SLAVE, 6)
            assert [own.side.role(channel) for channel in own.side.channels] == [SLAVE, MASTER, EQUAL]
            assert await old.request(NxRoleRequest(1)) == NxRoleReply(1)
            assert await own.told(packet) == [2]
            with pytest.raises(OpenFlowError, match="OFPRRFC_BAD_ROLE"):
                await old.request(NxRoleRequest(7))
            old.close()
            await until(lambda: len(own.side.channels) == 2)
            assert await own.told(packet) == []
            assert own.side.roles.master() is None

    run(main)


def test_each_controller_says_what_it_gets() -> None:
    async def main() -> None:
        async with world(V15, V13, V13, V10) as (own, (newest, new, other, old)):
            await newest.request(SetAsync(properties=(AsyncPacketInMaster(0), AsyncPacketInSlave(2))))
            reply = await newest.request(GetAsyncRequest())
            assert {AsyncPacketInMaster(0), AsyncPacketInSlave(2)} <= set(reply.properties)
            assert len(reply.properties) == 6
            await new.request(SetAsync(packet_in_master=1, port_status_slave=7))
            assert await new.request(GetAsyncRequest()) == GetAsyncReply(1, 0, 0, 7, 0, 0)
            await other.request(NxSetAsyncConfig2((AsyncPacketInMaster(2),)))
            assert (await other.request(GetAsyncRequest())).packet_in_master == 2
            await old.request(NxSetAsyncConfig(packet_in_master=3))
            assert await own.told(PacketIn(reason=0)) == [1, 3]
            assert await own.told(PacketIn(reason=1)) == [2, 3]
            assert await own.told(PortStatus(2, Port(1))) == [0, 2]
            await newest.request(RoleRequest(SLAVE, 1))
            assert await own.told(PacketIn(reason=1)) == [0, 2, 3]
            assert await own.told(RoleStatus()) == []

    run(main)


def test_bundles() -> None:
    done: list[Committed] = []

    def carry_out(channel: Channel, committed: Committed) -> None:
        assert channel.connected
        if committed.bundle_id == 9:
            raise BundleError("no room", "OFPBFC_MSG_FAILED")
        done.append(committed)

    async def main() -> None:
        limits = Limits(idle=0.1)
        async with world(V14, V13, V10, carry_out=carry_out, bundle_limits=limits) as (own, (new, old, _)):
            for channel, control in ((new, BundleControl), (old, OnfBundleControl)):
                assert await channel.request(control(1, 0, 3)) == control(1, 1)
                channel.connection.send_bundle_adds([MOD, MOD], 1, 3)
                assert await channel.request(control(1, 4, 3)) == control(1, 5)
                assert [message for message, _ in done.pop().messages] == [MOD, MOD]
                with pytest.raises(OpenFlowError, match="OFPBFC_BAD_ID"):
                    await channel.request(control(1, 4, 3))
                await channel.request(control(9, 0, 3))
                with pytest.raises(OpenFlowError, match="OFPBFC_MSG_FAILED"):
                    await channel.request(control(9, 4, 3))
            own.heard[new].clear()
            await new.request(BundleAddMessage(5, MOD, 3))
            await until(lambda: bool(own.heard[new]))
            assert own.heard[new][0].request == BundleAddMessage(5, MOD, 3)
            with pytest.raises(OpenFlowError, match="OFPBFC_BAD_ID"):
                await new.request(BundleControl(5, 4, 3))
            await new.request(RoleRequest(SLAVE, 1))
            with pytest.raises(OpenFlowError, match="OFPBRC_IS_SLAVE"):
                await new.request(BundleControl(1, 0, 3))
            assert done == []
        async with world(V14) as (own, (new,)):
            new.send(BundleControl(1, 0, 3))
            await new.barrier()
            assert own.seen[-2] == BundleControl(1, 0, 3)  # an application without `carry_out` answers itself

    run(main)
