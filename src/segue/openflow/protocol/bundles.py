"""Bundles: messages that take effect together or not at all; and requests that are forwarded to other controllers
(OpenFlow 1.5.1 sections 7.3.9 and 7.4.6). OpenFlow 1.3 has both by extensions 230 and 235 of the Open Networking
Foundation, in the same form.
"""

from collections.abc import Sequence
from typing import Final

from segue.openflow import declare as w
from segue.openflow.declare import Message, Record, experimenter_message, member, message, reply, request, unknown
from segue.openflow.names import Flags, Numbers
from segue.openflow.wire import NICIRA, ONF, V12, V13, V14, V15

BUNDLE_PROPERTY: Final = w.family("bundle property", inside=False)
BUNDLE_FEATURES_PROPERTY: Final = w.family("bundle features property", inside=False)


class BundleControlType(Numbers, prefix="OFPBCT_"):
    OPEN_REQUEST = 0
    OPEN_REPLY = 1
    CLOSE_REQUEST = 2
    CLOSE_REPLY = 3
    COMMIT_REQUEST = 4
    COMMIT_REPLY = 5
    DISCARD_REQUEST = 6
    DISCARD_REPLY = 7


class BundleFlags(Flags, prefix="OFPBF_"):
    ATOMIC = 1
    ORDERED = 2
    TIME = 4  # 1.5


class BundleFeatureFlags(Flags, prefix="OFPBF_"):
    TIMESTAMP = 1
    TIME_SET_SCHED = 2


class Time(Record, frozen=True, gc=False):
    """A moment or a span (OpenFlow 1.5.1 section 7.3.9): `seconds`, 64 bits, and `nanoseconds`, 0 to 999999999; as a
    moment since the epoch, in TAI (IEEE 1588)."""

    seconds: int = 0
    nanoseconds: int = 0

    WIRE = (w.u64("seconds"), w.u32("nanoseconds"), w.pad(4))


class BundleProperty(Record, frozen=True, gc=False):
    """A property of a bundle (OpenFlow 1.5.1 section 7.3.9)."""


@unknown(BUNDLE_PROPERTY)
class UnknownBundleProperty(BundleProperty, frozen=True, gc=False):
    """A property that nobody declared, an experimenter's too: the octets behind its type and length (OpenFlow 1.5.1
    section 7.3.9)."""

    type: int
    data: bytes = b""


@member(BUNDLE_PROPERTY, "OFPBPT_TIME", {V15: 1})
class BundleTime(BundleProperty, frozen=True, gc=False):
    """When the bundle is to be committed (OpenFlow 1.5.1 section 7.3.9)."""

    scheduled_time: Time

    WIRE = (w.pad(4), w.one("scheduled_time", Time))


@message("OFPT_BUNDLE_CONTROL", {V14: 33})
class BundleControl(Message, frozen=True, gc=False):
    """Opens, closes, commits or discards a bundle, and answers that (OpenFlow 1.5.1 section 7.3.9). `bundle_id` has 32
    bits, is the controller's choice and holds on its connection only."""

    bundle_id: int
    type: int
    flags: int = 0
    properties: Sequence[BundleProperty] = ()

    WIRE = (
        w.u32("bundle_id"),
        w.u16("type", BundleControlType),
        w.u16("flags", BundleFlags),
        w.many("properties", BUNDLE_PROPERTY),
    )


@message("OFPT_BUNDLE_ADD_MESSAGE", {V14: 34})
class BundleAddMessage(Message, frozen=True, gc=False):
    """Puts a message into a bundle (OpenFlow 1.5.1 section 7.3.9). Its xid has to be that of this message, so `xid` is
    None unless a peer did otherwise."""

    bundle_id: int
    message: Message
    flags: int = 0
    properties: Sequence[BundleProperty] = ()
    xid: int | None = None

    WIRE = (
        w.u32("bundle_id"),
        w.pad(2),
        w.u16("flags", BundleFlags),
        w.nested("message", "xid"),
        w.trailer("properties", BUNDLE_PROPERTY),
    )


@experimenter_message("ONFT_BUNDLE_CONTROL", ONF, 2300, since=V13, until=V13)
class OnfBundleControl(BundleControl, frozen=True, gc=False):
    """`BundleControl` in OpenFlow 1.3 (ONF extension 230)."""


@experimenter_message("ONFT_BUNDLE_ADD_MESSAGE", ONF, 2301, since=V13, until=V13)
class OnfBundleAddMessage(BundleAddMessage, frozen=True, gc=False):
    """`BundleAddMessage` in OpenFlow 1.3 (ONF extension 230)."""


class BundleFeaturesProperty(Record, frozen=True, gc=False):
    """A property of a switch's abilities in bundles (OpenFlow 1.5.1 section 7.3.5, OFPMP_BUNDLE_FEATURES)."""


@unknown(BUNDLE_FEATURES_PROPERTY)
class UnknownBundleFeaturesProperty(BundleFeaturesProperty, frozen=True, gc=False):
    """A property that nobody declared, an experimenter's too: the octets behind its type and length (OpenFlow 1.5.1
    section 7.3.5, OFPMP_BUNDLE_FEATURES)."""

    type: int
    data: bytes = b""


@member(BUNDLE_FEATURES_PROPERTY, "OFPTMPBF_TIME_CAPABILITY", {V15: 1})
class BundleTimeCapability(BundleFeaturesProperty, frozen=True, gc=False):
    """How exactly (`sched_accuracy`) and how far ahead or behind commits can be scheduled, and the switch's clock
    (OpenFlow 1.5.1 section 7.3.5, OFPMP_BUNDLE_FEATURES). The first three are spans, `timestamp` is the moment (`Time`,
    seconds and nanoseconds)."""

    sched_accuracy: Time = Time()
    sched_max_future: Time = Time()
    sched_max_past: Time = Time()
    timestamp: Time = Time()

    WIRE = (
        w.pad(4),
        w.one("sched_accuracy", Time),
        w.one("sched_max_future", Time),
        w.one("sched_max_past", Time),
        w.one("timestamp", Time),
    )


@request("OFPMP_BUNDLE_FEATURES", {V15: 19})
class BundleFeaturesRequest(Message, frozen=True, gc=False):
    """Asks what the switch can do with bundles, and may set the bounds of its schedule (OpenFlow 1.5.1 section 7.3.5,
    OFPMP_BUNDLE_FEATURES)."""

    feature_request_flags: int = 0
    properties: Sequence[BundleFeaturesProperty] = ()
    flags: int = 0

    WIRE = (
        w.u32("feature_request_flags", BundleFeatureFlags),
        w.pad(4),
        w.many("properties", BUNDLE_FEATURES_PROPERTY),
    )


@reply("OFPMP_BUNDLE_FEATURES", {V15: 19})
class BundleFeaturesReply(Message, frozen=True, gc=False):
    """What the switch can do with bundles: `capabilities` are the bundle flags that it knows (OpenFlow 1.5.1 section
    7.3.5, OFPMP_BUNDLE_FEATURES)."""

    capabilities: int = 0
    properties: Sequence[BundleFeaturesProperty] = ()
    flags: int = 0

    WIRE = (w.u16("capabilities", BundleFlags), w.pad(6), w.many("properties", BUNDLE_FEATURES_PROPERTY))


@message("OFPT_REQUESTFORWARD", {V14: 32})
class RequestForward(Message, frozen=True, gc=False):
    """Another controller's group-mod or meter-mod, as the switch did it (OpenFlow 1.5.1 section 7.4.6). `xid` is the
    request's own, None where it is that of this message."""

    request: Message
    xid: int | None = None

    WIRE = (w.nested("request", "xid"),)


@experimenter_message("ONFT_REQUESTFORWARD", ONF, 2350, since=V13, until=V13)
class OnfRequestForward(RequestForward, frozen=True, gc=False):
    """`RequestForward` in OpenFlow 1.3 (ONF extension 235)."""


@experimenter_message("NXT_REQUESTFORWARD", NICIRA, 132, until=V12)
class NxRequestForward(RequestForward, frozen=True, gc=False):
    """`RequestForward` in OpenFlow 1.0 to 1.2, by Open vSwitch (include/openvswitch/ofp-msgs.h, NXT_REQUESTFORWARD)."""
