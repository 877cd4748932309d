"""``segue status``: whether what is declared is so, and what was counted."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from segue.cli import output, terminal
from segue.cli.client import Client
from segue.cli.get import path_table
from segue.cli.identity import identity
from segue.cli.tables import Cell, table

ABOUT = """\
Shows how nodes and chains fare, and how many packets entered and left each chain; where there is a service graph, INTO
has the chains that may take a chain's packets when they leave it. With CHAIN: its paths, their steps and instances, how
a function that knows nothing of paths is worked with, and what was counted at each."""
EXAMPLES = """\
examples:
  segue status
  segue status loud
  segue status -o json

nodes:   ready
         behind     at work
         failed     its switch refuses something
         absent     no agent is connected; the switch goes on as it is
chains:  ready
         preparing  the paths before the last change still carry everything
         impaired   something is missing; see the reason

exit status:
  0  all that is shown is ready
  1  not all is, or the server cannot say
  2  there is no such chain"""

Row = dict[str, Any]


def add_parsers(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser("status", help="show how things are", description=ABOUT, epilog=EXAMPLES)
    parser.add_argument("chain", nargs="?", metavar="CHAIN", help="this chain, by name or label, in full")
    output.option(parser, "table", "json", "yaml")
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    status = Client(args.server, identity(args)).get("/v1/status", chain=args.chain)
    shown = status["chains"] if args.chain else status["nodes"] + status["chains"]
    ready = all(one["state"] == "ready" for one in shown)
    if args.output != "table":
        output.show(status, args.output)
    elif args.chain:
        for chain in status["chains"]:
            _chain(chain)
    else:
        _overview(status)
    for problem in status["unread"]:
        terminal.complain(f"counters are not complete: {problem}")
    return 0 if ready else 1


def _overview(status: Row) -> None:
    colours = terminal.coloured(sys.stdout)
    if not status["nodes"] and not status["chains"]:
        print("nothing is declared; see `segue apply --help`")
        return
    nodes: list[list[Cell]] = [
        [node["name"], terminal.state(node["state"]), node["reason"]] for node in status["nodes"]
    ]
    if nodes:
        print(table(["NODE", "STATE", "REASON"], nodes, colours))
    if nodes and status["chains"]:
        print()
    if status["chains"]:
        print(_chains(status["chains"], colours))


def _chains(chains: list[Row], colours: bool) -> str:
    labels, branches = any(chain["label"] for chain in chains), any(chain["into"] for chain in chains)
    rows: list[list[Cell]] = [
        [
            chain["name"],
            *([chain["label"]] if labels else []),
            terminal.state(chain["state"]),
            counted(chain, "entered"),
            counted(chain, "left"),
            *([", ".join(chain["into"])] if branches else []),
            "; ".join(chain["reasons"]),
        ]
        for chain in chains
    ]
    header = ["CHAIN", *(["LABEL"] if labels else []), "STATE", "ENTERED", "LEFT", *(["INTO"] if branches else [])]
    header.append("REASON")
    return table(header, rows, colours)


def counted(chain: Row, what: str) -> int:
    """Packets, of both directions."""
    return sum(one["packets"] for one in chain["counters"] if one["step"] == what and not one["instance"])


def _chain(chain: Row) -> None:
    colours = terminal.coloured(sys.stdout)
    print(_chains([chain], colours))
    if chain["paths"]:
        print(f"\n{path_table(chain['paths'])}\n\n{_steps(chain['paths'])}")
    if chain["counters"]:
        fields = ("direction", "step", "instance", "packets", "bytes")
        rows = [[one[field] for field in fields] for one in chain["counters"]]
        print(f"\n{table(['DIRECTION', 'STEP', 'INSTANCE', 'PACKETS', 'BYTES'], rows)}")


def _steps(paths: list[Row]) -> str:
    rows: list[list[Cell]] = []
    for path in paths:
        for step in path["steps"]:
            whole = sum(one["weight"] for one in step["instances"])
            for one in step["instances"]:
                share = f"{100 * one['weight'] / whole:.0f}%" if whole else ""
                rows.append(
                    [path["id"], step["index"], step["group"], one["instance"], one["node"], share, one["proxy"]]
                )
    return table(["PATH", "INDEX", "STEP", "INSTANCE", "NODE", "SHARE", "PROXIED"], rows)
