"""``segue up``: the server and the agents as child processes, started again when they end by themselves."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import signal
import socket
import sys
from pathlib import Path

from segue.cli import access, service_options
from segue.cli.defaults import DATA

AGAIN = 0.5
"""Seconds before what ended is started again."""
GRACE = 5.0


def supervise(args: argparse.Namespace) -> int:
    from segue.lab.errors import LabError

    try:
        commands = _lab_commands(args) if args.lab else _machine_commands(args)
    except LabError as error:
        print(f"segue: {error}", file=sys.stderr)
        return 1
    return asyncio.run(_run(commands))


def _segue(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "segue", *arguments]


def _server_command(args: argparse.Namespace, data: str, unix: str) -> list[str]:
    listen = [
        "--listen",
        args.listen,
        "--data",
        data,
        "--socket",
        unix,
        "--drain",
        f"{args.drain:g}",
        *access.words(args),
        *service_options.words(args),
    ]
    return _segue("server", *listen)


def _machine_commands(args: argparse.Namespace) -> dict[str, list[str]]:
    data = args.data or DATA
    Path(data).mkdir(parents=True, exist_ok=True)
    unix = str(Path(data) / "server.sock")
    node = args.node or socket.gethostname()
    agent = ["--server", f"unix:{unix}", "--node", node, "--rundir", args.rundir, "--bridge", args.bridge]
    return {"server": _server_command(args, data, unix), f"agent {node}": _segue("agent", *agent)}


def _lab_commands(args: argparse.Namespace) -> dict[str, list[str]]:
    """Agents run in their nodes' namespaces, and reach the server by its unix socket, which namespaces share."""
    from segue.lab.lab import Lab

    lab = Lab.load(args.lab)
    data = args.data or str(lab.state.path / "server")
    Path(data).mkdir(parents=True, exist_ok=True)
    unix = str(lab.state.path / "server.sock")
    commands = {"server": _server_command(args, data, unix)}
    for node in lab.spec.nodes:
        agent = ["--server", f"unix:{unix}", "--node", node.name, "--rundir", str(lab.node_rundir(node.name))]
        commands[f"agent {node.name}"] = lab.argv(node.name, _segue("agent", *agent))
    return commands


async def _run(commands: dict[str, list[str]]) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    keepers = [asyncio.create_task(_keep(name, command, stop)) for name, command in commands.items()]
    await stop.wait()
    await asyncio.gather(*keepers)
    return 0


async def _keep(name: str, command: list[str], stop: asyncio.Event) -> None:
    while not stop.is_set():
        child = await asyncio.create_subprocess_exec(*command, env=os.environ)
        ended = asyncio.create_task(child.wait())
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait([ended, stopping], return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if stop.is_set():
            await _end(child, ended)
            return
        print(f"segue up: {name} ended with status {child.returncode}; starting it again", file=sys.stderr)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), AGAIN)


async def _end(child: asyncio.subprocess.Process, ended: asyncio.Task[int]) -> None:
    with contextlib.suppress(ProcessLookupError):
        child.terminate()
    try:
        await asyncio.wait_for(asyncio.shield(ended), GRACE)
    except TimeoutError:
        with contextlib.suppress(ProcessLookupError):
            child.kill()
        await ended
