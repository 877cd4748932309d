"""Packets and traces in Open vSwitch's own words, for comparing what we say with what a switch says.

``flow_text`` writes what ``ovs-appctl ofproto/trace BRIDGE FLOW`` reads (ovs-vswitchd(8)); ``parse_trace`` reads its
answer. A flow in that notation has one label and nothing inside an NSH header, and the switch does not look
beneath either while tracing: compare such packets only as far as there.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from segue.verify.fields import PAIRS, PIPELINE_ZEROS, format_value
from segue.verify.packet import Packet

OVS_NAMES = {
    "ipv4_src": "nw_src",
    "ipv4_dst": "nw_dst",
    "icmpv4_type": "icmp_type",
    "icmpv4_code": "icmp_code",
    "ipv6_nd_target": "nd_target",
    "ipv6_nd_sll": "nd_sll",
    "ipv6_nd_tll": "nd_tll",
    "tunnel_id": "tun_id",
    "ipv6_flabel": "ipv6_label",
}
"""Our field names, those of OpenFlow 1.5, that Open vSwitch's text spells otherwise."""


def ovs_name(name: str) -> str:
    return OVS_NAMES.get(name, name)


def match_text(name: str, value: int, mask: int | None = None) -> str:
    """``name=value`` or ``name=value/mask`` as ovs-ofctl(8) reads it."""
    return f"{ovs_name(name)}={format_value(name, value, mask)}"


def flow_text(packet: Packet, in_port: int) -> str:
    """The flow that ``packet`` is when it comes in by ``in_port``."""
    words = [f"in_port={in_port}"]
    ethernet = packet.frame.packet_type == 0
    fragment = packet.fields.get("ip_frag", 0)
    for name, value in packet.fields.items():
        if name in ("in_port", "vlan_vid", "vlan_pcp", *PAIRS) or (name in PIPELINE_ZEROS and not value):
            continue
        if name == ("packet_type" if ethernet else "eth_type") or (fragment and name.endswith(("p_src", "p_dst"))):
            continue
        if name == "ip_frag":
            if value:
                words.append(f"ip_frag={'later' if value & 2 else 'first'}")
            continue
        words.append(match_text(name, value))
    if packet.frame.tags:
        words.append(f"vlan_tci={packet.frame.tags[0] & 0xFFFF | 0x1000:#x}")
    return ",".join(words)


@dataclass(frozen=True)
class TableVisit:
    """``cookie`` is None where no rule matched; ``priority`` then is None too."""

    table: int
    priority: int | None
    cookie: int | None


@dataclass(frozen=True)
class SwitchTrace:
    """``outputs``: OpenFlow port numbers in order. ``error``: the switch's word for why it gave up, or empty.

    ``recirculated``: whether the packet had to be looked at anew, behind which the trace is a guess.
    """

    visits: tuple[TableVisit, ...]
    outputs: tuple[int, ...]
    error: str
    recirculated: bool


_VISIT = re.compile(r"^ *(\d+)\. (.*)$")
_PRIORITY = re.compile(r"priority (\d+)")
_COOKIE = re.compile(r"cookie (0x[0-9a-f]+)")
_OUTPUT = re.compile(r"^ *(?:output:(\d+)|(IN_PORT)|output:(in_port|IN_PORT))$")
_SET_PORT = re.compile(r"^ *(?:set_field:|load:)(0x[0-9a-f]+|\d+)->(?:in_port|NXM_OF_IN_PORT\[\]|in_port_oxm)$")
_REFUSED = ("skipping output to input port", "Nonexistent output port", "Dropping packet", "Tunneling decided")
_FAILED = re.compile(r"^Translation failed \((.*)\), packet is dropped\.$")


def parse_trace(text: str, in_port: int) -> SwitchTrace:
    """Read what ``ofproto/trace`` printed for a packet that came in by ``in_port``."""
    visits: list[TableVisit] = []
    outputs: list[int] = []
    kept = 0
    error = ""
    recirculated = False
    for line in text.splitlines():
        if visit := _VISIT.match(line):
            rest = visit[2]
            priority = _PRIORITY.search(rest)
            cookie = _COOKIE.search(rest)
            missed = "No match" in rest or priority is None
            visits.append(
                TableVisit(
                    int(visit[1]),
                    None if missed or priority is None else int(priority[1]),
                    None if missed else int(cookie[1], 16) if cookie else 0,
                )
            )
        elif output := _OUTPUT.match(line):
            outputs.append(in_port if output[1] is None else int(output[1]))
        elif changed := _SET_PORT.match(line):
            in_port = int(changed[1], 0)
        elif outputs and any(word in line for word in _REFUSED):
            outputs.pop()
        elif line.startswith("Datapath actions:"):
            recirculated = recirculated or "recirc(" in line
        elif line.startswith("recirc("):
            kept = len(outputs)
        elif failed := _FAILED.match(line):
            error = failed[1]
            del outputs[kept:]
    return SwitchTrace(tuple(visits), tuple(outputs), error, recirculated)
