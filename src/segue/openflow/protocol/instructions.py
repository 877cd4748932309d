"""The instructions of a flow entry (OpenFlow 1.5.1 section 7.2.5; 1.1 and later, 1.0 has actions only).

An entry has at most one instruction of each type, and a switch executes them in an order of its own: meter,
apply-actions, clear-actions, write-actions, write-metadata, statistics trigger, goto-table (section 5.5).
"""

from collections.abc import Sequence

from segue.openflow import declare as w
from segue.openflow.codec import CODEC
from segue.openflow.declare import member
from segue.openflow.names import Flags
from segue.openflow.protocol.families import ACTION, INSTRUCTION, Action, Instruction
from segue.openflow.stats import Stats
from segue.openflow.wire import V11, V13, V15


class StatTriggerFlags(Flags, prefix="OFPSTF_"):
    PERIODIC = 1
    ONLY_FIRST = 2


@member(INSTRUCTION, "OFPIT_GOTO_TABLE", {V11: 1})
class GotoTable(Instruction, frozen=True, gc=False):
    """Goes on in a later table (OpenFlow 1.5.1 section 7.2.5). `table_id` is 1 to 254, and above that of the entry's
    own table."""

    table_id: int

    WIRE = (w.u8("table_id"), w.pad(3))


@member(INSTRUCTION, "OFPIT_WRITE_METADATA", {V11: 2})
class WriteMetadata(Instruction, frozen=True, gc=False):
    """Sets those bits of the metadata, 64 bits, that the mask has (OpenFlow 1.5.1 section 7.2.5). A mask of all ones
    sets them all."""

    metadata: int
    metadata_mask: int = 0xFFFF_FFFF_FFFF_FFFF

    WIRE = (w.pad(4), w.u64("metadata"), w.u64("metadata_mask"))


@member(INSTRUCTION, "OFPIT_WRITE_ACTIONS", {V11: 3})
class WriteActions(Instruction, frozen=True, gc=False):
    """Puts actions into the action set, which is executed when the pipeline ends (OpenFlow 1.5.1 section 7.2.5)."""

    actions: Sequence[Action] = ()

    WIRE = (w.pad(4), w.many("actions", ACTION))


@member(INSTRUCTION, "OFPIT_APPLY_ACTIONS", {V11: 4})
class ApplyActions(Instruction, frozen=True, gc=False):
    """Executes actions at once and in their order (OpenFlow 1.5.1 section 7.2.5)."""

    actions: Sequence[Action] = ()

    WIRE = (w.pad(4), w.many("actions", ACTION))


@member(INSTRUCTION, "OFPIT_CLEAR_ACTIONS", {V11: 5})
class ClearActions(Instruction, frozen=True, gc=False):
    """Empties the action set (OpenFlow 1.5.1 section 7.2.5)."""

    WIRE = (w.pad(4),)


@member(INSTRUCTION, "OFPIT_METER", {V13: 6, V15: None})
class Meter(Instruction, frozen=True, gc=False):
    """Through a meter (1.3 and 1.4; in 1.5 the action `MeterAction`; OpenFlow 1.3.5 section 7.2.4). `meter_id` is 1 to
    0xffff0000 (OFPM_MAX)."""

    meter_id: int

    WIRE = (w.u32("meter_id"),)


@member(INSTRUCTION, "OFPIT_STAT_TRIGGER", {V15: 7})
class StatTrigger(Instruction, frozen=True, gc=False):
    """Sends the entry's statistics when they pass `thresholds`: once, or each time that as much again has come (1.5).

    OpenFlow 1.5.1 section 7.2.5. Thresholds are seconds, nanoseconds, packets and octets, as the statistics themselves.
    """

    flags: int = 0
    thresholds: Stats = {}

    WIRE = (w.u32("flags", StatTriggerFlags), w.stats("thresholds"))


CODEC.apply_actions = ApplyActions
