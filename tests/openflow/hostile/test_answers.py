"""Which error answers what, at a switch's end: the specification's, with the request's transaction id and at least 64
octets of it (OpenFlow 1.5.1 section 7.5.4). Open vSwitch is asked the same, and must say the same.

What a connection cannot know to be wrong, a type that its application may know, reaches the application, which refuses
it by name; that the name becomes the version's own numbers is asked of Open vSwitch too. A controller's end answers
nothing.
"""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from struct import pack
from typing import NamedTuple

import pytest

from apps.topology import Topology
from segue.openflow.protocol.errors import code_name
from segue.openflow.wire import NICIRA, V10, V11, V12, V13, V14, VERSIONS

from .bombs import message, with_actions, with_instructions
from .ends import LIBRARIES, begin, errors_in, feed

NOBODY = 0x00ABCDEF  # an experimenter's number that nobody has
MARK = 0xC0FFEE


class Case(NamedTuple):
    """`refused` is the name that an application refuses it by, where the connection passes it on."""

    name: str
    data: bytes
    error: str
    refused: str = ""


def multipart(version: int, kind: int, body: bytes = b"") -> bytes:
    head = pack(">HH", kind, 0) + (b"" if version == V10 else bytes(4))
    return message(version, 16 if version == V10 else 18, head + body)


def _flow_mod(version: int, match: bytes, instructions: bytes = b"") -> bytes:
    return message(version, 14, bytes(40) + match + instructions)


def cases(version: int) -> Iterator[Case]:
    later = VERSIONS[version % 6]
    long = bytes(range(200))
    yield Case("another version", message(later, 2, long), "OFPBRC_BAD_VERSION")
    yield Case("no version", message(0x70, 2, long), "OFPBRC_BAD_VERSION")
    for kind, size in (
        (9, 2),
        (13, 7),
        (14, 15),
        (15 if version == V10 else 16, 5),
        (4, 1),
        (16 if version == V10 else 18, 2),
    ):
        yield Case(f"too little in type {kind}", message(version, kind, long[:size]), "OFPBRC_BAD_LEN")
    for kind in (5, 7, 18 if version == V10 else 20):
        yield Case(f"too much in type {kind}", message(version, kind, long), "OFPBRC_BAD_LEN")
    if version >= V12:
        yield Case("a short role", message(version, 24, long[:8]), "OFPBRC_BAD_LEN")
    yield Case("an action of no length", with_actions(version, bytes(16)), "OFPBAC_BAD_LEN")
    yield Case("an action that is too long", with_actions(version, pack(">HH12x", 0, 24)), "OFPBAC_BAD_LEN")
    yield Case("an action of odd length", with_actions(version, pack(">HH12x", 0, 12)), "OFPBAC_BAD_LEN")
    yield Case("an output of 24 octets", with_actions(version, pack(">HH20x", 0, 24)), "OFPBAC_BAD_LEN")
    if version > V10:
        match = pack(">HH", 0, 88) + bytes(84) if version == V11 else pack(">HH4x", 1, 4)
        yield Case("an unknown type of match", _flow_mod(version, pack(">HH", 7, 88) + bytes(84)), "OFPBMC_BAD_TYPE")
        if version > V11:
            yield Case("instructions of no length", with_instructions(version, bytes(8)), "OFPBIC_BAD_LEN")
            yield Case("a long goto", with_instructions(version, pack(">HHB11x", 1, 16, 1)), "OFPBIC_BAD_LEN")
            yield Case("a match beyond the end", _flow_mod(version, pack(">HH4x", 1, 60)), "OFPBMC_BAD_LEN")
            twice = pack(">HHIIII", 1, 20, 0x80000004, 1, 0x80000004, 1) + bytes(4)
            yield Case("a field twice", _flow_mod(version, twice), "OFPBMC_DUP_FIELD")
            eth = pack(">HHIHIQ2x", 1, 22, 0x80000A02, 0x800, 0x80001708, 0x0A000001FFFFFF00)
            yield Case("a value beyond its mask", _flow_mod(version, eth), "OFPBMC_BAD_WILDCARDS")
        inner = match + pack(">HH4x", 4, 16) + bytes(8)
        yield Case("an action of no length in an instruction", _flow_mod(version, inner), "OFPBAC_BAD_LEN")
    if version >= V14:
        port = pack(">I4x6s2xII", 1, bytes(6), 0, 0)
        yield Case("a property of 3 octets", message(version, 16, port + pack(">HH4x", 0, 3)), "OFPBPC_BAD_LEN")
        yield Case("a property beyond the end", message(version, 16, port + pack(">HH4x", 0, 16)), "OFPBPC_BAD_LEN")

    # of what the application decides
    yield Case("an unknown type", message(version, 77, long), "OFPBRC_BAD_TYPE", "OFPBRC_BAD_TYPE")
    stat = "OFPBRC_BAD_STAT" if version < V13 else "OFPBRC_BAD_MULTIPART"
    yield Case("an unknown multipart", multipart(version, 99, long), stat, "OFPBRC_BAD_MULTIPART")
    vendor = "OFPBRC_BAD_VENDOR" if version == V10 else "OFPBRC_BAD_EXPERIMENTER"
    yield Case(
        "an unknown experimenter", message(version, 4, pack(">II", NOBODY, 1)), vendor, "OFPBRC_BAD_EXPERIMENTER"
    )
    subtype = "OFPBRC_BAD_SUBTYPE" if version < V12 else "OFPBRC_BAD_EXP_TYPE"
    yield Case(
        "an unknown message of an experimenter",
        message(version, 4, pack(">II", NICIRA, 999)),
        subtype,
        "OFPBRC_BAD_EXP_TYPE",
    )
    yield Case("an unknown action", with_actions(version, pack(">HH4x", 99, 8)), "OFPBAC_BAD_TYPE", "OFPBAC_BAD_TYPE")
    half = with_actions(version, pack(">HHI", 0xFFFF, 8, NICIRA))
    yield Case("half of an experimenter's action", half, "OFPBAC_BAD_LEN", "OFPBAC_BAD_LEN")
    if version > V11:
        unknown = with_instructions(version, pack(">HH4x", 99, 8))
        yield Case("an unknown instruction", unknown, "OFPBIC_UNKNOWN_INST", "OFPBIC_UNKNOWN_INST")
        field = pack(">HHI", 1, 9, 0x8000FE01) + bytes(8)
        yield Case("an unknown field", _flow_mod(version, field), "OFPBMC_BAD_FIELD", "OFPBMC_BAD_FIELD")


ALL = [(version, case) for version in VERSIONS for case in cases(version)]
each = pytest.mark.parametrize(("version", "case"), ALL, ids=lambda value: getattr(value, "name", value))


def ours(library: str, version: int, case: Case) -> list[tuple[int, int, int, bytes]]:
    lib = LIBRARIES[library]()
    connection = begin(lib, "switch", version)
    events, sent, why = feed(lib, connection, case.data)
    assert not why
    if case.refused:
        (event,) = events
        assert isinstance(event, lib.connection.Received) and not sent
        connection.refuse(event.xid, event.message, case.refused)
        sent = connection.data_to_send()
    return errors_in(sent)


@pytest.mark.parametrize("library", LIBRARIES)
@each
def test_the_answer(version: int, case: Case, library: str) -> None:
    ((kind, code, xid, quoted),) = ours(library, version, case)
    assert code_name(version, kind, code) == case.error
    assert xid == 7 and len(quoted) >= min(64, len(case.data)) and case.data.startswith(quoted[:64])


@each
def test_a_controller_does_not_answer(version: int, case: Case) -> None:
    for make in LIBRARIES.values():
        lib = make()
        _, sent, why = feed(lib, begin(lib, "controller", version), case.data)
        assert not why
        # A message in another version is the exception: both ends tell, as both agreed on one (section 6.3.1).
        assert [error[:2] for error in errors_in(sent)] == ([(1, 0)] if case.error == "OFPBRC_BAD_VERSION" else [])


# -- Open vSwitch --------------------------------------------------------------------------------------------------


class Wire:
    """A connection to a switch, one request at a time."""

    def __init__(self, path: Path, version: int) -> None:
        self.version = version
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(10)
        self.socket.connect(str(path))
        self.socket.sendall(message(version, 0, b""))
        self.kept = b""

    def frame(self) -> bytes:
        while len(self.kept) < 8 or len(self.kept) < int.from_bytes(self.kept[2:4], "big"):
            data = self.socket.recv(1 << 16)
            assert data, "Open vSwitch closed the connection"
            self.kept += data
        size = int.from_bytes(self.kept[2:4], "big")
        frame, self.kept = self.kept[:size], self.kept[size:]
        return frame

    def ask(self, data: bytes) -> list[bytes]:
        """All that is sent in answer."""
        self.socket.sendall(data + message(self.version, 2, b"", MARK))
        answers: list[bytes] = []
        while True:
            frame = self.frame()
            if (frame[1], frame[4:8]) == (3, MARK.to_bytes(4, "big")):
                return answers
            answers.append(frame)

    def close(self) -> None:
        self.socket.close()


@pytest.fixture(scope="module")
def switch() -> Iterator[Path]:
    with Topology(1, [], V13, [1]) as net:
        net.vsctl("set", "bridge", "s1", "protocols=" + ",".join(f"OpenFlow1{n}" for n in range(6)))
        path = net.directory / "s1.mgmt"
        end = time.monotonic() + 10
        while not path.exists() and time.monotonic() < end:
            time.sleep(0.05)
        yield path


@pytest.mark.root
@pytest.mark.parametrize("version", VERSIONS)
def test_open_vswitch_says_the_same(switch: Path, version: int) -> None:
    different = []
    asked = [case for case in cases(version) if case.error != "OFPBRC_BAD_VERSION"]  # there it closes the connection
    assert len(asked) > 10
    for case in asked:
        with contextlib.closing(Wire(switch, version)) as wire:
            theirs = errors_in(b"".join(frame for frame in wire.ask(case.data) if frame[1] == 1))
        said = [code_name(version, *error[:2]) for error in theirs]
        if said != [case.error]:
            different.append((case.name, case.error, said))
        else:
            assert theirs[0][2] == 7 and case.data.startswith(theirs[0][3][:64])
    assert different == []
