"""Ports, tables, queues, groups, meters and the switch as os-ken reads its own golden packets: the same values under
the same names, and the same octets when they are written again."""

from collections.abc import Iterator
from ipaddress import IPv4Address
from typing import Any

import pytest

from segue.openflow import codec
from segue.openflow.declare import Record
from segue.openflow.protocol import (
    group_stats,
    groups,
    meters,
    port_stats,
    ports,
    queues,
    switch,
    table_features,
    tables,
)
from segue.openflow.wire import V13

from ..oracles import osken  # noqa: TID252

OURS = {m.__name__ for m in (group_stats, groups, meters, port_stats, ports, queues, switch, table_features, tables)}

# os-ken has one name for what OpenFlow names differently from version to version.
OTHER_NAMES = {"config": "capabilities", "ref_count": "flow_count", "flow_count": "ref_count"}
LISTS = ("ports", "stats", "tables", "queues", "groups", "meters")
# A list of properties that is not padded to eight octets, which Open vSwitch refuses.
NOT_PADDED = {"4-36-ofp_queue_get_config_reply"}


def mine() -> list[Any]:
    found = []
    for golden in osken.goldens():
        if golden.whole:
            try:
                message = codec.decode(golden.data)[0]
            except ValueError:
                continue
            if type(message).__module__ in OURS:
                found.append(pytest.param(golden, id=f"{golden.version}-{golden.name}"))
    return found


@pytest.mark.parametrize("golden", mine())
def test_golden(golden):
    message, xid, version = codec.decode(golden.data)
    again = codec.encode(message, xid, version)
    if golden.name in NOT_PADDED:
        assert codec.decode(again) == (message, xid, version)
    else:
        assert again == golden.data
    if golden.json:
        different = list(compare(message, golden.json, type(message).__name__))
        assert not different, "\n".join(different)


def compare(ours: Any, theirs: Any, where: str) -> Iterator[str]:
    """Where a value of os-ken's differs from its namesake here."""
    if isinstance(theirs, dict) and len(theirs) == 1 and next(iter(theirs))[0].isupper():
        (theirs,) = theirs.values()  # {"OFPPort": {...}}
    if isinstance(ours, bytes) or (isinstance(ours, str) and isinstance(theirs, dict)):
        return  # what is not declared, and names of match fields, which os-ken takes apart
    if isinstance(ours, Record):
        for name, value in theirs.items():
            names = LISTS if name == "body" else (name, OTHER_NAMES.get(name, name))
            found = [getattr(ours, other) for other in names if other in ours.__struct_fields__]
            if found:
                tries = [list(compare(mine, value, f"{where}.{name}")) for mine in found]
                yield from min(tries, key=len)
            elif name == "body" and isinstance(value, dict):
                yield from compare(ours, value, where)
    elif isinstance(theirs, dict):  # the ports of a features reply by number
        ours = sorted(ours, key=lambda port: str(port.port_no))
        yield from compare(ours, [theirs[number] for number in sorted(theirs)], where)
    elif isinstance(theirs, list):
        if len(ours) != len(theirs):
            yield f"{where}: {len(ours)} {len(theirs)}"
        for n, (left, right) in enumerate(zip(ours, theirs, strict=False)):
            yield from compare(left, right, f"{where}[{n}]")
    elif isinstance(ours, int) and isinstance(theirs, str):
        if theirs not in (mac(ours, ":"), mac(ours, "-"), str(IPv4Address(ours & 0xFFFFFFFF))):
            yield f"{where}: {ours} {theirs}"
    elif ours != theirs:
        yield f"{where}: {ours!r} {theirs!r}"


def mac(value: int, between: str) -> str:
    return between.join(f"{octet:02x}" for octet in value.to_bytes(8, "big")[2:])


def test_goldens_are_there():
    if osken.available():
        pytest.skip(osken.available())
    names = {golden.values[0].name for golden in mine()}
    assert len(names) >= 120
    assert any(golden.values[0].version == V13 for golden in mine())
