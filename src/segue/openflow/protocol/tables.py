"""Flow tables: their configuration, their counters, and what changes in them. What they can do is in `table_features`.

OpenFlow 1.5.1 sections 7.3.4.1 (table modification), 7.3.5 (statistics and descriptions), 7.4.5 (table status).

The versions differ more here than anywhere else. OpenFlow 1.1 and 1.2 configure what becomes of packets that match
nothing; since 1.3 a flow entry of priority 0 does, and since 1.4 the configuration is about eviction and warnings.
Until 1.2 the statistics of a table also say what it can do, by bit maps that are different each time (`bitmaps`).
"""

from collections.abc import Sequence
from typing import Final

from segue.openflow import declare as w
from segue.openflow.declare import Message, Record, member, message, reply, request, unknown
from segue.openflow.names import Flags, Numbers
from segue.openflow.protocol.bitmaps import ActionBits, InstructionBits, MatchFields11, OxmFields12, Wildcards10
from segue.openflow.wire import V10, V11, V12, V13, V14, V15

TABLE_PROPERTY: Final = w.family("table property", inside=False)


class TableConfig11(Flags, prefix="OFPTC_"):
    """OpenFlow 1.1 and 1.2: packets that match nothing go to the next table, or nowhere; without either to the
    controller."""

    TABLE_MISS_CONTINUE = 1 << 0
    TABLE_MISS_DROP = 1 << 1


class TableConfig(Flags, prefix="OFPTC_"):
    """In OpenFlow 1.3 no bit has a meaning."""

    DEPRECATED_MASK = 3
    EVICTION = 1 << 2
    VACANCY_EVENTS = 1 << 3


class EvictionFlags(Flags, prefix="OFPTMPEF_"):
    """By what a switch chooses the flow entries that it evicts."""

    OTHER = 1 << 0
    IMPORTANCE = 1 << 1
    LIFETIME = 1 << 2


class TableReason(Numbers, prefix="OFPTR_"):
    VACANCY_DOWN = 3
    VACANCY_UP = 4


class TableNumber(Numbers, prefix="OFPTT_"):
    ALL = 0xFF


class TableProperty(Record, frozen=True, gc=False):
    """A property of a table's configuration (1.4 and later; OpenFlow 1.5.1 section 7.3.4.1)."""


@unknown(TABLE_PROPERTY)
class UnknownTableProperty(TableProperty, frozen=True, gc=False):
    """A property that nobody declared, an experimenter's too: the octets behind its type and length (OpenFlow 1.5.1
    section 7.3.4.1)."""

    type: int
    data: bytes = b""


@member(TABLE_PROPERTY, "OFPTMPT_EVICTION", {V14: 2})
class TableEviction(TableProperty, frozen=True, gc=False):
    """How entries are chosen for eviction; a controller may only ask (OpenFlow 1.5.1 section 7.3.4.1)."""

    flags: int = 0

    WIRE = (w.u32("flags", EvictionFlags),)


@member(TABLE_PROPERTY, "OFPTMPT_VACANCY", {V14: 3})
class TableVacancy(TableProperty, frozen=True, gc=False):
    """When to warn that a table fills up (OpenFlow 1.5.1 section 7.3.4.1): `vacancy_down` and `vacancy_up` are per cent
    of free entries, 0 to 100, the one at most the other. `vacancy` is what is free now, per cent too, and has to be 0
    in a `TableMod`."""

    vacancy_down: int
    vacancy_up: int
    vacancy: int = 0

    WIRE = (w.u8("vacancy_down"), w.u8("vacancy_up"), w.u8("vacancy"), w.pad(1))


@message("OFPT_TABLE_MOD", {V11: 17})
class TableMod(Message, frozen=True, gc=False):
    """Configures a table, or all of them (OpenFlow 1.5.1 section 7.3.4.1; 1.3.5 section 7.3.3). `table_id` is 0 to 254,
    0xff for all."""

    table_id: int
    config: int = 0
    properties: Sequence[TableProperty] = ()

    WIRE = (
        w.u8("table_id", TableNumber),
        w.pad(3),
        w.u32("config", TableConfig11, until=V12),
        w.u32("config", TableConfig, since=V13),
        w.many("properties", TABLE_PROPERTY, since=V14),
    )


class TableDesc(Record, frozen=True, gc=False):
    """A table's configuration: `ofp_table_desc` (OpenFlow 1.5.1 section 7.3.5, OFPMP_TABLE_DESC)."""

    table_id: int
    config: int = 0
    properties: Sequence[TableProperty] = ()

    WIRE = (
        w.length(),
        w.u8("table_id"),
        w.pad(1),
        w.u32("config", TableConfig),
        w.many("properties", TABLE_PROPERTY),
    )


@request("OFPMP_TABLE_DESC", {V14: 14})
class TableDescRequest(Message, frozen=True, gc=False):
    """Asks for the configuration of all tables (OpenFlow 1.5.1 section 7.3.5, OFPMP_TABLE_DESC)."""

    flags: int = 0


@reply("OFPMP_TABLE_DESC", {V14: 14})
class TableDescReply(Message, frozen=True, gc=False):
    """Configurations of tables (OpenFlow 1.5.1 section 7.3.5, OFPMP_TABLE_DESC)."""

    tables: Sequence[TableDesc] = ()
    flags: int = 0

    WIRE = (w.many("tables", TableDesc),)


@message("OFPT_TABLE_STATUS", {V14: 31})
class TableStatus(Message, frozen=True, gc=False):
    """A table's free room has crossed one of its thresholds (OpenFlow 1.5.1 section 7.4.5)."""

    reason: int
    table: TableDesc

    WIRE = (w.u8("reason", TableReason), w.pad(7), w.one("table", TableDesc))


class TableStats(Record, frozen=True, gc=False):
    """A table's counters: `ofp_table_stats` (OpenFlow 1.5.1 section 7.3.5, OFPMP_TABLE_STATS; 1.3.5 section 7.3.5.4;
    1.0.0 section 5.3.5).

    All versions have `active_count` (entries in the table), `lookup_count` and `matched_count` (packets that were
    looked up and that met an entry); until OpenFlow 1.2 also `name` and `max_entries` (entries at most). `match` and
    `wildcards` are bit maps of fields that can be matched and left out, of 32 bits with the version's own meaning in
    1.0 (`wildcards` alone) and 1.1, of 64 bits in 1.2. The other capabilities are in 1.1 and 1.2, `write_setfields` to
    `metadata_write` in 1.2 only.
    """

    table_id: int
    active_count: int = 0
    lookup_count: int = 0
    matched_count: int = 0
    name: str = ""
    max_entries: int = 0
    wildcards: int = 0
    match: int = 0
    instructions: int = 0
    write_actions: int = 0
    apply_actions: int = 0
    config: int = 0
    write_setfields: int = 0
    apply_setfields: int = 0
    metadata_match: int = 0
    metadata_write: int = 0

    WIRE = (
        w.u8("table_id"),
        w.pad(3, until=V10),
        w.pad(7, since=V11, until=V12),
        w.pad(3, since=V13),
        w.text("name", 32, until=V12),
        w.u32("wildcards", Wildcards10, until=V10),
        w.u32("wildcards", MatchFields11, since=V11, until=V11),
        w.u32("match", MatchFields11, since=V11, until=V11),
        w.u32("instructions", InstructionBits, since=V11, until=V11),
        w.u64("match", OxmFields12, since=V12, until=V12),
        w.u64("wildcards", OxmFields12, since=V12, until=V12),
        w.u32("write_actions", ActionBits, since=V11, until=V12),
        w.u32("apply_actions", ActionBits, since=V11, until=V12),
        w.u64("write_setfields", OxmFields12, since=V12, until=V12),
        w.u64("apply_setfields", OxmFields12, since=V12, until=V12),
        w.u64("metadata_match", since=V12, until=V12),
        w.u64("metadata_write", since=V12, until=V12),
        w.u32("instructions", InstructionBits, since=V12, until=V12),
        w.u32("config", TableConfig11, since=V11, until=V12),
        w.u32("max_entries", until=V12),
        w.u32("active_count"),
        w.u64("lookup_count"),
        w.u64("matched_count"),
    )


@request({V10: "OFPST_TABLE", V13: "OFPMP_TABLE", V15: "OFPMP_TABLE_STATS"}, {V10: 3})
class TableStatsRequest(Message, frozen=True, gc=False):
    """Asks for the counters of all tables (OpenFlow 1.5.1 section 7.3.5, OFPMP_TABLE_STATS; 1.3.5 section 7.3.5.4;
    1.0.0 section 5.3.5)."""

    flags: int = 0


@reply({V10: "OFPST_TABLE", V13: "OFPMP_TABLE", V15: "OFPMP_TABLE_STATS"}, {V10: 3})
class TableStatsReply(Message, frozen=True, gc=False):
    """Counters of tables (OpenFlow 1.5.1 section 7.3.5, OFPMP_TABLE_STATS; 1.3.5 section 7.3.5.4; 1.0.0 section
    5.3.5)."""

    stats: Sequence[TableStats] = ()
    flags: int = 0

    WIRE = (w.many("stats", TableStats),)
