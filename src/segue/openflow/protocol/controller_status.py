"""Controllers and their connections, as the switch sees them (OpenFlow 1.5.1 sections 7.3.5 and 7.4.7)."""

from collections.abc import Sequence
from typing import Any, Final

from segue.openflow import declare as w
from segue.openflow.declare import Message, Record, member, message, reply, request, unknown
from segue.openflow.names import Numbers
from segue.openflow.protocol.roles import ControllerRole
from segue.openflow.wire import V15

CONTROLLER_STATUS_PROPERTY: Final = w.family("controller status property", inside=False)


class ControllerStatusReason(Numbers, prefix="OFPCSR_"):
    REQUEST = 0
    CHANNEL_STATUS = 1
    ROLE = 2
    CONTROLLER_ADDED = 3
    CONTROLLER_REMOVED = 4
    SHORT_ID = 5
    EXPERIMENTER = 6


class ChannelStatus(Numbers, prefix="OFPCT_STATUS_"):
    UP = 0
    DOWN = 1


class ControllerStatusProperty(Record, frozen=True, gc=False):
    """A property of a controller's status (OpenFlow 1.5.1 section 7.4.7)."""


@unknown(CONTROLLER_STATUS_PROPERTY)
class UnknownControllerStatusProperty(ControllerStatusProperty, frozen=True, gc=False):
    """A property that nobody declared, an experimenter's too: the octets behind its type and length (OpenFlow 1.5.1
    section 7.4.7)."""

    type: int
    data: bytes = b""


class _Text:
    """Text up to the end. What is not UTF-8 is kept as surrogate escapes."""

    def encode(self, value: str, version: int) -> bytes:  # noqa: ARG002
        return value.encode("utf-8", "surrogateescape")

    def decode(self, data: bytes, offset: int, end: int, version: int) -> tuple[str, int]:  # noqa: ARG002
        return bytes(data[offset:end]).decode("utf-8", "surrogateescape"), end

    def to_json(self, value: str, version: int) -> Any:  # noqa: ARG002
        return value

    def from_json(self, obj: Any, version: int) -> Any:  # noqa: ARG002
        return str(obj)

    def schema(self) -> dict[str, Any]:
        return {"type": "string"}


@member(CONTROLLER_STATUS_PROPERTY, "OFPCSPT_URI", {V15: 0})
class ControllerUri(ControllerStatusProperty, frozen=True, gc=False):
    """The connection's URI, such as `tls:192.0.2.1:6653` (OpenFlow 1.5.1 section 6.3.1)."""

    uri: str = ""

    WIRE = (w.custom("uri", _Text()),)


class ControllerEntry(Record, frozen=True, gc=False):
    """One controller (OpenFlow 1.5.1 section 7.4.7). `short_id`, 1 to 65535, is what it calls itself, 0 if it did
    not."""

    short_id: int = 0
    role: int = 0
    reason: int = 0
    channel_status: int = 0
    properties: Sequence[ControllerStatusProperty] = ()

    WIRE = (
        w.length(),
        w.u16("short_id"),
        w.u32("role", ControllerRole),
        w.u8("reason", ControllerStatusReason),
        w.u8("channel_status", ChannelStatus),
        w.pad(6),
        w.many("properties", CONTROLLER_STATUS_PROPERTY),
    )


@message("OFPT_CONTROLLER_STATUS", {V15: 35})
class ControllerStatus(Message, frozen=True, gc=False):
    """A controller's role or connection changed (OpenFlow 1.5.1 section 7.4.7)."""

    status: ControllerEntry

    WIRE = (w.one("status", ControllerEntry),)


@request("OFPMP_CONTROLLER_STATUS", {V15: 18})
class ControllerStatusRequest(Message, frozen=True, gc=False):
    """Asks for all controllers (OpenFlow 1.5.1 section 7.3.5, OFPMP_CONTROLLER_STATUS)."""

    flags: int = 0


@reply("OFPMP_CONTROLLER_STATUS", {V15: 18})
class ControllerStatusReply(Message, frozen=True, gc=False):
    """All controllers that the switch is configured with (OpenFlow 1.5.1 section 7.3.5, OFPMP_CONTROLLER_STATUS)."""

    controllers: Sequence[ControllerEntry] = ()
    flags: int = 0

    WIRE = (w.many("controllers", ControllerEntry),)
