"""Open vSwitch's actions on fields: move, load, the stack, tests, deletion (lib/ofp-actions.c).

Bits of a field are counted from 0, the least significant one. `RegMove` and `RegLoad` end with OpenFlow 1.4, as in 1.5
copy-field and set-field with a mask do the same.
"""

from typing import Final

from segue.openflow import declare as w
from segue.openflow.declare import experimenter_member
from segue.openflow.protocol.families import ACTION, Action
from segue.openflow.protocol.nicira_forms import SHORT_FIELD, PaddedField
from segue.openflow.wire import NICIRA, V14

# `nx_action_delete_field` has 24 octets however long the header is.
_DELETED: Final = PaddedField(14)


@experimenter_member(ACTION, "NXAST_REG_MOVE", NICIRA, 6, until=V14)
class RegMove(Action, frozen=True, gc=False):
    """Copies `n_bits` bits of the field `src`, from bit `src_ofs` on, to `dst`, from `dst_ofs` on (lib/ofp-actions.c,
    NXAST_REG_MOVE). `n_bits` is 1 or more."""

    src: str
    dst: str
    n_bits: int
    src_ofs: int = 0
    dst_ofs: int = 0

    WIRE = (
        w.u16("n_bits"),
        w.u16("src_ofs"),
        w.u16("dst_ofs"),
        w.nxm_id("src"),
        w.nxm_id("dst"),
    )


@experimenter_member(ACTION, "NXAST_REG_LOAD", NICIRA, 7, until=V14)
class RegLoad(Action, frozen=True, gc=False):
    """Sets `n_bits` bits (1 to 64) of the field `dst`, from bit `ofs` on, to `value` (lib/ofp-actions.c,
    NXAST_REG_LOAD). `value` has no more than `n_bits` bits."""

    dst: str
    value: int
    n_bits: int
    ofs: int = 0

    WIRE = (w.ofs_nbits("ofs", "n_bits"), w.custom("dst", SHORT_FIELD), w.u64("value"))


@experimenter_member(ACTION, "NXAST_REG_LOAD2", NICIRA, 33, until=V14)
class RegLoad2(Action, frozen=True, gc=False):
    """Sets a field, or those of its bits that the mask has; any field, also one of an experimenter (lib/ofp-actions.c,
    NXAST_REG_LOAD2)."""

    field: str
    value: int | str
    mask: int | None = None

    WIRE = (w.nxm_entry("field", "value", "mask"),)


@experimenter_member(ACTION, "NXAST_STACK_PUSH", NICIRA, 27)
class StackPush(Action, frozen=True, gc=False):
    """Pushes `n_bits` bits of a field, from bit `offset` on, on the stack (lib/ofp-actions.c, NXAST_STACK_PUSH).
    At least one bit."""

    field: str
    n_bits: int
    offset: int = 0

    WIRE = (w.u16("offset"), w.nxm_id("field"), w.u16("n_bits"))


@experimenter_member(ACTION, "NXAST_STACK_POP", NICIRA, 28)
class StackPop(Action, frozen=True, gc=False):
    """Pops `n_bits` bits from the stack into a field, from bit `offset` on (lib/ofp-actions.c, NXAST_STACK_POP).
    At least one bit."""

    field: str
    n_bits: int
    offset: int = 0

    WIRE = (w.u16("offset"), w.nxm_id("field"), w.u16("n_bits"))


@experimenter_member(ACTION, "NXAST_CHECK_PKT_LARGER", NICIRA, 49)
class CheckPktLarger(Action, frozen=True, gc=False):
    """Bit `offset` of the field `dst` says whether the packet is larger than `pkt_len` octets (lib/ofp-actions.c,
    NXAST_CHECK_PKT_LARGER). `pkt_len` is 0 to 65535 octets."""

    pkt_len: int
    dst: str
    offset: int = 0

    WIRE = (w.u16("pkt_len"), w.u16("offset"), w.nxm_id("dst"))


@experimenter_member(ACTION, "NXAST_DELETE_FIELD", NICIRA, 50)
class DeleteField(Action, frozen=True, gc=False):
    """Removes an optional field, such as a tunnel's metadata, from the packet (lib/ofp-actions.c,
    NXAST_DELETE_FIELD)."""

    field: str

    WIRE = (w.custom("field", _DELETED),)
