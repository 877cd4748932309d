"""Open vSwitch's actions of the pipeline: tables, tunnels, outputs, timeouts (lib/ofp-actions.c).

They are `NXAST_*`, an experimenter's actions with the number 0x00002320, and the same in every version unless said.
Ports have 16 bits in them. Others of their kind are in the files `nicira_*`.
"""

from collections.abc import Sequence
from typing import Final

from segue.openflow import declare as w
from segue.openflow.declare import experimenter_member
from segue.openflow.protocol.families import ACTION, Action
from segue.openflow.protocol.nicira_forms import SHORT_FIELD, Shorts
from segue.openflow.wire import IN_PORT, NICIRA

_IDS: Final = Shorts(ports=False)


# -- tables --------------------------------------------------------------------------------------------------------


@experimenter_member(ACTION, "NXAST_RESUBMIT", NICIRA, 1)
class Resubmit(Action, frozen=True, gc=False):
    """Searches this table again, with `in_port` as the port of entry (IN_PORT: as it is), and then goes on here
    (lib/ofp-actions.c, NXAST_RESUBMIT). `in_port` has 16 bits."""

    in_port: int = IN_PORT

    WIRE = (w.port16("in_port"), w.pad(4))


@experimenter_member(ACTION, "NXAST_RESUBMIT_TABLE", NICIRA, 14)
class ResubmitTable(Action, frozen=True, gc=False):
    """Searches `table` (255: this one) with `in_port` as the port of entry (IN_PORT: as it is; lib/ofp-actions.c,
    NXAST_RESUBMIT_TABLE)."""

    table: int = 0xFF
    in_port: int = IN_PORT

    WIRE = (w.port16("in_port"), w.u8("table"), w.pad(3))


@experimenter_member(ACTION, "NXAST_RESUBMIT_TABLE_CT", NICIRA, 44)
class ResubmitTableCt(Action, frozen=True, gc=False):
    """`ResubmitTable` with the addresses and ports of the connection's original direction (lib/ofp-actions.c,
    NXAST_RESUBMIT_TABLE_CT)."""

    table: int = 0xFF
    in_port: int = IN_PORT

    WIRE = (w.port16("in_port"), w.u8("table"), w.pad(3))


@experimenter_member(ACTION, "NXAST_EXIT", NICIRA, 17)
class Exit(Action, frozen=True, gc=False):
    """Ends the pipeline, resubmitting flows included (lib/ofp-actions.c, NXAST_EXIT)."""

    WIRE = (w.pad(6),)


@experimenter_member(ACTION, "NXAST_CLONE", NICIRA, 42)
class Clone(Action, frozen=True, gc=False):
    """Actions on a copy of the packet and of its metadata (lib/ofp-actions.c, NXAST_CLONE)."""

    actions: Sequence[Action] = ()

    WIRE = (w.pad(6), w.many("actions", ACTION))


@experimenter_member(ACTION, "NXAST_CONJUNCTION", NICIRA, 34)
class Conjunction(Action, frozen=True, gc=False):
    """The flow satisfies dimension `clause` (from 0) of the `n_clauses` (2 to 64) of the conjunctive match `id`, which
    other flows match as `conj_id` (lib/ofp-actions.c, NXAST_CONJUNCTION). `id` has 32 bits; `clause` is 0 to
    `n_clauses` less one."""

    id: int
    clause: int
    n_clauses: int

    WIRE = (w.u8("clause"), w.u8("n_clauses"), w.u32("id"))


@experimenter_member(ACTION, "NXAST_WRITE_METADATA", NICIRA, 22)
class NxWriteMetadata(Action, frozen=True, gc=False):
    """Sets those bits of the metadata that the mask has: OpenFlow 1.1's instruction, for 1.0 (lib/ofp-actions.c,
    NXAST_WRITE_METADATA). Both have 64 bits. Later versions have it too: Open vSwitch takes it among the applied
    actions of a flow, and gives the flow back with the instruction."""

    metadata: int
    mask: int = 0xFFFF_FFFF_FFFF_FFFF

    WIRE = (w.pad(6), w.u64("metadata"), w.u64("mask"))


@experimenter_member(ACTION, "NXAST_FIN_TIMEOUT", NICIRA, 19)
class FinTimeout(Action, frozen=True, gc=False):
    """A TCP packet with FIN or RST lowers the flow's timeouts (lib/ofp-actions.c, NXAST_FIN_TIMEOUT) to
    `fin_idle_timeout` and `fin_hard_timeout` seconds; 0 leaves one as it is."""

    fin_idle_timeout: int = 0
    fin_hard_timeout: int = 0

    WIRE = (w.u16("fin_idle_timeout"), w.u16("fin_hard_timeout"), w.pad(2))


@experimenter_member(ACTION, "NXAST_NOTE", NICIRA, 8)
class Note(Action, frozen=True, gc=False):
    """Octets without effect (lib/ofp-actions.c, NXAST_NOTE). They fill the action: what is read has the zeros that were
    added, 6 octets at least."""

    note: bytes = b""

    WIRE = (w.data("note"),)


# -- outputs -------------------------------------------------------------------------------------------------------


@experimenter_member(ACTION, "NXAST_OUTPUT_REG", NICIRA, 15)
class OutputReg(Action, frozen=True, gc=False):
    """To the port that `n_bits` bits (1 to 64) of the field `src` say, from bit `ofs` on (lib/ofp-actions.c,
    NXAST_OUTPUT_REG). `max_len` is how many octets go to the controller, if it is that; 0xffff is all."""

    src: str
    n_bits: int
    ofs: int = 0
    max_len: int = 0xFFFF

    WIRE = (w.ofs_nbits("ofs", "n_bits"), w.custom("src", SHORT_FIELD), w.u16("max_len"), w.pad(6))


@experimenter_member(ACTION, "NXAST_OUTPUT_REG2", NICIRA, 32)
class OutputReg2(Action, frozen=True, gc=False):
    """`OutputReg` for any field, also one of an experimenter (lib/ofp-actions.c, NXAST_OUTPUT_REG2). `n_bits` is 1 to
    64 bits, `max_len` octets at most go to the controller, 0xffff is all."""

    src: str
    n_bits: int
    ofs: int = 0
    max_len: int = 0xFFFF

    WIRE = (w.ofs_nbits("ofs", "n_bits"), w.u16("max_len"), w.nxm_id("src"))


@experimenter_member(ACTION, "NXAST_OUTPUT_TRUNC", NICIRA, 39)
class OutputTrunc(Action, frozen=True, gc=False):
    """To a port, of each packet no more than `max_len` octets (14 at least; lib/ofp-actions.c, NXAST_OUTPUT_TRUNC)."""

    port: int
    max_len: int

    WIRE = (w.port16("port"), w.u32("max_len"))


@experimenter_member(ACTION, "NXAST_POP_QUEUE", NICIRA, 5)
class PopQueue(Action, frozen=True, gc=False):
    """The queue is again what it was before it was set (lib/ofp-actions.c, NXAST_POP_QUEUE)."""

    WIRE = (w.pad(6),)


# -- tunnels and times to live -------------------------------------------------------------------------------------


@experimenter_member(ACTION, "NXAST_SET_TUNNEL", NICIRA, 2)
class SetTunnel(Action, frozen=True, gc=False):
    """Tunnel id, 32 bits (lib/ofp-actions.c, NXAST_SET_TUNNEL)."""

    tun_id: int

    WIRE = (w.pad(2), w.u32("tun_id"))


@experimenter_member(ACTION, "NXAST_SET_TUNNEL64", NICIRA, 9)
class SetTunnel64(Action, frozen=True, gc=False):
    """Tunnel id, 64 bits (lib/ofp-actions.c, NXAST_SET_TUNNEL64)."""

    tun_id: int

    WIRE = (w.pad(6), w.u64("tun_id"))


@experimenter_member(ACTION, "NXAST_DEC_TTL_CNT_IDS", NICIRA, 21)
class DecTtlCntIds(Action, frozen=True, gc=False):
    """Takes one off the time to live; a packet whose time is over goes to the controllers with these ids
    (lib/ofp-actions.c, NXAST_DEC_TTL_CNT_IDS). An id is 0 to 65535."""

    cnt_ids: Sequence[int]

    WIRE = (w.count("cnt_ids", 2), w.pad(4), w.custom("cnt_ids", _IDS))


# -- for tests of the switch ---------------------------------------------------------------------------------------


@experimenter_member(ACTION, "NXAST_DEBUG_SLOW", NICIRA, 254)
class DebugSlow(Action, frozen=True, gc=False):
    """Packets of this flow pass through the slow path (switches for tests only; lib/ofp-actions.c,
    NXAST_DEBUG_SLOW)."""

    WIRE = (w.pad(6),)


@experimenter_member(ACTION, "NXAST_DEBUG_RECIRC", NICIRA, 255)
class DebugRecirc(Action, frozen=True, gc=False):
    """Recirculates (switches for tests only; lib/ofp-actions.c, NXAST_DEBUG_RECIRC)."""

    WIRE = (w.pad(6),)
