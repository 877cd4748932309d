"""Modifications of flows, groups and meters in a small world, so that they meet: of versions 1.0 to 1.5, as decoded.

What Open vSwitch and a service's switch take alike; where a service has less (tables, ports, permissions), there is
nothing of it here. All of chance comes from the `Random` that is passed in.
"""

from __future__ import annotations

from random import Random
from typing import Any

from segue.openflow import VERSIONS, Message, decode, encode
from segue.openflow import protocol as of
from segue.openflow.protocol.groups import ALL_BUCKETS
from segue.openflow.wire import ALL_GROUPS, ALL_TABLES, ANY_GROUP, ANY_PORT, V10, V11, V12, V13, V14, V15

PORTS = (1, 2)
GROUPS = (1, 2, 3)
INDIRECT = 3
METERS = (1, 2)
TABLES = (0, 1, 2)
PRIORITIES = (0, 5, 6)
COOKIES = (0, 1, 2, 3)

MATCHES: tuple[dict[str, Any], ...] = (
    {},
    {"in_port": 1},
    {"in_port": 2},
    {"eth_dst": 0x020000000001},
    {"in_port": 1, "eth_dst": 0x020000000001},
    {"eth_type": 0x0800},
    {"eth_type": 0x0806},
    {"eth_type": 0x0800, "ipv4_dst": 0x0A000001},
    {"eth_type": 0x0800, "ipv4_dst": (0x0A000000, 0xFF000000)},
    {"eth_type": 0x0800, "ipv4_dst": (0x0A000000, 0xFFFFFF00)},
    {"in_port": 1, "eth_type": 0x0800, "ipv4_dst": 0x0A000001},
    {"eth_type": 0x0800, "ip_proto": 6},
    {"eth_type": 0x0800, "ip_proto": 6, "tcp_dst": 80},
    {"eth_type": 0x0800, "ip_proto": 6, "tcp_dst": 80, "ipv4_dst": 0x0A000001},
    {"eth_type": 0x0800, "ip_dscp": 8},
    {"vlan_vid": 0x1005},
)
NEWER: tuple[dict[str, Any], ...] = (
    {"vlan_vid": 0},
    {"vlan_vid": (0x1000, 0x1000)},
    {"eth_dst": (0x010000000000, 0x010000000000)},
    {"eth_type": 0x86DD, "ipv6_dst": (0xFE80 << 112, 0xFFC0 << 112)},
    {"eth_type": 0x86DD, "ipv6_dst": 0xFE80 << 112 | 1},
    {"metadata": 5},
    {"metadata": (4, 6)},
    {"eth_type": 0x0800, "ip_proto": 6, "tcp_dst": (80, 0xFFFE)},
)
"""Beyond what OpenFlow 1.0 and 1.1 can say, or what Open vSwitch takes for another match there (no tag at all)."""


def mod(rng: Random, version: int) -> Message:
    """One of them, read from its bytes."""
    chance = rng.random()
    if chance < 0.08 and version >= V11:
        made: Message = _group_mod(rng, version)
    elif chance < 0.12 and version >= V13:
        made = _meter_mod(rng)
    else:
        made = flow_mod(rng, version)
    read: Message = decode(encode(made, 1, version))[0]
    return read


def flow_mod(rng: Random, version: int) -> of.FlowMod:
    command = rng.choice((0, 0, 0, 0, 1, 2, 3, 4))
    removal = command in (3, 4)
    given: dict[str, Any] = {
        "command": command,
        "match": rng.choice(MATCHES + NEWER) if version >= V12 else rng.choice(MATCHES),
        "priority": rng.choice(PRIORITIES),
        "cookie": rng.choice(COOKIES),
        "flags": _flags(rng, version),
    }
    if not removal:
        given |= {"idle_timeout": rng.choice((0, 0, 600)), "hard_timeout": rng.choice((0, 0, 700))}
        if rng.random() < 0.05:
            given["buffer_id"] = 77
    elif rng.random() < 0.3:
        given["out_port"] = rng.choice((*PORTS, ANY_PORT))
    if version > V10:
        given["table_id"] = rng.choice((*TABLES, ALL_TABLES, ALL_TABLES) if removal and version > V11 else TABLES)
        if command:
            given["cookie_mask"] = rng.choice((0, 0, 0, 1, 3, 0xFFFFFFFFFFFFFFFF))
        if removal and rng.random() < 0.2:
            given["out_group"] = rng.choice((*GROUPS, ANY_GROUP))
    if version >= V14:
        given["importance"] = rng.choice((0, 7)) if command == 0 else 0
    if not removal:
        given |= _instructions(rng, version, given.get("table_id", 0), given["match"])
    return of.FlowMod(**given)


def _flags(rng: Random, version: int) -> int:
    flags = rng.choice((0, 0, 0, 1, 2, 2, 3))
    if version >= V12:
        flags |= rng.choice((0, 0, 4))
    if version >= V13:
        flags |= rng.choice((0, 0, 8, 16))
    if rng.random() < 0.03:
        flags |= rng.choice((4, 8, 64))
    return flags


def _instructions(rng: Random, version: int, table: int, match: dict[str, Any]) -> dict[str, Any]:
    actions: list[of.Action] = []
    if rng.random() < 0.3:
        address = rng.choice((0x020000000001, 0x020000000002))
        actions.append(of.SetDlDst(address) if version < V12 else of.SetField("eth_dst", address))
    if rng.random() < 0.2 and match.get("eth_type") == 0x0800:
        actions.append(of.SetNwTos(0x20) if version < V12 else of.SetField("ip_dscp", 8))
    if version >= V11 and rng.random() < 0.25:
        actions.append(of.Group(rng.choice(GROUPS)))
    elif rng.random() < 0.8:
        ports = [port for port in PORTS if port != match.get("in_port")]
        actions += [of.Output(port) for port in rng.sample(ports, rng.choice((1, len(ports))))]
    if version == V10:
        return {"actions": actions}
    instructions: list[of.Instruction] = []
    if V13 <= version < V15 and rng.random() < 0.2:
        instructions.append(of.Meter(rng.choice(METERS)))
    if version >= V15 and rng.random() < 0.2:
        actions.insert(0, of.MeterAction(rng.choice(METERS)))
    if actions:
        instructions.append(of.ApplyActions(actions))
    if rng.random() < 0.2:
        if rng.random() < 0.5:
            instructions.append(of.WriteMetadata(5, rng.choice((7, 0xFFFFFFFFFFFFFFFF))))
        instructions.append(of.GotoTable(table + 1))
    return {"instructions": instructions}


def _group_mod(rng: Random, version: int) -> of.GroupMod:
    commands = (0, 0, 0, 1, 1, 2) if version < V15 else (0, 0, 0, 1, 2, 3, 3, 5, 5)
    command = rng.choice(commands)
    group = rng.choice((*GROUPS, ALL_GROUPS) if command == 2 else GROUPS)
    if group == INDIRECT:  # Open vSwitch lets such a group have no buckets, or several, where they are not all given
        command, kind = (command, 2) if command < 3 else (0, 2)
    else:
        kind = 0 if group == 1 else 1  # an inserted bucket weighs what the message's type says, not the group's
    ids = (
        [rng.randrange(4) for _ in range(rng.randrange(3))]
        if rng.random() < 0.2
        else rng.sample(range(6), rng.randrange(3))
    )
    if kind == 2:
        ids = [rng.randrange(4)]  # how many there are is looked at before or after whether there is such a group
    buckets = [_bucket(rng, kind, number, version) for number in ids]
    given: dict[str, Any] = {"command": command, "group_id": group, "type": kind}
    if command not in (2, 5):
        given["buckets"] = buckets
    if version >= V15:
        given["command_bucket_id"] = ALL_BUCKETS
        if command in (3, 5):
            given["command_bucket_id"] = rng.choice((0, 1, 2, 0xFFFFFFFD, 0xFFFFFFFE, ALL_BUCKETS))
    return of.GroupMod(**given)


def _bucket(rng: Random, kind: int, number: int, version: int) -> of.Bucket:
    actions = [of.Output(rng.choice(PORTS))]
    weight = rng.choice((1, 5)) if kind == 1 else 0
    if version < V15:
        return of.Bucket(actions, weight)
    return of.Bucket(actions, bucket_id=number, properties=[of.BucketWeight(weight)] if weight else ())


def _meter_mod(rng: Random) -> of.MeterMod:
    command = rng.choice((0, 0, 0, 1, 2))
    return of.MeterMod(
        command, rng.choice(METERS), [of.MeterDrop(rng.choice((100, 200)), 10)] if command != 2 else (), 1 | 4
    )


def version(rng: Random) -> int:
    return rng.choice((V10, V13, V15, *VERSIONS))
