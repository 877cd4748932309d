"""The compiled core against generated Python: the same bytes, objects and errors, whatever it is given.

Both are in one process. `pure` is the library as it is without a compiler: the caches of writers and readers are
changed for others, which are filled by `generate` alone. Records are made from their declarations, with
values that fit and values that do not.
"""

from __future__ import annotations

import asyncio
import gc
import os
import random
import subprocess
import sys
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import segue.openflow  # noqa: F401  (declares the whole protocol)
from segue.openflow import codec, core, generate
from segue.openflow.declare import FAMILIES, HOMES, MESSAGES, REPLIES, REQUESTS, Family, Item, Record
from segue.openflow.fields import FIELDS
from segue.openflow.match_fixed import RAW
from segue.openflow.protocol import FlowMod, Output, PacketIn, PacketOut
from segue.openflow.protocol.families import ACTION
from segue.openflow.pump import FIRST_XID
from segue.openflow.pump import Pump as PythonPump
from segue.openflow.wire import HEADER, V10, V13, V15, VERSIONS, EncodeError, ProtocolError

pytestmark = pytest.mark.skipif(not core.COMPILED, reason="the core is not compiled")

Outcome = tuple[str, Any]
SEEDS = st.integers(0, 2**48)


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


# -- the codec -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("odd", [0, 4])
@settings(max_examples=1000, deadline=None)
@given(seed=SEEDS)
def test_written_alike(odd: int, seed: int) -> None:
    msg, version = make(seed, odd)
    both(lambda: codec.encode(msg, seed & 0xFFFFFFFF, version))


@settings(max_examples=1000, deadline=None)
@given(seed=SEEDS)
def test_read_alike(seed: int) -> None:
    """Octets that are right, and then such that somebody tampered with."""
    msg, version = make(seed, 0)
    try:
        data = codec.encode(msg, 7, version)
    except EncodeError:
        return
    both(lambda: codec.decode(data))
    rng = random.Random(seed)
    for _ in range(8):
        hostile = bytearray(data)
        for _ in range(rng.choice([1, 1, 2, 5])):
            if len(hostile) > 8:
                at = rng.randrange(8, len(hostile))
                hostile[at] = rng.choice(
                    [0, 1, 4, 7, 8, 16, 255, rng.randrange(256), hostile[at] ^ 1 << rng.randrange(8)]
                )
        if rng.randrange(2):
            hostile = hostile[: rng.randrange(8, len(hostile) + 1)] + rng.randbytes(rng.choice([0, 0, 1, 8]))
        hostile[2:4] = len(hostile).to_bytes(2, "big")
        both(lambda hostile=bytes(hostile): codec.decode(hostile))


# What a match needs before it may have the others (OpenFlow 1.5.1 section 7.2.3.6).
_KINDS = (
    {"eth_type": 0x0800, "ip_proto": 6, "ip_dscp": 9, "ipv4_src": 7, "ipv4_dst": 8, "tcp_src": 80, "tcp_dst": 81},
    {"eth_type": 0x0806, "arp_op": 1, "arp_spa": 7, "arp_tpa": 9},
    {"eth_type": 0x86DD, "ip_proto": 58, "icmpv6_type": 135, "icmpv6_code": 0, "ipv6_src": 1 << 100},
    {"vlan_vid": 0x1007, "vlan_pcp": 3, "metadata": 1 << 60, "in_port": 7, "eth_src": 1 << 40, "mpls_bos": 1},
)


@settings(max_examples=600, deadline=None)
@given(seed=SEEDS)
def test_matches_alike(seed: int) -> None:
    """Those that can be: written, read, and read again with other values under the same headers."""
    rng = random.Random(seed)
    version = rng.choice(VERSIONS)
    match: dict[str, Any] = {}
    for name, usual in rng.choice(_KINDS).items():
        limit = FIELDS[name].limit
        if name not in ("eth_type", "ip_proto") and rng.randrange(5) == 0:
            continue
        value = usual if rng.randrange(2) else rng.choice([0, limit, limit + 1, rng.randrange(limit + 1)])
        if version >= 3 and FIELDS[name].maskable and rng.randrange(3) == 0:
            mask = rng.choice([limit, rng.randrange(limit + 1)])
            match[name] = (value & (mask if rng.randrange(8) else limit), mask)
        else:
            match[name] = usual if name in ("eth_type", "ip_proto") else value
    _, found = both(lambda: codec.encode(FlowMod(match=match), 1, version))
    if not isinstance(found[0], bytes):
        return
    data = bytearray(found[0])
    both(lambda: codec.decode(bytes(data)))
    for _ in range(4):
        at = rng.randrange(48 if version >= 3 else 8, len(data))
        data[at] = rng.choice([0, 255, rng.randrange(256)])
        both(lambda: codec.decode(bytes(data)))


def test_shapes_of_a_match() -> None:
    """One plan serves every match of a shape; these differ in what it must look at."""
    for version in VERSIONS:
        for port in (0, 1, 0xFEFF, 0xFF00, 0xFFFFFEFF, 0xFFFFFFFD, 1 << 32):
            both(lambda port=port, v=version: codec.encode(FlowMod(match={"in_port": port}), 1, v))
        for vid in (0, 1, 0xFFF, 0x1000, 0x1FFF, 0x2000):
            both(lambda vid=vid, v=version: codec.encode(FlowMod(match={"vlan_vid": vid}), 1, v))
        for kind in (0x0800, 0x86DD, 0x0806, 7):
            for dscp in (0, 1, 63, 64):
                match = {"eth_type": kind, "ip_dscp": dscp}
                both(lambda match=match, v=version: codec.encode(FlowMod(match=match), 1, v))
        for value, mask in ((5, 5), (5, 4), (0, 0), (1 << 48, 1 << 48), (1, (1 << 48) - 1)):
            match = {"eth_src": (value, mask)}
            both(lambda match=match, v=version: codec.encode(FlowMod(match=match), 1, v))
    for field, value in (("vlan_vid", 0x2001), ("vlan_pcp", 8), ("mpls_bos", 2), ("ip_ecn", 4)):
        data = codec.encode(FlowMod(match={field: 0}), 1, V13)
        size = FIELDS[field].size
        hostile = data[:56] + value.to_bytes(size, "big") + data[56 + size :]
        assert both(lambda hostile=hostile: codec.decode(hostile))[0] == "ProtocolError"


@pytest.mark.parametrize("behind", range(17))
def test_padding_at_the_end_of_a_list(behind: int) -> None:
    """Properties are followed by up to seven octets of padding, of which the last ones may be missing."""
    for kind in (2, 3, 11):
        data = HEADER.pack(V15, 0, 8 + 8 + behind, 1) + bytes([0, kind, 0, 5 + behind % 8]) + bytes(4 + behind)
        both(lambda data=data: codec.decode(data))
        short = data[: len(data) - behind]
        short = short[:2] + len(short).to_bytes(2, "big") + short[4:]
        both(lambda short=short: codec.decode(short))


@settings(max_examples=300, deadline=None)
@given(body=st.binary(max_size=120), kind=st.integers(0, 40), version=st.sampled_from(VERSIONS))
def test_noise_read_alike(body: bytes, kind: int, version: int) -> None:
    both(lambda: codec.decode(HEADER.pack(version, kind, 8 + len(body), 1) + body))


def test_every_record_is_compiled_or_known_not_to_be() -> None:
    """Those that are not say so here, lest one falls back unseen."""
    left: set[str] = set()
    for home in FAMILIES:
        for record, entry in home.entries.items():
            for version in VERSIONS:
                if entry.number(version) is not None:
                    made = codec._make_writer(record, version), codec._make_reader(record, version)
                    left |= {record.__name__ for one in made if "_core" not in type(one).__module__}
    nested = {r.__name__ for r in HOMES if any(item.kind == "nested" for item in r.WIRE)}
    assert left - nested == {"Error", "Learn2"}


def test_usual_messages_need_no_fallback() -> None:
    """What a busy controller writes and reads, the generated functions refusing to be made."""

    def refuse(*_: Any) -> Any:
        raise AssertionError("generated code was asked for")

    made = generate.make
    generate.make = refuse  # type: ignore[assignment]
    try:
        for version in VERSIONS:
            flow = FlowMod(
                match={"in_port": 1, "eth_src": 2 << 40, "eth_dst": 3}, actions=[Output(0xFFFFFFFB)], cookie=9
            )
            packet = PacketIn(buffer_id=5, in_port=48, total_len=60, data=bytes(60))
            for msg in (flow, packet, PacketOut.answering(packet, [Output(3)])):
                writer = codec._make_writer(type(msg), version)
                data = writer(msg, 1)
                codec._make_reader(type(msg), version)(data, 0, len(data))
    finally:
        generate.make = made  # type: ignore[assignment]


def test_deep_nesting() -> None:
    clone = next(r for r in ACTION.entries if r.__name__ == "Clone")
    for depth in (2, 15, 16, 17, 40):
        action: Any = Output(1)
        for _ in range(depth):
            action = clone(actions=[action])
        kind, found = both(lambda action=action: codec.encode(FlowMod(actions=[action]), 1, V13))
        assert kind == ""
        kind, _ = both(lambda found=found: codec.decode(found[0]))
        assert kind == ("ProtocolError" if depth > 14 else "")


@pytest.mark.parametrize("size", [0, 13, 14, 60])
def test_frame_fields(size: int) -> None:
    data = bytes(range(1, size + 1))
    for given_data in (data, bytearray(data), memoryview(data)):
        msg = PacketIn(data=given_data)  # type: ignore[arg-type]
        whole = size >= 14
        assert msg.eth_dst == (0x010203040506 if whole else 0)
        assert msg.eth_src == (0x0708090A0B0C if whole else 0)
        assert msg.eth_type == (0x0D0E if whole else 0)
    assert "destination" in str(PacketIn.eth_dst.__doc__)


# -- the pump ------------------------------------------------------------------------------------------------------


class Log:
    """A pump, and what it called."""

    def __init__(self, pump: Any, version: int, hot: dict[int, Callable[[Any, Any], Any]]) -> None:
        self.calls: list[Any] = []
        self.pump = pump(version, self, self.cold, self.odd, self.failed)
        for kind, handler in hot.items():
            self.pump.set_hot(kind, handler)

    def cold(self, frame: bytes) -> bytes | None:
        self.calls.append(("cold", frame))
        if frame[-1:] == b"\xee":
            raise ProtocolError("no", "OFPBRC_BAD_TYPE")
        return frame if frame[1] == 2 else b"" if frame[1] & 1 else None

    def odd(self, msg: Any, result: Any) -> None:
        self.calls.append(("odd", msg, type(result).__name__))
        if hasattr(result, "close"):
            result.close()

    def failed(self, msg: Any, error: BaseException) -> None:
        self.calls.append(("failed", msg, type(error).__name__, str(error)))

    def feed(self, data: bytes) -> None:
        self.calls.append(("fed", outcome(lambda: self.pump.feed(data)), self.pump.pending, self.pump.stopped))


async def _coroutine() -> None:
    await asyncio.sleep(0)


def handler(log: Log, msg: Any) -> Any:
    """What it does is in the message."""
    log.calls.append(("hot", msg))
    flow = FlowMod(match={"in_port": 3}, actions=[Output(1)], buffer_id=msg.buffer_id)
    bad = FlowMod(priority=1 << 16)
    match msg.total_len:
        case 0:
            return flow
        case 1:
            return None
        case 2:
            return [flow, PacketOut(data=b"x"), flow]
        case 3:
            return (flow, bad)
        case 4:
            return bad
        case 5:
            return _coroutine()
        case 6:
            raise ValueError("on purpose")
        case 7:
            return [flow, None]
        case 8:
            return "text"
        case 9:
            log.pump.stopped = True
            return flow
        case 10:
            log.pump.feed(b"")
        case 11:
            log.pump.set_hot(10, None)
            return flow
        case 12:
            log.pump.set_hot(10, lambda s, m: (s.pump.set_hot(10, handler), flow)[1])
            return flow
        case 13:
            return PacketOut(data=bytes(0x10000))
        case 14:
            return FlowMod(match={"no such field": 1})
        case 15:
            return [flow] * 300
    return flow


def run_pump(pump: Any, version: int, chunks: list[bytes]) -> list[Any]:
    log = Log(pump, version, {10: handler})
    for chunk in chunks:
        log.feed(chunk)
    return log.calls


@settings(max_examples=300, deadline=None)
@given(seed=SEEDS)
def test_pumps_do_the_same(seed: int) -> None:
    rng = random.Random(seed)
    version = rng.choice(VERSIONS)
    frames = []
    for n in range(rng.randrange(1, 20)):
        behaviour = rng.choice([0, 0, 1, 2, *range(16)])
        packet = PacketIn(buffer_id=n, total_len=behaviour, in_port=n, data=rng.randbytes(rng.choice([0, 20, 60])))
        frames.append(codec.encode(packet, n, version))
        if rng.randrange(4) == 0:
            body = rng.randbytes(rng.randrange(20)) + (b"\xee" if rng.randrange(16) == 0 else b"\0")
            other = version if rng.randrange(2) else rng.randrange(8)
            frames.append(HEADER.pack(other, rng.choice([2, 3, 4, 10, 10, 70]), 8 + len(body), n) + body)
    if rng.randrange(8) == 0:
        frames.append(HEADER.pack(version, 10, rng.randrange(8), 1))
    stream = b"".join(frames)
    chunks = []
    while stream:
        size = rng.choice([1, 3, 8, 40, 100, 1000, len(stream)])
        chunks.append(stream[:size])
        stream = stream[size:]
    compiled = run_pump(core.Pump, version, chunks)
    with pure():
        generated = run_pump(PythonPump, version, chunks)
    assert compiled == generated


def test_transaction_ids_of_the_upper_half() -> None:
    packet = codec.encode(PacketIn(), 1, V10)
    for pump in (core.Pump, PythonPump):
        log = Log(pump, V10, {10: lambda s, m: FlowMod()})
        out = log.pump.feed(packet * 3)
        assert [xid for _, xid, _ in codec.decode_many(out)] == [FIRST_XID + 1, FIRST_XID + 2, FIRST_XID + 3]


def test_what_is_no_exception_goes_through() -> None:
    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    for pump in (core.Pump, PythonPump):
        log = Log(pump, V10, {10: interrupted})
        with pytest.raises(KeyboardInterrupt):
            log.pump.feed(codec.encode(PacketIn(), 1, V10))
        assert log.pump.stopped
        assert log.pump.feed(b"more") == b""
        assert not log.calls


def test_arguments_are_looked_at() -> None:
    for pump in (core.Pump, PythonPump):
        log = Log(pump, V10, {})
        for kind in (-1, 64, 256):
            with pytest.raises(ValueError, match="no message has type"):
                log.pump.set_hot(kind, handler)
        with pytest.raises(TypeError):
            log.pump.feed("text")


def test_a_pump_in_a_cycle_is_collected() -> None:
    log = Log(core.Pump, V10, {})
    log.pump.set_hot(10, lambda s, m, pump=log.pump: pump)
    gone = weakref.ref(log)
    del log
    gc.collect()
    assert gone() is None


_LEAKS = """
import resource, sys
from segue.openflow import codec, FlowMod, Output, PacketIn, PacketOut, SetField
from segue.openflow.core import Pump
def rss():
    with open("/proc/self/statm") as f:
        return int(f.read().split()[1]) * 4096
def behave(switch, msg):
    n = msg.buffer_id & 7
    whole = 0xffffffffffff
    if n == 0: return FlowMod(match={"in_port": msg.in_port, "eth_src": (msg.eth_src, whole)}, actions=[Output(1)])
    if n == 1: return [FlowMod(priority=-1), None]
    if n == 2: raise ValueError("x" * 100)
    actions = [SetField("eth_dst", 7), Output(msg.buffer_id)]
    if n == 3: return FlowMod(match={"ipv6_src": msg.buffer_id << 90}, actions=actions)
    if n == 4: return [PacketOut.answering(msg, [Output(1)]) for _ in range(3)]
    if n == 5: return "odd" + str(msg)
    if n == 6: return FlowMod(match={"x" + str(msg.buffer_id): 1})
for version in (1, 4, 6):
    pump = Pump(version, None, lambda f: f, lambda *a: None, lambda *a: None)
    pump.set_hot(10, behave)
    packets = [PacketIn(buffer_id=n + 1000, in_port=n + 300, data=bytes(60)) for n in range(64)]
    data = b"".join(codec.encode(packet, 7, version) for packet in packets)
    broken = data[:200] + bytes(6) + data[206:300]
    def work(rounds):
        for n in range(rounds):
            pump.feed(data[:333]); pump.feed(data[333:]); pump.feed(codec.encode(FlowMod(), 1, version))
            for frame in (data[:100], data[:110]):
                try: codec.decode(frame[:2] + len(frame).to_bytes(2, "big") + frame[4:])
                except ValueError: pass
            try: Pump(version, None, lambda f: f, None, None).feed(broken)
            except ValueError: pass
    work(400)
    before = rss()
    work(int(sys.argv[1]))
    grown = rss() - before
    print(version, grown)
    assert grown < 1 << 20, grown
"""


def test_nothing_leaks() -> None:
    """Messages of each kind, right and wrong ones: memory stays what it is."""
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-c", _LEAKS, os.environ.get("SEGUE_LEAK_ROUNDS", "1500")],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
