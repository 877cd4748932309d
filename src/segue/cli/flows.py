"""``segue flows``: what a node's switch holds, and why."""

from __future__ import annotations

import argparse

from segue.cli import output
from segue.cli.client import Client, part
from segue.cli.errors import Mistake
from segue.cli.identity import identity
from segue.cli.tables import table

ABOUT = """\
Lists Segue's flows on one node's switch as they are now: the stage of the pipeline, the object on whose account the
flow is there, what it has counted, what it matches and does."""
EXAMPLES = """\
examples:
  segue flows n1
  segue flows n1 --stage classify
  segue flows n1 --owner chain/loud
  segue flows n1 -o json"""


def add_parsers(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser(
        "flows", help="list the flows on a node's switch", description=ABOUT, epilog=EXAMPLES
    )
    parser.add_argument("node", metavar="NODE")
    parser.add_argument("--stage", metavar="S", help="only flows of this stage")
    parser.add_argument("--owner", metavar="KIND/NAME", help="only flows on account of this object")
    output.option(parser, "table", "json", "yaml")
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    flows = Client(args.server, identity(args)).get(f"/v1/flows/{part(args.node)}")
    if args.stage is not None:
        stages = list(dict.fromkeys(flow["stage"] for flow in flows))
        if flows and args.stage not in stages:
            raise Mistake(
                f"node {args.node} has no flows in a stage {args.stage!r}; it has some in: {', '.join(stages)}"
            )
        flows = [flow for flow in flows if flow["stage"] == args.stage]
    if args.owner is not None:
        flows = [flow for flow in flows if flow["owner"] == args.owner]
    if args.output != "table":
        output.show(flows, args.output)
    elif not flows:
        print("no flows")
    else:
        fields = ("stage", "priority", "owner", "packets", "bytes", "match", "actions")
        print(table([field.upper() for field in fields], [[flow[field] for field in fields] for flow in flows]))
    return 0
