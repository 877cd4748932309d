"""Messages of every kind, damaged in every simple way, to both ends, with and without the compiled core.

Whatever comes, the answer is events or a ProtocolError, the same from both, and however the stream is cut.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from .ends import LIBRARIES, SIDES, begin, feed, inputs, length_fields, spread

FEW = 48


def both_alike(side: str, data: bytes, version: int = 0) -> None:
    found = []
    for make in LIBRARIES.values():
        lib = make()
        events, sent, why = feed(lib, begin(lib, side, version or data[0]), data)
        found.append((repr(events), sent, why))
    assert found[0] == found[1], data.hex()


def of_known_versions() -> list[bytes]:
    return [data for data in inputs() if 1 <= data[0] <= 6]


@pytest.mark.parametrize("side", SIDES)
def test_whole(side: str) -> None:
    for data in of_known_versions():
        both_alike(side, data)


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("side", SIDES)
def test_one_byte_at_a_time(side: str, library: str) -> None:
    lib = LIBRARIES[library]()
    for data in of_known_versions():
        whole = feed(lib, begin(lib, side, data[0]), data)
        assert feed(lib, begin(lib, side, data[0]), data, 1) == whole


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("side", SIDES)
def test_cut_off_at_every_byte_and_then_silence(side: str, library: str) -> None:
    lib = LIBRARIES[library]()
    for data in of_known_versions():
        if len(data) < 8 or int.from_bytes(data[2:4], "big") != len(data):
            continue
        for cut in spread(len(data), FEW):
            connection = begin(lib, side, data[0])
            assert feed(lib, connection, data[:cut]) == ([], b"", "")
            assert connection.handle_timer(6.1) == []  # it asks whether anybody is there
            (dead,) = connection.handle_timer(16.2)
            assert isinstance(dead, lib.connection.Dead)
            assert connection.next_timer() is None


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("version", range(1, 7))
def test_one_after_the_other(side: str, version: int) -> None:
    stream = b"".join(data for data in inputs() if data[0] == version and int.from_bytes(data[2:4], "big") == len(data))
    assert len(stream) > 10_000
    found = []
    for make in LIBRARIES.values():
        lib = make()
        for step in (0, 1 + version, 1460):
            events, sent, why = feed(lib, begin(lib, side, version), stream, step)
            found.append((repr(events), sent, why))
    assert all(one == found[0] for one in found)


def lying_lengths() -> Iterator[bytes]:
    for data in of_known_versions():
        fields = length_fields(data)
        for at in (fields[n] for n in spread(len(fields), FEW // 4)):
            own = int.from_bytes(data[at : at + 2], "big")
            for lie in {0, 1, 4, 7, 8, max(0, own - 1), min(0xFFFF, own + 1), 0xFFFF} - {own}:
                yield data[:at] + lie.to_bytes(2, "big") + data[at + 2 :]


@pytest.mark.parametrize("side", SIDES)
def test_every_length_lies(side: str) -> None:
    lies = list(lying_lengths())
    assert len(lies) > 20_000
    for data in lies:
        both_alike(side, data)


@pytest.mark.parametrize("side", SIDES)
def test_every_byte_flipped(side: str) -> None:
    choice = random.Random(side)
    for data in of_known_versions():
        for at in spread(len(data), FEW):
            changed = bytearray(data)
            changed[at] ^= 1 << choice.randrange(8)
            both_alike(side, bytes(changed), data[0])


@pytest.mark.parametrize("side", SIDES)
def test_cut_short_with_a_length_that_is_true(side: str) -> None:
    for data in of_known_versions():
        for cut in spread(len(data), FEW):
            if cut >= 8:
                both_alike(side, data[:2] + cut.to_bytes(2, "big") + data[4:cut])


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("side", SIDES)
def test_before_the_hello(side: str, library: str) -> None:
    """The same bytes where a hello is awaited: a hello, or the end."""
    lib = LIBRARIES[library]()
    for data in inputs():
        connection = lib.connection.Connection(0.0, side=side)
        connection.data_to_send()
        events, _, why = feed(lib, connection, data)
        if data[1] != 0 and int.from_bytes(data[2:4], "big") == len(data):
            assert not events and why
