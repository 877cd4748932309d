"""``segue apply``."""

from __future__ import annotations

import argparse

from segue.cli import change, files
from segue.cli.client import Client
from segue.cli.identity import identity

ABOUT = """\
Makes it so: sends what the files declare to the server, which checks it all before anything is touched, and waits until
it is in force on every node. Shows what changes: + added, ~ changed, - removed.

Objects that the files do not name stay as they are. What an object declared inside itself before, and does not any
more, goes. Applying the same again changes nothing. Several files are one change: all of it, or nothing."""
EXAMPLES = """\
examples:
  segue apply chains.yaml                  apply, and wait until it is in force
  segue apply --dry-run chains.yaml        check it, and see what would change
  segue apply nodes.yaml chains.yaml       two files as one change
  segue get all -o yaml | segue apply -    standard input
  segue apply --wait 5 -o json chains.yaml
  segue apply nodes.yaml heat.yaml --param cidr=10.0.0.0/24

exit status:
  0  in force (with --no-wait: accepted; with --dry-run: it could be)
  1  accepted, but not in force in time (says why), or the server cannot do it now
  2  something is wrong with what was written; nothing was changed"""


def add_parsers(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser("apply", help="make what files declare so", description=ABOUT, epilog=EXAMPLES)
    parser.add_argument(
        "files", nargs="+", metavar="FILE", help="YAML or JSON, an intent or a Heat template; - is standard input"
    )
    files.options(parser)
    change.options(parser)
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    body, content_type, source = files.body(args.files, args.param, args.params)
    client = Client(args.server, identity(args))
    return change.run(
        args, client, lambda **query: client.post("/v1/apply", body, content_type, source=source, **query)
    )
