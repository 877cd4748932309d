"""``segue server``, ``segue agent``, and ``segue up``, which runs them all."""

from __future__ import annotations

import argparse
import os
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from segue.cli import access, service_options
from segue.cli.defaults import BRIDGE, DATA, DRAIN, LISTEN
from segue.cli.errors import Mistake
from segue.cli.identity import identity

if TYPE_CHECKING:
    import socket

SERVER = """\
Runs the server: the API, the store, and the conductor that leads the network from one state to the next. Agents and the
command line talk to it. What it has acknowledged is on the disk; it may be killed and started again at any time, and
switches go on forwarding meanwhile."""
AGENT = """\
Runs the agent of one node: it programs the node's Open vSwitch as the server says, and keeps it so. It touches one
bridge, the one that it is given, and on it only flows that are its own. Killed, it leaves the switch forwarding;
started again, it changes nothing that is already right."""
UP = """\
Runs the server and its agents in one go, in the foreground, and starts again what ends by itself. With --lab: an
agent for each node of a lab that `segue lab up` made. Without: an agent for this machine, as node --node."""


def add_parsers(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    server = subparsers.add_parser("server", help="run the server", description=SERVER)
    _server_options(server)
    server.add_argument("--socket", metavar="PATH", help="also listen on a unix socket")
    server.set_defaults(run=_server)

    agent = subparsers.add_parser("agent", help="run the agent of one node", description=AGENT)
    agent.add_argument("--node", required=True, metavar="NAME", help="the node's name, as declared")
    _agent_options(agent)
    agent.set_defaults(run=_agent)

    up = subparsers.add_parser("up", help="run the server and its agents in one go", description=UP)
    _server_options(up)
    up.add_argument("--lab", metavar="NAME", help="serve this lab")
    up.add_argument("--node", metavar="NAME", help="this machine's node (default: its host name)")
    _agent_options(up)
    up.set_defaults(run=_up)


def _server_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--listen", default=LISTEN, metavar="HOST:PORT", help=f"default {LISTEN}; port 0: any free one")
    parser.add_argument("--data", metavar="DIR", help=f"where the store is kept (default {DATA})")
    parser.add_argument(
        "--drain",
        type=float,
        default=DRAIN,
        metavar="S",
        help=f"seconds that an old path stays after the last packet entered it (default {DRAIN:g})",
    )
    access.add_options(parser)
    service_options.add_options(parser)


def _agent_options(parser: argparse.ArgumentParser) -> None:
    rundir = os.environ.get("OVS_RUNDIR", "/var/run/openvswitch")
    parser.add_argument(
        "--rundir",
        default=rundir,
        metavar="DIR",
        help=f"where Open vSwitch has its sockets (default $OVS_RUNDIR, else {rundir})",
    )
    parser.add_argument("--bridge", default=BRIDGE, metavar="NAME", help=f"the bridge to program (default {BRIDGE})")


def _log() -> None:
    import logging

    from segue.cli.logged import Lines

    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Lines("%(asctime)s %(name)s: %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    for noisy in ("uvicorn", "websockets", "asyncio"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


def _collect_seldom() -> None:
    """Both processes hold many objects that live long and are in no cycle. With the interpreter's own thresholds the
    search for cycles takes longer than all other work when thousands of chains are read."""
    import gc

    gc.set_threshold(100_000, 20, 100)


def _server(args: argparse.Namespace) -> int:
    import asyncio

    from segue.api.app import serve
    from segue.cli.listening import ListenError, listen_tcp, listen_unix
    from segue.server.service import Service
    from segue.store.base import StoreError
    from segue.store.sqlite import SqliteStore

    _log()
    _collect_seldom()
    allowed, tls, certificates = access.access(args), access.tls(args), service_options.certificates(args)
    access.make_room(args.connections)
    data = Path(args.data or DATA)
    try:
        data.mkdir(parents=True, exist_ok=True)
        sockets = [listen_tcp(args.listen)]
        access.check_address(sockets[0], args)
        sockets += [listen_unix(args.socket)] if args.socket else []
        store = SqliteStore(data)
    except (StoreError, ListenError, OSError) as error:
        print(f"segue: {error}", file=sys.stderr)
        return 1
    url = _url(sockets[0], secure=tls is not None)
    try:
        ports, limits = service_options.listening(args), service_options.limits(args)
        service = Service(store, args.drain, certificates, ports, limits, service_options.reach(args))
        ready = partial(print, f"serving on {url}", flush=True)
        asyncio.run(serve(service, sockets, ready, allowed, tls, args.connections))
    except KeyboardInterrupt:
        pass
    finally:
        store.close()
    return 0


def _url(bound: socket.socket, *, secure: bool) -> str:
    host, port = bound.getsockname()[:2]
    return f"{'https' if secure else 'http'}://{f'[{host}]' if ':' in host else host}:{port}"


def _agent(args: argparse.Namespace) -> int:
    import asyncio
    import logging
    import signal

    from segue.agent.agent import Agent
    from segue.agent.server_link import ServerRefused

    _log()
    _collect_seldom()

    who = identity(args)
    tls = who.context() if args.server.startswith("https:") else None
    who.secret()  # a mistake is told at once

    def token() -> str:
        try:
            return who.secret()
        except Mistake as mistake:  # it may be put right; the server refuses meanwhile
            logging.getLogger(__name__).error("%s", mistake)
            return ""

    async def run() -> None:
        task = asyncio.current_task()
        assert task is not None
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
        await Agent(args.server, args.node, Path(args.rundir), args.bridge, token, tls).run()

    refusal = ""
    try:
        asyncio.run(run())
    except* ServerRefused as refused:
        refusal = str(refused.exceptions[0])
    except* (KeyboardInterrupt, asyncio.CancelledError):
        pass
    if refusal:
        print(f"segue: the server refuses this agent: {refusal}", file=sys.stderr)
    return 1 if refusal else 0


def _up(args: argparse.Namespace) -> int:
    from segue.cli.supervisor import supervise

    return supervise(args)
