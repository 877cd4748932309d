"""What is declared of an injected service, and what the store keeps of it, as its virtual switch has it."""

from __future__ import annotations

import msgspec

from segue.compile.views import ServiceInfo
from segue.inject import ports
from segue.inject.actions import MAX_OWN_SENDS
from segue.inject.scope import Element, Scope
from segue.model.hooks import HOOKS
from segue.model.limits import MAX_COPIES_OF_PACKET
from segue.model.program import Band, Meter
from segue.model.stages import ROUTER_ELEMENT
from segue.server.service_access import About


def scope_of(info: ServiceInfo, about: About) -> Scope:
    """Elements that have no virtual port yet are given one, in ``about``."""
    declared = info.declared
    wanted = {(one.key | ROUTER_ELEMENT if one.kind == "router" else one.key): one for one in info.elements}
    about.numbers = ports.number(about.numbers, wanted)
    elements = {}
    for register, one in wanted.items():
        number = about.numbers.get(register)
        if number is not None:
            up = one.kind == "router" or bool(one.node)
            elements[number] = Element(number, one.kind, one.name, one.key, one.mac, one.node, up, one.network)
    permissions, limits = declared.permissions, limits_of(info, about)
    if not limits.get(about.meter):  # packets to the controller without a limit would be at the cost of all others
        permissions = msgspec.structs.replace(permissions, packet_in=False)
    gone = frozenset(number for register, number in about.numbers.items() if register not in wanted)
    return Scope(
        declared.name,
        info.key,
        HOOKS[declared.hook],
        permissions,
        elements,
        declared.flows,
        packet_in_meter=about.meter if limits.get(about.meter) else 0,
        copy_meter=about.copy_meter if limits.get(about.copy_meter) else 0,
        gone=gone,
    )


def limits_of(info: ServiceInfo, about: About) -> dict[int, Meter | None]:
    """The switches' meters of what goes to its controller, and of its copies, by number; None where nothing may."""
    declared = info.declared
    permissions, owner = declared.permissions, f"service/{info.name}"
    limits: dict[int, Meter | None] = {}
    if about.meter:
        rate = declared.packet_ins
        bands = (Band(rate, max(10, rate // 10)),)
        may = rate and permissions.packet_in
        limits[about.meter] = Meter(about.meter, True, bands, owner) if may else None
    if about.copy_meter:
        rate = declared.copies
        burst = max(MAX_COPIES_OF_PACKET, MAX_OWN_SENDS)  # all of one packet, or of a packet-out, may come at once
        bands = (Band(rate, max(burst, rate // 10)),)
        may = rate and (permissions.copy or permissions.redirect)
        limits[about.copy_meter] = Meter(about.copy_meter, True, bands, owner) if may else None
    return limits
