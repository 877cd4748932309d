"""The switch's side of roles: which controller may change it, and which asynchronous messages each one gets.

Every controller begins as an equal. One at most is the master; when another becomes it, the one before is made a
slave (OpenFlow 1.5.1 section 6.3.7, 1.3.5 section 6.3.4; Open vSwitch's extension brings the same to 1.0 and 1.1).
Whoever asks to be master or slave says the number of its election, and a number from before the last one known is
refused as stale. The numbers go round: older is what lies less than half a turn behind.

What a controller gets unasked is said by masks, one bit for each reason, of each kind of message and for two cases:
master or equal, and slave (1.5.1 section 7.3.10). What is so before a controller says anything differs in detail
between the specifications; here it is as Open vSwitch has it (Documentation/topics/design.rst, "Asynchronous
Messages").
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from segue.openflow.declare import HOMES, MESSAGES, REQUESTS, Message
from segue.openflow.protocol.groups import GroupMod
from segue.openflow.protocol.roles import ASYNC_PROPERTY, AsyncReasons, SetAsync
from segue.openflow.wire import V12, V13, V14, V15

NOCHANGE: Final = 0
EQUAL: Final = 1
MASTER: Final = 2
SLAVE: Final = 3

UNDEFINED: Final = 0xFFFFFFFFFFFFFFFF
"""What a reply says where no generation id was ever told."""

CHANGING: Final = frozenset(
    {
        *("OFPT_PACKET_OUT", "OFPT_FLOW_MOD", "OFPT_GROUP_MOD", "OFPT_PORT_MOD", "OFPT_TABLE_MOD", "OFPT_METER_MOD"),
        *("OFPT_BUNDLE_CONTROL", "OFPT_BUNDLE_ADD_MESSAGE", "ONFT_BUNDLE_CONTROL", "ONFT_BUNDLE_ADD_MESSAGE"),
        *("OFPT_EXP_BUNDLE_CONTROL", "OFPT_EXP_BUNDLE_ADD_MESSAGE", "NXT_FLOW_MOD", "NXT_TLV_TABLE_MOD"),
    }
)
"""What a slave may not send (section 6.3.7): it is refused with OFPBRC_IS_SLAVE."""


class RoleError(Exception):
    """A role request that is refused; `error` is the OpenFlow error code's name."""

    def __init__(self, text: str, error: str) -> None:
        super().__init__(text)
        self.error = error


class Granted(msgspec.Struct, frozen=True, gc=False):
    """What the reply is to say, and whom the request made a slave: that one is told by a role status (1.4 and
    later)."""

    role: int
    generation_id: int
    demoted: int | None = None


class Roles:
    """The roles of all controllers of one switch. A controller is whatever number the caller gives its connection."""

    def __init__(self) -> None:
        self._roles: dict[int, int] = {}
        self._generation: int | None = None

    @property
    def generation_id(self) -> int:
        return UNDEFINED if self._generation is None else self._generation

    def add(self, controller: int) -> None:
        self._roles[controller] = EQUAL

    def remove(self, controller: int) -> None:
        """A controller that has gone. Its place is not given to another, and the generation id stays."""
        self._roles.pop(controller, None)

    def role(self, controller: int) -> int:
        return self._roles[controller]

    def master(self) -> int | None:
        return next((controller for controller, role in self._roles.items() if role == MASTER), None)

    def request(self, controller: int, role: int, generation_id: int | None = None) -> Granted:
        """A role request. `generation_id` is None in the extension's, which has none. RoleError if it is refused, and
        then nothing has changed."""
        if role not in (NOCHANGE, EQUAL, MASTER, SLAVE):
            raise RoleError(f"there is no role {role}", "OFPRRFC_BAD_ROLE")
        if role in (MASTER, SLAVE) and generation_id is not None:
            if self._generation is not None and older(generation_id, self._generation):
                raise RoleError(f"generation {generation_id} is before {self._generation}", "OFPRRFC_STALE")
            self._generation = generation_id
        demoted = None
        if role == MASTER:
            demoted = self.master()
            if demoted == controller:
                demoted = None
            elif demoted is not None:
                self._roles[demoted] = SLAVE
        if role != NOCHANGE:
            self._roles[controller] = role
        return Granted(self._roles[controller], self.generation_id, demoted)

    def refuses(self, controller: int, message: Message, version: int) -> bool:
        """Whether the controller, as a slave, may not send this."""
        return self._roles[controller] == SLAVE and changes(message, version)


def older(generation_id: int, than: int) -> bool:
    """By the wrap-around difference: a negative one as a signed number of 64 bits."""
    return (generation_id - than) & UNDEFINED >= 1 << 63


def changes(message: Message, version: int) -> bool:
    """Whether the message would change the switch, so that it is not for slaves."""
    record = type(message)
    home = HOMES.get(record)
    if home is REQUESTS:
        # Table features are a question when they have no body, and a change when they have one.
        name = home.entries[record].name(version)
        return name.endswith("_TABLE_FEATURES") and any(
            getattr(message, field) for field in record.__struct_fields__ if field != "flags"
        )
    return home is MESSAGES and record in home.entries and home.entries[record].name(version) in CHANGING


# -- asynchronous messages -----------------------------------------------------------------------------------------

KINDS: Final[dict[str, str]] = {
    "OFPT_PACKET_IN": "packet_in",
    "NXT_PACKET_IN": "packet_in",
    "NXT_PACKET_IN2": "packet_in",
    "OFPT_PORT_STATUS": "port_status",
    "OFPT_FLOW_REMOVED": "flow_removed",
    "NXT_FLOW_REMOVED": "flow_removed",
    "OFPT_ROLE_STATUS": "role_status",
    "OFPT_TABLE_STATUS": "table_status",
    "OFPT_REQUESTFORWARD": "requestforward",
    "OFPMP_FLOW_STATS": "flow_stats",
    "OFPT_CONTROLLER_STATUS": "cont_status",
}
"""Messages that masks are for, flow statistics when they come unasked (1.5). Whatever else a switch sends was asked
for, or is not to be held back."""

_PACKET_IN_REASONS: Final = {V12: 0x03, V13: 0x03, V14: 0x3B, V15: 0x3B}
_FLOW_REMOVED_REASONS: Final = {V12: 0x07, V13: 0x0F, V14: 0x3F, V15: 0x3F}
_PORT_STATUS_REASONS: Final = 0x07


class AsyncConfig:
    """The masks of one connection: kind of message -> (for a master or equal, for a slave)."""

    def __init__(self, version: int) -> None:
        self.version = version
        known = max(version, V12)
        self.masks: dict[str, tuple[int, int]] = {
            "packet_in": (_PACKET_IN_REASONS[known], 0),
            "port_status": (_PORT_STATUS_REASONS, _PORT_STATUS_REASONS),
            "flow_removed": (_FLOW_REMOVED_REASONS[known], 0),
        }

    def set(self, masks: Mapping[str, tuple[int | None, int | None]]) -> None:
        """Changes the masks that are named; None leaves one of the two as it is. ValueError for an unknown kind."""
        for kind in masks:
            if kind not in KINDS.values():
                raise ValueError(
                    f"{kind!r} is no kind of asynchronous message ({', '.join(sorted(set(KINDS.values())))})"
                )
        for kind, (master, slave) in masks.items():
            before = self.masks.get(kind, (0, 0))
            self.masks[kind] = (before[0] if master is None else master, before[1] if slave is None else slave)

    def apply(self, message: SetAsync) -> None:
        """Changes them as the controller says: the six masks of OpenFlow 1.3, or from 1.4 on those that have a
        property."""
        changed: dict[str, tuple[int | None, int | None]] = {}
        if self.version < V14:
            for kind in ("packet_in", "port_status", "flow_removed"):
                changed[kind] = (getattr(message, f"{kind}_master"), getattr(message, f"{kind}_slave"))
        for element in message.properties:
            entry = ASYNC_PROPERTY.entries.get(type(element))
            if entry is None or not isinstance(element, AsyncReasons):
                continue
            kind, _, whose = entry.name(self.version).removeprefix("OFPACPT_").lower().rpartition("_")
            master, slave = changed.get(kind, (None, None))
            changed[kind] = (element.mask, slave) if whose == "master" else (master, element.mask)
        self.set(changed)

    def wants(self, message: Any, role: int) -> bool:
        """Whether the connection gets this message, in this role."""
        home = HOMES.get(type(message))
        entry = None if home is None else home.entries.get(type(message))
        kind = None if entry is None else KINDS.get(entry.name(self.version))
        if kind is None:
            return True
        reason = getattr(message, "reason", 0)
        if kind == "flow_stats":
            reason = next((flow.reason for flow in message.flows), 0)
        elif kind == "requestforward":
            reason = int(not isinstance(message.request, GroupMod))
        mask = self.masks.get(kind, (0, 0))[role == SLAVE]
        return bool(mask >> (reason & 31) & 1)
