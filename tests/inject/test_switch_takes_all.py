"""What `translate` lets pass, Open vSwitch takes: several thousand random rules, groups and meters, one by one."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from inject import random_flows
from inject.scenes import ALL, COPY_METER, GROUPS, METERS, PACKET_IN_METER, scope
from inject.test_packets import ARP, LATER, TAGGED, UDP
from openflow.open_vswitch import OpenVSwitch
from segue.drivers.ovs.groups import group_mod, meter_mod
from segue.drivers.ovs.render import action, addition
from segue.inject import translate
from segue.inject.errors import Refusal
from segue.model.program import FIRST_GROUP, Band, Group, Meter, Rule, cookie
from segue.openflow import (
    CONTROLLER,
    V13,
    V15,
    ApplyActions,
    GroupMod,
    Message,
    MeterCommand,
    MeterMod,
    PacketOut,
)
from segue.openflow.client import OpenFlowClient, OpenFlowError

WANTED = 4_000
FRAMES = (UDP, TAGGED, LATER, ARP)


def rules(rng: random.Random, wanted: int) -> list[Rule]:
    found: dict[Any, Rule] = {}
    while len(found) < wanted:
        permitted = random_flows.permissions(rng) if rng.random() < 0.3 else ALL
        try:
            rule = translate.rule(scope(random_flows.hook(rng), permitted), random_flows.flow(rng), GROUPS, METERS)
        except Refusal:
            continue
        if rule is not None:
            found[rule.identity] = rule
    return list(found.values())


async def refused(target: str, mods: Sequence[Message]) -> list[str]:
    """What the switch refused, and why."""
    complaints: list[str] = []
    async with OpenFlowClient(target, version=V15) as client:
        for mod in mods:
            try:
                await client.request(mod)
            except OpenFlowError as error:
                complaints.append(f"{error}: {mod}")
    return complaints


def groups_and_meters(rng: random.Random, wanted: int) -> list[GroupMod | MeterMod]:
    """Groups under numbers of their own, which nothing names; meters one after the other in the same place."""
    found: list[GroupMod | MeterMod] = []
    while len(found) < wanted:
        where = scope(random_flows.hook(rng))
        version = rng.choice((V13, V15))
        mod = random_flows.group_mod(rng, version)
        number = FIRST_GROUP + 100 + len(found)
        with contextlib.suppress(Refusal):
            found.append(group_mod(translate.group(where, mod, number, GROUPS, METERS, version)))
        with contextlib.suppress(Refusal):
            meter = translate.meter(where, random_flows.meter_mod(rng), METERS[1])
            found.append(meter_mod(meter, MeterCommand.MODIFY))
    return found


def packet_outs(rng: random.Random, wanted: int) -> list[PacketOut]:
    """What nodes are told to send for packet-outs of services."""
    found: list[PacketOut] = []
    while len(found) < wanted:
        where = scope(random_flows.hook(rng))
        flow = random_flows.flow(rng)
        actions = [action for one in flow.instructions if isinstance(one, ApplyActions) for action in one.actions]
        msg = PacketOut(in_port=rng.choice((1, 2, CONTROLLER)), actions=actions, data=rng.choice(FRAMES))
        with contextlib.suppress(Refusal):
            for _, done, data in translate.packet_out(where, msg, flow.version):
                found.append(PacketOut(actions=[action(one) for one in done], data=data))
    return found


@pytest.mark.root
@pytest.mark.slow
def test_open_vswitch_takes_all_that_passes(tmp_path: Path) -> None:
    empty = [group_mod(Group(number, "all", (), "test")) for number in GROUPS.values()]
    numbers = (*METERS.values(), PACKET_IN_METER, COPY_METER)
    meters = [meter_mod(Meter(number, True, (Band(1000),), "test"), MeterCommand.ADD) for number in numbers]
    some = rules(random.Random(1), WANTED)
    assert sum(len(rule.actions) > 2 for rule in some) > WANTED // 10
    others = groups_and_meters(random.Random(2), WANTED // 4)
    sent = packet_outs(random.Random(3), WANTED // 4)
    with OpenVSwitch(tmp_path) as ovs:
        ovs.vsctl("add-br", "br", "--", "set", "bridge", "br", "datapath_type=netdev", "protocols=OpenFlow15")
        mods = [*empty, *meters, *(addition(cookie(rule), rule) for rule in some), *others, *sent]
        assert asyncio.run(refused(ovs.management("br"), mods)) == []
