"""The examples of docs/openflow.md run, and say what the page says that they do."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from segue.openflow import (
    V13,
    BundleControl,
    DescReply,
    DescRequest,
    FlowMod,
    OnfBundleAddMessage,
    OnfBundleControl,
    PacketIn,
    PacketOut,
)
from segue.openflow.app import App
from segue.openflow.channel import listen
from segue.openflow.controller import Controller

from .channels import run, until
from .controllers import Peer, up

ROOT = Path(__file__).parent.parent.parent
TEXT = (ROOT / "docs" / "openflow.md").read_text()
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
PYTHON = [body for kind, body in BLOCKS if kind == "python"]
CONSOLE = [body for kind, body in BLOCKS if kind == "console"]


def _name(body: object) -> str:
    found = re.search(r'App\("(.*?)"', str(body))
    return found[1] if found else str(body).splitlines()[0][:30]


def _handle(peer: Peer, msg: Any, xid: int) -> bool:
    if isinstance(msg, DescRequest):
        peer.channel.send(DescReply(hw_desc="a test"), xid)
    elif isinstance(msg, (BundleControl, OnfBundleControl)):
        peer.channel.send(type(msg)(msg.bundle_id, msg.type + 1, msg.flags), xid)
    else:
        return False
    return True


@pytest.fixture(scope="module")
def switch() -> Iterator[tuple[str, list[Peer]]]:
    """One that waits for calls, in a thread of its own: its target, and the connections that it had."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    peers: list[Peer] = []

    def called(channel: Any) -> None:
        peers.append(Peer(7, handle=_handle))
        peers[-1]._opened(channel)

    async def start() -> Any:
        return await listen("ptcp:0:127.0.0.1", called, side="switch", versions={V13})

    async def end() -> None:
        listener.close()
        for peer in peers:
            peer.channel.abort()
        await asyncio.sleep(0.05)

    listener = asyncio.run_coroutine_threadsafe(start(), loop).result(10)
    yield listener.addresses[0], peers
    asyncio.run_coroutine_threadsafe(end(), loop).result(10)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(10)
    loop.close()


def test_there_are_examples() -> None:
    assert len(PYTHON) > 7
    assert len(CONSOLE) == 1


@pytest.mark.parametrize("body", PYTHON, ids=_name)
def test_python_runs(body: str, switch: tuple[str, list[Peer]], capsys: pytest.CaptureFixture[str]) -> None:
    target, peers = switch
    before = len(peers)
    space: dict[str, Any] = {"__name__": "example"}
    exec(compile(body.replace("tcp:192.0.2.1", target), "docs/openflow.md", "exec"), space)
    if "asyncio.run(" in body:
        assert len(peers) == before + 1
        said = capsys.readouterr().out
        assert "a test" in said or "<switch 0000000000000007, OpenFlow 1.3>" in said
        assert "client.bundle" not in body or any(isinstance(msg, OnfBundleAddMessage) for msg in peers[-1].seen)
    elif isinstance(space.get("app"), App):
        assert space["app"].handlers
    else:
        assert "assert" in body


@pytest.mark.parametrize(
    "body", [body for body in PYTHON if "@app.on(" in body and "asyncio.run(" not in body], ids=_name
)
def test_applications_work_in_a_controller(body: str, capsys: pytest.CaptureFixture[str]) -> None:
    space: dict[str, Any] = {"__name__": "example"}
    exec(compile(body, "docs/openflow.md", "exec"), space)

    async def main() -> None:
        controller = Controller([space["app"]])
        (target,) = await controller.start(["ptcp:0:127.0.0.1"])
        peer = await up(controller, Peer(handle=_handle), target, V13)
        peer.packet_in()
        await controller.switches[1].barrier()
        if space["app"].name == "hub":
            await until(lambda: bool(peer.got(FlowMod) and peer.got(PacketOut)))
        if space["app"].name == "counting":
            await until(lambda: space["counts"][controller.switches[1]] == 1)
        await controller.stop()
        assert controller.failures == 0
        assert "counts" not in space or not space["counts"]

    run(main)
    assert space["app"].name != "slow" or "a test" in capsys.readouterr().out


def test_the_hub_is_the_one_in_the_examples() -> None:
    source = (ROOT / "examples" / "hub.py").read_text()
    assert source.partition('"""\n\n')[2] == PYTHON[0]
    assert PacketIn.__name__ in source


def test_commands_say_what_the_page_says() -> None:
    for command, expected in re.findall(r"^\$ (.*)\n((?:[^$].*\n)*)", CONSOLE[0], re.MULTILINE):
        words = command.replace("segue ", f"{sys.executable} -m segue ")
        done = subprocess.run(words, shell=True, capture_output=True, text=True, check=True)
        assert done.stdout == expected, command
