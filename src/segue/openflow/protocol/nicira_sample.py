"""Open vSwitch's sampling for IPFIX (lib/ofp-actions.c, `nx_action_sample` and its successors).

`probability` is in 1/65535; `collector_set_id` is the Flow_Sample_Collector_Set of the switch's database.
"""

from typing import Final

from segue.openflow import declare as w
from segue.openflow.declare import experimenter_member
from segue.openflow.names import Numbers
from segue.openflow.protocol.families import ACTION, Action
from segue.openflow.protocol.nicira_forms import NumberOrSubfield, Subfield
from segue.openflow.wire import ANY_PORT, NICIRA

_ID: Final = NumberOrSubfield(4)


class SampleDirection(Numbers, prefix="NX_ACTION_SAMPLE_"):
    """Whether packets are sampled as they come or as they go."""

    DEFAULT = 0
    INGRESS = 1
    EGRESS = 2


@experimenter_member(ACTION, "NXAST_SAMPLE", NICIRA, 29)
class Sample(Action, frozen=True, gc=False):
    """Sends packets to the IPFIX collectors of `collector_set_id` (lib/ofp-actions.c, NXAST_SAMPLE). `probability` is 1
    to 65535, of 65535."""

    probability: int
    collector_set_id: int = 0
    obs_domain_id: int = 0
    obs_point_id: int = 0

    WIRE = (w.u16("probability"), w.u32("collector_set_id"), w.u32("obs_domain_id"), w.u32("obs_point_id"))


@experimenter_member(ACTION, "NXAST_SAMPLE2", NICIRA, 38)
class Sample2(Action, frozen=True, gc=False):
    """`Sample` at a port (0xffff, here ANY_PORT: at none in particular; lib/ofp-actions.c, NXAST_SAMPLE2).
    `probability` is 1 to 65535, of 65535."""

    probability: int
    collector_set_id: int = 0
    obs_domain_id: int = 0
    obs_point_id: int = 0
    sampling_port: int = ANY_PORT

    WIRE = (
        w.u16("probability"),
        w.u32("collector_set_id"),
        w.u32("obs_domain_id"),
        w.u32("obs_point_id"),
        w.port16("sampling_port"),
        w.pad(6),
    )


@experimenter_member(ACTION, "NXAST_SAMPLE3", NICIRA, 41)
class Sample3(Action, frozen=True, gc=False):
    """`Sample2` of one direction (lib/ofp-actions.c, NXAST_SAMPLE3). `probability` is 1 to 65535, of 65535."""

    probability: int
    collector_set_id: int = 0
    obs_domain_id: int = 0
    obs_point_id: int = 0
    sampling_port: int = ANY_PORT
    direction: int = SampleDirection.DEFAULT

    WIRE = (
        w.u16("probability"),
        w.u32("collector_set_id"),
        w.u32("obs_domain_id"),
        w.u32("obs_point_id"),
        w.port16("sampling_port"),
        w.u8("direction", SampleDirection),
        w.pad(5),
    )


@experimenter_member(ACTION, "NXAST_SAMPLE4", NICIRA, 51)
class Sample4(Action, frozen=True, gc=False):
    """`Sample3` with observation domain and point from fields, if so wanted (Open vSwitch 3.4 and later;
    lib/ofp-actions.c, NXAST_SAMPLE4). `probability` is 1 to 65535, of 65535."""

    probability: int
    collector_set_id: int = 0
    obs_domain_id: int | Subfield = 0
    obs_point_id: int | Subfield = 0
    sampling_port: int = ANY_PORT
    direction: int = SampleDirection.DEFAULT

    WIRE = (
        w.u16("probability"),
        w.u32("collector_set_id"),
        w.custom("obs_domain_id", _ID),
        w.custom("obs_point_id", _ID),
        w.port16("sampling_port"),
        w.u8("direction", SampleDirection),
        w.pad(5),
    )
