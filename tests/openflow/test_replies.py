"""What type checkers are told of `request`, against what it does."""

import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any, get_overloads, get_type_hints

from segue.openflow import Message
from segue.openflow.pairing import pairs
from segue.openflow.replies import Requesting
from segue.openflow.wire import VERSIONS

ASKING = {
    "Channel": "segue.openflow.channel",
    "Switch": "segue.openflow.controller",
    "OpenFlowClient": "segue.openflow.client",
}


def paired() -> dict[type[Any], set[type[Any]]]:
    found: dict[type[Any], set[type[Any]]] = {}
    for version in VERSIONS:
        for request, reply in pairs(version).reply_to.items():
            found.setdefault(request, set()).add(reply)
    return found


def test_every_request_is_told_with_its_reply_and_nothing_else_is() -> None:
    named = SimpleNamespace(__module__=Requesting.__module__, __qualname__="Requesting.__call__")  # it has no body
    hints = [get_type_hints(overload) for overload in get_overloads(named)]  # type: ignore[arg-type]
    told = {hint["msg"]: hint["return"] for hint in hints}
    assert len(told) == len(hints)
    assert told.pop(Message) is Any
    assert {request: {reply} for request, reply in told.items()} == paired()


def test_a_type_checker_knows_each_reply_and_what_is_no_request(tmp_path: Path) -> None:
    replies: dict[type[Any], Any] = {request: reply for request, (reply,) in paired().items()} | {Message: None}
    lines = ["from segue.openflow import FlowMod, Message"]
    lines += [f"from {module} import {asking}" for asking, module in ASKING.items()]
    lines += [f"from {request.__module__} import {request.__name__}" for request in replies]
    expected: dict[int, str] = {}
    for asking in ASKING:
        for request, reply in replies.items():
            lines.append(f"async def of_{len(lines)}(asking: {asking}, msg: {request.__name__}) -> None:")
            lines.append("    reveal_type(await asking.request(msg, timeout=2.5))")
            name = "Any" if reply is None else f"{reply.__module__}.{reply.__qualname__}"
            expected[len(lines)] = f'note: Revealed type is "{name}"'
        lines.append(f"async def wrong_{len(lines)}(asking: {asking}) -> None:")
        lines.append("    await asking.request(FlowMod)")
        expected[len(lines)] = 'error: No overload variant of "__call__" of "Requesting" matches argument type'
    file = tmp_path / "asking.py"
    file.write_text("\n".join(lines) + "\n")
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", f"--cache-dir={tmp_path}", str(file)],
        capture_output=True,
        text=True,
        check=False,
    )
    said: dict[int, str] = {}
    for line in done.stdout.splitlines():
        if found := re.match(r".*asking\.py:(\d+): (.*)", line):
            said.setdefault(int(found[1]), found[2])
    assert said.keys() == expected.keys(), done.stdout + done.stderr
    for number, text in expected.items():
        assert said[number].startswith(text), (lines[number - 2], said[number])
