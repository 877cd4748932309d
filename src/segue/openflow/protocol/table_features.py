"""What flow tables can do, and how a controller rearranges the pipeline (OFPMP_TABLE_FEATURES).

OpenFlow 1.5.1 section 7.3.5.18 (table features); 1.3.5 section 7.3.5.5. A request with tables in it changes the
pipeline, one without asks.

Each capability is a property, and most come twice: for flow entries, and for the table-miss entry where that differs
(the classes that end in Miss). Actions and instructions are named by their bare headers: a type, a length of four
octets, and behind an experimenter's its number and what it likes (`exp_data`). Fields are named by bare OXM headers.
"""

from collections.abc import Sequence
from typing import Final

from segue.openflow import declare as w
from segue.openflow.declare import Message, Record, member, reply, request, unknown
from segue.openflow.names import Flags, Numbers
from segue.openflow.protocol.bitmaps import ActionType, InstructionType
from segue.openflow.protocol.tables import TableConfig
from segue.openflow.protocol.values import BYTES, OxmField
from segue.openflow.wire import V13, V14, V15

TABLE_FEATURE_PROPERTY: Final = w.family("table feature property", inside=False)


class TableFeaturesCommand(Numbers, prefix="OFPTFC_"):
    """OpenFlow 1.5; before, every change replaces the whole pipeline."""

    REPLACE = 0
    MODIFY = 1
    ENABLE = 2
    DISABLE = 3


class TableFeatureFlags(Flags, prefix="OFPTFF_"):
    INGRESS_TABLE = 1 << 0
    EGRESS_TABLE = 1 << 1
    FIRST_EGRESS = 1 << 4


class InstructionId(Record, frozen=True, gc=False):
    """An instruction's header alone (OpenFlow 1.5.1 section 7.3.5.18; 1.3.5 section 7.3.5.5). `exp_data` begins with
    the experimenter's number, 32 bits."""

    type: int
    exp_data: bytes = b""

    WIRE = (w.u16("type", InstructionType), w.length(), w.data("exp_data"))


class ActionId(Record, frozen=True, gc=False):
    """An action's header alone (OpenFlow 1.5.1 section 7.3.5.18; 1.3.5 section 7.3.5.5). `exp_data` begins with the
    experimenter's number, 32 bits."""

    type: int
    exp_data: bytes = b""

    WIRE = (w.u16("type", ActionType), w.length(), w.data("exp_data"))


class TableFeatureProperty(Record, frozen=True, gc=False):
    """One capability of a table (OpenFlow 1.5.1 section 7.3.5.18; 1.3.5 section 7.3.5.5)."""


@unknown(TABLE_FEATURE_PROPERTY)
class UnknownTableFeatureProperty(TableFeatureProperty, frozen=True, gc=False):
    """A property that nobody declared, an experimenter's too (0xfffe; 0xffff for the table-miss entry): the octets
    behind its type and length (OpenFlow 1.5.1 section 7.3.5.18; 1.3.5 section 7.3.5.5)."""

    type: int
    data: bytes = b""


class _Instructions(TableFeatureProperty, frozen=True, gc=False):
    """A capability that is a list of instructions (OpenFlow 1.5.1 section 7.3.5.18; 1.3.5 section 7.3.5.5)."""

    instruction_ids: Sequence[InstructionId] = ()

    WIRE = (w.many("instruction_ids", InstructionId),)


class _Tables(TableFeatureProperty, frozen=True, gc=False):
    """A capability that is a list of tables, each 0 to 254 (OpenFlow 1.5.1 section 7.3.5.18; 1.3.5 section 7.3.5.5)."""

    table_ids: Sequence[int] = ()

    WIRE = (w.custom("table_ids", BYTES),)


class _Actions(TableFeatureProperty, frozen=True, gc=False):
    """A capability that is a list of actions (OpenFlow 1.5.1 section 7.3.5.18; 1.3.5 section 7.3.5.5)."""

    action_ids: Sequence[ActionId] = ()

    WIRE = (w.many("action_ids", ActionId),)


class _Fields(TableFeatureProperty, frozen=True, gc=False):
    """A capability that is a list of fields (OpenFlow 1.5.1 section 7.3.5.18; 1.3.5 section 7.3.5.5)."""

    oxm_ids: Sequence[str] = ()

    WIRE = (w.oxm_ids("oxm_ids"),)


@member(TABLE_FEATURE_PROPERTY, "OFPTFPT_INSTRUCTIONS", {V13: 0})
class TableInstructions(_Instructions, frozen=True, gc=False):
    """Instructions that flow entries can have (OpenFlow 1.5.1 section 7.3.5.18; 1.3.5 section 7.3.5.5)."""


@member(TABLE_FEATURE_PROPERTY, "OFPTFPT_INSTRUCTIONS_MISS", {V13: 1})
class TableInstructionsMiss(_Instructions, frozen=True, gc=False):
    """Instructions that the table-miss entry can have (OpenFlow 1.5.1 section 7.3.5.18; 1.3.5 section 7.3.5.5)."""


@member(TABLE_FEATURE_PROPERTY, "OFPTFPT_NEXT_TABLES", {V13: 2})
class TableNextTables(_Tables, frozen=True, gc=False):
    """Tables to which flow entries can send packets on (OpenFlow 1.5.1 section 7.3.5.18; 1.3.5 section 7.3.5.5)."""


@member(TABLE_FEATURE_PROPERTY, "OFPTFPT_NEXT_TABLES_MISS", {V13: 3})
class TableNextTablesMiss(_Tables, frozen=True, gc=False):
    """Tables to which the table-miss entry can send packets on (OpenFlow 1.5.1 section 7.3.5.18; 1.3.5 section
    7.3.5.5)."""


@member(TABLE_FEATURE_PROPERTY, "OFPTFPT_WRITE_ACTIONS", {V13: 4})
class TableWriteActions(_Actions, frozen=True, gc=False):
    """Actions that flow entries can write into the action set (OpenFlow 1.5.1 section 7.3.5.18; 1.3.5 section
    7.3.5.5)."""


@member(TABLE_FEATURE_PROPERTY, "OFPTFPT_WRITE_ACTIONS_MISS", {V13: 5})
class TableWriteActionsMiss(_Actions, frozen=True, gc=False):
    """Actions that the table-miss entry can write into the action set (OpenFlow 1.5.1 section 7.3.5.18; 1.3.5 section
    7.3.5.5)."""


@member(TABLE_FEATURE_PROPERTY, "OFPTFPT_APPLY_ACTIONS", {V13: 6})
class TableApplyActions(_Actions, frozen=True, gc=False):
    """Actions that flow entries can apply at once (OpenFlow 1.5.1 section 7.3.5.18; 1.3.5 section 7.3.5.5)."""


@member(TABLE_FEATURE_PROPERTY, "OFPTFPT_APPLY_ACTIONS_MISS", {V13: 7})
class TableApplyActionsMiss(_Actions, frozen=True, gc=False):
    """Actions that the table-miss entry can apply at once (OpenFlow 1.5.1 section 7.3.5.18; 1.3.5 section 7.3.5.5)."""


@member(TABLE_FEATURE_PROPERTY, "OFPTFPT_MATCH", {V13: 8})
class TableMatch(_Fields, frozen=True, gc=False):
    """Fields that can be matched; with `/m` behind those that can be masked (OpenFlow 1.5.1 section 7.3.5.18; 1.3.5
    section 7.3.5.5)."""


@member(TABLE_FEATURE_PROPERTY, "OFPTFPT_WILDCARDS", {V13: 10})
class TableWildcards(_Fields, frozen=True, gc=False):
    """Fields that can be left out of a match (OpenFlow 1.5.1 section 7.3.5.18; 1.3.5 section 7.3.5.5)."""


@member(TABLE_FEATURE_PROPERTY, "OFPTFPT_WRITE_SETFIELD", {V13: 12})
class TableWriteSetfield(_Fields, frozen=True, gc=False):
    """Fields that flow entries can set through the action set (OpenFlow 1.5.1 section 7.3.5.18; 1.3.5 section
    7.3.5.5)."""


@member(TABLE_FEATURE_PROPERTY, "OFPTFPT_WRITE_SETFIELD_MISS", {V13: 13})
class TableWriteSetfieldMiss(_Fields, frozen=True, gc=False):
    """Fields that the table-miss entry can set through the action set (OpenFlow 1.5.1 section 7.3.5.18; 1.3.5 section
    7.3.5.5)."""


@member(TABLE_FEATURE_PROPERTY, "OFPTFPT_APPLY_SETFIELD", {V13: 14})
class TableApplySetfield(_Fields, frozen=True, gc=False):
    """Fields that flow entries can set at once (OpenFlow 1.5.1 section 7.3.5.18; 1.3.5 section 7.3.5.5)."""


@member(TABLE_FEATURE_PROPERTY, "OFPTFPT_APPLY_SETFIELD_MISS", {V13: 15})
class TableApplySetfieldMiss(_Fields, frozen=True, gc=False):
    """Fields that the table-miss entry can set at once (OpenFlow 1.5.1 section 7.3.5.18; 1.3.5 section 7.3.5.5)."""


@member(TABLE_FEATURE_PROPERTY, "OFPTFPT_TABLE_SYNC_FROM", {V14: 16})
class TableSyncFrom(_Tables, frozen=True, gc=False):
    """Tables from which the switch copies entries into this one (OpenFlow 1.5.1 section 7.3.5.18)."""


@member(TABLE_FEATURE_PROPERTY, "OFPTFPT_WRITE_COPYFIELD", {V15: 18})
class TableWriteCopyfield(_Fields, frozen=True, gc=False):
    """Fields to which flow entries can copy through the action set (OpenFlow 1.5.1 section 7.3.5.18)."""


@member(TABLE_FEATURE_PROPERTY, "OFPTFPT_WRITE_COPYFIELD_MISS", {V15: 19})
class TableWriteCopyfieldMiss(_Fields, frozen=True, gc=False):
    """Fields to which the table-miss entry can copy through the action set (OpenFlow 1.5.1 section 7.3.5.18)."""


@member(TABLE_FEATURE_PROPERTY, "OFPTFPT_APPLY_COPYFIELD", {V15: 20})
class TableApplyCopyfield(_Fields, frozen=True, gc=False):
    """Fields to which flow entries can copy at once (OpenFlow 1.5.1 section 7.3.5.18)."""


@member(TABLE_FEATURE_PROPERTY, "OFPTFPT_APPLY_COPYFIELD_MISS", {V15: 21})
class TableApplyCopyfieldMiss(_Fields, frozen=True, gc=False):
    """Fields to which the table-miss entry can copy at once (OpenFlow 1.5.1 section 7.3.5.18)."""


@member(TABLE_FEATURE_PROPERTY, "OFPTFPT_PACKET_TYPES", {V15: 22})
class TablePacketTypes(TableFeatureProperty, frozen=True, gc=False):
    """Packets that the table can take: values of the field packet_type (OpenFlow 1.5.1 section 7.3.5.18)."""

    oxm_values: Sequence[OxmField] = ()

    WIRE = (w.many("oxm_values", OxmField),)


class TableFeatures(Record, frozen=True, gc=False):
    """One table: `ofp_table_features` (OpenFlow 1.5.1 section 7.3.5.18; 1.3.5 section 7.3.5.5).

    `metadata_match` and `metadata_write` are the bits of metadata, of 64, that can be matched and written.
    `max_entries` is how many flow entries it can have, 0 to 2**32 - 1. `capabilities` (in 1.3 named `config`) says what
    a `TableMod` could switch on. `command` and `features` are of OpenFlow 1.5. `name` has 31 octets at most.
    """

    table_id: int
    name: str = ""
    properties: Sequence[TableFeatureProperty] = ()
    metadata_match: int = 0
    metadata_write: int = 0
    capabilities: int = 0
    max_entries: int = 0
    command: int = TableFeaturesCommand.REPLACE
    features: int = 0

    WIRE = (
        w.length(),
        w.u8("table_id"),
        w.pad(5, until=V14),
        w.u8("command", TableFeaturesCommand, since=V15),
        w.u32("features", TableFeatureFlags, since=V15),
        w.text("name", 32),
        w.u64("metadata_match"),
        w.u64("metadata_write"),
        w.u32("capabilities", TableConfig),
        w.u32("max_entries"),
        w.many("properties", TABLE_FEATURE_PROPERTY),
    )


@request("OFPMP_TABLE_FEATURES", {V13: 12})
class TableFeaturesRequest(Message, frozen=True, gc=False):
    """Asks what the tables can do, or, with tables, has the switch arrange its pipeline so (OpenFlow 1.5.1 section
    7.3.5.18; 1.3.5 section 7.3.5.5)."""

    tables: Sequence[TableFeatures] = ()
    flags: int = 0

    WIRE = (w.many("tables", TableFeatures),)


@reply("OFPMP_TABLE_FEATURES", {V13: 12})
class TableFeaturesReply(Message, frozen=True, gc=False):
    """What the tables can do (OpenFlow 1.5.1 section 7.3.5.18; 1.3.5 section 7.3.5.5)."""

    tables: Sequence[TableFeatures] = ()
    flags: int = 0

    WIRE = (w.many("tables", TableFeatures),)
