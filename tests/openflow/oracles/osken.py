"""os-ken (the wheel os-ken==4.2.2): golden packets and a parser.

The wheel carries its tests. `packet_data/ofNN/*.packet` are messages made by hand, by a C program, by an Erlang library
and by ovs-ofctl; `unit/ofproto/json/ofNN` is the same as os-ken reads them, with os-ken's names. There are none for
OpenFlow 1.1, which os-ken does not speak. A few goldens are wrong on purpose or by accident (`Golden.whole`).

The parser is a controller's: for most messages from controller to switch there is none, and `parse` gives None. It is
not strict, so that it reads a message proves little; that it reads the same values proves more.
"""

import importlib
import importlib.util
import json
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

DIRECTORIES = {1: "of10", 3: "of12", 4: "of13", 5: "of14", 6: "of15"}


class Golden(NamedTuple):
    version: int
    name: str
    data: bytes
    json: dict[str, Any] | None

    @property
    def whole(self) -> bool:
        """Whether the header's length is that of the data."""
        return len(self.data) >= 8 and int.from_bytes(self.data[2:4], "big") == len(self.data)


class OsKenError(Exception):
    """os-ken has a parser for this message and it failed."""


@cache
def _home() -> Path | None:
    spec = importlib.util.find_spec("os_ken")
    places = spec.submodule_search_locations if spec else None
    return Path(next(iter(places))) if places else None


def available() -> str | None:
    home = _home()
    if home is None:
        return "os-ken is not installed"
    return None if (home / "tests" / "packet_data").is_dir() else "this os-ken came without its tests"


@cache
def goldens() -> list[Golden]:
    home = _home()
    found: list[Golden] = []
    if home is None or available():
        return found
    for version, directory in DIRECTORIES.items():
        readings = home / "tests" / "unit" / "ofproto" / "json" / directory
        for path in sorted((home / "tests" / "packet_data" / directory).glob("*.packet")):
            reading = readings / f"{path.name}.json"
            known = json.loads(reading.read_text()) if reading.exists() else None
            found.append(Golden(version, path.name.removesuffix(".packet"), path.read_bytes(), known))
    return found


def modules(version: int) -> tuple[Any, Any] | None:
    """os-ken's constants and its parser's classes (`OFPFlowMod` ...) of a version, None for 1.1."""
    if version not in DIRECTORIES:
        return None
    name = f"os_ken.ofproto.ofproto_v1_{version - 1}"
    return importlib.import_module(name), importlib.import_module(f"{name}_parser")


def datapath(version: int) -> Any:
    """What os-ken's message classes want as their first argument."""
    return importlib.import_module("os_ken.ofproto.ofproto_protocol").ProtocolDesc(version=version)


def has_parser(version: int, kind: int) -> bool:
    found = modules(version)
    return found is not None and kind in found[1]._MSG_PARSERS


def parse(data: bytes) -> dict[str, Any] | None:
    """The message as os-ken's `to_jsondict()`, `{class name: {field: value}}`; None where os-ken has no parser,
    OsKenError where it has one that fails."""
    version, kind, length = data[0], data[1], int.from_bytes(data[2:4], "big")
    if not has_parser(version, kind):
        return None
    found = modules(version)
    assert found is not None
    try:
        message = found[1].msg_parser(datapath(version), version, kind, length, int.from_bytes(data[4:8], "big"), data)
        reading: dict[str, Any] = message.to_jsondict()
    except Exception as error:  # os-ken's parsers fail with whatever their code runs into
        raise OsKenError(f"{type(error).__name__}: {error}") from error
    return reading


def serialize(message: Any) -> bytes:
    """The bytes of a message object made of os-ken's classes."""
    message.serialize()
    return bytes(message.buf)
