"""The ports of a virtual switch: the service's elements by numbers of their own, and what controllers are told of them.

A number is given once and is never another element's, so that a flow never comes to mean another port.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping

from segue.inject.scope import Element, Scope
from segue.openflow import Port, PortEthernet, PortFeatures, PortFeatures10, PortReason, PortState, PortStatus
from segue.openflow.wire import MAX_PORT, V10, V14

NAME = 15
"""Octets of a port's name at most (OpenFlow 1.5 section 7.2.1)."""
MAX_PORT_10 = 0xFF00
"""The highest port number that OpenFlow 1.0 can say (1.0.0 section 5.2.1, OFPP_MAX)."""
SPEED = 10_000_000
"""Kilobits a second: what is said of every port, as Open vSwitch does of virtual ones. Nothing depends on it."""


def number(given: Mapping[int, int], wanted: Iterable[int]) -> dict[int, int]:
    """Port numbers of elements, both by ``Element.register``: those that were ``given`` before, also to elements that
    are not ``wanted`` now, and new ones behind the highest of them."""
    numbers = dict(given)
    following = max(numbers.values(), default=0) + 1
    for element in wanted:
        if element not in numbers and following < MAX_PORT:
            numbers[element] = following
            following += 1
    return numbers


def describe(element: Element, version: int) -> Port:
    """A port as ``version`` says it."""
    fast = int((PortFeatures10 if version == V10 else PortFeatures).F_10GB_FD)
    state = 0 if element.up else int(PortState.LINK_DOWN)  # the same bit in all versions
    if element.up and version > V10:
        state |= PortState.LIVE
    port = Port(port_no=element.number, name=_short(element.name), hw_addr=element.mac, state=state)
    if version >= V14:
        ethernet = PortEthernet(curr=fast, supported=fast, curr_speed=SPEED, max_speed=SPEED)
        return _with(port, properties=(ethernet,))
    if version == V10:
        return _with(port, curr=fast, supported=fast)
    return _with(port, curr=fast, supported=fast, curr_speed=SPEED, max_speed=SPEED)


def sayable(element: Element, version: int) -> bool:
    """Whether the version has a number that large."""
    return element.number < (MAX_PORT_10 if version == V10 else MAX_PORT)


def status(before: Scope, after: Scope, version: int) -> list[PortStatus]:
    """What a controller is told when a service's elements change: ports gone, come, and otherwise than they were."""
    told = []
    for place, element in before.elements.items():
        if place not in after.elements and sayable(element, version):
            told.append(PortStatus(PortReason.DELETE, describe(element, version)))
    for place, element in sorted(after.elements.items()):
        old = before.elements.get(place)
        if not sayable(element, version):
            continue
        if old is None:
            told.append(PortStatus(PortReason.ADD, describe(element, version)))
        elif (said := describe(element, version)) != describe(old, version):
            told.append(PortStatus(PortReason.MODIFY, said))
    return told


def _short(name: str) -> str:
    """A name of at most 15 octets that tells long ones apart: its end is then a digest."""
    if len(name.encode()) <= NAME:
        return name
    digest = hashlib.blake2b(name.encode(), digest_size=2).hexdigest()
    kept = name.encode()[: NAME - len(digest) - 1].decode(errors="ignore")
    return f"{kept}-{digest}"


def _with(port: Port, **more: object) -> Port:
    import msgspec

    return msgspec.structs.replace(port, **more)
