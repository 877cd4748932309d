"""Flows and packets of an injected service in words, in the spelling of ovs-ofctl(8) where that has one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from ipaddress import IPv4Address, IPv6Address
from typing import Any

_KINDS: dict[Any, str] = {
    (0x0800, None): "ip",
    (0x0800, 1): "icmp",
    (0x0800, 6): "tcp",
    (0x0800, 17): "udp",
    (0x0800, 132): "sctp",
    (0x0806, None): "arp",
    (0x86DD, None): "ipv6",
    (0x86DD, 6): "tcp6",
    (0x86DD, 17): "udp6",
    (0x86DD, 58): "icmp6",
    (0x86DD, 132): "sctp6",
}
"""What is said for ``eth_type`` and ``ip_proto``."""
_PORTED = (6, 17, 132)
_VLANS = (0x8100, 0x88A8)


def match(said: Mapping[str, Any]) -> str:
    rest = dict(said)
    words = []
    eth_type, ip_proto = rest.get("eth_type"), rest.get("ip_proto")
    if (kind := _KINDS.get((eth_type, ip_proto))) is not None and ip_proto is not None:
        words.append(kind)
        del rest["eth_type"], rest["ip_proto"]
    elif (kind := _KINDS.get((eth_type, None))) is not None:
        words.append(kind)
        del rest["eth_type"]
    return ",".join([*words, *(f"{name}={_value(value)}" for name, value in rest.items())]) or "any"


def instructions(said: Iterable[Mapping[str, Any]]) -> str:
    words = [word for one in said for word in _instruction(one)]
    return ",".join(words) or "drop"


def extras(flow: Mapping[str, Any]) -> str:
    """What is unusual about a flow besides."""
    words = [f"cookie={flow['cookie']:#x}"] if isinstance(flow["cookie"], int) and flow["cookie"] else []
    words += [f"cookie={flow['cookie']}"] if isinstance(flow["cookie"], str) else []
    words += [f"{name}={flow[name]}" for name in ("idle_timeout", "hard_timeout", "importance") if flow.get(name)]
    words += [str(flag).removeprefix("OFPFF_").lower() for flag in flow.get("flags", ())]
    return ",".join(words)


def _instruction(one: Mapping[str, Any]) -> list[str]:
    match one["type"]:
        case "OFPIT_APPLY_ACTIONS":
            return [_action(action) for action in one["actions"]]
        case "OFPIT_WRITE_ACTIONS":
            return [f"write_actions({','.join(_action(action) for action in one['actions'])})"]
        case "OFPIT_GOTO_TABLE":
            return [f"goto_table:{one['table_id']}"]
        case "OFPIT_WRITE_METADATA":
            return [f"write_metadata:{one['metadata']}/{one['metadata_mask']}"]
        case "OFPIT_METER":
            return [f"meter:{one['meter_id']}"]
    return [_plain(one, "OFPIT_")]


def _action(one: Mapping[str, Any]) -> str:
    match one["type"]:
        case "OFPAT_OUTPUT":
            port = str(one["port"]).removeprefix("OFPP_")
            return port if not port.isdigit() else f"output:{port}"
        case "OFPAT_SET_FIELD":
            return ",".join(f"set_field:{_value(value)}->{name}" for name, value in one["field"].items())
        case "OFPAT_PUSH_VLAN":
            return f"push_vlan:{one['ethertype']:#06x}"
    return _plain(one, "OFPAT_")


def _plain(one: Mapping[str, Any], prefix: str) -> str:
    values = ",".join(_value(value) for name, value in one.items() if name != "type")
    name = str(one["type"]).removeprefix(prefix).lower()
    return f"{name}:{values}" if values else name


def _value(value: Any) -> str:
    if isinstance(value, Mapping) and value.keys() == {"value", "mask"}:
        return f"{value['value']}/{value['mask']}"
    return str(value)


def packet(said: Mapping[str, Any]) -> str:
    """A packet-in: where it was met, why it came, and what it is."""
    data = bytes.fromhex(said.get("data", ""))
    words = [f"port {said.get('match', {}).get('in_port', '?')}", f"table {said.get('table_id', '?')}"]
    cookie = said.get("cookie")
    words += [f"cookie {cookie:#x}" if isinstance(cookie, int) else f"cookie {cookie}"] if cookie else []
    words.append(f"{said.get('total_len', len(data))} bytes")
    return f"{', '.join(words)}: {frame(data)}"


def frame(data: bytes) -> str:
    if len(data) < 14:
        return data.hex() or "nothing of it"
    ends = f"{data[6:12].hex(':')} > {data[:6].hex(':')}"
    tags, at = "", 12
    while int.from_bytes(data[at : at + 2], "big") in _VLANS and len(data) >= at + 6:
        tags += f" vlan {int.from_bytes(data[at + 2 : at + 4], 'big') & 0xFFF}"
        at += 4
    kind, body = int.from_bytes(data[at : at + 2], "big"), data[at + 2 :]
    if kind == 0x0800 and len(body) >= 20:
        start = 4 * (body[0] & 15)
        later = int.from_bytes(body[6:8], "big") & 0x1FFF
        inner = _transport(body[9], str(IPv4Address(body[12:16])), str(IPv4Address(body[16:20])), body[start:], later)
        return f"{ends}{tags} {inner}"
    if kind == 0x86DD and len(body) >= 40:
        inner = _transport(body[6], str(IPv6Address(body[8:24])), str(IPv6Address(body[24:40])), body[40:], 0)
        return f"{ends}{tags} {inner}"
    if kind == 0x0806 and len(body) >= 28:
        what = {1: "who has", 2: "is at"}.get(body[7], "?")
        return f"{ends}{tags} arp {IPv4Address(body[14:18])} {what} {IPv4Address(body[24:28])}"
    return f"{ends}{tags} type {kind:#06x}"


def _transport(protocol: int, source: str, destination: str, rest: bytes, later: int) -> str:
    name = {1: "icmp", 6: "tcp", 17: "udp", 58: "icmp6", 132: "sctp"}.get(protocol, f"protocol {protocol}")
    if protocol in _PORTED and len(rest) >= 4 and not later:
        ports = int.from_bytes(rest[:2], "big"), int.from_bytes(rest[2:4], "big")
        return f"{source}:{ports[0]} > {destination}:{ports[1]} {name}"
    return f"{source} > {destination} {name}"
