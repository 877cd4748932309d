"""What a service said in one version of OpenFlow, in the words of another.

A service's controllers may speak several versions, and each is told of the same flows and groups. What a version has no
words for is left out, as Open vSwitch leaves it out: a controller that wants to know all speaks the newest.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec

from segue.inject.flow import Flow
from segue.openflow import (
    V10,
    V12,
    V13,
    V15,
    Action,
    ApplyActions,
    Bucket,
    BucketWeight,
    EncodeError,
    Enqueue,
    Instruction,
    Meter,
    MeterAction,
    Output,
    PopVlan,
    SetDlDst,
    SetDlSrc,
    SetField,
    SetNwDst,
    SetNwEcn,
    SetNwSrc,
    SetNwTos,
    SetQueue,
    SetTpDst,
    SetTpSrc,
    SetVlanPcp,
    SetVlanVid,
    StripVlan,
    WriteActions,
)
from segue.openflow.match import MatchLike, Value, encode_match, encode_oxm_id
from segue.openflow.protocol.families import ACTION, INSTRUCTION

_PRESENT: Final = 0x1000
_UDP, _SCTP = 17, 132
_FIRST: Final = ("eth_type", "vlan_vid", "ip_proto")
"""Fields that others need to be there."""


def newest(flow: Flow) -> dict[str, Any]:
    """What the records of OpenFlow 1.5 that tell of a flow have in common, a FlowMod that adds it and a FlowDesc."""
    return {
        "match": match_in(flow.match, V15),
        "instructions": instructions_in(flow.instructions, flow.match, V15),
        "table_id": flow.table,
        "priority": flow.priority,
        "cookie": flow.cookie,
        "idle_timeout": flow.idle_timeout,
        "hard_timeout": flow.hard_timeout,
        "flags": flow.flags,
        "importance": flow.importance,
    }


def match_in(match: MatchLike, version: int) -> MatchLike:
    """As much of a match as the version can say."""
    try:
        encode_match(match, version)
    except EncodeError:
        pass
    else:
        return match
    names = [name for name in _FIRST if name in match] + [name for name in match if name not in _FIRST]
    found: dict[str, Value] = {}
    for name in names:
        more = {**found, name: match[name]}
        try:
            encode_match(more, version)
        except EncodeError:
            continue
        found = more
    return found


def instructions_in(instructions: Iterable[Instruction], match: MatchLike, version: int) -> tuple[Instruction, ...]:
    """As much of a flow's instructions as the version can say; in OpenFlow 1.0 those that are applied alone. Of
    ``match`` the protocol is of interest: in old versions ports are of whatever it is."""
    found: list[Instruction] = []
    meters: list[Action] = []
    for instruction in instructions:
        if isinstance(instruction, Meter) and version >= V15:
            meters.append(MeterAction(instruction.meter_id))
        elif isinstance(instruction, ApplyActions):
            actions = instruction.actions
            if V13 <= version < V15:
                found += [Meter(action.meter_id) for action in actions if isinstance(action, MeterAction)][:1]
            found.append(ApplyActions(actions_in((*meters, *actions), match, version)))
            meters = []
        elif isinstance(instruction, WriteActions) and version > V10:
            found.append(WriteActions(actions_in(instruction.actions, match, version)))
        elif version > V10 and INSTRUCTION.entries[type(instruction)].number(version) is not None:
            found.append(instruction)
    if meters:
        found.insert(0, ApplyActions(tuple(meters)))
    return tuple(found)


def actions_in(actions: Iterable[Action], match: MatchLike, version: int) -> tuple[Action, ...]:
    """As many of the actions as the version can say."""
    found: list[Action] = []
    for action in actions:
        for said in _old(action) if version < V12 else _new(action, match, version):
            entry = ACTION.entries.get(type(said))
            if entry is None or entry.number(version) is None:
                continue
            if isinstance(said, SetField) and not _sayable(said, version):
                continue
            found.append(said)
    return tuple(found)


def bucket_in(bucket: Bucket, version: int) -> Bucket:
    """A bucket as the version says it."""
    weight = bucket.weight or next((one.weight for one in bucket.properties if isinstance(one, BucketWeight)), 0)
    actions = actions_in(bucket.actions, {}, version)
    if version >= V15:
        said = bucket.properties or ((BucketWeight(weight),) if weight else ())
        return msgspec.structs.replace(bucket, actions=actions, weight=0, properties=said)
    return msgspec.structs.replace(bucket, actions=actions, weight=weight, bucket_id=0, properties=())


def _new(action: Action, match: MatchLike, version: int) -> Sequence[Action]:
    """Actions of OpenFlow 1.0 and 1.1 as those of later versions."""
    match action:
        case SetDlSrc(dl_addr=value):
            return [SetField("eth_src", value)]
        case SetDlDst(dl_addr=value):
            return [SetField("eth_dst", value)]
        case SetNwSrc(nw_addr=value):
            return [SetField("ipv4_src", value)]
        case SetNwDst(nw_addr=value):
            return [SetField("ipv4_dst", value)]
        case SetNwTos(nw_tos=value):
            return [SetField("ip_dscp", value >> 2)]
        case SetNwEcn(nw_ecn=value):
            return [SetField("ip_ecn", value)]
        case SetTpSrc(tp_port=value):
            return [SetField(f"{_protocol(match)}_src", value)]
        case SetTpDst(tp_port=value):
            return [SetField(f"{_protocol(match)}_dst", value)]
        case SetVlanVid(vlan_vid=value):
            return [SetField("vlan_vid", value | _PRESENT)]
        case SetVlanPcp(vlan_pcp=value):
            return [SetField("vlan_pcp", value)]
        case StripVlan():
            return [PopVlan()]
        case Enqueue(port=port, queue_id=queue):
            return [SetQueue(queue), Output(port)]
        case MeterAction() if version < V15:
            return []  # among the instructions
    return [action]


def _old(action: Action) -> Sequence[Action]:
    """Actions of later versions as those of OpenFlow 1.0 and 1.1."""
    match action:
        case SetField(field=field, value=int(value), mask=None):
            match field:
                case "eth_src":
                    return [SetDlSrc(value)]
                case "eth_dst":
                    return [SetDlDst(value)]
                case "ipv4_src":
                    return [SetNwSrc(value)]
                case "ipv4_dst":
                    return [SetNwDst(value)]
                case "ip_dscp":
                    return [SetNwTos(value << 2)]
                case "ip_ecn":
                    return [SetNwEcn(value)]
                case "tcp_src" | "udp_src" | "sctp_src":
                    return [SetTpSrc(value)]
                case "tcp_dst" | "udp_dst" | "sctp_dst":
                    return [SetTpDst(value)]
                case "vlan_vid":
                    return [SetVlanVid(value & ~_PRESENT)]
                case "vlan_pcp":
                    return [SetVlanPcp(value)]
            return []
        case PopVlan() | StripVlan():
            return [StripVlan(), PopVlan()]  # one in each of the two
    return [action]


def _sayable(action: SetField, version: int) -> bool:
    if action.mask is not None and version < V15:
        return False
    try:
        encode_oxm_id(action.field, version)
    except EncodeError:
        return False
    return True


def _protocol(match: MatchLike) -> str:
    return {_UDP: "udp", _SCTP: "sctp"}.get(match.get("ip_proto"), "tcp")  # type: ignore[arg-type]
