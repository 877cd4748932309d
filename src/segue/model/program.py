"""What one node is to hold: rules in stages.

A rule is data-plane neutral in shape and OpenFlow in vocabulary, because OpenFlow's fields are the common
names for header bits: field names are those of the OpenFlow 1.5 specification (section 7.2.3.8) and of Open
vSwitch's extensions (ovs-fields(7)). All values are integers.

A rule's *identity* is (stage, priority, match): a switch holds one rule per identity. Its *cookie* is a digest
of the whole rule, so comparing what a switch holds with what it should hold needs the cookies alone, and a
rule's cookie changes exactly when the rule does.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import msgspec

from segue.model.spread import DEFAULT

Value = int | tuple[int, int]
"""A field's value, or (value, mask). Bits outside the mask are zero."""

Match = tuple[tuple[str, Value], ...]
"""Sorted by field name, so that equal matches are equal tuples."""

COOKIE_MARK = 0x5E << 56
"""The top byte of every cookie of Segue's; what carries another is not Segue's and is never touched."""
COOKIE_MARK_MASK = 0xFF << 56
COOKIE_COUNTED = 1 << 55
"""Set in the cookies of rules that count for something, so that they can be asked for alone."""

IN_PORT = 0xFFFFFFF8
"""The reserved port that sends a packet back where it came from (OpenFlow 1.5 section 7.2.1, OFPP_IN_PORT)."""


class Action(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """One action. Actions apply in order, as OpenFlow's Apply-Actions does (section 5.5)."""


class SetField(Action, frozen=True, array_like=True, tag="set"):
    """Write ``value`` under ``mask`` (None: the whole field)."""

    field: str
    value: int
    mask: int | None = None


class Move(Action, frozen=True, array_like=True, tag="move"):
    """Copy ``bits`` bits from one field to another; offsets count from the least significant bit."""

    source: str
    target: str
    bits: int
    source_offset: int = 0
    target_offset: int = 0


class Output(Action, frozen=True, array_like=True, tag="output"):
    """Send a copy of the packet as it now is to an OpenFlow port."""

    port: int


class Next(Action, frozen=True, array_like=True, tag="next"):
    """Go on in another stage; comes back for the actions that follow."""

    stage: str


class PushMpls(Action, frozen=True, array_like=True, tag="push_mpls"):
    """Push an MPLS shim header with EtherType 0x8847 (OpenFlow 1.5 section 7.2.6.8)."""


class PopMpls(Action, frozen=True, array_like=True, tag="pop_mpls"):
    """Pop the outermost label; what follows has ``ethertype``."""

    ethertype: int


class Encap(Action, frozen=True, array_like=True, tag="encap"):
    """Add an outer header: ``nsh`` (RFC 8300, MD type 1) or ``ethernet`` (OpenFlow 1.5 ENCAP)."""

    header: str


class Decap(Action, frozen=True, array_like=True, tag="decap"):
    """Remove the outermost header; what it carried is parsed anew."""


class DecTtl(Action, frozen=True, array_like=True, tag="dec_ttl"):
    """Decrement the IPv4 TTL or IPv6 hop limit; a packet at 1 goes no further."""


class Multipath(Action, frozen=True, array_like=True, tag="multipath"):
    """Choose one of ``links`` links by highest random weight over the packet's headers.

    The chosen number, 0 to ``links`` - 1, is written to ``register`` (Open vSwitch's multipath action, algorithm hrw).
    ``fields`` is its word for what is hashed (``model.spread``); by default addresses, protocol and ports, so that a
    flow and its answers hash alike.
    """

    basis: int
    links: int
    register: str
    fields: str = DEFAULT


class Clone(Action, frozen=True, array_like=True, tag="clone"):
    """Do these actions to a copy of the packet, registers included; the packet itself stays as it is (Open vSwitch's
    clone action). Headers may be added to the copy, by these actions themselves, and none taken off.

    ``apart``: the switch makes a packet of its own for it, whatever these actions are. Otherwise Open vSwitch does them
    to the packet itself wherever it can take them back; what a meter drops further on, in a stage that the copy goes
    to, is then the packet, and with it all that was still to be done. A copy with a meter among these actions
    themselves is always apart.
    """

    actions: tuple[AnyAction, ...]
    apart: bool = False


class PushVlan(Action, frozen=True, array_like=True, tag="push_vlan"):
    """Push a VLAN tag with ``ethertype`` 0x8100 or 0x88a8 (OpenFlow 1.5 section 7.2.6.8)."""

    ethertype: int = 0x8100


class PopVlan(Action, frozen=True, array_like=True, tag="pop_vlan"):
    """Pop the outermost VLAN tag."""


class SetQueue(Action, frozen=True, array_like=True, tag="set_queue"):
    """From here on the packet is sent through queue ``queue`` of the port that it leaves by."""

    queue: int


class UseMeter(Action, frozen=True, array_like=True, tag="meter"):
    """The packet is measured by the switch's meter ``meter``, which may drop it."""

    meter: int


class ToGroup(Action, frozen=True, array_like=True, tag="group"):
    """Processed by the switch's group ``group``; what buckets do to the packet is done to their copies."""

    group: int


class ToService(Action, frozen=True, array_like=True, tag="to_service"):
    """A copy of the packet's first ``length`` octets goes to the agent, for the injected service ``service``.

    ``cookie`` and ``table`` are what the service knows as its own rule's; ``reason`` is OpenFlow's (0: no match of the
    table-miss rule, 1: an action). ``meter``: of the switch, 0 for none; what it drops are copies alone.
    """

    service: int
    table: int
    cookie: int
    reason: int = 1
    length: int = 0xFFFF
    meter: int = 0


ServiceAction = PushVlan | PopVlan | SetQueue | UseMeter | ToGroup | ToService
"""What rules of injected services do besides."""

AnyAction = (
    ServiceAction | SetField | Move | Output | Next | PushMpls | PopMpls | Encap | Decap | DecTtl | Multipath | Clone
)


class Rule(msgspec.Struct, frozen=True, array_like=True):
    """``owner`` names what the rule is for, as ``kind/name``; ``counter`` what its packets are counted as, if
    anything (``model.counters``). ``begun``: how often what it is the rule of has begun to count anew; a switch that
    holds a rule in the same place with another number counts from nothing. None of them is sent to the switch."""

    stage: str
    priority: int
    match: Match
    actions: tuple[AnyAction, ...]
    owner: str
    counter: str = ""
    begun: int = 0

    @property
    def identity(self) -> tuple[str, int, Match]:
        return (self.stage, self.priority, self.match)


_encode = msgspec.json.Encoder().encode


def cookie(rule: Rule) -> int:
    """64 bits: the mark, whether the rule counts for something, and a digest of stage, priority, match and actions, and
    of how often it has begun to count anew, if it has."""
    anew = (rule.begun,) if rule.begun else ()
    body = _encode((rule.stage, rule.priority, rule.match, rule.actions, *anew))
    digest = int.from_bytes(hashlib.blake2b(body, digest_size=7).digest(), "big") & (COOKIE_COUNTED - 1)
    return COOKIE_MARK | (COOKIE_COUNTED if rule.counter else 0) | digest


def match(fields: Mapping[str, Value] | None = None, /, **more: Value) -> Match:
    """A Match from keyword arguments or a mapping."""
    return tuple(sorted({**(fields or {}), **more}.items()))


class Bucket(msgspec.Struct, frozen=True, array_like=True):
    """``weight`` counts in groups that select."""

    actions: tuple[AnyAction, ...]
    weight: int = 1


class Group(msgspec.Struct, frozen=True, array_like=True):
    """A group of a switch (OpenFlow 1.5 section 5.10). ``kind``: ``all``, ``select`` or ``indirect``."""

    number: int
    kind: str
    buckets: tuple[Bucket, ...]
    owner: str


class Band(msgspec.Struct, frozen=True, array_like=True):
    """Above ``rate`` (kilobits or packets per second, with ``burst`` in the same unit): drop."""

    rate: int
    burst: int = 0


class Meter(msgspec.Struct, frozen=True, array_like=True):
    """A meter of a switch (OpenFlow 1.5 section 5.11). ``packets``: it counts packets, not kilobits."""

    number: int
    packets: bool
    bands: tuple[Band, ...]
    owner: str


FIRST_GROUP, GROUPS = 0x5E000000, 0x1000000
"""Groups of a switch from here on are Segue's, so many."""
FIRST_METER, METERS = 0x4000, 0x8000
"""Meters of a switch from here on are Segue's, so many."""
