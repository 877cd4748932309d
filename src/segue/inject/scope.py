"""All that the translation of a service's OpenFlow may know of the network: the service's own elements and rights.

What is not in here cannot be named, and so cannot be touched.
"""

from __future__ import annotations

from functools import cached_property

import msgspec

from segue.model.hooks import Hook
from segue.model.intent import Permissions
from segue.model.stages import ROUTER_ELEMENT


class Element(msgspec.Struct, frozen=True):
    """One attached port or router. ``number``: of the service's own virtual port, which is never given to another
    element. ``kind``: ``port`` or ``router``. ``key``: the number by which the whole network knows it. ``network``: the
    key of a port's network, 0 without one. ``node``: where a port is, empty while nobody knows."""

    number: int
    kind: str
    name: str
    key: int
    mac: int = 0
    node: str = ""
    up: bool = True
    network: int = 0

    @property
    def register(self) -> int:
        """What the register ``ELEMENT`` holds for it."""
        return self.key | (ROUTER_ELEMENT if self.kind == "router" else 0)


class Scope(msgspec.Struct, frozen=True, dict=True):
    """``elements``: by virtual port number, those attached now. ``gone``: numbers of those that were attached once.
    ``flows``: the quota. ``packet_in_meter``: the switches' meter for what goes to the controller, ``copy_meter`` that
    for copies; 0 for none, and then there are no copies."""

    name: str
    key: int
    hook: Hook
    permissions: Permissions = Permissions()
    elements: dict[int, Element] = {}
    flows: int = 1_000
    packet_in_meter: int = 0
    copy_meter: int = 0
    gone: frozenset[int] = frozenset()

    @property
    def owner(self) -> str:
        """What the service's rules say whose they are."""
        return f"service/{self.name}"

    @cached_property
    def ports(self) -> tuple[Element, ...]:
        """The elements that packets can be sent to, by number."""
        return tuple(self.elements[number] for number in sorted(self.elements) if self.elements[number].kind == "port")

    @cached_property
    def by_register(self) -> dict[int, Element]:
        """The elements by what the register ``ELEMENT`` holds for them."""
        return {element.register: element for element in self.elements.values()}
