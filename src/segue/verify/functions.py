"""What service functions do to a packet, as far as a path is concerned: their duty to its header, and what their group
says that they rewrite."""

from __future__ import annotations

from dataclasses import replace

from segue.model.intent import Maps
from segue.packet.addresses import parse_prefix
from segue.verify.fields import PORTS
from segue.verify.landscape import FAMILY, concerns
from segue.verify.packet import Frame, Packet


def aware_step(packet: Packet) -> Packet:
    """An aware function lowers the service index by one: in the NSH header (RFC 8300 section 2.2), or in the SF label,
    which is the second of the stack (RFC 8595 section 6). A packet without a path header comes back as it is."""
    if "nsh_si" in packet.fields:
        return packet.set("nsh_si", packet.fields["nsh_si"] - 1)
    labels = packet.frame.labels
    if len(labels) < 2:
        return packet
    lowered = labels[1]._replace(label=labels[1].label - 1)
    return Packet(replace(packet.frame, labels=(labels[0], lowered, *labels[2:])), packet.pipeline)


def translated(packet: Packet, maps: Maps | None, forward: bool = True) -> Packet:
    """A packet, also behind a path header, as it comes out of a function that rewrites addresses and ports as ``maps``
    says, and remembers nothing: each value keeps its place, counted from the lowest one. Answers (not ``forward``) get
    back what can be had back so: where ranges are of one size. Otherwise they are left as they are, and packets that go
    forward get the nearest value."""
    return Packet(_rewritten(packet.frame, maps, forward), packet.pipeline) if maps is not None else packet


def as_said(packet: Packet, maps: Maps, forward: bool = True) -> bool:
    """Whether a packet, where it goes in, looks in its addresses and ports as ``maps`` says. What it says is believed:
    of other packets nothing is promised behind functions that route."""
    fields, side = packet.fields, maps.ingress if forward else maps.egress
    family = FAMILY.get(fields["eth_type"])
    if not concerns(maps, family):
        return True
    ported = None if fields.get("ip_frag") else PORTS.get(fields.get("ip_proto", 0))
    for end, at in (("source", 0), ("destination", 1)):
        at = at if forward else 1 - at
        read = {f"{end}_prefix": f"ipv{family}_{('src', 'dst')[at]}", f"{end}_ports": ported[at] if ported else None}
        for said, name in read.items():
            span = _span(getattr(side, said))
            if span is not None and name is not None and not span[0] <= fields.get(name, 0) <= span[1]:
                return False
    return True


def _rewritten(frame: Frame, maps: Maps, forward: bool) -> Frame:
    if frame.inner is not None:
        return replace(frame, inner=_rewritten(frame.inner, maps, forward))
    family = FAMILY.get(frame.protocol)
    if not concerns(maps, family):
        return frame
    network = dict(frame.network)
    ported = None if network.get("ip_frag") else PORTS.get(network.get("ip_proto", 0))
    for end, at in (("source", 0), ("destination", 1)):
        at = at if forward else 1 - at
        address = f"ipv{family}_{('src', 'dst')[at]}"
        network[address] = _moved(network.get(address, 0), f"{end}_prefix", maps, forward)
        if ported is not None:
            network[ported[at]] = _moved(network.get(ported[at], 0), f"{end}_ports", maps, forward)
    return replace(frame, network=network)


def _moved(value: int, field: str, maps: Maps, forward: bool) -> int:
    before, after = _span(getattr(maps.ingress, field)), _span(getattr(maps.egress, field))
    if after is None:
        return value
    if before is not None and before[1] - before[0] == after[1] - after[0]:
        start, end = (before, after) if forward else (after, before)
        return value - start[0] + end[0] if start[0] <= value <= start[1] else value
    if not forward or (before is not None and not before[0] <= value <= before[1]):
        return value
    return min(max(value, after[0]), after[1])


def _span(said: str | tuple[int, int] | None) -> tuple[int, int] | None:
    if not isinstance(said, str):
        return said
    prefix = parse_prefix(said)
    return prefix.value, prefix.value | ((1 << (prefix.bits - prefix.length)) - 1)


def path_place(packet: Packet) -> tuple[int, int] | None:
    """(path id, index) of a packet behind a path header, or None."""
    if "nsh_spi" in packet.fields:
        return packet.fields["nsh_spi"], packet.fields["nsh_si"]
    labels = packet.frame.labels
    return (labels[0].label, labels[1].label) if len(labels) > 1 else None


def without_path(packet: Packet) -> Packet:
    """What is behind a path header; a packet without one as it is."""
    frame = packet.frame
    if frame.inner is not None:
        return Packet(frame.inner)
    return Packet(replace(frame, eth_type=frame.protocol, labels=(), pushed=0)) if frame.labels else packet
