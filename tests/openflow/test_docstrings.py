"""What the docstrings of the protocol's records say: where each comes from, and in what units its numbers are.

Whoever reads a record wants to look it up: its own docstring names a section of the specification, an extension's
number or the header that has it; that of the family or the module is not enough. Quantities are no good without their
unit or range, so the record that brings such a field names it in a clause that has one.
"""

import importlib
import pkgutil
import re
from collections.abc import Iterator, Mapping, Sequence
from inspect import get_annotations
from typing import Final

import pytest

from segue.openflow import protocol
from segue.openflow.declare import FAMILIES, Message, Record

for _module in pkgutil.iter_modules(protocol.__path__):
    importlib.import_module(f"{protocol.__name__}.{_module.name}")

SOURCE = re.compile(
    r"\bOpenFlow 1\.\d\.\d section [0-9A]+\.[0-9.]*\d"
    r"|\b(?:nicira-ext|netronome-ext|ofp-msgs|ofp-ed-props)\.h\b"
    r"|\blib/ofp-actions\.c\b"
    r"|\b(?:ONF|Open Networking Foundation's) extension (?:EXT-)?\d+"
)
# The sections that are about records, as the specifications' tables of contents have them.
SECTIONS: Final[Mapping[str, Mapping[str, Sequence[int]]]] = {
    "1.0.0": {"5.2": range(1, 5), "5.3": range(1, 8), "5.4": range(1, 5), "5.5": range(1, 5)},
    "1.1.0": {"A.2": range(1, 6)},
    "1.3.1": {"A.5": range(1, 5)},
    "1.3.5": {"7.2": range(1, 6), "7.3": range(1, 11), "7.3.4": range(1, 5), "7.3.5": range(1, 16), "7.4": range(1, 4)},
    "1.5.1": {
        "6.3": range(1, 9),
        "7.2": range(1, 8),
        "7.3": range(1, 11),
        "7.3.4": range(1, 6),
        "7.3.5": (18,),  # table features; of the others the name of the multipart message is told instead
        "7.4": range(1, 8),
        "7.5": range(1, 5),
    },
}
NAMED = re.compile(r"\b(1\.\d\.\d) sections? ([0-9A]+(?:\.\d+)*)")

QUANTITY = re.compile(
    r".*_timeout|duration.*|idle.*|hard_age|.*_n?sec|n?seconds|nanoseconds|rate|burst.*|.*_speed|.*max_len|miss_send_len"
    r"|(?:total|full|pkt|option)_len|.*_count|.*weight|priority|importance|interval|max_(?!link)\w+|limit|vacancy.*"
    r"|(?:rx|tx)_(?:packets|bytes)|(?:.*_)?pkts|probability|hdr_size|n_bits|n_buffers|n_tables"
)
UNIT = re.compile(
    r"\b(?:nano)?seconds\b|\boctets\b|\bpackets\b|\bkb\b|\bkb/s|\bbits\b|\bper cent\b|\bentries\b|\bcolours\b"
    r"|\bflow entries\b|\b\d\w* to \d\w*|\b0: |\b\d+ bits\b"
)


def _below(kind: type[Record]) -> Iterator[type[Record]]:
    for one in kind.__subclasses__():
        yield one
        yield from _below(one)


def records() -> list[type[Record]]:
    """Every member of a family, whatever else of the protocol has a layout, and what such things are derived from."""
    found = {entry.record for family in FAMILIES for entry in family.entries.values()}
    found |= {kind for kind in _below(Record) if kind.__module__.startswith(protocol.__name__)}
    return sorted(found - {Message}, key=lambda kind: (kind.__module__, kind.__qualname__))


def own_text(kind: type[Record]) -> str:
    return " ".join((kind.__dict__.get("__doc__") or "").split())


def own_quantities(kind: type[Record]) -> list[str]:
    return [name for name in get_annotations(kind) if QUANTITY.fullmatch(name)]


def clauses(text: str) -> list[str]:
    return re.split(r"(?<=\.)\s+(?=[A-Z`])|;\s+", text)


RECORDS = records()
QUANTITIES = [(kind, name) for kind in RECORDS for name in own_quantities(kind)]


def test_there_are_records_to_judge() -> None:
    assert len(RECORDS) > 350
    assert len(QUANTITIES) > 100
    assert {"FlowMod", "PacketIn", "PacketOut", "FlowStats", "Output", "NatRange"} <= {
        kind.__name__ for kind in RECORDS
    }


@pytest.mark.parametrize("kind", RECORDS, ids=lambda kind: kind.__name__)
def test_a_record_says_where_it_comes_from(kind: type[Record]) -> None:
    assert SOURCE.search(own_text(kind)), f"{kind.__module__}.{kind.__name__}: {own_text(kind)!r} names no source"


@pytest.mark.parametrize("kind", RECORDS, ids=lambda kind: kind.__name__)
def test_the_sections_that_it_names_exist(kind: type[Record]) -> None:
    for version, section in NAMED.findall(own_text(kind)):
        chapter, _, number = section.rpartition(".")
        assert int(number) in SECTIONS[version].get(chapter, ()), f"{kind.__name__}: {version} has no section {section}"


@pytest.mark.parametrize(("kind", "name"), QUANTITIES, ids=[f"{kind.__name__}.{name}" for kind, name in QUANTITIES])
def test_a_quantity_has_a_unit_or_a_range(kind: type[Record], name: str) -> None:
    told = [clause for clause in clauses(own_text(kind)) if f"`{name}`" in clause]
    assert told, f"{kind.__name__}: the docstring does not mention `{name}`"
    assert any(UNIT.search(clause) for clause in told), f"{kind.__name__}.{name}: no unit, no range in {told}"
