"""Octets by parties that are not at hand when the tests run, kept in `kept.json` with what these were asked to write.

`open_vswitch`: flow mods that an ovs-ofctl wrote which is newer than the one installed. `openflow_1_1`: a flow mod of
OpenFlow 1.1, which neither os-ken nor Wireshark speaks, as one library wrote it and another read it. The file says of
both which versions these were and how they were asked.
"""

import json
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

_FILE = Path(__file__).with_name("kept.json")


class Kept(NamedTuple):
    """`wrote` says in the party's words what it was asked to write, `read` what it, or another, reads in `data`."""

    version: int
    wrote: str
    data: bytes
    read: str


def open_vswitch() -> list[Kept]:
    return _cases("open_vswitch")


def openflow_1_1() -> list[Kept]:
    return _cases("openflow_1_1")


def _cases(party: str) -> list[Kept]:
    return [
        Kept(one["version"], one["wrote"], bytes.fromhex("".join(one["octets"])), one["read"])
        for one in _all()[party]["cases"]
    ]


@cache
def _all() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(_FILE.read_text())
    return found
