"""By which header fields flows spread over a group's instances, and which sets of fields a switch can hash.

The names are networking-sfc's (``lb_fields``). Open vSwitch's ``multipath`` knows seven ways to hash
(nx_hash_fields in openflow/nicira-ext.h), called here as there. All but those over one field take each pair of source
and destination together, by exclusive or, so that answers hash as what they answer.
"""

from __future__ import annotations

from collections.abc import Iterable

FIELDS = ("eth_src", "eth_dst", "ip_src", "ip_dst", "tcp_src", "tcp_dst", "udp_src", "udp_dst")
"""In the order in which a set is written."""

DEFAULT = "symmetric_l3l4+udp"
HASHES: dict[tuple[str, ...], str] = {
    ("ip_src",): "nw_src",
    ("ip_dst",): "nw_dst",
    ("ip_src", "ip_dst"): "symmetric_l3",
    ("ip_src", "ip_dst", "tcp_src", "tcp_dst"): "symmetric_l3l4",
    ("ip_src", "ip_dst", "tcp_src", "tcp_dst", "udp_src", "udp_dst"): DEFAULT,
    ("eth_src",): "eth_src",
    ("eth_src", "eth_dst", "ip_src", "ip_dst", "tcp_src", "tcp_dst"): "symmetric_l4",
}
"""Set of fields -> multipath's word for it."""

_OTHER_END = {"src": "dst", "dst": "src"}


def ordered(fields: Iterable[str]) -> tuple[str, ...]:
    """The set as it is written here: two sets are equal when these are. Raises ValueError for an unknown field."""
    return tuple(sorted(set(fields), key=FIELDS.index))


def hash_of(fields: Iterable[str]) -> str:
    """Multipath's word for a set of fields that it can hash; no fields: its default. Raises KeyError for others."""
    return HASHES[ordered(fields)] if fields else DEFAULT


def turned(fields: Iterable[str]) -> tuple[str, ...]:
    """The fields by which answers meet the instance that their flow met: each with its source for its destination."""
    return ordered(f"{kind}_{_OTHER_END[end]}" for kind, _, end in (field.partition("_") for field in fields))


def refusal(fields: Iterable[str]) -> str | None:
    """Why a set of fields cannot be hashed, or None."""
    unknown = [field for field in fields if field not in FIELDS]
    if unknown:
        return f"there is no field {unknown[0]!r}; the fields are {', '.join(FIELDS)}"
    if not fields or ordered(fields) in HASHES:
        return None
    return f"no switch can hash {', '.join(ordered(fields))} and nothing else"


def sets() -> str:
    """The sets that can be had, in words."""
    return " or ".join(f"[{', '.join(known)}]" for known in HASHES)
