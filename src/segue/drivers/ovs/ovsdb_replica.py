"""What the monitored tables of Open_vSwitch say, and which logical ports that binds to a bridge.

The replica is fed with RFC 7047's `monitor` (section 4.1.5): an update (4.1.6) carries each changed row whole, with
all monitored columns, so that applying one is replacing the row. `monitor_cond` would send sets and maps as
differences and save little on tables of this size.

An interface binds a logical port when its external_ids:iface-id names it, it belongs to the bridge in
question, and Open vSwitch has given it a port number; until then (no `ofport`, or -1 after a failure) it
is not ready and binds nothing. Two interfaces may claim one iface-id: the one whose name sorts first has it, and the
others are named, so that every look at the same state gives the same answer.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

Json = Any

MONITORED = {
    "Open_vSwitch": ("bridges", "next_cfg", "cur_cfg"),
    "Bridge": ("name", "ports", "datapath_id", "datapath_type", "external_ids"),
    "Port": ("name", "interfaces", "external_ids"),
    "Interface": (
        *("name", "type", "options", "external_ids"),
        *("ofport", "admin_state", "link_state", "error"),
    ),
}


class Interface(msgspec.Struct, frozen=True):
    """`ofport` is None until Open vSwitch has numbered it, and -1 if it could not; `error` then says why."""

    uuid: str
    name: str
    type: str
    options: dict[str, str]
    external_ids: dict[str, str]
    ofport: int | None
    admin_state: str | None
    link_state: str | None
    error: str | None

    @property
    def ready(self) -> bool:
        return self.ofport is not None and self.ofport > 0


class Port(msgspec.Struct, frozen=True):
    uuid: str
    name: str
    interfaces: tuple[str, ...]
    external_ids: dict[str, str]


class Bridge(msgspec.Struct, frozen=True):
    """`datapath_id` is 16 hex digits, None until ovs-vswitchd has made the bridge. `datapath_type` is "netdev" for the
    userspace datapath, "" or "system" for the kernel's."""

    uuid: str
    name: str
    ports: tuple[str, ...]
    datapath_id: str | None
    datapath_type: str
    external_ids: dict[str, str]


class Bound(msgspec.Struct, frozen=True):
    """Logical port `iface_id` is at port number `ofport` of `bridge`. `others` are the names of further ready
    interfaces of the bridge that claim the same iface-id, sorted."""

    iface_id: str
    interface: str
    bridge: str
    ofport: int
    others: tuple[str, ...] = ()


class Unbound(msgspec.Struct, frozen=True):
    """Logical port `iface_id` is no longer on the bridge; the rest says where it was."""

    iface_id: str
    interface: str
    bridge: str
    ofport: int


class Replica:
    """The rows by their uuid, and the questions the driver asks of them."""

    def __init__(self) -> None:
        self.bridges: dict[str, Bridge] = {}
        self.ports: dict[str, Port] = {}
        self.interfaces: dict[str, Interface] = {}
        self.cur_cfg = 0

    def apply(self, updates: Mapping[str, Mapping[str, Mapping[str, Json]]]) -> None:
        """Take in <table-updates>, of a reply to `monitor` or of an update."""
        for table, rows in updates.items():
            for uuid, change in rows.items():
                self._apply_row(table, uuid, change.get("new"))

    def bridge(self, name: str) -> Bridge | None:
        return next((bridge for bridge in self.bridges.values() if bridge.name == name), None)

    def port(self, name: str) -> tuple[Bridge | None, Port] | None:
        """The port of that name (names are unique in a database) and its bridge."""
        for port in self.ports.values():
            if port.name == name:
                owner = (bridge for bridge in self.bridges.values() if port.uuid in bridge.ports)
                return next(owner, None), port
        return None

    def ports_of(self, bridge: str) -> Iterator[Port]:
        found = self.bridge(bridge)
        for uuid in found.ports if found else ():
            if uuid in self.ports:
                yield self.ports[uuid]

    def interfaces_of(self, port: Port) -> Iterator[Interface]:
        for uuid in port.interfaces:
            if uuid in self.interfaces:
                yield self.interfaces[uuid]

    def interface(self, name: str) -> Interface | None:
        return next((interface for interface in self.interfaces.values() if interface.name == name), None)

    def bindings(self, bridge: str) -> dict[str, Bound]:
        """What is bound to `bridge`, by iface-id; nothing if there is no such bridge."""
        claims: dict[str, list[Interface]] = {}
        for port in self.ports_of(bridge):
            for interface in self.interfaces_of(port):
                if interface.ready and (iface_id := interface.external_ids.get("iface-id")):
                    claims.setdefault(iface_id, []).append(interface)
        bindings = {}
        for iface_id in sorted(claims):
            first, *rest = sorted(claims[iface_id], key=lambda interface: interface.name)
            others = tuple(interface.name for interface in rest)
            bindings[iface_id] = Bound(iface_id, first.name, bridge, first.ofport or 0, others)
        return bindings

    def _apply_row(self, table: str, uuid: str, row: Mapping[str, Json] | None) -> None:
        match table, row:
            case "Open_vSwitch", Mapping():
                self.cur_cfg = int(row["cur_cfg"])
            case "Bridge", None:
                self.bridges.pop(uuid, None)
            case "Bridge", Mapping():
                ports, datapath = tuple(map(_atom, _set(row["ports"]))), _optional(row["datapath_id"])
                kind, ids = row["datapath_type"], _map(row["external_ids"])
                self.bridges[uuid] = Bridge(uuid, row["name"], ports, datapath, kind, ids)
            case "Port", None:
                self.ports.pop(uuid, None)
            case "Port", Mapping():
                interfaces = tuple(map(_atom, _set(row["interfaces"])))
                self.ports[uuid] = Port(uuid, row["name"], interfaces, _map(row["external_ids"]))
            case "Interface", None:
                self.interfaces.pop(uuid, None)
            case "Interface", Mapping():
                self.interfaces[uuid] = Interface(
                    uuid,
                    name=row["name"],
                    type=row["type"],
                    options=_map(row["options"]),
                    external_ids=_map(row["external_ids"]),
                    ofport=_optional(row["ofport"]),
                    admin_state=_optional(row["admin_state"]),
                    link_state=_optional(row["link_state"]),
                    error=_optional(row["error"]),
                )
            case _:
                pass


def difference(old: Mapping[str, Bound], new: Mapping[str, Bound]) -> list[Bound | Unbound]:
    """What to say to one who knows `old`: first what is gone, then what is new or different, by iface-id. A
    Bound replaces an earlier one of the same iface-id."""
    events: list[Bound | Unbound] = [
        Unbound(iface_id, was.interface, was.bridge, was.ofport)
        for iface_id, was in sorted(old.items())
        if iface_id not in new
    ]
    return events + [bound for iface_id, bound in sorted(new.items()) if old.get(iface_id) != bound]


# Values, RFC 7047 section 5.1: a set of one element may stand as the bare element.


def _set(value: Json) -> list[Json]:
    return value[1] if isinstance(value, list) and value[0] == "set" else [value]


def _optional(value: Json) -> Json:
    elements = _set(value)
    return elements[0] if elements else None


def _atom(value: Json) -> str:
    """A reference to a row: ["uuid", "..."]."""
    return str(value[1])


def _map(value: Json) -> dict[str, str]:
    return dict(value[1])
