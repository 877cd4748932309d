"""Which releases of Open vSwitch are helped, and when; against a control socket of the test's own."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from segue.drivers.ovs.cache import Cache, faulty
from segue.drivers.ovs.control import ControlError, appctl


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        ("2.9.0", True),
        ("2.16.9", True),
        ("2.17.7", True),
        ("2.17.8", False),
        ("3.0.4", True),
        ("3.0.5", False),
        ("3.1.0", True),
        ("3.1.2", True),
        ("3.1.3", False),
        ("3.2.0", False),
        ("3.10.0", False),
        ("4.0.1", False),
    ],
)
def test_releases_with_the_fault(version: str, expected: bool) -> None:
    assert faulty(f"ovs-vswitchd (Open vSwitch) {version}\n") is expected


def test_what_cannot_be_read_is_taken_to_be_recent() -> None:
    assert not faulty("ovs-vswitchd of another maker")


class Daemon:
    """Answers commands in ``directory`` as ovs-vswitchd does; ``asked`` lists them."""

    def __init__(self, directory: Path, version: str) -> None:
        self.directory, self.version = directory, version
        self.asked: list[list[str]] = []

    async def __aenter__(self) -> Daemon:
        (self.directory / "ovs-vswitchd.pid").write_text("17\n")
        self._server = await asyncio.start_unix_server(self._serve, self.directory / "ovs-vswitchd.17.ctl")
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked = json.loads(await reader.readuntil(b"}"))
        self.asked.append([asked["method"], *asked["params"]])
        known = {"version": f"ovs-vswitchd (Open vSwitch) {self.version}\n", "revalidator/purge": ""}
        answer = known.get(asked["method"])
        error = None if answer is not None else f'"{asked["method"]}" is not a valid command\n'
        text = json.dumps({"id": asked["id"], "result": answer, "error": error}).encode()
        for part in (text[:9], text[9:]):
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(0.001)
        writer.close()


@pytest.fixture
def play(tmp_path: Path) -> Callable[[str, Callable[[Daemon], Coroutine[Any, Any, None]]], list[list[str]]]:
    def go(version: str, scene: Callable[[Daemon], Coroutine[Any, Any, None]]) -> list[list[str]]:
        async def main() -> list[list[str]]:
            async with Daemon(tmp_path, version) as daemon:
                await scene(daemon)
                return daemon.asked

        return asyncio.run(main())

    return go


@pytest.mark.parametrize(
    ("version", "datapath", "purges"),
    [("3.1.0", "netdev", 2), ("3.1.3", "netdev", 0), ("3.1.0", "system", 0), ("3.1.0", "", 0)],
)
def test_the_cache_is_emptied_where_it_must_be(play: Any, version: str, datapath: str, purges: int) -> None:
    async def scene(daemon: Daemon) -> None:
        cache = Cache(daemon.directory, datapath)
        await cache.examine()
        await cache.prepare()
        await cache.prepare()

    asked = play(version, scene)
    assert asked.count(["revalidator/purge"]) == purges


def test_nothing_is_asked_of_a_switch_that_was_not_examined(play: Any) -> None:
    async def scene(daemon: Daemon) -> None:
        await Cache(daemon.directory, "netdev").prepare()

    assert play("3.1.0", scene) == []


def test_a_command_that_is_refused_says_why(play: Any) -> None:
    async def scene(daemon: Daemon) -> None:
        with pytest.raises(ControlError, match=r'"no/such" is not a valid command$'):
            await appctl(daemon.directory, "no/such", "word")

    assert play("3.1.0", scene) == [["no/such", "word"]]


def test_a_switch_that_does_not_run_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ControlError, match="does not run"):
        asyncio.run(appctl(tmp_path, "version"))
    (tmp_path / "ovs-vswitchd.pid").write_text("17\n")
    with pytest.raises(ControlError, match="no control socket"):
        asyncio.run(appctl(tmp_path, "version"))
