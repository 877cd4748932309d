"""Flow tables, their counters and their features, against Open vSwitch."""

import pytest

from segue.openflow import codec
from segue.openflow.protocol.bitmaps import ActionType, InstructionType
from segue.openflow.protocol.table_features import (
    ActionId,
    InstructionId,
    TableApplyActions,
    TableApplyActionsMiss,
    TableApplyCopyfield,
    TableApplyCopyfieldMiss,
    TableApplySetfield,
    TableApplySetfieldMiss,
    TableFeatureFlags,
    TableFeatures,
    TableFeaturesCommand,
    TableFeaturesReply,
    TableFeaturesRequest,
    TableInstructions,
    TableInstructionsMiss,
    TableMatch,
    TableNextTables,
    TableNextTablesMiss,
    TablePacketTypes,
    TableSyncFrom,
    TableWildcards,
    TableWriteActions,
    TableWriteActionsMiss,
    TableWriteCopyfield,
    TableWriteCopyfieldMiss,
    TableWriteSetfield,
    TableWriteSetfieldMiss,
    UnknownTableFeatureProperty,
)
from segue.openflow.protocol.tables import (
    EvictionFlags,
    TableConfig,
    TableConfig11,
    TableDesc,
    TableDescReply,
    TableDescRequest,
    TableEviction,
    TableMod,
    TableReason,
    TableStats,
    TableStatsReply,
    TableStatsRequest,
    TableStatus,
    TableVacancy,
    UnknownTableProperty,
)
from segue.openflow.protocol.values import OxmField
from segue.openflow.wire import V10, V11, V12, V13, V14, V15, VERSIONS

from .judged import Row, check, check_mutilated, parameters, refuse

BOTH = TableConfig.EVICTION | TableConfig.VACANCY_EVENTS
DESC = TableDesc(9, BOTH, (TableEviction(EvictionFlags.IMPORTANCE | EvictionFlags.LIFETIME), TableVacancy(10, 20, 30)))
DESC_SAID = """table 9: eviction=on eviction_flags=IMPORTANCE|LIFETIME
    vacancy=on vacancy_down=10% vacancy_up=20% vacancy=30%"""

COUNTS = {"table_id": 0, "active_count": 5, "lookup_count": 6, "matched_count": 7}
NAMED = {**COUNTS, "name": "classifier", "max_entries": 100}
STATS11 = {
    **NAMED,
    "wildcards": 3,
    "match": 7,
    "instructions": 0x3E,
    "write_actions": 1,
    "apply_actions": 1 << 17,
    "config": TableConfig11.TABLE_MISS_DROP,
}
STATS12 = {"write_setfields": 0x18, "apply_setfields": 8, "metadata_match": 5, "metadata_write": 6}

PROPERTIES = (
    TableInstructions((InstructionId(InstructionType.GOTO_TABLE), InstructionId(InstructionType.APPLY_ACTIONS))),
    TableInstructionsMiss((InstructionId(InstructionType.GOTO_TABLE),)),
    TableNextTables((1, 2, 3)),
    TableNextTablesMiss((4,)),
    TableWriteActions((ActionId(ActionType.OUTPUT), ActionId(ActionType.GROUP))),
    TableWriteActionsMiss((ActionId(ActionType.OUTPUT),)),
    TableApplyActions((ActionId(ActionType.SET_FIELD),)),
    TableApplyActionsMiss((ActionId(ActionType.PUSH_VLAN),)),
    TableMatch(("eth_dst/m", "in_port")),
    TableWildcards(("in_port",)),
    TableWriteSetfield(("eth_src",)),
    TableWriteSetfieldMiss(("eth_dst",)),
    TableApplySetfield(("ip_dscp",)),
    TableApplySetfieldMiss(("vlan_vid",)),
)
FEATURES_SAID = """instructions (other than table miss):
      next tables: 1-3
      instructions: apply_actions goto_table
      Write-Actions features:
        actions: output group
        supported on Set-Field: eth_src
      Apply-Actions features:
        actions: set_field
        supported on Set-Field: ip_dscp
    instructions (table miss):
      next tables: 4
      instructions: goto_table
      Write-Actions features:
        actions: output
        supported on Set-Field: eth_dst
      Apply-Actions features:
        actions: push_vlan
        supported on Set-Field: vlan_vid
    matching:
      arbitrary mask: eth_dst
      exact match or wildcard: in_port_oxm"""
EXPERIMENTERS = (
    TableInstructions((InstructionId(0xFFFF, b"\0\0\x23\x20"), InstructionId(0xFFFF, b"\0\0\x23\x20\0\1"))),
    TableApplyActions((ActionId(0xFFFF, b"\0\0\x23\x20"), ActionId(1, b""))),
    UnknownTableFeatureProperty(0xFFFE, b"\0\0\0\x65\0\0\0\1\1"),
    UnknownTableFeatureProperty(0xFFFF, b"\0\0\0\x65\0\0\0\1"),
)
COPY = (
    TableSyncFrom((9, 8)),
    TableWriteCopyfield(("reg0",)),
    TableWriteCopyfieldMiss(("metadata",)),
    TableApplyCopyfield(("reg1",)),
    TableApplyCopyfieldMiss(("reg2",)),
    TablePacketTypes((OxmField("packet_type", 0x18847), OxmField("packet_type", 0))),
)
MAIN = {"table_id": 2, "name": "main", "metadata_match": 0xFF, "metadata_write": 0xF0, "max_entries": 1000}
MAIN_SAID = 'table 2 ("main"): metadata: match=0xff write=0xf0'

ROWS: list[Row] = [
    (TableMod(9, TableConfig11.TABLE_MISS_DROP), (V11, V12), "table_id=9, flow_miss_config=drop"),
    (TableMod(9), (V13,), "table_id=9"),
    (
        TableMod(9, BOTH, (TableVacancy(10, 20),)),
        (V14, V15),
        "table_id=9, eviction=on, vacancy=on vacancy:10,20",
    ),
    # Open vSwitch 3.1 reads the flags of this property into the wrong variable.
    (TableMod(0xFF, BOTH, (TableEviction(2), UnknownTableProperty(0xFFFF, bytes(9)))), (V14, V15), None),
    (TableDescRequest(), (V14, V15), "TABLE_DESC request"),
    (TableDescReply((DESC, TableDesc(1))), (V14, V15), f"{DESC_SAID} table 1: eviction=off"),
    (TableStatus(TableReason.VACANCY_DOWN, DESC), (V14, V15), f"reason=VACANCY_DOWN table_desc:- {DESC_SAID}"),
    (TableStatus(TableReason.VACANCY_UP, DESC), (V14, V15), "reason=VACANCY_UP"),
    (TableStatsRequest(), VERSIONS, "TABLE request"),
    (
        TableStatsReply((TableStats(**NAMED, wildcards=0x3FFFFF & ~2),)),
        (V10,),
        """table 0 ("classifier"): active=5, lookup=6, matched=7 max_entries=100
        matching: exact match or wildcard: in_port eth_{src,dst,type} vlan_pcp ip_{src,dst} nw_{proto,tos}
        tcp_{src,dst}""",
    ),
    # Open vSwitch 3.1 takes the actions of OpenFlow 1.1 that can be written for those that can be applied.
    (
        TableStatsReply((TableStats(**STATS11),)),
        (V11,),
        """table 0 ("classifier"): active=5, lookup=6, matched=7 config=drop max_entries=100
        instructions (table miss and others):
          instructions: apply_actions clear_actions write_actions write_metadata goto_table
          Write-Actions and Apply-Actions features: actions: output
        matching: exact match or wildcard: in_port vlan_vid must exact match: vlan_pcp""",
    ),
    (
        TableStatsReply((TableStats(**STATS11, **STATS12),)),
        (V12,),
        """table 0 ("classifier"): active=5, lookup=6, matched=7
        metadata: match=0x5 write=0x6 config=drop max_entries=100
        instructions (table miss and others):
          instructions: apply_actions clear_actions write_actions write_metadata goto_table
          Write-Actions features: actions: output supported on Set-Field: eth_{src,dst}
          Apply-Actions features: actions: push_vlan supported on Set-Field: eth_dst
        matching: exact match or wildcard: in_port_oxm must exact match: metadata""",
    ),
    (TableStatsReply((TableStats(**COUNTS),)), (V13, V14, V15), "table 0: active=5, lookup=6, matched=7"),
    (TableFeaturesRequest(), (V13, V14, V15), "TABLE_FEATURES request"),
    (
        TableFeaturesReply((TableFeatures(properties=PROPERTIES, **MAIN),)),
        (V13,),
        f"{MAIN_SAID} max_entries=1000 {FEATURES_SAID}",
    ),
    (
        TableFeaturesRequest((TableFeatures(properties=PROPERTIES, **MAIN, capabilities=BOTH),), flags=1),
        (V14, V15),
        f"{MAIN_SAID} eviction: supported vacancy events: supported max_entries=1000 {FEATURES_SAID}",
    ),
    (
        TableFeaturesReply(
            (
                TableFeatures(
                    properties=PROPERTIES + COPY,
                    **MAIN,
                    command=TableFeaturesCommand.ENABLE,
                    features=TableFeatureFlags.INGRESS_TABLE,
                ),
            )
        ),
        (V15,),
        f"command: enable {MAIN_SAID} eviction: not supported vacancy events: not supported "
        f"max_entries=1000 {FEATURES_SAID}",
    ),
    (TableFeaturesReply((TableFeatures(0, "a", EXPERIMENTERS), TableFeatures(1))), (V13, V14, V15), None),
    (TableFeaturesReply((TableFeatures(0, "a", (TableSyncFrom((2,)),)),)), (V14, V15), None),
]


@pytest.mark.parametrize(("message", "version", "said"), parameters(ROWS))
def test_there_and_back(message, version, said):
    check(message, version, said)


def test_mutilated():
    check_mutilated(ROWS)


def test_what_a_version_lacks_is_refused():
    refuse(TableMod(1), V10, "no TableMod")
    refuse(TableMod(1, properties=(TableVacancy(1, 2),)), V13, "properties: OpenFlow 1.3")
    refuse(TableStatsReply((TableStats(1, name="x"),)), V13, "name: OpenFlow 1.3")
    refuse(TableFeaturesReply((TableFeatures(1, command=1),)), V14, "command: OpenFlow 1.4")
    refuse(TableFeaturesReply((TableFeatures(1, properties=(TableSyncFrom((1,)),)),)), V13, "TableSyncFrom")
    refuse(TableFeaturesReply((TableFeatures(1, properties=(TableNextTables((256,)),)),)), V13, "256")


def test_identifiers_may_be_padded():
    """OpenFlow 1.3.0 could be read so that an identifier is as long as the smallest action; it stays as it was."""
    plain = codec.encode(
        TableFeaturesReply((TableFeatures(1, properties=(TableApplyActions((ActionId(22),)),)),)), 1, V13
    )
    padded = bytearray(plain)
    padded[-8:] = b"\0\6\0\x0c\0\x16\0\x08\0\0\0\0\0\0\0\0"
    padded[2:4] = len(padded).to_bytes(2, "big")
    padded[16:18] = (len(padded) - 16).to_bytes(2, "big")
    message, _, _ = codec.decode(bytes(padded))
    assert message.tables[0].properties == (TableApplyActions((ActionId(22, bytes(4)),)),)
    assert codec.encode(message, 1, V13) == bytes(padded)
