"""A service's OpenFlow, of any version, as rules, groups and meters of the pipeline, or a `Refusal`.

Everything that is not explicitly permitted is refused. What passes keeps to the contract of its stage
(``stages.check``), matches the service's number, names nothing that is not the service's own, and is taken by Open
vSwitch. Pure: the same question has the same answer, until elements or permissions change; then ask again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from segue.inject import matches
from segue.inject.action_set import in_order
from segue.inject.actions import MAX_ACTIONS, Context, Steps, laid_out, need
from segue.inject.errors import Refusal
from segue.inject.flow import Flow
from segue.inject.groups import group
from segue.inject.meters import meter
from segue.inject.packets import packet_in, packet_out
from segue.inject.rewrites import Known
from segue.inject.scope import Scope
from segue.model.program import AnyAction, Next, Rule, SetField, Value
from segue.model.stages import SERVICE_METADATA, SERVICE_TABLES, VERDICT
from segue.openflow import protocol as of
from segue.openflow.protocol.families import Action
from segue.openflow.wire import V13, V14

__all__ = ["Uses", "group", "meter", "packet_in", "packet_out", "rule", "uses"]

TABLE_MISS, ACTION, ACTION_SET = 0, 1, 3
"""Why a packet goes to the controller (OFPR_NO_MATCH, OFPR_ACTION, and since 1.4 OFPR_ACTION_SET)."""
_WHOLE: Final = (1 << 64) - 1


class Uses(msgspec.Struct, frozen=True):
    """The virtual groups and meters that a flow names."""

    groups: frozenset[int]
    meters: frozenset[int]


class _Instructions(msgspec.Struct, frozen=True):
    """One of each at most. ``metadata``: (value, mask)."""

    meter: int | None = None
    apply: tuple[Action, ...] = ()
    write: tuple[Action, ...] = ()
    metadata: tuple[int, int] | None = None
    goto: int | None = None


def rule(scope: Scope, flow: Flow, groups: Mapping[int, int], meters: Mapping[int, int]) -> Rule | None:
    """The rule of a flow. ``groups`` and ``meters`` give the switches' numbers for the service's own. None: it matches
    an element that is not attached now, and can be kept for when it is again. What goes to one comes to nothing."""
    if not 0 <= flow.table < SERVICE_TABLES:
        raise Refusal("OFPFMFC_BAD_TABLE_ID", f"there is no table {flow.table}; tables are 0 to {SERVICE_TABLES - 1}")
    if not 0 <= flow.priority <= 0xFFFF:
        raise Refusal("OFPFMFC_BAD_PRIORITY", f"priority {flow.priority} is not within 0..65535")
    found = matches.normal(flow.match, flow.version)
    match = matches.of_scope(scope, found)
    actions = _actions(scope, flow, found, groups, meters)
    if match is None:
        return None
    return Rule(f"service_{flow.table}", flow.priority, match, actions, scope.owner, begun=flow.begun)


def uses(flow: Flow) -> Uses:
    """Which groups and meters must be there for the flow."""
    groups: set[int] = set()
    meters: set[int] = set()
    for instruction in flow.instructions:
        match instruction:
            case of.Meter(meter_id=number):
                meters.add(number)
            case of.ApplyActions(actions=actions) | of.WriteActions(actions=actions):
                groups.update(action.group_id for action in actions if isinstance(action, of.Group))
                meters.update(action.meter_id for action in actions if isinstance(action, of.MeterAction))
    return Uses(frozenset(groups), frozenset(meters))


def _actions(
    scope: Scope, flow: Flow, found: Mapping[str, Value], groups: Mapping[int, int], meters: Mapping[int, int]
) -> tuple[AnyAction, ...]:
    said = _instructions(flow)
    if len(said.apply) + len(said.write) > MAX_ACTIONS:
        raise Refusal("OFPBAC_TOO_MANY", f"a rule has {MAX_ACTIONS} actions at most; use a group, or another table")
    context = Context(
        scope, groups, meters, flow.version, flow.table, flow.cookie, in_port=matches.exact(found, "in_port")
    )
    steps = Steps(context, _known(found))
    if said.meter is not None:
        steps.meter(said.meter, "OFPMMFC_UNKNOWN_METER")
    missed = flow.version >= V13 and flow.priority == 0 and not found
    steps.perform(said.apply, TABLE_MISS if missed else ACTION)
    steps.perform(in_order(said.write), ACTION_SET if flow.version >= V14 else ACTION)
    if steps.normal and said.goto is not None:
        text = "NORMAL says that the packet is done with here; leave one of the two out"
        raise Refusal("OFPBAC_UNSUPPORTED_ORDER", f"output NORMAL and goto_table: {text}")
    goes_on = steps.normal or said.goto is not None
    need(scope, steps, goes_on)
    laid = laid_out(scope, steps.steps, last_as_it_is=not goes_on)
    if not goes_on:
        return (SetField(VERDICT, 0), *laid)
    if said.goto is None:
        return laid
    metadata: tuple[AnyAction, ...] = ()
    if said.metadata is not None and said.metadata[1]:
        value, mask = said.metadata
        metadata = (SetField(SERVICE_METADATA, value & mask, None if mask == _WHOLE else mask),)
    return (*laid, *metadata, Next(f"service_{said.goto}"))


def _known(found: Mapping[str, Value]) -> Known:
    return Known(
        matches.exact(found, "eth_type"),
        matches.exact(found, "ip_proto"),
        tags=int("vlan_vid" in found and matches.tagged(found)),
        untagged=found.get("vlan_vid") == 0,
        later="ip_frag" in found and matches.later(found),
    )


def _instructions(flow: Flow) -> _Instructions:
    said: dict[str, Any] = {}
    seen: set[type] = set()
    for instruction in flow.instructions:
        kind = type(instruction)
        if kind in seen:
            raise Refusal("OFPBIC_DUP_INST", f"{kind.__name__}: a flow has one instruction of each type at most")
        seen.add(kind)
        match instruction:
            case of.Meter(meter_id=number):
                said["meter"] = number
            case of.ApplyActions(actions=actions):
                said["apply"] = tuple(actions)
            case of.WriteActions(actions=actions):
                said["write"] = tuple(actions)
            case of.WriteMetadata(metadata=value, metadata_mask=mask):
                if not (0 <= value <= _WHOLE and 0 <= mask <= _WHOLE):
                    raise Refusal("OFPBIC_UNSUP_METADATA", "write_metadata: metadata has 64 bits")
                said["metadata"] = (value, mask)
            case of.GotoTable(table_id=table):
                if not flow.table < table < SERVICE_TABLES:
                    text = (
                        f"goto_table {table}: go from table {flow.table} to a later one, {SERVICE_TABLES - 1} at most"
                    )
                    raise Refusal("OFPBIC_BAD_TABLE_ID", text)
                said["goto"] = table
            case of.ClearActions():
                pass  # there is never anything in the action set when a rule is met
            case of.UnknownInstruction(type=0xFFFF):
                raise Refusal("OFPBIC_BAD_EXPERIMENTER", "services have OpenFlow's own instructions alone")
            case of.UnknownInstruction(type=number):
                raise Refusal("OFPBIC_UNKNOWN_INST", f"instruction {number}: there is no such instruction here")
            case _:
                raise Refusal("OFPBIC_UNSUP_INST", f"{kind.__name__}: services do not have this instruction")
    if said.get("write") and "goto" in said:
        text = "write_actions: with goto_table use apply_actions; nothing is kept for the end of the pipeline"
        raise Refusal("OFPBIC_UNSUP_INST", text)
    return _Instructions(**said)
