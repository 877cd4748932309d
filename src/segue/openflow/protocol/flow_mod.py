"""Changes to the flow tables (OpenFlow 1.5.1 section 7.3.4.2; 1.0.0 section 5.3.3)."""

from collections.abc import Sequence

from segue.openflow import declare as w
from segue.openflow.declare import Message, message
from segue.openflow.match import MatchLike
from segue.openflow.names import Flags, Numbers
from segue.openflow.protocol.families import ACTION, Action, Instruction
from segue.openflow.wire import ANY_GROUP, ANY_PORT, NO_BUFFER, V10, V11, V13, V14


class FlowModCommand(Numbers, prefix="OFPFC_"):
    ADD = 0
    MODIFY = 1
    MODIFY_STRICT = 2
    DELETE = 3
    DELETE_STRICT = 4


class FlowModFlags10(Flags, prefix="OFPFF_"):
    SEND_FLOW_REM = 1
    CHECK_OVERLAP = 2
    EMERG = 4


class FlowModFlags(Flags, prefix="OFPFF_"):
    SEND_FLOW_REM = 1
    CHECK_OVERLAP = 2
    RESET_COUNTS = 4  # 1.2 and later
    NO_PKT_COUNTS = 8  # 1.3 and later
    NO_BYT_COUNTS = 16  # 1.3 and later


class BufferId(Numbers, prefix="OFP_"):
    NO_BUFFER = NO_BUFFER


class TableId(Numbers, prefix="OFPTT_"):
    ALL = 0xFF


class GroupId(Numbers, prefix="OFPG_"):
    MAX = 0xFFFFFF00
    ALL = 0xFFFFFFFC
    ANY = ANY_GROUP


@message("OFPT_FLOW_MOD", {V10: 14})
class FlowMod(Message, frozen=True, gc=False):
    """Adds, changes or removes flow entries.

    OpenFlow 1.5.1 section 7.3.4.2; 1.3.5 section 7.3.4.1; 1.0.0 section 5.3.3.

    `actions` are applied to the packet at once: in OpenFlow 1.0 they are all that there is, in 1.1 and later they are
    short for an apply-actions instruction before `instructions`, which is how they are read back.

    `idle_timeout` (without a packet) and `hard_timeout` are in seconds, 1 to 65535, 0 for none. `priority` is 0 to
    65535, higher first. `cookie_mask` restricts changes and removals to entries with these bits of `cookie`, unless
    it is 0 (1.1 and later). `importance`, 0 to 65535, ranks entries for eviction, the lowest first (1.4 and later).
    `table_id` is 0 to 254, 0xff in removals for all tables. `buffer_id` is the packet that the switch keeps and that is
    to meet the entry, 0xffffffff for none. `out_port` and `out_group` restrict removals; ANY does not.
    """

    match: MatchLike = {}
    actions: Sequence[Action] = ()
    instructions: Sequence[Instruction] = ()
    command: int = FlowModCommand.ADD
    table_id: int = 0
    priority: int = 0x8000
    cookie: int = 0
    cookie_mask: int = 0
    idle_timeout: int = 0
    hard_timeout: int = 0
    flags: int = 0
    importance: int = 0
    buffer_id: int = NO_BUFFER
    out_port: int = ANY_PORT
    out_group: int = ANY_GROUP

    WIRE = (
        w.match("match", until=V10),
        w.u64("cookie"),
        w.u64("cookie_mask", since=V11),
        w.u8("table_id", TableId, since=V11),
        w.u16("command", FlowModCommand, until=V10),
        w.u8("command", FlowModCommand, since=V11),
        w.u16("idle_timeout"),
        w.u16("hard_timeout"),
        w.u16("priority"),
        w.u32("buffer_id", BufferId),
        w.port("out_port"),
        w.u32("out_group", GroupId, since=V11),
        w.u16("flags", FlowModFlags10, until=V10),
        w.u16("flags", FlowModFlags, since=V11),
        w.pad(2, since=V11, until=V13),
        w.u16("importance", since=V14),
        w.match("match", since=V11),
        w.many("actions", ACTION, until=V10),
        w.instructions("instructions", "actions", since=V11),
    )
