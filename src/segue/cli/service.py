"""``segue service``: injected services, from registering one to the flows that it has set up."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from segue.cli import output, service_run

ABOUT = """\
Injected services: external applications that program the network for some elements, by OpenFlow or over HTTP.
docs/services.md says what one is, and how to write one."""
HOOKS = ("ingress", "pre-routing", "forward", "post-routing", "egress")
TABLES = 16
PERMISSIONS = ("drop", "mark", "meter", "queue", "redirect", "copy", "packet_in")

CREATE = """\
Registers a service. It meets the packets of the elements that it is attached to, at one hook, and may do with them
what it is permitted to; packets that it does not speak of go on as if it were not there. It needs a token next:
`segue service token NAME`.

  ingress       packets from a port, before anything else is done with them
  pre-routing   packets from a port or router, proven and past their chains, before routing
  forward       packets that were routed, to a port, or through a router
  post-routing  packets routed or bridged, to a port or from a router, their addresses final
  egress        packets to a port, on the node where it is, before it gets them"""
CREATE_EXAMPLES = """\
examples:
  segue service create ips --hook ingress --attach port/web1 port/web2 --permit drop packet_in
  segue service create dpi --hook pre-routing --attach network/web --permit packet_in mark meter --order 50
  segue service create lb --hook ingress --attach network/web --permit redirect --rewrite eth_dst ipv4_dst"""
ATTACH = """\
Says anew what a service is attached to: these elements, and no others; without any, to nothing. Its flows stay: those
that name a port which is gone rest until it is back."""
ATTACH_EXAMPLES = """\
examples:
  segue service attach ips port/web1 network/db"""
TOKEN = """\
Makes the token by which the service's application says who it is, and prints it, this once. The one before holds no
more from now on; flows and the registered controller stay."""
TOKEN_EXAMPLES = """\
examples:
  segue service token ips > ips.token
  segue service token ips --expires 30d > ips.token"""
REVOKE = """\
Revokes a service's token, and removes all that came by it, on every node, at once: flows, groups, meters, and the
controller. The service stays registered and attached; `segue service token` lets it in again. Ends when the nodes have
confirmed that nothing is left, or after 10 s, and then names those that have not."""
_CONFIRMED = """\
exit status:
  0  no node has anything of it any more
  1  done, but nodes have not confirmed it (says which, and why), or the server cannot do it now
"""
_STATUS = f"{_CONFIRMED}  2  something is wrong with what was written; nothing was changed"
_DELETE_STATUS = f"{_CONFIRMED}  2  something is wrong with a name; the services before it are deleted, and no others"
LIST = """\
Lists the services: of your project, or all that there are, for administrators."""
SHOW = """\
Shows a service: what packets at its hook have been through, what it may do, its virtual switch with its ports, its
token and its controller."""
DELETE = """\
Deletes services, with their flows. Waits for each until nodes have confirmed that, 10 s at most."""
CONNECT = """\
Registers the controller of a service's virtual switch. The server calls it, and calls again whenever the connection
ends; or waits to be called, where the target is passive. For services of projects it calls nobody on its own machine,
or at link-local addresses, unless its operator has named those (--services-networks).

  tcp:HOST:PORT, ssl:HOST:PORT      the server calls (ssl: with the certificates that it was started with)
  ptcp:PORT[:HOST], pssl:...        the server waits there; on 127.0.0.1, unless HOST says otherwise
  none                              no controller any more; flows stay"""
CONNECT_EXAMPLES = """\
examples:
  segue service connect ips tcp:192.0.2.9:6653 --token-file ips.token
  segue service connect ips ptcp:6700 --version 1.3
  segue service connect ips pssl:6700:0.0.0.0 --name ips.example.org
  segue service connect ips none"""
FLOWS = """\
Lists the flows of a service's virtual switch, with what they have counted on all nodes; or has one of its tables hold
the flows of a file, and no others. The file has what `-o json` or `-o yaml` prints: a list of flow mods of OpenFlow
1.5 in the OpenFlow library's JSON, or an object whose "flows" that is. To put the same again changes nothing."""
FLOWS_EXAMPLES = """\
examples:
  segue service flows ips --token-file ips.token
  segue service flows ips --table 0 -o json > flows.json
  segue service flows ips --table 0 --put flows.json
  echo '[{"priority": 9, "match": {"eth_type": 2048, "ipv4_src": "10.0.0.66"}}]' |
    segue service flows ips --table 0 --put -"""
PACKETS = """\
Follows the packets that the service's flows send to its controller, one a line, until interrupted. Whoever else reads
them, the controller too, gets them all the same."""


def add_parsers(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    service = subparsers.add_parser("service", help="injected services", description=ABOUT)
    commands = service.add_subparsers(metavar="COMMAND", required=True, title="commands")

    create = _command(commands, "create", service_run.create, "register a service", CREATE, CREATE_EXAMPLES)
    create.add_argument("--hook", required=True, choices=HOOKS, metavar="HOOK", help=f"one of {', '.join(HOOKS)}")
    create.add_argument(
        "--attach", nargs="+", default=[], metavar="KIND/NAME", help="port/NAME, network/NAME, router/NAME"
    )
    create.add_argument(
        "--permit",
        nargs="+",
        default=[],
        choices=PERMISSIONS,
        metavar="WHAT",
        help=f"what it may do besides letting packets go on: {', '.join(PERMISSIONS)}",
    )
    create.add_argument("--rewrite", nargs="+", default=[], metavar="FIELD", help="header fields that it may write")
    create.add_argument("--order", type=int, metavar="N", help="services of a hook run from low to high (default 100)")
    create.add_argument("--flows", type=int, metavar="N", help="how many flows it may have (default 1000)")
    create.add_argument(
        "--packet-ins", type=int, metavar="N", help="packets a second that each node sends it at most (default 100)"
    )
    create.add_argument(
        "--copies", type=int, metavar="N", help="copies a second that each node makes for it at most (default 10000)"
    )
    create.add_argument("--project", metavar="NAME", help="whose it is (default: yours)")
    output.option(create, "text", "json", "yaml")

    attach = _command(
        commands, "attach", service_run.attach, "say what a service is attached to", ATTACH, ATTACH_EXAMPLES
    )
    attach.add_argument("elements", nargs="*", metavar="KIND/NAME", help="port/NAME, network/NAME, router/NAME")

    token = _command(commands, "token", service_run.token, "make a service's token", TOKEN, TOKEN_EXAMPLES)
    token.add_argument("--expires", metavar="SPAN", help="30d, 12h, 90m (default: never)")

    _command(commands, "revoke", service_run.revoke, "revoke a service's token", REVOKE, _STATUS)

    listing = commands.add_parser("list", help="list services", description=LIST)
    output.option(listing, "table", "json", "yaml")
    listing.set_defaults(run=service_run.list_)

    show = _command(commands, "show", service_run.show, "show a service", SHOW)
    output.option(show, "text", "json", "yaml")

    delete = commands.add_parser("delete", help="delete services", description=DELETE, epilog=_DELETE_STATUS)
    delete.add_argument("names", nargs="+", metavar="NAME")
    delete.set_defaults(run=service_run.delete)

    connect = _command(
        commands, "connect", service_run.connect, "register a service's controller", CONNECT, CONNECT_EXAMPLES
    )
    connect.add_argument("target", metavar="TARGET", help="tcp:HOST:PORT and the like, or none")
    connect.add_argument(
        "--version",
        nargs="+",
        default=[],
        choices=("1.0", "1.3", "1.4", "1.5"),
        dest="versions",
        metavar="V",
        help="versions of OpenFlow that may be spoken: 1.0, 1.3, 1.4, 1.5 (default: all)",
    )

    connect.add_argument(
        "--name",
        default="",
        dest="peer",
        metavar="NAME",
        help="what the controller's certificate is made out to (default: anything; at pssl: projects say it)",
    )

    flows = _command(
        commands, "flows", service_run.flows, "list a service's flows, or put a table", FLOWS, FLOWS_EXAMPLES
    )
    flows.add_argument("--table", type=_table, metavar="N", help="of this table: 0 to 15 (with --put: default 0)")
    flows.add_argument("--put", metavar="FILE", help="flows that the table is to hold; - is standard input")
    output.option(flows, "table", "json", "yaml")

    packets = _command(commands, "packets", service_run.packets, "follow packets to a service's controller", PACKETS)
    output.option(packets, "text", "json")


def _command(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    word: str,
    run: Callable[[argparse.Namespace], int],
    short: str,
    about: str,
    examples: str | None = None,
) -> argparse.ArgumentParser:
    parser = commands.add_parser(word, help=short, description=about, epilog=examples)
    parser.add_argument("name", metavar="NAME", help="the service's name")
    parser.set_defaults(run=run)
    return parser


def _table(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) < TABLES):
        raise argparse.ArgumentTypeError(f"{text!r} is no table of a service; write 0 to {TABLES - 1}")
    return int(text)
