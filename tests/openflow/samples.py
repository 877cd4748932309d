"""Instances of every record, made from its declaration: one with a value of its own in each field, and a Hypothesis
strategy for any.

`sample(record, version)` fills each field that the version has with something that is not its default, and never the
same twice, so that fields which are mixed up show. Numbers that have names get one of those, as other parties refuse
what they cannot name. `instances(record, version)` is the strategy; it draws all that an item of the layout can carry.

`EXCEPTIONS` has what a declaration does not tell: fields with a form of their own, and those whose values
depend on one another.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from functools import cache
from typing import Any, Protocol, TypeVar

from hypothesis import strategies as st

import segue.openflow.protocol as p
from segue.openflow.codec import CODEC
from segue.openflow.declare import FAMILIES, HOMES, MESSAGES, REPLIES, REQUESTS, Family, Item, Record, layout
from segue.openflow.names import Flags, Numbers
from segue.openflow.protocol import nicira_ct as ct
from segue.openflow.protocol import nicira_encap as en
from segue.openflow.protocol import nicira_learn as le
from segue.openflow.protocol.basic import EXPERIMENTER_ERROR, HELLO_ELEMENT, VersionBitmap
from segue.openflow.protocol.nicira_forms import Subfield
from segue.openflow.wire import HEADER, V10, V11, V12, V15, VERSIONS

for _module in pkgutil.iter_modules(p.__path__):
    importlib.import_module(f"{p.__name__}.{_module.name}")

T = TypeVar("T")
_BITS = {"u8": 8, "u16": 16, "u32": 32, "u64": 64, "mac": 48, "ipv4": 32, "port": 32, "port16": 32}
_DEEPEST = 3
GROUP_FEATURES = ("GroupFeaturesReply", "NxGroupFeaturesReply")


class Chooser(Protocol):
    """Where values come from."""

    def number(self, least: int, most: int) -> int: ...

    def octets(self, least: int, most: int) -> bytes: ...

    def text(self, most: int) -> str: ...

    def one(self, options: list[T]) -> T: ...

    def some(self, options: list[T], most: int) -> list[T]:
        """Which of `options` to put into a list, for `most` elements."""
        ...

    def named(self, names: type[Numbers], bits: int) -> int: ...


class Counter:
    """Values that count up, so that no two fields have the same."""

    def __init__(self, start: int = 0) -> None:
        self.at = start

    def _next(self) -> int:
        self.at += 1
        return self.at

    def number(self, least: int, most: int) -> int:
        value = 0x11 * self._next()
        return least + value % (most - least + 1)

    def octets(self, least: int, most: int) -> bytes:
        return bytes(self._next() % 0xFF + 1 for _ in range(max(least, min(most, 8))))

    def text(self, most: int) -> str:
        return f"text {self._next()}"[:most]

    def one(self, options: list[T]) -> T:
        return options[self._next() % len(options)]

    def some(self, options: list[T], most: int) -> list[T]:
        return options[:most]

    def named(self, names: type[Numbers], bits: int) -> int:
        reserved = max(1 << bits - 1, 0xFF)  # where only what stands for something has a name, others are meant, too
        known = sorted({value for value in names.all_names().values() if 0 < value < 1 << bits})
        if len(known) == 1 and 0 in names.all_names().values():
            known.append(0)
        if not known or known[0] >= reserved:
            return self.number(1, min(0xFE, (1 << bits) - 1))
        if issubclass(names, Flags):
            return known[self._next() % len(known)]
        return known[min(self._next() % 3, len(known) - 1)]


class Drawn:
    """Values that Hypothesis chooses."""

    def __init__(self, draw: Callable[[st.SearchStrategy[Any]], Any]) -> None:
        self.draw = draw

    def number(self, least: int, most: int) -> int:
        return int(self.draw(st.integers(least, most)))

    def octets(self, least: int, most: int) -> bytes:
        return bytes(self.draw(st.binary(min_size=least, max_size=min(most, 24))))

    def text(self, most: int) -> str:
        letters = st.text(
            st.characters(min_codepoint=1, max_codepoint=0x2FF, exclude_categories=["Cs"]), max_size=most // 2
        )
        return str(self.draw(letters))

    def one(self, options: list[T]) -> T:
        return options[self.number(0, len(options) - 1)]

    def some(self, options: list[T], most: int) -> list[T]:
        return [self.one(options) for _ in range(self.number(0, 2))] if options else []

    def named(self, names: type[Numbers], bits: int) -> int:
        if self.number(0, 1):
            return self.number(0, (1 << bits) - 1)
        return self.one([value for value in names.all_names().values() if value < 1 << bits] or [1])


def places() -> list[tuple[type[Record], int]]:
    """Every record of every family in each version that has it."""
    found = []
    for home in FAMILIES:
        for record, entry in home.entries.items():
            found += [
                (record, version)
                for version in VERSIONS
                if entry.number(version) is not None and known(record, version)
            ]
    return found


def known(record: type[Record], version: int) -> bool:
    """Whether something of `version` can hold the record: families of properties do not all say since when they are."""
    home = HOMES[record]
    return home in (MESSAGES, REQUESTS, REPLIES) or home in _families_of(version)


@cache
def _families_of(version: int) -> frozenset[Family]:
    found: set[Family] = set()
    seen: set[type[Record]] = set()

    def look(record: type[Record]) -> None:
        if record in seen:
            return
        seen.add(record)
        for item in layout(record, version):
            of = CODEC.instruction_family if item.kind == "instructions" else item.of
            if isinstance(of, Family):
                found.add(of)
                for member, entry in of.entries.items():
                    if entry.number(version) is not None:
                        look(member)
            elif isinstance(of, type) and issubclass(of, Record):
                look(of)
            elif record is p.Hello and item.names == ("elements",):
                found.add(HELLO_ELEMENT)

    for home in (MESSAGES, REQUESTS, REPLIES):
        for record, entry in home.entries.items():
            if entry.number(version) is not None:
                look(record)
    return frozenset(found)


def sample(record: type[Record], version: int, start: int = 0) -> Any:
    """An instance with a value of its own in every field that the version has."""
    return build(record, version, Counter(start))


@st.composite
def instances(draw: Callable[[st.SearchStrategy[Any]], Any], record: type[Record], version: int) -> Any:
    """Any instance."""
    return build(record, version, Drawn(draw))


def build(record: type[Record], version: int, choose: Chooser, depth: int = 0) -> Any:
    given: dict[str, Any] = {}
    for item in layout(record, version):
        _fill(record, item, version, choose, depth, given)
    if HOMES.get(record) in (REQUESTS, REPLIES):
        given["flags"] = choose.number(0, 1)
    whole = WHOLE.get(record.__name__)
    if whole is not None:
        whole(given, version, choose)
    return record(**given)


def _fill(record: type[Record], item: Item, version: int, choose: Chooser, depth: int, given: dict[str, Any]) -> None:
    if not item.names:
        return
    name = item.names[0]
    special = EXCEPTIONS.get(f"{record.__name__}.{name}")
    if special is not None:
        given[name] = special(version, choose)
    elif item.kind in ("port", "port16"):
        short = item.kind == "port16" or version == V10
        given[name] = choose.number(1, 0xFEFF if short else 0xFFFFFFFF)
    elif item.kind in _BITS:
        bits = _BITS[item.kind]
        given[name] = choose.named(item.of, bits) if item.of is not None else choose.number(0, (1 << bits) - 1)
    elif item.kind in _FILL:
        _FILL[item.kind](item, version, choose, given)
    elif item.kind in ("one", "many", "trailer", "instructions"):
        _records(item, version, choose, depth, given)
    elif item.kind == "nested":
        given[name] = build(p.GroupMod if version >= V11 else p.NxGroupMod, version, choose, depth + 1)
        given[item.names[1]] = choose.one([None, 77])
    else:
        raise AssertionError(f"{record.__name__}.{name}: how is this {item.kind} filled?")


def _records(item: Item, version: int, choose: Chooser, depth: int, given: dict[str, Any]) -> None:
    of: Any = CODEC.instruction_family if item.kind == "instructions" else item.of
    if item.kind == "one":
        given[item.names[0]] = build(of, version, choose, depth + 1)
        return
    options: list[type[Record]] = [of, of]
    if isinstance(of, Family):
        options = [member for member, entry in of.entries.items() if entry.number(version) is not None]
        if depth > 1:
            options = [member for member in options if not _nests(member, version)]
        if not options and of.unknown is not None:
            given[item.names[0]] = (of.unknown(0xFFFF, choose.octets(12, 12)),)
            return
    chosen = choose.some(options, 3) if depth < _DEEPEST else []
    given[item.names[0]] = tuple(build(one, version, choose, depth + 1) for one in chosen)


def _nests(record: type[Record], version: int) -> bool:
    return any(item.kind in ("many", "trailer", "instructions", "nested") for item in layout(record, version))


# -- items ---------------------------------------------------------------------------------------------------------


def match(version: int, choose: Chooser) -> dict[str, Any]:
    found: dict[str, Any] = {"in_port": choose.number(1, 0xFEFF), "eth_dst": choose.number(0, (1 << 48) - 1)}
    found |= {"eth_type": 0x0800, "ip_proto": 6}
    hidden = choose.number(8, 24)
    mask = 0xFFFFFFFF ^ (1 << hidden) - 1
    found["ipv4_src"] = (choose.number(0, 0xFFFFFFFF) & mask, mask)
    found["tcp_dst"] = choose.number(0, 0xFFFF)
    return found


def nxm(choose: Chooser) -> dict[str, Any]:
    found = match(V12, choose)
    del found["in_port"]
    return {"in_port_nxm": choose.number(1, 0xFEFF), **found, "reg3": choose.number(0, 0xFFFFFFFF)}


def stats(choose: Chooser) -> dict[str, Any]:
    times = {name: (choose.number(1, 999), choose.number(1, 999_999_999)) for name in ("duration", "idle_time")}
    return times | {name: choose.number(1, 0xFFFFFFFF) for name in ("flow_count", "packet_count", "byte_count")}


def _counters(item: Item, choose: Chooser, given: dict[str, Any]) -> None:
    found = stats(choose)
    told = {**found, "duration_sec": found["duration"][0], "duration_nsec": found["duration"][1]}
    given[item.names[0]] = found
    given.update({name: told[name] for name in item.names[1:]})


def _in_port(item: Item, version: int, choose: Chooser, given: dict[str, Any]) -> None:
    found = match(version, choose)
    given.update(zip(item.names, (found, found["in_port"]), strict=True))


def _oxm(item: Item, choose: Chooser, given: dict[str, Any]) -> None:
    name, bits = choose.one([("eth_dst", 48), ("ipv4_src", 32), ("tcp_dst", 16), ("ipv6_dst", 128)])
    whole = item.until < V15  # of SetField, as it was before OpenFlow 1.5
    value, mask = (
        choose.number(0, (1 << bits) - 1),
        None if whole else choose.one([None, choose.number(1, (1 << bits) - 1)]),
    )
    given.update(zip(item.names, (name, value if mask is None else value & mask, mask), strict=True))


def _ofs_nbits(item: Item, choose: Chooser, given: dict[str, Any]) -> None:
    given.update(zip(item.names, (choose.number(1, 1023), choose.number(2, 64)), strict=True))


FIELD_NAMES = ["eth_dst", "reg1", "ipv4_src", "tcp_dst", "reg2", "tunnel_id"]
_Fill = Callable[[Item, int, Chooser, dict[str, Any]], None]


def _value(make: Callable[[Item, int, Chooser], Any]) -> _Fill:
    def fill(item: Item, version: int, choose: Chooser, given: dict[str, Any]) -> None:
        given[item.names[0]] = make(item, version, choose)

    return fill


_FILL: dict[str, _Fill] = {
    "text": _value(lambda item, _, choose: choose.text(item.size)),
    "blob": _value(lambda item, _, choose: choose.octets(item.size, item.size)[: item.size]),
    "data": _value(lambda _i, _v, choose: choose.octets(0, 8)),
    "match": _value(lambda _, version, choose: match(version, choose)),
    "nxm": _value(lambda _i, _v, choose: nxm(choose)),
    "oxm_id": _value(lambda _i, _v, choose: choose.one(FIELD_NAMES[:5])),
    "nxm_id": _value(lambda _i, _v, choose: choose.one(FIELD_NAMES[:5])),
    "oxm_ids": _value(lambda _i, _v, choose: tuple(choose.some(["eth_dst", "ipv4_src/m", "tcp_dst"], 3))),
    "stats": _value(lambda _i, _v, choose: stats(choose)),
    "counters": lambda item, _, choose, given: _counters(item, choose, given),
    "in_port_match": _in_port,
    "oxm": lambda item, _, choose, given: _oxm(item, choose, given),
    "ofs_nbits": lambda item, _, choose, given: _ofs_nbits(item, choose, given),
}

# -- what a declaration does not tell ------------------------------------------------------------------------------

_Special = Callable[[int, Chooser], Any]
_Whole = Callable[[dict[str, Any], int, Chooser], None]


def _numbers(bits: int, count: int | None = None, least: int = 0) -> _Special:
    def make(_: int, choose: Chooser) -> Any:
        places = range(count) if count is not None else choose.some([1, 2, 3], 3)
        return tuple(choose.number(least, (1 << bits) - 1) for _ in places)

    return make


def _number(bits: int) -> _Special:
    return lambda _, choose: choose.number(0, (1 << bits) - 1)


def _field_name(_: int, choose: Chooser) -> str:
    return choose.one(["reg1", "eth_dst", "reg2", "tunnel_id"])


def _number_or_subfield(bits: int) -> _Special:
    def make(_: int, choose: Chooser) -> Any:
        part = Subfield("reg4", choose.number(0, 16), choose.number(1, 16))
        return choose.one([part, choose.number(1, (1 << bits) - 1)])

    return make


def _learn(_: int, choose: Chooser) -> tuple[Any, ...]:
    specs = [
        le.LearnMatch("eth_dst", "eth_src", choose.number(1, 48)),
        le.LearnMatch("vlan_tci", choose.number(0, 0xFFF), 12),
        le.LearnLoad("reg1", "in_port_nxm", 16, choose.number(1, 16)),
        le.LearnOutput("in_port_nxm", 16),
    ]
    return tuple(choose.some(specs, 4))


def _learn2(given: dict[str, Any], _: int, choose: Chooser) -> None:
    given["flags"] = choose.one([le.LearnFlags.WRITE_RESULT, le.LearnFlags.SEND_FLOW_REM | le.LearnFlags.WRITE_RESULT])
    given["result_dst"] = "reg5"


def _error(given: dict[str, Any], version: int, choose: Chooser) -> None:
    """A type that the version has, and a code that it has of that type."""
    experimenter = version >= V12 and choose.one([False, True, False])
    given["type"], given["code"] = (EXPERIMENTER_ERROR, choose.number(1, 0xFFFF)) if experimenter else (1, 6)
    given["experimenter"] = choose.number(0x10000, 0xFFFFFFFF) if experimenter else None
    given["data"] = HEADER.pack(version, 5, 8, choose.number(1, 99))


def _hello(given: dict[str, Any], version: int, choose: Chooser) -> None:
    """What Hello.data keeps is what has not the form of elements."""
    given["data"] = b""


def _nat(_: int, choose: Chooser) -> Any:
    low, high = choose.number(1, 0xFFFF), choose.number(1, 0xFFFF)
    return choose.one(
        [
            ct.NatRange(choose.number(1, 1 << 31), choose.number(1, 1 << 31), proto_min=low, proto_max=high),
            ct.NatRange(ipv6_min=choose.number(1, 1 << 127), proto_min=low),
        ]
    )


def _encap(_: int, choose: Chooser) -> Any:
    properties: list[Record] = [
        en.EdPropNshMdType(2),
        en.EdPropNshTlv(0x1000, choose.number(0, 255), choose.octets(0, 40)),
    ]
    return tuple(choose.some(properties, 2))


def _bare(version: int, choose: Chooser) -> dict[str, Any]:
    return match(version, choose) if version >= V12 else nxm(choose)


EXCEPTIONS: dict[str, _Special] = {
    "Hello.elements": lambda _, choose: (VersionBitmap((choose.number(1, 0x7F),)),),
    "VersionBitmap.bitmaps": _numbers(32),
    "Error.experimenter": lambda *_: None,
    "ControllerUri.uri": lambda _, choose: choose.text(40),
    "CtTupleSrc.address": lambda _, choose: 0xFFFF_0000_0000 | choose.number(0, 0xFFFFFFFF),
    "CtTupleDst.address": _number(128),
    "CtLabels.labels": _number(128),
    "CtLabelsMask.labels_mask": _number(128),
    "NxFlowMonitor.match": match,
    **{f"NxFlowUpdate{what}.match": match for what in ("Added", "Deleted", "Modified")},
    "PacketInMetadata.match": _bare,
    **{f"{record}.table_ids": _numbers(8) for record in ("TableNextTables", "TableNextTablesMiss", "TableSyncFrom")},
    **{f"{record}.{name}": _numbers(32, 4) for record in GROUP_FEATURES for name in ("max_groups", "actions")},
    "PortRecirculate.port_nos": _numbers(32),
    "MeterFeaturesReply.features": lambda _, choose: choose.one([choose.number(0, 3), None, 1]),
    "OutputReg.src": _field_name,
    "RegLoad.dst": _field_name,
    "Multipath.dst": _field_name,
    "BundleLoad.dst": _field_name,
    "DeleteField.field": _field_name,
    "DecTtlCntIds.cnt_ids": _numbers(16),
    "Bundle.members": lambda _, choose: tuple(choose.number(1, 0xFEFF) for _ in choose.some([1, 2, 3], 3)),
    "BundleLoad.members": lambda _, choose: tuple(choose.number(1, 0xFEFF) for _ in choose.some([1, 2, 3], 3)),
    "Ct.zone": _number_or_subfield(16),
    "Sample4.obs_domain_id": _number_or_subfield(32),
    "Sample4.obs_point_id": _number_or_subfield(32),
    "Nat.range": _nat,
    "Encap.props": _encap,
    "Learn.specs": _learn,
    "Learn2.specs": _learn,
    "Learn2.result_dst": lambda *_: "reg5",
    # What stands behind all that the version has: nothing, as nobody puts anything there.
    **{f"{record}.rest": lambda *_: b"" for record in ("FlowStatsRequest", "FlowDescRequest", "AggregateStatsRequest")},
    # Octets in actions are padded to a multiple of eight, and the padding is not told from them.
    "MeterExperimenter.data": lambda _, choose: choose.octets(8, 8),
    "Note.note": lambda _, choose: choose.octets(6, 6)[:6],
}
WHOLE: dict[str, _Whole] = {"Learn2": _learn2, "Error": _error, "Hello": _hello}
