"""One node with five ports in one network, with and without services, for the interpreter."""

from __future__ import annotations

from collections.abc import Mapping

from segue.compile.rules import NodeCompiler
from segue.encap import available
from segue.model.program import Group
from segue.model.view import TUNNEL_PLAIN, AnyRecord, NetworkRecord, PortRecord, SelfRecord
from segue.verify.interpreter import Program

NETWORK = 100
STRANGERS = (21, 22)
KEYS = (11, 12, 13, *STRANGERS)


def mac(key: int) -> int:
    return 0x020000000000 | key


def ip(key: int) -> int:
    return 0x0A000000 | key


def network() -> dict[str, AnyRecord]:
    """One node with five ports in one network."""
    records: dict[str, AnyRecord] = {
        "self": SelfRecord("n1", 1, "192.0.2.1"),
        f"network/{NETWORK}": NetworkRecord("net", NETWORK, ("n1",), (), 0),
    }
    for key in KEYS:
        addresses = ((4, ip(key)),)
        records[f"port/{key}"] = PortRecord(f"p{key}", key, NETWORK, "n1", mac(key), addresses, True, ())
    return records


def compiled(records: Mapping[str, AnyRecord], groups: Mapping[int, Group]) -> Program:
    compiler = NodeCompiler(available())
    for key, record in records.items():
        compiler.record(key, record)
    for number, key in enumerate(KEYS):
        compiler.bind(f"p{key}", 1 + number)
    compiler.bind(TUNNEL_PLAIN, 90)
    return Program(compiler.settle().added.values(), groups=groups)
