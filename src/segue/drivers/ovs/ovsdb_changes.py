"""Operations of `transact` (RFC 7047 section 5.2) that change our own ports and the given bridge.

A plan is made from the replica, which may be a moment behind. So each transaction carries the conditions
under which it was planned: `wait` operations with no time to wait, and the unique index on port names. If
another client was faster the server refuses the whole, and one plans again.

Whose port is it? A port of ours carries our external_ids, on the Port and on its Interface. A port of the
wanted name that carries none of these keys was made by somebody else and is refused, as is one on another
bridge.
"""

from collections.abc import Collection, Mapping
from typing import Any

from .ovsdb import BridgeMissing, PortRefused
from .ovsdb_replica import Replica

Operation = dict[str, Any]

# Makes ovs-vswitchd say (in cur_cfg) when it has carried the transaction out, and asks for the number to
# wait for; the select's result is the transaction's last.
ACKNOWLEDGED: tuple[Operation, ...] = (
    {"op": "mutate", "table": "Open_vSwitch", "where": [], "mutations": [["next_cfg", "+=", 1]]},
    {"op": "select", "table": "Open_vSwitch", "where": [], "columns": ["next_cfg"]},
)


def tunnel(
    replica: Replica,
    bridge: str,
    name: str,
    type_: str,
    options: Mapping[str, str],
    external_ids: Mapping[str, str],
) -> list[Operation]:
    """What is missing to a port `name` on `bridge` with one interface of that type, exactly these options and at
    least these external_ids; empty if nothing is. Raises BridgeMissing, PortRefused."""
    if not external_ids:
        raise ValueError("a port of ours is recognised by external_ids: give at least one")
    if replica.bridge(bridge) is None:
        raise BridgeMissing(bridge)
    found = replica.port(name)
    if found is None:
        if replica.interface(name) is not None:
            raise PortRefused(f"an interface named {name!r} is already part of another port.")
        return _new_tunnel(bridge, name, type_, options, external_ids)
    owner, port = found
    if owner is None or owner.name != bridge:
        where = f"bridge {owner.name!r}" if owner else "no bridge"
        raise PortRefused(f"port {name!r} is on {where}, not on {bridge!r}.")
    interfaces = list(replica.interfaces_of(port))
    if len(interfaces) != 1 or not external_ids.keys() & port.external_ids.keys():
        raise PortRefused(f"port {name!r} on bridge {bridge!r} was made by somebody else.")
    (interface,) = interfaces
    changes: list[Operation] = []
    if interface.type != type_ or interface.options != dict(options):
        row = {"type": type_, "options": _map(options)}
        changes.append({"op": "update", "table": "Interface", "where": _is(interface.uuid), "row": row})
    for table, uuid, held in (
        ("Port", port.uuid, port.external_ids),
        ("Interface", interface.uuid, interface.external_ids),
    ):
        if not external_ids.items() <= held.items():
            changes.append(_put_external_ids(table, _is(uuid), external_ids))
    return [_still_on(bridge, port.uuid), *changes] if changes else []


def removal(
    replica: Replica, bridge: str, external_ids: Mapping[str, str], keep: Collection[str]
) -> tuple[list[str], list[Operation]]:
    """The names of the bridge's ports that carry all these external_ids, apart from those to keep, and the
    operations that take them off. Their rows are collected by the server, nothing else refers to them."""
    if not external_ids:
        raise ValueError("ports to delete are recognised by external_ids: give at least one")
    if replica.bridge(bridge) is None:
        raise BridgeMissing(bridge)
    ports = [
        port
        for port in replica.ports_of(bridge)
        if external_ids.items() <= port.external_ids.items() and port.name not in keep
    ]
    names = sorted(port.name for port in ports)
    if not ports:
        return names, []
    uuids = ["set", [["uuid", port.uuid] for port in ports]]
    return names, [_change_ports(bridge, "delete", uuids)]


def bridge_external_ids(bridge: str, values: Mapping[str, str | None]) -> list[Operation]:
    """Sets keys of the bridge's external_ids, and removes those whose value is None."""
    return [_put_external_ids("Bridge", [["name", "==", bridge]], values)]


def _new_tunnel(
    bridge: str, name: str, type_: str, options: Mapping[str, str], external_ids: Mapping[str, str]
) -> list[Operation]:
    ids = _map(external_ids)
    interface = {"name": name, "type": type_, "options": _map(options), "external_ids": ids}
    port = {"name": name, "interfaces": ["named-uuid", "interface"], "external_ids": ids}
    return [
        {"op": "wait", "table": "Bridge", "timeout": 0, "until": "==", **_the_bridge(bridge)},
        {"op": "insert", "table": "Interface", "uuid-name": "interface", "row": interface},
        {"op": "insert", "table": "Port", "uuid-name": "port", "row": port},
        _change_ports(bridge, "insert", ["named-uuid", "port"]),
    ]


def _still_on(bridge: str, port: str) -> Operation:
    wait: Operation = {"op": "wait", "table": "Bridge", "timeout": 0, "until": "==", **_the_bridge(bridge)}
    wait["where"] = [*wait["where"], ["ports", "includes", ["uuid", port]]]
    return wait


def _the_bridge(name: str) -> Operation:
    return {"where": [["name", "==", name]], "columns": ["name"], "rows": [{"name": name}]}


def _change_ports(bridge: str, mutator: str, ports: list[Any]) -> Operation:
    where = [["name", "==", bridge]]
    return {"op": "mutate", "table": "Bridge", "where": where, "mutations": [["ports", mutator, ports]]}


def _put_external_ids(table: str, where: list[Any], values: Mapping[str, str | None]) -> Operation:
    # Inserting into a map leaves keys that are there as they are (section 5.1): take them out first.
    kept = {key: value for key, value in values.items() if value is not None}
    mutations = [
        ["external_ids", "delete", ["set", list(values)]],
        ["external_ids", "insert", _map(kept)],
    ]
    return {"op": "mutate", "table": table, "where": where, "mutations": mutations}


def _is(uuid: str) -> list[Any]:
    return [["_uuid", "==", ["uuid", uuid]]]


def _map(values: Mapping[str, str]) -> list[Any]:
    return ["map", [[key, value] for key, value in values.items()]]
