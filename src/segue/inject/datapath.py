"""The virtual switch of one injected service: what its controllers' messages change, and what follows for nodes.

    datapath = Datapath(scope, numbers)                # numbers: one `rooms.Numbers` for all services
    changes = datapath.apply(msg, version, now)        # flow, group, meter, table and port mods
    with datapath.transaction() as changes:            # a bundle: all of it, or nothing
        datapath.apply(msg, version, now)

Every method answers with `Changes`, to be stored (`saved`) and published, or raises `Refusal`, and then nothing has
changed. Within a transaction the answers are parts of what the transaction gives, and a refusal is to be let through.

No flow is ever in force that `translate` does not permit. A flow that matches a port which is not there now stays,
without a rule, until the port comes back. `now` is in seconds since the epoch, `version` as on the wire (4 is 1.3).

What is read only is in `replies`; what time does to flows, in `expiry`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec

from segue.inject import flow_mods, group_mods
from segue.inject.changes import Changes, GroupEntry
from segue.inject.errors import Malformed, Refusal
from segue.inject.scope import Scope
from segue.inject.state import State
from segue.inject.table import Place, Selection, place, ports_of
from segue.model.stages import SERVICE_TABLES
from segue.openflow import (
    ALL,
    ALL_TABLES,
    FLOOD,
    V10,
    V12,
    V13,
    FlowMod,
    FlowModCommand,
    FlowRemovedReason,
    GroupMod,
    Message,
    MeterMod,
    PortMod,
    TableConfig,
    TableMod,
)


class Datapath(State):
    """`scope`, `flows`, `rules`, `groups`, `meters` and `transaction` are those of `State`."""

    # -- what controllers send -------------------------------------------------------------------------------------

    def apply(self, msg: Message, version: int, now: float) -> Changes:
        """Carries out whatever changes the switch. Refusal (OFPBRC_BAD_TYPE) for what does not."""
        if isinstance(msg, FlowMod):
            return flow_mods.flow_mod(self, msg, version, now)
        if isinstance(msg, GroupMod):
            return self.group_mod(msg, version, now)
        if isinstance(msg, MeterMod):
            return self.meter_mod(msg, version, now)
        if isinstance(msg, TableMod):
            return self.table_mod(msg, version)
        if isinstance(msg, PortMod):
            return self.port_mod(msg, version)
        raise Refusal("OFPBRC_BAD_TYPE", f"a service's switch cannot carry out {type(msg).__name__}")

    def flow_mod(self, msg: FlowMod, version: int, now: float) -> Changes:
        """Adds, modifies or removes flows (`flow_mods`)."""
        return flow_mods.flow_mod(self, msg, version, now)

    def group_mod(self, msg: GroupMod, version: int, now: float) -> Changes:
        """Adds, changes or removes groups (`group_mods`)."""
        return group_mods.group_mod(self, msg, version, now)

    def meter_mod(self, msg: MeterMod, version: int, now: float) -> Changes:  # noqa: ARG002
        """Adds, changes or removes meters (`group_mods`)."""
        return group_mods.meter_mod(self, msg, now)

    def table_mod(self, msg: TableMod, version: int) -> Changes:
        """Nothing can be configured; what asks for nothing is accepted (OpenFlow 1.5.1 section 7.3.4.1)."""
        if msg.table_id >= SERVICE_TABLES and msg.table_id != ALL_TABLES:
            raise Refusal("OFPTMFC_BAD_TABLE", f"a service has the tables 0 to {SERVICE_TABLES - 1}")
        if version < V13:  # what becomes of packets that meet no flow; 0 is "to the controller"
            text = "a packet that meets no flow goes on behind the service; for anything else add a flow of priority 0"
            raise Refusal("OFPTMFC_BAD_CONFIG", text)
        if msg.config & ~int(TableConfig.DEPRECATED_MASK) or msg.properties:
            raise Refusal("OFPTMFC_BAD_CONFIG", "tables evict nothing and do not warn; leave config 0")
        return Changes()

    def port_mod(self, msg: PortMod, version: int) -> Changes:
        """Ports are the network's; what asks for nothing is accepted (OpenFlow 1.5.1 section 7.3.4.4)."""
        element = self.scope.elements.get(msg.port_no)
        if element is None:
            raise Refusal("OFPPMFC_BAD_PORT", f"the service has no port {msg.port_no}")
        if element.mac != msg.hw_addr:
            raise Refusal("OFPPMFC_BAD_HW_ADDR", f"port {msg.port_no} has another MAC address")
        if msg.mask or msg.advertise or msg.properties:
            error = "OFPPMFC_EPERM" if version >= V12 else "OFPBRC_EPERM"
            raise Refusal(error, "ports belong to the network; a service cannot configure them")
        return Changes()

    def replace(self, table: int, wanted: Sequence[FlowMod], version: int, now: float) -> Changes:
        """Has a table hold these flows, all of them adds, and no others. One that is there as it is wanted stays
        untouched, so the same again changes nothing. Refusal, with the index, if any is refused, not for this table,
        or there twice."""
        names: dict[tuple[int, Place], int] = {}
        for index, msg in enumerate(wanted):
            try:
                self._check_wanted(table, msg, version)
                name = msg.priority, flow_mods.own_match(msg.match, version)[1]
            except Refusal as refusal:
                raise refusal.of("flows", index) from None
            if (first := names.setdefault(name, index)) != index:
                text = f"flows[{index}] has priority and match of flows[{first}]; leave one of the two out"
                raise Malformed("OFPFMFC_OVERLAP", text, index)
        with self.transaction() as changes:
            there = self.flows.select(Selection(table=table))
            gone = [flow for flow in there if (flow.priority, place(flow.match)) not in names]
            flow_mods.delete(self, gone, FlowRemovedReason.DELETE)
            for (priority, at), index in names.items():
                old = self.flows.find(table, priority, at)
                try:
                    if old is None or not flow_mods.same(self, old, wanted[index], version):
                        flow_mods.flow_mod(self, wanted[index], version, now)
                except Refusal as refusal:
                    raise refusal.of("flows", index) from None
        return changes

    def _check_wanted(self, table: int, msg: FlowMod, version: int) -> None:
        if msg.command != FlowModCommand.ADD or (msg.table_id != table and version > V10):
            raise Refusal("OFPFMFC_BAD_TABLE_ID", f"the flows of table {table} are to be adds to this table")

    # -- what else changes it --------------------------------------------------------------------------------------

    def remove(self, numbers: Iterable[int], reason: int) -> Changes:
        """Removes flows, those of these numbers that are there: `expiry` says which."""
        there = self.flows.by_number
        return flow_mods.delete(self, [there[number] for number in numbers if number in there], reason)

    def clear(self) -> Changes:
        """Removes everything: the service is gone, or its token."""
        changes = Changes()
        for flow in list(self.flows):
            self.drop_flow(flow, FlowRemovedReason.DELETE, changes)
        for number in list(self.groups):
            self.drop_group(number, changes)
        for number in list(self.meters):
            self.drop_meter(number, changes)
        return self.done(changes)

    def rescope(self, scope: Scope) -> Changes:
        """Elements have come or gone, or are others, or permissions are. What names them is translated again; flows,
        groups and meters that are not permitted any more are removed, and flows by which packets would be copied too
        often. What controllers are told of ports is `ports.status` of the scopes before and after."""
        before = self.scope
        self.put_scope(scope)
        changes = Changes()
        if _terms(before) != _terms(scope):
            self._remake_meters(changes)
            groups, flows = set(self.groups), set(self.flows.by_number)
        else:
            others = _others(before, scope)
            if not others:
                return changes
            groups = {entry.number for entry in self.groups.values() if _leads_to(entry, others)}
            flows = self.flows.naming_ports(others)
        with self.remaking(changes):
            self._remake_groups(groups, changes)
            for number in sorted(flows):
                flow = self.flows.by_number.get(number)
                if flow is not None:
                    self.remake_flow(flow, changes)
        return self.done(changes)

    def _remake_meters(self, changes: Changes) -> None:
        for entry in list(self.meters.values()):
            try:
                made = self.make_meter(entry.number, entry.flags, entry.bands, entry.switch)
            except Refusal:
                group_mods.drop_meters(self, [entry.number], changes)
            else:
                if made != entry.made:
                    self.put_meter(msgspec.structs.replace(entry, made=made), changes)

    def _remake_groups(self, groups: Iterable[int], changes: Changes) -> None:
        for number in sorted(groups):
            entry = self.groups[number]
            try:
                made = self.make_group(entry.said, entry.switch)
            except Refusal:
                group_mods.drop_groups(self, [number], changes)
            else:
                if made != entry.made:
                    self.put_group(msgspec.structs.replace(entry, made=made), changes)


_ANYWHERE: Final = frozenset({FLOOD, ALL})


def _terms(scope: Scope) -> tuple[Any, ...]:
    """What all flows depend upon, whatever they name."""
    return scope.name, scope.key, scope.hook, scope.permissions, scope.packet_in_meter, scope.copy_meter


def _others(before: Scope, after: Scope) -> set[int]:
    """The numbers of ports that are not what they were, for who sends packets to them."""
    was = {number: (one.kind, one.key, one.mac, one.network) for number, one in before.elements.items()}
    now = {number: (one.kind, one.key, one.mac, one.network) for number, one in after.elements.items()}
    numbers = was.keys() | now.keys() | (before.gone ^ after.gone)
    return {number for number in numbers if was.get(number) != now.get(number) or number not in now}


def _leads_to(entry: GroupEntry, ports: set[int]) -> bool:
    for bucket in entry.said.buckets:
        named = ports_of(bucket.actions)
        if not named.isdisjoint(ports) or not named.isdisjoint(_ANYWHERE):
            return True
    return False
