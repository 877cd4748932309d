"""What a virtual switch says that it can do, in every version: what the service is permitted, and no more.

Controllers such as Faucet read table features, and use what they say. What is told here agrees with what `translate`
takes; where a version has only bits for it (1.0 to 1.2), with what these bits can say.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from segue.inject.errors import Refusal
from segue.inject.group_mods import GROUPS, METERS
from segue.inject.matches import HEADERS
from segue.inject.meters import MAX_BANDS
from segue.inject.ports import describe, sayable
from segue.inject.scope import Scope
from segue.model.intent import NOT_REWRITTEN
from segue.model.stages import SERVICE_TABLES
from segue.openflow import (
    V10,
    V11,
    V12,
    V13,
    V14,
    V15,
    ActionBits10,
    ActionId,
    ActionType,
    Capabilities,
    Capabilities10,
    EncodeError,
    FeaturesReply,
    GroupCapabilities,
    GroupFeaturesReply,
    GroupTypes,
    InstructionId,
    InstructionType,
    MatchFields11,
    Message,
    MeterBandTypes,
    MeterFeatureFlags,
    MeterFeaturesReply,
    MeterFlags,
    OxmFields12,
    TableApplyActions,
    TableApplyActionsMiss,
    TableApplySetfield,
    TableApplySetfieldMiss,
    TableConfig,
    TableFeatures,
    TableFeaturesReply,
    TableFeaturesRequest,
    TableInstructions,
    TableInstructionsMiss,
    TableMatch,
    TableNextTables,
    TableNextTablesMiss,
    TableStats,
    TableWildcards,
    TableWriteActions,
    TableWriteActionsMiss,
    TableWriteSetfield,
    TableWriteSetfieldMiss,
    Wildcards10,
)
from segue.openflow.fields import FIELDS
from segue.openflow.match import encode_oxm_id

DATAPATHS: Final = 0x5E << 40
"""Datapath ids of services: in their low 48 bits local MAC addresses, the lowest bits the service's number."""
_WHOLE: Final = (1 << 64) - 1
_MATCHED: Final = ("in_port", "metadata", *sorted(HEADERS))
_OLD_MATCHED: Final = {"IN_PORT", "DL_VLAN", "DL_VLAN_PCP", "DL_TYPE", "NW_TOS", "NW_PROTO", "TP_SRC", "TP_DST"} | {
    *("DL_SRC", "DL_DST", "NW_SRC", "NW_DST", "METADATA"),
}
_MISS: Final[dict[type, type]] = {
    TableInstructionsMiss: TableInstructions,
    TableNextTablesMiss: TableNextTables,
    TableWriteActionsMiss: TableWriteActions,
    TableApplyActionsMiss: TableApplyActions,
    TableWriteSetfieldMiss: TableWriteSetfield,
    TableApplySetfieldMiss: TableApplySetfield,
}
"""Table-miss entries can do what others can; said of them alone, it is the same property."""


def datapath_id(scope: Scope) -> int:
    """Which switch a controller thinks that it has."""
    return DATAPATHS | scope.key


def features(scope: Scope, version: int) -> FeaturesReply:
    """Who the switch is; its ports, too, until OpenFlow 1.2."""
    capabilities = Capabilities.FLOW_STATS | Capabilities.TABLE_STATS | Capabilities.PORT_STATS
    if version == V10:
        capabilities = Capabilities10.FLOW_STATS | Capabilities10.TABLE_STATS | Capabilities10.PORT_STATS
    else:
        capabilities |= Capabilities.GROUP_STATS
    if version >= V14:
        capabilities |= Capabilities.BUNDLES
    ports: list[Any] = []
    if version < V13:
        elements = [scope.elements[number] for number in sorted(scope.elements)]
        ports = [describe(element, version) for element in elements if sayable(element, version)]
    return FeaturesReply(
        datapath_id(scope),
        n_tables=1 if version == V10 else SERVICE_TABLES,
        capabilities=capabilities,
        ports=ports,
        actions=_action_bits_10(scope) if version == V10 else 0,
    )


def written(scope: Scope) -> list[str]:
    """The fields that the service may set."""
    fields = {"metadata"}
    permissions = scope.permissions
    if permissions.mark:
        fields.add("ip_dscp")
    for field in permissions.rewrite:
        if field == "vlan":
            fields |= {"vlan_vid", "vlan_pcp"}
        elif field not in NOT_REWRITTEN.get(scope.hook.name, ()):
            fields.add(field)
    return sorted(fields)


def actions(scope: Scope, version: int) -> list[int]:
    """The types of the actions that flows can have (OFPAT_), as they are numbered since OpenFlow 1.1."""
    permissions = scope.permissions
    found = {ActionType.OUTPUT}
    if permissions.redirect or permissions.copy:
        found.add(ActionType.GROUP)
    if permissions.queue:
        found.add(ActionType.SET_QUEUE)
    if "vlan" in permissions.rewrite:
        found |= {ActionType.PUSH_VLAN, ActionType.POP_VLAN}
    if "nw_ttl" in permissions.rewrite:
        found |= {ActionType.SET_NW_TTL, ActionType.DEC_NW_TTL}
    if permissions.meter and version >= V15:
        found.add(ActionType.METER)
    if version >= V12:
        found.add(ActionType.SET_FIELD)
    else:
        old = _old_names(scope)
        found |= {number for name, number in ActionType.all_names().items() if name.removeprefix("OFPAT_") in old}
    return sorted(found)


def tables(scope: Scope, version: int) -> list[TableFeatures]:
    """What each table can do (OpenFlow 1.5.1 section 7.3.5.18). What is not said of table-miss entries is the same."""
    return [_table(scope, number, version) for number in range(SERVICE_TABLES)]


def table_features(scope: Scope, msg: TableFeaturesRequest, version: int) -> Message:
    """The tables; a request to change them is taken if it asks for nothing that they cannot do, and changes nothing."""
    there = tables(scope, version)
    for wanted in msg.tables:
        if wanted.table_id >= SERVICE_TABLES:
            raise Refusal("OFPTFFC_BAD_TABLE", f"a service has the tables 0 to {SERVICE_TABLES - 1}")
        own = there[wanted.table_id]
        asked = wanted.capabilities & ~(int(TableConfig.DEPRECATED_MASK) if version == V13 else 0)
        if wanted.max_entries > own.max_entries or asked & ~own.capabilities:
            raise Refusal("OFPTFFC_EPERM", f"table {wanted.table_id} has {own.max_entries} entries, and evicts nothing")
        kept = {type(one): _able(one) for one in own.properties}
        for one in wanted.properties:
            if not set(_listed(one)) <= kept.get(_MISS.get(type(one), type(one)), set()):
                what = type(one).__name__.removeprefix("Table")
                raise Refusal("OFPTFFC_EPERM", f"table {wanted.table_id}: {what} asks for more than the service may do")
    return TableFeaturesReply(tables=there)


def table_stats(scope: Scope, number: int, version: int, active: int, matched: int) -> TableStats:
    """A table's counters, and until 1.2 what it can do. How many packets were looked up nobody knows."""
    more: dict[str, Any] = {}
    if version < V13:
        more = {"name": f"table {number}", "max_entries": scope.flows}
    if version == V10:
        more["wildcards"] = sum(Wildcards10.all_names().values())
    elif version == V11:
        fields = sum(value for name, value in MatchFields11.all_names().items() if name[7:] in _OLD_MATCHED)
        more |= {"wildcards": fields, "match": fields}
    elif version == V12:
        names = OxmFields12.all_names()
        fields = sum(names.get(f"OFPXMT_OFB_{name.upper()}", 0) for name in _MATCHED)
        sets = sum(names.get(f"OFPXMT_OFB_{name.upper()}", 0) for name in written(scope))
        more |= {"wildcards": fields, "match": fields, "write_setfields": sets, "apply_setfields": sets}
        more |= {"metadata_match": _WHOLE, "metadata_write": _WHOLE}
    if V11 <= version <= V12:
        bits = sum(1 << action for action in actions(scope, version))
        more |= {"write_actions": bits, "apply_actions": bits}
        more["instructions"] = sum(1 << instruction for instruction in _instructions(scope, number, version))
    return TableStats(number, active, _WHOLE, matched, **more)


def groups(scope: Scope, version: int) -> Message:
    """Which groups there can be."""
    if not (scope.permissions.redirect or scope.permissions.copy):
        return GroupFeaturesReply()
    bits = sum(1 << one for one in actions(scope, version) if one not in (ActionType.GROUP, ActionType.METER))
    return GroupFeaturesReply(
        types=GroupTypes.ALL | GroupTypes.SELECT | GroupTypes.INDIRECT,
        capabilities=GroupCapabilities.SELECT_WEIGHT,
        max_groups=(GROUPS, GROUPS, GROUPS, 0),
        actions=(bits, bits, bits, 0),
    )


def meters(scope: Scope, version: int) -> Message:
    """Which meters there can be."""
    if not scope.permissions.meter:
        return MeterFeaturesReply()
    return MeterFeaturesReply(
        max_meter=METERS,
        band_types=MeterBandTypes.DROP,
        capabilities=MeterFlags.KBPS | MeterFlags.PKTPS | MeterFlags.BURST | MeterFlags.STATS,
        max_bands=MAX_BANDS,
        features=MeterFeatureFlags.ANY_POSITION | MeterFeatureFlags.MULTI_LIST if version >= V15 else 0,
    )


# -- underneath --------------------------------------------------------------------------------------------------------


def _table(scope: Scope, number: int, version: int) -> TableFeatures:
    ids = [ActionId(action) for action in actions(scope, version)]
    sets = _sayable(written(scope), version)
    masked = [f"{name}/m" if FIELDS[name].maskable else name for name in _sayable(_MATCHED, version)]
    return TableFeatures(
        number,
        f"table {number}",
        (
            TableInstructions([InstructionId(one) for one in _instructions(scope, number, version)]),
            TableNextTables(tuple(range(number + 1, SERVICE_TABLES))),
            TableWriteActions(ids),
            TableApplyActions(ids),
            TableMatch(masked),
            TableWildcards(_sayable(_MATCHED, version)),
            TableWriteSetfield(sets),
            TableApplySetfield(sets),
        ),
        metadata_match=_WHOLE,
        metadata_write=_WHOLE,
        max_entries=scope.flows,
    )


def _instructions(scope: Scope, table: int, version: int) -> list[int]:
    found = [
        InstructionType.WRITE_METADATA,
        InstructionType.WRITE_ACTIONS,
        InstructionType.APPLY_ACTIONS,
        InstructionType.CLEAR_ACTIONS,
    ]
    if table + 1 < SERVICE_TABLES:
        found.insert(0, InstructionType.GOTO_TABLE)
    if scope.permissions.meter and V13 <= version < V15:
        found.append(InstructionType.METER)
    return found


def _sayable(names: Sequence[str], version: int) -> list[str]:
    found = []
    for name in names:
        try:
            encode_oxm_id(name, version)
        except EncodeError:
            continue
        found.append(name)
    return found


def _able(one: Any) -> set[Any]:
    """What a property lists, and what is less: a field that can be masked can be matched whole."""
    listed = set(_listed(one))
    return listed | {name.removesuffix("/m") for name in listed if isinstance(name, str)}


def _listed(one: Any) -> Sequence[Any]:
    """What a property lists; the elements can be hashed."""
    for name in ("instruction_ids", "table_ids", "action_ids", "oxm_ids", "oxm_values"):
        if hasattr(one, name):
            return tuple(getattr(one, name))
    return (one,)


def _old_names(scope: Scope) -> set[str]:
    """The actions of OpenFlow 1.0 and 1.1 for single fields, without OFPAT_."""
    fields = set(written(scope))
    names = {
        "eth_src": "SET_DL_SRC",
        "eth_dst": "SET_DL_DST",
        "ipv4_src": "SET_NW_SRC",
        "ipv4_dst": "SET_NW_DST",
        "ip_dscp": "SET_NW_TOS",
        "ip_ecn": "SET_NW_ECN",
        "vlan_vid": "SET_VLAN_VID",
        "vlan_pcp": "SET_VLAN_PCP",
    }
    found = {name for field, name in names.items() if field in fields}
    for end in ("src", "dst"):
        if fields & {f"tcp_{end}", f"udp_{end}", f"sctp_{end}"}:
            found.add(f"SET_TP_{end.upper()}")
    return found


def _action_bits_10(scope: Scope) -> int:
    wanted = {"OUTPUT", *_old_names(scope)}
    if scope.permissions.queue:
        wanted.add("ENQUEUE")
    if "vlan" in scope.permissions.rewrite:
        wanted.add("STRIP_VLAN")
    return sum(bit for name, bit in ActionBits10.all_names().items() if name.removeprefix("OFPAT_") in wanted)
