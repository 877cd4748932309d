"""``segue lab``: a network on this machine, to try an intent in."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from segue.cli import files, output, terminal
from segue.cli.defaults import LISTEN, SERVER
from segue.cli.errors import Failure, Mistake

if TYPE_CHECKING:
    from segue.intent import Document
    from segue.lab.lab import Lab
    from segue.lab.listing import LabStatus
    from segue.lab.spec import LabSpec


ABOUT = """\
A network on this machine, made of network namespaces: a real Open vSwitch for each node of an intent, and hosts in
which real programs run. Needs root."""
EXAMPLES = """\
examples:
  segue lab up examples/dragonflow.yaml
  segue lab exec client ping -c 1 10.0.0.20
  segue lab list
  segue lab down dragonflow"""
UP = """\
Makes the network that a file declares: its nodes, a host for each port, what its `lab` section says is to run; and
starts a server and agents for it. It does not apply the file: the chains come into being when you do. A lab that is up
and whole is left as it is."""
UP_EXAMPLES = """\
examples:
  segue lab up examples/dragonflow.yaml
  segue lab up chains.yaml --name second --listen 127.0.0.1:7469
  segue lab up chains.yaml --no-control    the network alone"""
DOWN = """\
Removes a lab: its processes, its switches, its namespaces, its server with all that was declared there. A lab that is
not there is no mistake."""
DOWN_EXAMPLES = """\
examples:
  segue lab down dragonflow
  segue lab down examples/dragonflow.yaml
  segue lab down --all"""
EXEC = """\
Runs a command in a host of a lab, or on a node, where ovs-vsctl, ovs-ofctl and ovs-appctl speak to the node's own
switch. The exit status is the command's."""
EXEC_EXAMPLES = """\
examples:
  segue lab exec client ping -c 1 10.0.0.20
  segue lab exec server bash
  segue lab exec n1 ovs-vsctl show
  segue lab exec --lab dragonflow client ip address"""
LIST = """\
Lists the labs on this machine, with how many of their nodes, hosts and processes are alive."""


def add_parsers(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    lab = subparsers.add_parser(
        "lab", help="a network on this machine to try it in", description=ABOUT, epilog=EXAMPLES
    )
    commands = lab.add_subparsers(metavar="COMMAND", required=True, title="commands")

    up = commands.add_parser("up", help="make a lab", description=UP, epilog=UP_EXAMPLES)
    up.add_argument("file", metavar="FILE", help="YAML or JSON; - is standard input")
    up.add_argument("--name", help="the lab's name (default: what the file says, else the file's own name)")
    up.add_argument("--no-control", action="store_true", help="start no server and no agents")
    up.add_argument(
        "--listen", metavar="HOST:PORT", default=LISTEN, help=f"where its server listens (default {LISTEN})"
    )
    up.set_defaults(run=_up)

    down = commands.add_parser("down", help="remove a lab", description=DOWN, epilog=DOWN_EXAMPLES)
    down.add_argument("lab", nargs="?", metavar="FILE|NAME", help="the file that it was made of, or its name")
    down.add_argument("--all", action="store_true", help="every lab on this machine")
    down.set_defaults(run=_down)

    execute = commands.add_parser(
        "exec",
        help="run a command in a host of a lab",
        usage="segue lab exec [--lab NAME] HOST COMMAND...",
        description=EXEC,
        epilog=EXEC_EXAMPLES,
    )
    execute.add_argument("--lab", metavar="NAME", help="which lab; needed where more than one is up")
    execute.add_argument("host", metavar="HOST", help="a host or a node")
    execute.add_argument("words", nargs=argparse.REMAINDER, metavar="COMMAND", help="the command and its arguments")
    execute.set_defaults(run=_exec)

    listing = commands.add_parser("list", help="list labs", description=LIST)
    output.option(listing, "table", "json", "yaml", "name")
    listing.set_defaults(run=_list)


# -- up and down


def _up(args: argparse.Namespace) -> int:
    from segue.lab.control import start, stop
    from segue.lab.errors import LabError
    from segue.lab.from_intent import lab_spec
    from segue.lab.lab import Lab

    document = _document(args.file)
    with terminal.Progress() as progress:
        say = progress.say if progress.watched else lambda text: print(text, file=sys.stderr, flush=True)
        try:
            lab = Lab(lab_spec(document, args.name, _directory(args.file)), progress=say)
        except LabError as error:
            raise Mistake(str(error)) from None
        try:
            if not lab.is_whole():
                stop(lab.spec.name)  # it would outlive the lab that it served
            lab.up()
            url = "" if args.no_control else start(lab, args.listen, say)
        except LabError as error:
            raise Failure(str(error)) from None
    print(f"lab {lab.spec.name} is up: {_count(lab.spec.nodes, 'node')}, {_count(lab.spec.hosts, 'host')}")
    if url:
        print(f"its server is at {url}")
    print("\n".join(["try:", *(f"  {line}" for line in next_steps(lab.spec, args.file, url))]))
    return 0


def next_steps(spec: LabSpec, file: str, url: str) -> list[str]:
    """What to type now. ``url``: of the lab's server, or empty."""
    steps = []
    if url:
        if url != (os.environ.get("SEGUE_SERVER") or SERVER):
            steps.append(f"export SEGUE_SERVER={url}")
        steps += [f"segue apply {'FILE' if file == '-' else file}", "segue status"]
    ends = [
        (host.name, port.addresses[0].partition("/")[0])
        for host in spec.hosts
        for port in host.ports[:1]
        if port.addresses
    ]
    if len(ends) > 1:
        steps.append(f"segue lab exec --lab {spec.name} {ends[0][0]} ping -c 1 {ends[-1][1]}")
    return [*steps, f"segue lab down {spec.name}"]


def _down(args: argparse.Namespace) -> int:
    from segue.lab.control import stop
    from segue.lab.errors import LabError
    from segue.lab.lab import tear_down
    from segue.lab.listing import list_labs

    if bool(args.lab) == args.all:
        raise Mistake("say which lab: FILE, NAME or --all; `segue lab list` lists them")
    there = [lab.name for lab in list_labs()]
    names = there if args.all else [_name_of(args.lab)]
    try:
        for name in names:
            stop(name)
            tear_down(name)
            print(f"lab {name} is {'down' if name in there else 'not there'}")
    except LabError as error:
        raise Failure(str(error)) from None
    return 0


def _name_of(word: str) -> str:
    """``word`` is a lab's name or the file that it was made of."""
    from segue.lab.from_intent import lab_name
    from segue.lab.spec import LAB_NAME

    if not Path(word).is_file():
        if LAB_NAME.match(word):
            return word
        raise Mistake(f"{word!r} is neither a file nor the name of a lab; `segue lab list` lists those there are")
    return lab_name(_document(word))


def _directory(path: str) -> str:
    """Commands of the file start beside it, so that what they name is found from anywhere."""
    return str(Path.cwd() if path == files.STDIN else Path(path).resolve().parent)


def _document(path: str) -> Document:
    from segue.intent import IntentError, parse

    try:
        return parse(files.read(path), "stdin" if path == files.STDIN else path)
    except IntentError as error:
        raise Mistake(str(error)) from None


def _count(things: Iterable[Any], what: str) -> str:
    number = len(list(things))
    return f"{number} {what}{'' if number == 1 else 's'}"


# -- exec and list


def _exec(args: argparse.Namespace) -> int:
    from segue.lab.errors import LabError

    words = args.words[1:] if args.words[:1] == ["--"] else args.words
    if not words:
        raise Mistake(f"which command? write: segue lab exec {args.host} COMMAND...")
    try:
        lab = _the_lab(args.lab)
        command, environment = lab.argv(args.host, words), lab.environment(args.host)
    except LabError as error:
        raise Mistake(str(error)) from None
    _become(command, environment)


def _become(command: list[str], environment: dict[str, str]) -> NoReturn:
    sys.stdout.flush()
    try:
        os.execvpe(command[0], command, environment)
    except OSError as error:
        raise Failure(f"cannot run {command[0]}: {(error.strerror or str(error)).lower()}") from None


def _the_lab(name: str | None) -> Lab:
    from segue.lab.lab import Lab
    from segue.lab.listing import list_labs

    if name is None:
        found = [lab.name for lab in list_labs() if lab.phase == "up"]
        if not found:
            raise Mistake("no lab is up; make one with `segue lab up FILE`")
        if len(found) > 1:
            raise Mistake(f"several labs are up: {', '.join(found)}; say which with --lab NAME")
        name = found[0]
    return Lab.load(name)


def _list(args: argparse.Namespace) -> int:
    from segue.lab.listing import list_labs

    labs = list_labs()
    if args.output == "name":
        for lab in labs:
            print(lab.name)
    elif args.output != "table":
        import msgspec

        output.show(msgspec.to_builtins(labs), args.output)
    elif not labs:
        print("no labs; make one with `segue lab up FILE`")
    else:
        from segue.cli.tables import table

        header = ["LAB", "STATE", "NODES", "HOSTS", "PROCESSES", "DEAD"]
        print(table(header, [_row(lab) for lab in labs], terminal.coloured(sys.stdout)))
    return 0


def _row(lab: LabStatus) -> list[Any]:
    def members(kind: Iterable[Any]) -> str:
        found = list(kind)
        alive = sum(member.namespace for member in found)
        return str(alive) if alive == len(found) else f"{alive} of {len(found)}"

    processes = [(m.name, p) for m in (*lab.nodes, *lab.hosts) for p in m.processes]
    dead = ", ".join(f"{name}: {process.command}" for name, process in processes if not process.alive)
    alive = sum(process.alive for _, process in processes)
    return [lab.name, terminal.state(lab.phase), members(lab.nodes), members(lab.hosts), alive, dead]
