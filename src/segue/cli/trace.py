"""``segue trace``: what would become of a packet."""

from __future__ import annotations

import argparse

from segue.cli import output
from segue.cli.client import Client
from segue.cli.identity import identity
from segue.cli.terminal import complain

ABOUT = """\
Follows a packet that is never sent: stage by stage through each node and function, by the rules that the nodes are
to hold, and to whom it would be delivered. With --live every switch on its way is asked what it would really do, and
the two are compared."""
EXAMPLES = """\
examples:
  segue trace 'client > server udp 2345'
  segue trace 'server > client udp 2345 > 40000' --live
  segue trace '10.0.0.10 > 10.0.0.20 icmp ttl 3'
  segue trace 'client > server tcp 80 from port 1234' -o json

the packet: FROM > TO PROTOCOL [OPTION...]
  FROM, TO   ports (by name, or a label that is one port's alone) or addresses
  PROTOCOL   tcp|udp|sctp [SOURCE PORT >] DESTINATION PORT, or icmp, or ip NUMBER
  OPTION     from port NUMBER, ttl NUMBER, over ipv4|ipv6
Quote it: to a shell, > means a file.

exit status:
  0  followed, whatever becomes of it
  1  --live: a switch would do something else; or the server or a node cannot say
  2  the words say no packet"""


def add_parsers(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser("trace", help="follow a packet", description=ABOUT, epilog=EXAMPLES)
    parser.add_argument("flow", nargs="+", metavar="PACKET", help="FROM > TO PROTOCOL [OPTION...]")
    parser.add_argument("--live", action="store_true", help="ask the switches too, and compare")
    output.option(parser, "text", "json", "yaml")
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    traced = Client(args.server, identity(args)).get("/v1/trace", flow=" ".join(args.flow), live=args.live)
    if args.output != "text":
        output.show(traced, args.output)
    else:
        for line in traced["lines"]:
            print(line)
        for line in traced["live"]:
            print(line)
        if traced["agree"]:
            print("the switches agree")
    if traced["agree"] is False:
        complain("a switch would do something else; see its line")
        return 1
    return 0
