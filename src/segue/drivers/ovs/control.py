"""Commands to a running ovs-vswitchd over its control socket, as ovs-appctl(8) gives them.

The socket speaks JSON-RPC 1.0, as OVSDB does; a command is a method, its words are the parameters, and its output is
the result. Spoken to directly, because a process for each command would cost more than most commands do.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

from segue.drivers.ovs.ovsdb import Connection, ProtocolError, Response

LONGEST = 10.0
"""Seconds."""


class ControlError(Exception):
    """ovs-vswitchd did not do it; what it said."""


async def appctl(rundir: Path, *command: str) -> str:
    """What ``ovs-appctl COMMAND`` prints. Raises ControlError."""
    try:
        async with asyncio.timeout(LONGEST):
            answer = await _ask(_socket(rundir), command)
    except TimeoutError:
        raise ControlError(f"ovs-vswitchd did not answer {command[0]} within {LONGEST:g} s") from None
    except (OSError, ProtocolError) as error:
        raise ControlError(f"ovs-vswitchd cannot be reached in {rundir}: {error}") from None
    if answer.error is not None:
        raise ControlError(str(answer.error).strip())
    return str(answer.result or "")


async def _ask(path: Path, command: tuple[str, ...]) -> Response:
    reader, writer = await asyncio.open_unix_connection(str(path))
    try:
        connection = Connection()
        connection.request(command[0], list(command[1:]))
        writer.write(connection.outgoing())
        while data := await reader.read(1 << 16):
            for event in connection.receive(data):
                if isinstance(event, Response):
                    return event
        raise ProtocolError("it closed the connection without an answer")
    finally:
        writer.close()


def _socket(rundir: Path) -> Path:
    """Named after the process's pid, unless it was told another name."""
    try:
        pid = (rundir / "ovs-vswitchd.pid").read_text().strip()
    except OSError as error:
        raise ControlError(f"ovs-vswitchd does not run in {rundir}: {error.strerror}") from None
    for name in (f"ovs-vswitchd.{pid}.ctl", "ovs-vswitchd.ctl"):
        if (rundir / name).exists():
            return rundir / name
    raise ControlError(f"ovs-vswitchd has no control socket in {rundir}")
