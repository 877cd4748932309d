"""Bundles at the switch's end: what one connection has put together, until it is carried out.

A controller opens a bundle, adds messages, may close it, and commits or discards it (OpenFlow 1.4.1 and 1.5.1 section
7.3.9; in 1.3 the Open Networking Foundation's extension 230, whose errors are its own). Here is only what is kept and
what is refused; to carry out what `commit` gives, at once and all or nothing, is the application's.

- A bundle that was never opened is opened by the first message that is added to it (1.5.1 section 7.3.9.6).
- The flags of all messages about a bundle are the same. `ordered` is always kept to; `atomic` is what the application
  promises by having bundles at all; scheduled ones (`time`, 1.5) are refused.
- What breaks a rule about an existing bundle discards it, except a message that cannot be in any bundle: that one is
  refused, and the bundle stays without it. Open vSwitch does the same (ofproto/bundles.c), and so are the codes: to
  open a bundle that is there already is OFPBFC_BAD_ID (section 7.3.9.2), whatever OFPBFC_BUNDLE_EXIST may be for.
- A bundle that nothing is done about for `idle` seconds is discarded: section 7.3.9.1 allows it, and tells the
  controller by OFPBFC_TIMEOUT.

A connection's end discards its bundles, because the whole object goes with it.
"""

from collections.abc import Callable, Iterator
from typing import Any, Final

import msgspec

from segue.openflow.codec import encode
from segue.openflow.declare import HOMES, MESSAGES, Message
from segue.openflow.protocol.bundles import BundleAddMessage, BundleControl, BundleControlType, BundleFlags, BundleTime
from segue.openflow.wire import V13, V15, EncodeError

BUNDLED: Final = frozenset(
    {"OFPT_FLOW_MOD", "OFPT_GROUP_MOD", "OFPT_PORT_MOD", "OFPT_METER_MOD", "OFPT_TABLE_MOD", "OFPT_PACKET_OUT"}
)
"""What can be in a bundle. The first and the third are the least (section 7.3.9.6)."""
_KNOWN_FLAGS: Final = BundleFlags.ATOMIC | BundleFlags.ORDERED


class BundleError(Exception):
    """What is refused; `error` is the OpenFlow error code's name."""

    def __init__(self, text: str, error: str) -> None:
        super().__init__(text)
        self.error = error


class Limits(msgspec.Struct, frozen=True):
    """How much a controller can make a switch keep. Octets are those on the wire; the messages are read already, and
    take some ten times as much."""

    bundles: int = 16
    messages: int = 1 << 16
    """In all bundles together."""
    octets: int = 1 << 23
    """The same."""
    idle: float = 10.0
    """Seconds. Section 7.3.9.1: not less than one."""


LIMITS: Final = Limits()


class _Bundle:
    __slots__ = ("closed", "flags", "messages", "octets", "opening", "used")

    def __init__(self, flags: int, opening: tuple[Message, int], now: float) -> None:
        self.flags = flags
        self.opening = opening
        self.closed = False
        self.used = now
        self.messages: list[tuple[Any, int]] = []
        self.octets = 0


class Committed(msgspec.Struct, frozen=True):
    """What a commit says to carry out: messages with their xids, in the order in which they were added."""

    bundle_id: int
    flags: int
    messages: tuple[tuple[Any, int], ...]


class Bundles:
    """The bundles of one connection, in the version that is spoken on it. `bundled` are the names of the messages that
    the application can carry out in one. No clock: `now` is in seconds."""

    def __init__(self, version: int, *, limits: Limits = LIMITS, bundled: frozenset[str] = BUNDLED) -> None:
        if version < V13:
            raise ValueError("bundles are of OpenFlow 1.3 and later")
        self.version = version
        self.limits = limits
        self._bundled = bundled
        self._bundles: dict[int, _Bundle] = {}
        self._messages = 0
        self._octets = 0

    def __len__(self) -> int:
        return len(self._bundles)

    def __contains__(self, bundle_id: int) -> bool:
        return bundle_id in self._bundles

    # -- one by one: BundleError if refused ------------------------------------------------------------------------

    def open(self, bundle_id: int, flags: int, request: tuple[Message, int], now: float) -> None:
        """Begins a bundle. `request` is what asked for it, with its xid; `expire` quotes it."""
        if bundle_id in self._bundles:
            self.discard(bundle_id)
            raise BundleError(f"bundle {bundle_id} is open already; it is discarded", "OFPBFC_BAD_ID")
        if flags & ~_KNOWN_FLAGS:
            scheduled = self.version >= V15 and flags & BundleFlags.TIME
            text = "bundles are not scheduled here" if scheduled else f"flags {flags:#x} are not known"
            raise BundleError(text, "OFPBFC_SCHED_NOT_SUPPORTED" if scheduled else "OFPBFC_BAD_FLAGS")
        if len(self._bundles) >= self.limits.bundles:
            raise BundleError(f"{len(self._bundles)} bundles are open", "OFPBFC_OUT_OF_BUNDLES")
        self._bundles[bundle_id] = _Bundle(flags, request, now)

    def add(self, addition: BundleAddMessage, xid: int, now: float) -> None:
        """Puts a message into a bundle."""
        message, bundle_id = addition.message, addition.bundle_id
        if addition.xid is not None and addition.xid != xid:
            raise BundleError(f"xid {addition.xid} inside of {xid}", "OFPBFC_MSG_BAD_XID")
        name = _name(message, self.version)
        if name not in self._bundled:
            raise BundleError(f"a {name or type(message).__name__} cannot be in a bundle", "OFPBFC_MSG_UNSUP")
        if bundle_id not in self._bundles:
            self.open(bundle_id, addition.flags, (addition, xid), now)
        if self._known(bundle_id).closed:
            self.discard(bundle_id)
            raise BundleError(f"bundle {bundle_id} is closed", "OFPBFC_BUNDLE_CLOSED")
        bundle = self._agreeing(bundle_id, addition.flags)
        octets = _octets(message, self.version)
        if self._messages >= self.limits.messages or self._octets + octets > self.limits.octets:
            self.discard(bundle_id)
            raise BundleError(f"bundle {bundle_id} is longer than is kept here", "OFPBFC_MSG_TOO_MANY")
        bundle.messages.append((message, xid))
        bundle.octets += octets
        bundle.used = now
        self._messages += 1
        self._octets += octets

    def close(self, bundle_id: int, flags: int, now: float) -> None:
        """Nothing more can be added."""
        if self._known(bundle_id).closed:
            self.discard(bundle_id)
            raise BundleError(f"bundle {bundle_id} is closed already", "OFPBFC_BUNDLE_CLOSED")
        bundle = self._agreeing(bundle_id, flags)
        bundle.closed = True
        bundle.used = now

    def commit(self, bundle_id: int, flags: int) -> Committed:
        """Takes a bundle out, to be carried out at once; whether that succeeds or not, it is gone."""
        bundle = self._agreeing(bundle_id, flags)
        self.discard(bundle_id)
        return Committed(bundle_id, bundle.flags, tuple(bundle.messages))

    def discard(self, bundle_id: int) -> None:
        """Forgets a bundle."""
        bundle = self._known(bundle_id)
        del self._bundles[bundle_id]
        self._messages -= len(bundle.messages)
        self._octets -= bundle.octets

    def clear(self) -> None:
        """Forgets them all."""
        for bundle_id in list(self._bundles):
            self.discard(bundle_id)

    # -- as messages come ------------------------------------------------------------------------------------------

    def handle(
        self, message: BundleControl | BundleAddMessage, xid: int, now: float, carry_out: Callable[[Committed], None]
    ) -> BundleControl | None:
        """Does what a message about a bundle says. Returns the reply, None where there is none (an addition).

        `carry_out` is called by a commit. BundleError if it is refused; what `carry_out` raises comes through, and then
        nothing may have been done, which the application answers by the error of the message that failed.
        """
        if isinstance(message, BundleAddMessage):
            self.add(message, xid, now)
            return None
        bundle_id, flags = message.bundle_id, message.flags
        if any(isinstance(found, BundleTime) for found in message.properties):
            if bundle_id in self._bundles:
                self.discard(bundle_id)
            raise BundleError("bundles are not scheduled here", "OFPBFC_SCHED_NOT_SUPPORTED")
        match message.type:
            case BundleControlType.OPEN_REQUEST:
                self.open(bundle_id, flags, (message, xid), now)
            case BundleControlType.CLOSE_REQUEST:
                self.close(bundle_id, flags, now)
            case BundleControlType.COMMIT_REQUEST:
                carry_out(self.commit(bundle_id, flags))
            case BundleControlType.DISCARD_REQUEST:
                self.discard(bundle_id)
            case _:
                raise BundleError(f"{message.type} is nothing to ask for", "OFPBFC_BAD_TYPE")
        return type(message)(bundle_id, message.type + 1)

    # -- time ------------------------------------------------------------------------------------------------------

    def next_timer(self) -> float | None:
        """When `expire` has next something to do; None without bundles."""
        if not self._bundles:
            return None
        return min(bundle.used for bundle in self._bundles.values()) + self.limits.idle

    def expire(self, now: float) -> Iterator[tuple[int, Message, int]]:
        """Discards what was left alone for too long: id, and the message that opened it with its xid, which the error
        (OFPBFC_TIMEOUT) is about."""
        for bundle_id, bundle in list(self._bundles.items()):
            if now >= bundle.used + self.limits.idle:
                self.discard(bundle_id)
                yield bundle_id, *bundle.opening

    # -- underneath ------------------------------------------------------------------------------------------------

    def _known(self, bundle_id: int) -> _Bundle:
        bundle = self._bundles.get(bundle_id)
        if bundle is None:
            raise BundleError(f"there is no bundle {bundle_id}", "OFPBFC_BAD_ID")
        return bundle

    def _agreeing(self, bundle_id: int, flags: int) -> _Bundle:
        bundle = self._known(bundle_id)
        if bundle.flags != flags:
            self.discard(bundle_id)
            raise BundleError(f"flags {flags:#x} for a bundle of {bundle.flags:#x}", "OFPBFC_BAD_FLAGS")
        return bundle


def _name(message: Message, version: int) -> str:
    record = type(message)
    if HOMES.get(record) is not MESSAGES or record not in MESSAGES.entries:
        return ""
    return MESSAGES.entries[record].name(version)


def _octets(message: Message, version: int) -> int:
    try:
        return len(encode(message, 0, version))
    except EncodeError as e:
        raise BundleError(f"what is added cannot be said: {e}", "OFPBFC_MSG_BAD_LEN") from None
