"""Messages that other parties made, for tests of what can be done with a message: JSON, and its schema."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache
from typing import NamedTuple

import segue.openflow.protocol
from segue.openflow import codec
from segue.openflow.declare import Message
from segue.openflow.wire import ProtocolError

from .oracles import osken, ovs_cases

for _module in pkgutil.iter_modules(segue.openflow.protocol.__path__):
    importlib.import_module(f"segue.openflow.protocol.{_module.name}")


class Judged(NamedTuple):
    """`again` is `data` as the codec writes it, which is the same but for padding that was not zero."""

    name: str
    data: bytes
    message: Message
    xid: int
    version: int
    again: bytes


@cache
def messages() -> list[Judged]:
    """os-ken's goldens, and Open vSwitch's test cases: all that the codec reads, each once. Empty where both are
    not at hand."""
    named = [(f"os-ken {golden.version} {golden.name}", golden.data) for golden in osken.goldens()]
    if not ovs_cases.available():
        named += [(f"ovs {case.name}", case.data) for case in ovs_cases.print_cases()]
        named += [(f"ovs sends {case.name}", case.data) for case in ovs_cases.sent_cases()]
    found: dict[bytes, Judged] = {}
    for name, data in named:
        if data not in found:
            try:
                message, xid, version = codec.decode(data)
            except ProtocolError:
                continue
            if version <= 6:
                again = codec.encode(message, xid, version)
                found[data] = Judged(name, data, message, xid, version, again)
    return list(found.values())
