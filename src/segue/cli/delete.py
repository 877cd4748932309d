"""``segue delete``."""

from __future__ import annotations

import argparse
import json

from segue.cli import change, files
from segue.cli.client import Client
from segue.cli.errors import Mistake
from segue.cli.identity import identity
from segue.cli.kinds import LISTED, refs_of

ABOUT = """\
Deletes objects by name, or those that files declare. What they declared inside themselves goes with them. What others
still refer to is not deleted; the refusal says who does. Packets on their way through a deleted chain arrive."""
EXAMPLES = f"""\
examples:
  segue delete chain loud
  segue delete port client server
  segue delete chain/loud instance/upper
  segue delete -f chains.yaml              all that the file declares and is there
  segue delete --dry-run network web

{LISTED}

exit status:
  0  gone everywhere (with --no-wait: accepted; with --dry-run: it could be)
  1  accepted, but not in force in time (says why), or the server cannot do it now
  2  there is no such object, or others refer to it; nothing was changed"""


def add_parsers(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser(
        "delete",
        help="delete objects",
        usage="segue delete [options] (KIND NAME... | KIND/NAME... | -f FILE...)",
        description=ABOUT,
        epilog=EXAMPLES,
    )
    parser.add_argument("words", nargs="*", metavar="KIND NAME", help="a kind and names, or KIND/NAME")
    parser.add_argument(
        "-f", "--file", nargs="+", action="extend", default=[], metavar="FILE", help="what these declare"
    )
    files.options(parser)
    change.options(parser)
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    if bool(args.words) == bool(args.file):
        raise Mistake("say what to delete: KIND NAME..., or -f FILE...; see `segue delete --help`")
    if args.words and (args.param or args.params):
        raise Mistake("--param and --params go with -f FILE")
    client = Client(args.server, identity(args))
    if args.file:
        body, content_type, source = files.body(args.file, args.param, args.params)
        return change.run(
            args, client, lambda **query: client.post("/v1/delete-file", body, content_type, source=source, **query)
        )
    data = json.dumps({"refs": refs_of(args.words)}).encode()
    return change.run(args, client, lambda **query: client.post("/v1/delete", data, "application/json", **query))
