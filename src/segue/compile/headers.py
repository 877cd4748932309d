"""Headers asked for by a classifier, as matches of the pipeline.

A port range becomes the least set of value/mask pairs that covers it: at most 30 for 16 bits; a source and a
destination range multiply.
"""

from __future__ import annotations

from collections.abc import Iterator

from segue.model.path import Headers
from segue.model.program import Value
from segue.packet.addresses import (
    ETH_IPV4,
    ETH_IPV6,
    PROTO_SCTP,
    PROTO_TCP,
    PROTO_UDP,
    Prefix,
)

PORT_FIELDS = {PROTO_TCP: "tcp", PROTO_UDP: "udp", PROTO_SCTP: "sctp"}
ALL_PORTS = (0, 0xFFFF)


def range_masks(low: int, high: int, bits: int = 16) -> list[tuple[int, int]]:
    """The (value, mask) pairs that together match ``low`` to ``high`` inclusive and nothing else."""
    full = (1 << bits) - 1
    result = []
    while low <= high:
        size = low & -low or 1 << bits
        while low + size - 1 > high:
            size >>= 1
        result.append((low, full & ~(size - 1)))
        low += size
    return result


def prefix_match(field: str, prefix: Prefix | None) -> dict[str, Value]:
    """The match on an ``ipv4_`` or ``ipv6_`` field (``field``: src or dst); nothing for a prefix of length 0."""
    if prefix is None or prefix.length == 0:
        return {}
    name = f"ipv{prefix.family}_{field}"
    return {name: prefix.value if prefix.is_host else (prefix.value, prefix.mask)}


def matches(headers: Headers) -> Iterator[dict[str, Value]]:
    """The matches that together mean ``headers``."""
    base: dict[str, Value] = {"eth_type": headers.ethertype}
    if headers.destination_mac is not None:
        base["eth_dst"] = headers.destination_mac
    if headers.ethertype not in (ETH_IPV4, ETH_IPV6):
        yield base
        return
    base |= prefix_match("src", headers.source) | prefix_match("dst", headers.destination)
    if headers.protocol < 0:
        yield base
        return
    base["ip_proto"] = headers.protocol
    name = PORT_FIELDS.get(headers.protocol, "")
    for source in _ports(f"{name}_src", headers.source_ports):
        for destination in _ports(f"{name}_dst", headers.destination_ports):
            yield base | source | destination


def _ports(field: str, ports: tuple[int, int] | None) -> list[dict[str, Value]]:
    if ports is None or ports == ALL_PORTS:
        return [{}]
    return [_port(field, value, mask) for value, mask in range_masks(*ports)]


def _port(field: str, value: int, mask: int) -> dict[str, Value]:
    """A fragment shows no ports; to a switch they look like 0 then."""
    whole: dict[str, Value] = {} if value else {"ip_frag": 0}
    return {field: value if mask == 0xFFFF else (value, mask)} | whole
