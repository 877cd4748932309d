"""Open vSwitch's choices by hash: a link number into a field, or one of several ports (lib/ofp-actions.c)."""

from collections.abc import Sequence
from typing import Final

from segue.openflow import declare as w
from segue.openflow.declare import experimenter_member
from segue.openflow.names import Numbers
from segue.openflow.protocol.families import ACTION, Action
from segue.openflow.protocol.nicira_forms import SHORT_FIELD, Shorts
from segue.openflow.wire import NICIRA

_PORTS: Final = Shorts(ports=True)
_NXM_OF_IN_PORT: Final = 0x00000002


class HashFields(Numbers, prefix="NX_HASH_FIELDS_"):
    """What of a packet is hashed."""

    ETH_SRC = 0
    SYMMETRIC_L4 = 1
    SYMMETRIC_L3L4 = 2
    SYMMETRIC_L3L4_UDP = 3
    NW_SRC = 4
    NW_DST = 5
    SYMMETRIC_L3 = 6


class MultipathAlgorithm(Numbers, prefix="NX_MP_ALG_"):
    """How a hash becomes the number of a link."""

    MODULO_N = 0
    HASH_THRESHOLD = 1
    HRW = 2
    ITER_HASH = 3


class BundleAlgorithm(Numbers, prefix="NX_BD_ALG_"):
    """How one of the members is chosen."""

    ACTIVE_BACKUP = 0
    HRW = 1


@experimenter_member(ACTION, "NXAST_MULTIPATH", NICIRA, 10)
class Multipath(Action, frozen=True, gc=False):
    """Stores the number of a link, 0 to `max_link`, in `n_bits` bits of the field `dst`, from bit `ofs` on
    (lib/ofp-actions.c, NXAST_MULTIPATH).

    `basis` is the hash's parameter; `arg` is that of the algorithm. `n_bits` is 1 to 64 bits, and `max_link` 0 to
    65535, one less than the number of links, must fit into them.
    """

    dst: str
    n_bits: int
    max_link: int
    ofs: int = 0
    fields: int = HashFields.ETH_SRC
    basis: int = 0
    algorithm: int = MultipathAlgorithm.MODULO_N
    arg: int = 0

    WIRE = (
        w.u16("fields", HashFields),
        w.u16("basis"),
        w.pad(2),
        w.u16("algorithm", MultipathAlgorithm),
        w.u16("max_link"),
        w.u32("arg"),
        w.pad(2),
        w.ofs_nbits("ofs", "n_bits"),
        w.custom("dst", SHORT_FIELD),
    )


@experimenter_member(ACTION, "NXAST_BUNDLE", NICIRA, 12)
class Bundle(Action, frozen=True, gc=False):
    """To one of the ports `members`, of those that are up (lib/ofp-actions.c, NXAST_BUNDLE). `member_type` is the
    header of NXM_OF_IN_PORT."""

    members: Sequence[int]
    algorithm: int = BundleAlgorithm.HRW
    fields: int = HashFields.ETH_SRC
    basis: int = 0
    member_type: int = _NXM_OF_IN_PORT

    WIRE = (
        w.u16("algorithm", BundleAlgorithm),
        w.u16("fields", HashFields),
        w.u16("basis"),
        w.u32("member_type"),
        w.count("members", 2),
        w.pad(10),
        w.custom("members", _PORTS),
    )


@experimenter_member(ACTION, "NXAST_BUNDLE_LOAD", NICIRA, 13)
class BundleLoad(Action, frozen=True, gc=False):
    """Stores one of the ports `members`, of those that are up, in `n_bits` bits of the field `dst`, from bit `ofs` on;
    NONE (0xffff) if all are down (lib/ofp-actions.c, NXAST_BUNDLE_LOAD). `n_bits` is 1 to 64 bits."""

    members: Sequence[int]
    dst: str
    n_bits: int = 16
    ofs: int = 0
    algorithm: int = BundleAlgorithm.HRW
    fields: int = HashFields.ETH_SRC
    basis: int = 0
    member_type: int = _NXM_OF_IN_PORT

    WIRE = (
        w.u16("algorithm", BundleAlgorithm),
        w.u16("fields", HashFields),
        w.u16("basis"),
        w.u32("member_type"),
        w.count("members", 2),
        w.ofs_nbits("ofs", "n_bits"),
        w.custom("dst", SHORT_FIELD),
        w.pad(4),
        w.custom("members", _PORTS),
    )
