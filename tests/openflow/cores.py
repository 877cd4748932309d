"""Both cores in one process, and records for them.

`pure` is the library as it is without a compiler: the caches of writers and readers are changed for others, which are
filled by `generate` alone. Records are made from their declarations, with values that fit and values that do not.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import segue.openflow  # noqa: F401  (declares the whole protocol)
from segue.openflow import codec, core
from segue.openflow.declare import MESSAGES, REPLIES, REQUESTS, Family, Item, Record
from segue.openflow.fields import FIELDS
from segue.openflow.match_fixed import RAW
from segue.openflow.protocol import FlowMod, Output, PacketIn, PacketOut
from segue.openflow.protocol.families import ACTION
from segue.openflow.wire import V11, VERSIONS, EncodeError

Outcome = tuple[str, Any]


def _caches() -> list[dict[Any, Any]]:
    own = codec.CODEC
    return [own._encoders, own._many, own._one, codec._READERS, *codec.WRITERS.values(), *codec.READERS.values()]


_PURE: list[dict[Any, Any]] = [{} for _ in _caches()]


@contextmanager
def pure() -> Iterator[None]:
    """Within, everything is written and read by generated Python."""
    compiled = [dict(cache) for cache in _caches()]
    for cache, kept in zip(_caches(), _PURE, strict=True):
        dict.clear(cache)
        dict.update(cache, kept)
    core.COMPILED = False  # type: ignore[misc]
    try:
        yield
    finally:
        core.COMPILED = True  # type: ignore[misc]
        for n, (cache, kept) in enumerate(zip(_caches(), compiled, strict=True)):
            _PURE[n] = dict(cache)
            dict.clear(cache)
            dict.update(cache, kept)


def outcome(do: Callable[[], Any]) -> Outcome:
    try:
        value = do()
    except Exception as e:
        return type(e).__name__, (str(e), getattr(e, "error", None))
    return "", (value, repr(value))


def both(do: Callable[[], Any]) -> Outcome:
    """What comes of it, the same in both ways."""
    compiled = outcome(do)
    with pure():
        generated = outcome(do)
    assert compiled == generated
    return compiled


# -- records out of their declarations -----------------------------------------------------------------------------

_BITS = {"u8": 8, "u16": 16, "u32": 32, "u64": 64, "mac": 48, "ipv4": 32, "port": 32, "port16": 32}
_NAMES = (
    *FIELDS,
    *RAW,
    "nxm_of_eth_dst",
    "oxm:8000:3:6",
    "oxm:1234:5:3",
    "tun_metadata0:4",
    "no such field",
    "wildcards",
)
_USUAL = (
    "in_port",
    "eth_src",
    "eth_dst",
    "eth_type",
    "ip_proto",
    "ipv4_src",
    "ipv4_dst",
    "tcp_dst",
    "vlan_vid",
    "ip_dscp",
)


class Maker:
    """Makes records; `odd` is how often, of 256 values, one is something that does not belong there."""

    def __init__(self, seed: int, version: int, odd: int) -> None:
        self.rng = random.Random(seed)
        self.version = version
        self.odd = odd

    def strange(self) -> bool:
        return self.rng.randrange(256) < self.odd

    def number(self, bits: int) -> Any:
        if self.strange():
            return self.rng.choice([-1, 1 << bits, 1 << 64, 1 << 200, True, None, "7", 1.5, b"7", ...])
        return self.rng.choice([0, 1, (1 << bits) - 1, self.rng.getrandbits(bits), self.rng.getrandbits(min(bits, 8))])

    def port(self) -> Any:
        if self.strange():
            return self.number(32)
        return self.rng.choice([1, 47, 0xFEFF, 0xFF00, 0xFFFFFF00, 0xFFFFFFFD, 0xFFFFFFFF, 0x10000])

    def octets(self, size: int | None = None) -> Any:
        data = self.rng.randbytes(self.rng.choice([0, 1, 4, 12, 60]) if size is None else size)
        if self.strange():
            return self.rng.choice([bytearray(data), memoryview(data), data + b"x", "text", None])
        return data

    def match(self) -> Any:
        if self.strange():
            return self.rng.choice([None, [], {1: 2}, {"in_port": None}, {"eth_src": (1, 2, 3)}, {"eth_dst": [1, 1]}])
        names = self.rng.sample(_USUAL, self.rng.randrange(len(_USUAL)))
        if self.rng.randrange(4) == 0:
            names += self.rng.sample(_NAMES, 2)
        found: dict[str, Any] = {}
        for name in names:
            field = FIELDS.get(name) or RAW.get(name)
            bits = field.bits if field is not None else 24
            value = self.number(bits)
            if name in ("eth_type", "ip_proto", "vlan_vid") and self.rng.randrange(4):
                value = {"eth_type": 0x0800, "ip_proto": 6, "vlan_vid": 0x1007}[name]
            if self.rng.randrange(4) == 0 and isinstance(value, int):
                mask = self.rng.choice([(1 << bits) - 1, self.rng.getrandbits(bits), 0])
                value = (value if self.strange() else value & mask, mask)
            elif self.rng.randrange(32) == 0:
                value = str(value)
            found["".join(list(name)) if self.rng.randrange(8) == 0 else name] = value
        if self.version == V11 and self.rng.randrange(4) == 0:
            found["match_type"] = 1
        return found

    def several(self, of: Any, depth: int) -> Any:
        if self.strange():
            return self.rng.choice([None, 7, [None], (Output(1), 7), [FlowMod()], {}, iter(())])
        if depth > 2:
            return ()
        if isinstance(of, Family):
            members = [r for r, e in of.entries.items() if e.number(self.version) is not None or self.strange()]
            chosen = [self.rng.choice(members) for _ in range(self.rng.choice([0, 1, 1, 2, 20]))] if members else []
        else:
            chosen = [of] * self.rng.choice([0, 1, 3])
        made = [self.record(one, depth + 1) for one in chosen]
        return made if self.rng.randrange(2) else tuple(made)

    def value(self, item: Item, name: str, depth: int) -> Any:
        match item.kind:
            case "port" | "port16":
                return self.port()
            case kind if kind in _BITS:
                return self.number(_BITS[kind])
            case "ofs_nbits":
                return self.rng.randrange(1, 65)
            case "text":
                return self.rng.choice(["", "eth0", "ü" * 4, "x" * 300 if self.strange() else "x", "\udcff"])
            case "blob":
                return self.octets(item.size)
            case "data":
                return self.octets()
            case "match" | "in_port_match" | "nxm" if name == item.names[0]:
                return self.match()
            case "in_port_match":
                return self.port()
            case "many" | "trailer":
                return self.several(item.of, depth)
            case "one":
                return self.record(item.of, depth + 1)
            case "instructions":
                of = codec.CODEC.instruction_family if name == item.names[0] else ACTION
                return self.several(of, depth)
            case "nested":
                return FlowMod() if name == item.names[0] else None
            case "oxm_id" | "nxm_id":
                return self.rng.choice(["eth_dst", "reg0", "no such field"])
            case "oxm_ids":
                return ("eth_dst", "in_port")
            case "oxm":
                return {0: "eth_dst", 1: 7, 2: None}[item.names.index(name)]
        return ...

    def record(self, record: type[Record], depth: int = 0) -> Any:
        given: dict[str, Any] = {}
        for item in record.WIRE:
            for name in item.names:
                if item.within(self.version) or self.rng.randrange(32) == 0:
                    value = self.value(item, name, depth)
                    if value is not ... and (self.rng.randrange(3) or name not in _optional(record)):
                        given[name] = value
        for name in record.__struct_fields__:
            if name not in given and name not in _optional(record):
                given[name] = self.number(16)
        try:
            return record(**given)
        except (EncodeError, TypeError):  # fields that must fit together
            return record(**{name: value for name, value in given.items() if name not in _optional(record)})


def _optional(record: type[Record]) -> tuple[str, ...]:
    fields: tuple[str, ...] = record.__struct_fields__
    return fields[len(fields) - len(record.__struct_defaults__) :]


RECORDS = sorted((r for home in (MESSAGES, REQUESTS, REPLIES) for r in home.entries), key=lambda r: r.__name__)
BUSY = [FlowMod, PacketIn, PacketOut, *(r for r in RECORDS if r.__name__ in ("FlowRemoved", "PortStatus", "GroupMod"))]


def make(seed: int, odd: int) -> tuple[Any, int]:
    version = VERSIONS[seed % 6]
    maker = Maker(seed, version, odd)
    return maker.record(maker.rng.choice(RECORDS if seed % 3 else BUSY)), version
