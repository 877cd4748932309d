"""The types of fields: how each is read from a tree, and what a JSON Schema says of it.

A type is both at once, so that parser and schema cannot drift apart. ``read`` raises Bad with what is wrong and
what to write. Addresses are checked and stay text, as their author wrote them.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from segue.intent.problems import Bad, show, suggest
from segue.intent.text import Plain, Raw
from segue.model.hooks import HOOKS
from segue.model.intent import KINDS, is_label
from segue.model.limits import MAX_TEXT
from segue.packet.addresses import (
    ETH_ARP,
    ETH_IPV4,
    ETH_IPV6,
    PROTO_SCTP,
    PROTO_TCP,
    PROTO_UDP,
    format_mac,
    parse_mac,
)

Schema = dict[str, Any]

MAX_NAME = 63
NAME_PATTERN = "^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$"
PORTED = frozenset({"tcp", "udp", "sctp", str(PROTO_TCP), str(PROTO_UDP), str(PROTO_SCTP)})
"""Protocols whose headers carry ports."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}\Z")
_INTEGER = re.compile(r"[+-]?[0-9]{1,15}\Z")
_LENGTH = re.compile(r"[0-9]{1,3}\Z")
_RANGE = re.compile(r"([0-9]{1,9})(?:-([0-9]{1,9}))?\Z")
ELEMENTS = tuple(dict.fromkeys(kind for hook in HOOKS.values() for kind in hook.elements))
"""The kinds that a service can be attached to."""
_OWNER = re.compile(r"([a-z]+)/(.*)\Z", re.DOTALL)


class Type(msgspec.Struct, frozen=True):
    """``read`` turns a raw value into the struct's, or raises Bad. ``schema`` allows what ``read`` allows."""

    read: Callable[[Raw], Any]
    schema: Schema


def describe(value: Raw) -> str:
    """What a wrong value is, in words."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return show(value)
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    return f"the number {str(value)[:40]}"


def read_text(value: Raw) -> str:
    if isinstance(value, str):
        if not value.isascii() and any("\ud800" <= c <= "\udfff" for c in value):
            raise Bad(f"is {show(value)}, which has half of a surrogate pair", "remove it")
        if "\0" in value:
            raise Bad(f"is {show(value)}, which has a NUL character", "remove it")
        return str(value)
    if value is None:
        raise Bad("has no value", "give it one, or remove the line")
    if isinstance(value, (dict, list)):
        raise Bad(f"must be text, not {describe(value)}")
    raise Bad(f"must be text, not {describe(value)}", f'write "{str(value).lower()[:40]}" in quotes')


def check_name(value: str) -> None:
    if _NAME.match(value):
        return
    if len(value) > MAX_NAME:
        raise Bad(f"is {show(value)}, {len(value)} characters long", "write a name of 1 to 63 characters")
    allowed = "letters, digits, . _ and -, starting with a letter or digit"
    raise Bad(f"is {show(value)}, which is no name", f"write 1 to 63 {allowed}")


def read_name(value: Raw) -> str:
    text = read_text(value)
    check_name(text)
    return text


def read_flag(value: Raw) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, Plain) and value in ("true", "True", "TRUE"):
        return True
    if isinstance(value, Plain) and value in ("false", "False", "FALSE"):
        return False
    raise Bad(f"is {describe(value)}", "write true or false, without quotes")


def as_integer(value: Raw) -> int | None:
    """The whole number that a raw value is, or None."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    return int(value) if isinstance(value, Plain) and _INTEGER.match(value) else None


def integer(low: int, high: int) -> Type:
    def read(value: Raw) -> int:
        number = as_integer(value)
        if number is None:
            raise Bad(f"is {describe(value)}", f"write a whole number from {low} to {high}")
        if not low <= number <= high:
            raise Bad(f"is {str(number)[:40]}", f"write a number from {low} to {high}")
        return number

    return Type(read, {"type": "integer", "minimum": low, "maximum": high})


def choice(*words: str, instead: Mapping[str, str] = {}) -> Type:
    """``instead``: by another word, what to write in its place."""

    def read(value: Raw) -> str:
        text = read_text(value)
        if text not in words:
            if text in instead:
                raise Bad(f"is {show(text)}", instead[text])
            raise Bad(f"is {show(text)}", suggest(text, words, f"write {' or '.join(words)}"))
        return text

    return Type(read, {"enum": list(words)})


def _example(value: str) -> str:
    return "2001:db8::10" if ":" in value else "10.0.0.10"


_BROADCAST = ipaddress.IPv4Address("255.255.255.255")


def parse_host(text: str, loopback: bool = False) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """A unicast address without zone or prefix length. Raises Bad."""
    try:
        if "%" in text:
            raise ValueError
        address = ipaddress.ip_address(text)
    except ValueError:
        bare = text.partition("/")[0]
        try:
            ipaddress.ip_address(bare)
        except ValueError:
            bare = ""
        if "/" in text and bare and "%" not in bare:
            raise Bad(f"is {show(text)}, with a prefix length", f"write {bare}") from None
        raise Bad(f"is {show(text)}, which is no IP address", f"write one such as {_example(text)}") from None
    wrong = ""
    if address.is_multicast:
        wrong = "a multicast"
    elif address.is_unspecified:
        wrong = "an unspecified"
    elif address.is_loopback and not loopback:
        wrong = "a loopback"
    elif address == _BROADCAST:
        wrong = "a broadcast"
    if wrong:
        raise Bad(f"is {show(text)}, {wrong} address", f"write one such as {_example(text)}")
    return address


def read_address(value: Raw) -> str:
    text = read_text(value)
    parse_host(text)
    return text


def read_node_address(value: Raw) -> str:
    """Of a tunnel's end, which a switch gives by its number alone."""
    text = read_text(value)
    address = parse_host(text, loopback=True)
    if isinstance(address, ipaddress.IPv6Address):
        if address.is_link_local:
            raise Bad(f"is {show(text)}, a link-local address", "write one that is routed, such as 2001:db8::1")
        if address.ipv4_mapped is not None:
            raise Bad(f"is {show(text)}, an IPv4 address in the form of an IPv6 one", f"write {address.ipv4_mapped}")
    return text


def read_prefix(value: Raw) -> str:
    """An address, or a prefix with no host bits set."""
    text = read_text(value)
    _, slash, length = text.partition("/")
    try:
        if "%" in text or (slash and not _LENGTH.match(length)):
            raise ValueError
        interface = ipaddress.ip_interface(text)
    except ValueError:
        raise Bad(
            f"is {show(text)}, which is no IP prefix",
            f"write one such as {'2001:db8::/64' if ':' in text else '10.0.0.0/24'}",
        ) from None
    network = interface.network
    if slash and network.network_address != interface.ip:
        raise Bad(f"is {show(text)}, which has bits set behind the prefix", f"write {network}")
    return text


def read_cidr(value: Raw) -> str:
    text = read_prefix(value)
    if "/" not in text:
        length = 64 if ":" in text else 24
        network = ipaddress.ip_interface(f"{text}/{length}").network
        raise Bad(f"is {show(text)}, without a prefix length", f"write {network}")
    return text


def read_mac(value: Raw) -> str:
    text = read_text(value)
    try:
        mac = parse_mac(text)
    except ValueError:
        digits = re.sub("[-:.]", "", text)
        good = format_mac(int(digits, 16)) if re.fullmatch("[0-9a-fA-F]{12}", digits) else "02:00:00:00:00:01"
        raise Bad(f"is {show(text)}, which is no MAC address", f"write {good}") from None
    if mac >> 40 & 1:
        raise Bad(f"is {show(text)}, a multicast address", f"write {format_mac(mac & ~(1 << 40) | 2 << 40)}")
    if not mac:
        raise Bad(f"is {show(text)}, which no station may have", "write one such as 02:00:00:00:00:01")
    return text


def read_protocol(value: Raw) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    text = read_text(value)
    if text in ("tcp", "udp", "sctp", "icmp"):
        return text
    if text.isascii() and text.isdigit() and len(text) <= 3 and int(text) <= 255 and str(int(text)) == text:
        return text
    words = "write tcp, udp, sctp, icmp or a number from 0 to 255"
    if text.lower() in ("icmpv6", "icmp6", "ipv6-icmp"):
        raise Bad(f"is {show(text)}", "write icmp, which is ICMPv6 where the packet is IPv6")
    raise Bad(f"is {show(text)}", suggest(text, ("tcp", "udp", "sctp", "icmp"), words))


def read_ethertype(value: Raw) -> str:
    if (number := as_integer(value)) is not None:
        value = f"0x{number:04x}"
    text = read_text(value)
    if text in ("ipv4", "ipv6"):
        return text
    if not re.fullmatch("0x[0-9a-fA-F]{4}", text):
        known = suggest(text, ("ipv4", "ipv6"), "write ipv4, ipv6 or four digits such as 0x88b5")
        raise Bad(f"is {show(text)}", known)
    number = int(text, 16)
    if number in (ETH_IPV4, ETH_IPV6):
        raise Bad(f"is {text}", f"write {'ipv4' if number == ETH_IPV4 else 'ipv6'}")
    if number == ETH_ARP:
        raise Bad(f"is {text}, but ARP is answered by the network and enters no chain", "remove it")
    if number < 0x600:
        raise Bad(f"is {text}, which is a length", "write an ethertype from 0x0600 to 0xffff")
    return text


def read_range(value: Raw) -> tuple[int, int]:
    """``80``, ``"80-90"`` or ``[80, 90]``."""
    if isinstance(value, list):
        ends = [as_integer(end) for end in value]
        if len(ends) != 2 or ends[0] is None or ends[1] is None:
            raise Bad("is not a range of ports", "write [lowest, highest], such as [80, 90]")
        low, high = ends[0], ends[1]
    elif (number := as_integer(value)) is not None:
        low = high = number
    else:
        match = _RANGE.match(value) if isinstance(value, str) else None
        if match is None:
            raise Bad(f"is {describe(value)}", "write a port or a range, such as 80 or 80-90")
        low = int(match[1])
        high = low if match[2] is None else int(match[2])
    if low > high:
        raise Bad(
            f"is {str(low)[:20]}-{str(high)[:20]}", f"write the lower one first: {str(high)[:20]}-{str(low)[:20]}"
        )
    if low < 0 or high > 65535:
        raise Bad(f"is {str(low if low < 0 else high)[:20]}", "write ports from 0 to 65535")
    return low, high


def read_owner(value: Raw) -> str:
    text = read_text(value)
    match = _OWNER.match(text)
    if match is None or match[1] not in KINDS or not _NAME.match(match[2]):
        raise Bad(f"is {show(text)}", "write KIND/NAME, such as chain/loud")
    return text


def read_element(value: Raw) -> str:
    """``port/vm1``: what a service is attached to."""
    text = read_text(value)
    kind, slash, name = text.partition("/")
    if not slash:
        shown = kind if _NAME.match(kind) else "NAME"
        raise Bad(f"is {show(text)}, which does not say of which kind", f"write {_either(ELEMENTS, shown)}")
    if kind not in ELEMENTS:
        near = suggest(kind, ELEMENTS, f"write {_either(ELEMENTS, 'NAME')}")
        raise Bad(f"is {show(text)}, and no service is attached to that kind", near)
    try:
        check_name(name)
    except Bad as bad:
        raise Bad(f"is {show(text)}, whose name {bad.message}", bad.hint) from None
    return text


def _either(kinds: tuple[str, ...], name: str) -> str:
    return " or ".join(f"{kind}/{name}" for kind in kinds)


def read_label(value: Raw) -> str:
    """Text for people: one line of what can be shown, and never long."""
    text = read_text(value)
    if len(text) > MAX_TEXT:
        raise Bad(f"is {show(text)}, {len(text)} characters long", f"write at most {MAX_TEXT}")
    if not is_label(text):
        raise Bad(f"is {show(text)}, which has characters that cannot be shown", "remove them")
    return text


def optional(inner: Type) -> Type:
    def read(value: Raw) -> Any:
        return None if value is None else inner.read(value)

    return Type(read, {"anyOf": [inner.schema, {"type": "null"}]})


def listing(inner: Type, key: Callable[[Any], Any] | None = None, least: int = 0, most: int | None = None) -> Type:
    """A list as a tuple, without duplicates (as ``key`` sees them)."""

    def read(value: Raw) -> tuple[Any, ...]:
        if not isinstance(value, list):
            if value is None:
                raise Bad("has no value", "write a list, such as [a, b]")
            one = f"write [{value[:40]}]" if isinstance(value, str) else "write one, such as [a, b]"
            raise Bad(f"must be a list, not {describe(value)}", one)
        seen: dict[Any, int] = {}
        items = []
        for position, raw in enumerate(value):
            try:
                item = inner.read(raw)
            except Bad as bad:
                raise Bad(f"item {position + 1} {bad.message}", bad.hint, (position, *bad.at)) from None
            identity = item if key is None else key(item)
            if identity in seen:
                first = seen[identity] + 1
                raise Bad(f"has {describe(raw)} twice, at {first} and {position + 1}", "keep one", (position,))
            seen[identity] = position
            items.append(item)
        if len(items) < least:
            raise Bad("is empty", f"write at least {least}")
        if most is not None and len(items) > most:
            raise Bad(f"has {len(items)} entries", f"write at most {most}")
        return tuple(items)

    schema: Schema = {"type": "array", "items": inner.schema, "uniqueItems": True}
    if least:
        schema["minItems"] = least
    if most is not None:
        schema["maxItems"] = most
    return Type(read, schema)


def record(
    cls: type[msgspec.Struct], fields: dict[str, Type], short: str | None = None, form: str | None = None
) -> Type:
    """A small mapping inside an object; ``short`` names the field that bare text stands for, ``form`` shows one."""
    required = [f.name for f in msgspec.structs.fields(cls) if f.required]

    def read(value: Raw) -> Any:
        if short is not None and isinstance(value, str):
            value = {short: value}
        if not isinstance(value, dict):
            hint = f"write {form}" if form else f"write {{{', '.join(required or fields)}}}"
            raise Bad(f"must be a mapping, not {describe(value)}", hint)
        values = {}
        for key, raw in value.items():
            if key not in fields:
                raise Bad(f"has no field {show(key)}", suggest(key, fields, f"it has {', '.join(fields)}"), (key,))
            try:
                values[key] = fields[key].read(raw)
            except Bad as bad:
                raise Bad(f"{key} {bad.message}", bad.hint, (key, *bad.at)) from None
        for name in required:
            if name not in values:
                raise Bad(f"has no {name}", f"write {name}: ...")
        return cls(**values)

    schema: Schema = {
        "type": "object",
        "properties": {name: field.schema for name, field in fields.items()},
        "required": required,
        "additionalProperties": False,
    }
    return Type(read, schema if short is None else {"anyOf": [fields[short].schema, schema]})


_DECIMAL = "(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
_V4 = rf"{_DECIMAL}(\.{_DECIMAL}){{3}}"
_V6 = r"[0-9a-fA-F]*:[0-9a-fA-F:.]*"

TEXT = Type(read_text, {"type": "string"})
LABEL = Type(
    read_label,
    {"type": "string", "maxLength": MAX_TEXT, "pattern": r"^[^\u0000-\u001f\u007f-\u009f\u2028\u2029]*$"},
)
NAME = Type(read_name, {"type": "string", "pattern": NAME_PATTERN})
FLAG = Type(read_flag, {"type": "boolean"})
ADDRESS = Type(read_address, {"type": "string", "pattern": f"^({_V4}|{_V6})$"})
NODE_ADDRESS = Type(read_node_address, ADDRESS.schema)
PREFIX = Type(read_prefix, {"type": "string", "pattern": f"^({_V4}(/[0-9]{{1,2}})?|{_V6}(/[0-9]{{1,3}})?)$"})
CIDR = Type(read_cidr, {"type": "string", "pattern": f"^({_V4}/[0-9]{{1,2}}|{_V6}/[0-9]{{1,3}})$"})
MAC = Type(
    read_mac,
    {"type": "string", "pattern": "^[0-9a-fA-F][02468aceACE](:[0-9a-fA-F]{2}){5}$"},
)
PROTOCOL = Type(
    read_protocol,
    {
        "anyOf": [
            {"enum": ["tcp", "udp", "sctp", "icmp"]},
            {"type": "integer", "minimum": 0, "maximum": 255},
            {"type": "string", "pattern": "^(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])$"},
        ]
    },
)
ETHERTYPE = Type(
    read_ethertype,
    {
        "anyOf": [
            {"enum": ["ipv4", "ipv6"]},
            {"type": "integer", "minimum": 0x600, "maximum": 0xFFFF, "not": {"enum": [0x800, 0x806, 0x86DD]}},
            {"type": "string", "pattern": "^0x[0-9a-fA-F]{4}$"},
        ]
    },
)
_NUMBER = {"type": "integer", "minimum": 0, "maximum": 65535}
PORTS = Type(
    read_range,
    {
        "anyOf": [
            _NUMBER,
            {"type": "string", "pattern": "^[0-9]{1,5}(-[0-9]{1,5})?$"},
            {"type": "array", "prefixItems": [_NUMBER, _NUMBER], "items": False, "minItems": 2},
        ]
    },
)
ELEMENT = Type(read_element, {"type": "string", "pattern": f"^({'|'.join(ELEMENTS)})/{NAME_PATTERN[1:]}"})
OWNER = Type(read_owner, {"type": "string", "pattern": f"^({'|'.join(KINDS)})/{NAME_PATTERN[1:]}"})
