"""The ONF's extension actions that Open vSwitch speaks: copy-field before OpenFlow 1.5 (ONF extension EXT-320)."""

from segue.openflow import declare as w
from segue.openflow.declare import experimenter_member
from segue.openflow.protocol.families import ACTION, Action
from segue.openflow.wire import ONF, V13, V14


@experimenter_member(ACTION, "ONFACT_COPY_FIELD", ONF, 3200, since=V13, until=V14)
class OnfCopyField(Action, frozen=True, gc=False):
    """Copies `n_bits` bits of the field `src`, from bit `src_offset` on, to `dst`, from `dst_offset` on (ONF extension
    EXT-320). Bits are counted from 0, the least significant one; `n_bits` is 1 or more, and both ends have to lie
    within their fields."""

    src: str
    dst: str
    n_bits: int
    src_offset: int = 0
    dst_offset: int = 0

    WIRE = (
        w.pad(2),
        w.u16("n_bits"),
        w.u16("src_offset"),
        w.u16("dst_offset"),
        w.pad(2),
        w.oxm_id("src"),
        w.oxm_id("dst"),
    )
