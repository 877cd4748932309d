"""A service's switch beside a bridge of Open vSwitch: the same messages, of all versions by turns, have the same
answers, errors included, and leave the same flows, groups and meters, as OpenFlow 1.5 describes them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import AsyncExitStack
from random import Random
from typing import Any

import pytest

from inject import random_mods
from inject.scenes import scope
from openflow.open_vswitch import PROTOCOLS, OpenVSwitch
from segue.inject import replies
from segue.inject.datapath import Datapath
from segue.inject.errors import Refusal
from segue.inject.rooms import Numbers
from segue.openflow import VERSION_NAMES, VERSIONS, Message, decode, encode
from segue.openflow import protocol as of
from segue.openflow.client import OpenFlowClient, OpenFlowError
from segue.openflow.match import canonical
from segue.openflow.protocol.errors import error_message, error_name
from segue.openflow.wire import V15

pytestmark = [pytest.mark.root, pytest.mark.slow]

SEQUENCES, LENGTH = 40, 80
OTHERWISE = {
    ("OFPMMFC_INVALID_METER", "OFPMMFC_UNKNOWN_METER"),  # a meter that does not exist is not one that cannot
    ("OFPMMFC_INVALID_METER", "OFPBAC_BAD_METER"),  # OpenFlow 1.5.1 section 7.5.4.3
}
"""Their error, ours: where the specification says it otherwise."""


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with OpenVSwitch(tmp_path_factory.mktemp("ovs")) as ovs:
        ovs.vsctl(
            *("add-br", "br0", "--", "set", "bridge", "br0", "datapath_type=netdev", "fail_mode=secure"),
            f"protocols={','.join(PROTOCOLS.values())}",
        )
        for number in random_mods.PORTS:
            add = ("add-port", "br0", f"p{number}", "--", "set", "interface", f"p{number}", "type=internal")
            ovs.vsctl(*add, f"ofport_request={number}")
        yield ovs.management("br0")


def said(flows: Any) -> set[Any]:
    """Flow descriptions, comparable, without what time does to them."""
    found = {
        (
            flow.table_id,
            flow.priority,
            tuple(sorted(canonical(flow.match).items())),
            flow.cookie,
            flow.idle_timeout,
            flow.hard_timeout,
            flow.flags,
            flow.importance,
            repr((tuple(flow.actions), tuple(flow.instructions))),
        )
        for flow in flows
    }
    assert len(found) == len(flows)
    return found


async def here(datapath: Datapath, msg: Message) -> Any:
    """The answer, as a controller reads it."""
    (reply,) = replies.answer(datapath, msg, V15)
    return decode(encode(reply, 1, V15))[0]


def groups(reply: Any) -> dict[int, Any]:
    return {one.group_id: (one.type, repr(tuple(one.buckets))) for one in reply.groups}


def meters(reply: Any) -> dict[int, Any]:
    return {one.meter_id: (one.flags, repr(tuple(one.bands))) for one in reply.meters}


async def compare(target: str, rng: Random) -> None:
    async with AsyncExitStack() as stack:
        clients = {one: await stack.enter_async_context(OpenFlowClient(target, version=one)) for one in VERSIONS}
        newest = clients[V15]
        await newest.request(of.FlowMod(command=of.FlowModCommand.DELETE, table_id=255))
        await newest.request(of.GroupMod(of.GroupCommand.DELETE, 0xFFFFFFFC))
        await newest.request(of.MeterMod(of.MeterCommand.DELETE, 0xFFFFFFFF))
        datapath = Datapath(scope(), Numbers())
        story: list[str] = []
        for _ in range(LENGTH):
            version = random_mods.version(rng)
            mod = random_mods.mod(rng, version)
            theirs = ours = ""
            try:
                await clients[version].request(mod)
            except OpenFlowError as error:
                theirs = error.name or str(error)
            try:
                datapath.apply(mod, version, 0.0)
            except Refusal as refusal:
                ours = error_name(version, error_message(version, refusal.error)) or refusal.error
                ours = theirs if (theirs, refusal.error) in OTHERWISE else ours
            story.append(f"{VERSION_NAMES[version]} {mod} {theirs!r} {ours!r}")
            assert ours == theirs, "\n".join(story[-12:])
            described = of.FlowDescRequest()
            there = [flow async for part in newest.flow_stats(described) for flow in part]
            mine = said((await here(datapath, described)).flows)
            assert mine == said(there), "\n".join([*story[-12:], *map(str, mine ^ said(there))])
            wanted = of.GroupDescRequest()
            assert groups(await here(datapath, wanted)) == groups(await newest.request(wanted)), "\n".join(story[-12:])
            asked = of.MeterDescRequest()
            assert meters(await here(datapath, asked)) == meters(await newest.request(asked)), "\n".join(story[-12:])


@pytest.mark.parametrize("seed", range(SEQUENCES))
def test_the_same_messages_leave_the_same_switch(target: str, seed: int) -> None:
    asyncio.run(compare(target, Random(seed)))
