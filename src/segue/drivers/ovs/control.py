"""Commands to a running ovs-vswitchd over its control socket, by ovs-appctl (8)."""

from __future__ import annotations

import asyncio
from pathlib import Path

LONGEST = 10.0
"""Seconds."""


class ControlError(Exception):
    """ovs-vswitchd did not do it; what it said."""


async def appctl(rundir: Path, *command: str) -> str:
    """What ``ovs-appctl COMMAND`` prints. Raises ControlError."""
    process = await asyncio.create_subprocess_exec(
        "ovs-appctl",
        "-t",
        str(_socket(rundir)),
        *command,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        output, _ = await asyncio.wait_for(process.communicate(), LONGEST)
    except TimeoutError:
        process.kill()
        raise ControlError(f"ovs-vswitchd did not answer {command[0]} within {LONGEST:g} s") from None
    text = output.decode(errors="replace")
    if process.returncode:
        raise ControlError(text.strip())
    return text


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
