"""What controllers of injected services are met with, from the options of ``segue server`` and ``segue up``."""

from __future__ import annotations

import argparse
import re
from typing import TYPE_CHECKING

from segue.cli.errors import Mistake

if TYPE_CHECKING:
    from collections.abc import Callable

    from segue.openflow.endpoint import Certificates
    from segue.server.reach import Network, Reach
    from segue.server.service_limits import ProjectLimits

_FILES = ("services_certificate", "services_key", "services_authority")
# Of each: the least, what holds if nothing is said, and what it is.
_NUMBERS = {
    "services_flows": (
        1,
        10_000,
        "flows that a project's service may ask for at most (default {}; administrators: any)",
    ),
    "services_project_flows": (0, 100_000, "flows that the services of a project may ask for together (default {})"),
    "services_packet_ins": (0, 1_000, "the same of packets a second that each node sends it (default {})"),
    "services_copies": (0, 10_000, "the same of copies a second that each node makes for it (default {})"),
    "services_per_project": (
        0,
        100,
        "services that a project may register (default {}; 0: only administrators register)",
    ),
}
"""What projects may have."""
PERMISSIONS = ("drop", "mark", "meter", "queue", "redirect", "copy", "packet_in", "rewrite")


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--services-certificate",
        metavar="FILE",
        help="what the server shows to controllers of injected services at ssl: and pssl:",
    )
    parser.add_argument("--services-key", metavar="FILE", help="its key")
    parser.add_argument(
        "--services-authority", metavar="FILE", help="the certificate of whoever signed those of the controllers"
    )
    parser.add_argument(
        "--services-listen",
        type=_ports,
        metavar="FIRST-LAST",
        help="ports at which services of projects may wait for their controllers (default: none; administrators: any)",
    )
    parser.add_argument(
        "--services-networks",
        type=_networks,
        metavar="LIST",
        help="networks in which controllers are called, with commas, or none (default: any; for projects: any but the "
        "server's own machine and link-local ones)",
    )
    for name, (least, usual, text) in _NUMBERS.items():
        parser.add_argument(_option(name), type=_number(least), default=usual, metavar="N", help=text.format(usual))
    parser.add_argument(
        "--services-permit",
        type=_permissions,
        metavar="LIST",
        help="permissions that projects may give their services, with commas, or none (default: all)",
    )


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def words(args: argparse.Namespace) -> list[str]:
    """The same options, for another process."""
    given = {_option(name): getattr(args, name) for name in _FILES}
    if args.services_listen is not None:
        given["--services-listen"] = f"{args.services_listen[0]}-{args.services_listen[-1]}"
    if args.services_networks is not None:
        given["--services-networks"] = ",".join(map(str, args.services_networks)) or "none"
    for name, (_, usual, _) in _NUMBERS.items():
        if getattr(args, name) != usual:
            given[_option(name)] = str(getattr(args, name))
    if args.services_permit is not None:
        given["--services-permit"] = ",".join(args.services_permit) or "none"
    return [word for option, value in given.items() if value is not None for word in (option, value)]


def limits(args: argparse.Namespace) -> ProjectLimits:
    from segue.server.service_limits import ProjectLimits

    permit = PERMISSIONS if args.services_permit is None else args.services_permit
    return ProjectLimits(
        args.services_flows,
        args.services_packet_ins,
        args.services_per_project,
        frozenset(permit),
        args.services_copies,
        args.services_project_flows,
    )


def certificates(args: argparse.Namespace) -> Certificates | None:
    """None where they were not given. Raises Mistake: some are missing, or of no use."""
    files = [getattr(args, name) for name in _FILES]
    if not any(files):
        return None
    if not all(files):
        names = [f"--{name.replace('_', '-')}" for name in _FILES]
        raise Mistake(f"TLS with controllers of services needs all of {names[0]}, {names[1]} and {names[2]}")
    from segue.openflow.endpoint import Certificates

    found = Certificates(*files)
    try:
        found.context(server=False)
    except ValueError as error:
        raise Mistake(str(error)) from None
    return found


def listening(args: argparse.Namespace) -> range:
    return range(0) if args.services_listen is None else args.services_listen


def reach(args: argparse.Namespace) -> Reach:
    from segue.server.reach import Reach

    return Reach(args.services_networks)


def _number(least: int) -> Callable[[str], int]:
    def number(text: str) -> int:
        if not re.fullmatch(r"\d{1,7}", text, re.ASCII) or int(text) < least:
            raise argparse.ArgumentTypeError(f"{text!r} is no number from {least} to 9999999")
        return int(text)

    return number


def _permissions(text: str) -> tuple[str, ...]:
    given = () if text == "none" else tuple(dict.fromkeys(text.split(",")))
    for name in given:
        if name not in PERMISSIONS:
            raise argparse.ArgumentTypeError(f"{name!r} is no permission; there are {', '.join(PERMISSIONS)}, or none")
    return given


def _networks(text: str) -> tuple[Network, ...]:
    from ipaddress import ip_network

    found = []
    for word in () if text == "none" else text.split(","):
        try:
            found.append(ip_network(word))
        except ValueError as error:
            message = f"{word!r} is no network ({error}); write such as 10.1.0.0/16,2001:db8::/32, or none"
            raise argparse.ArgumentTypeError(message) from None
    return tuple(found)


def _ports(text: str) -> range:
    found = re.fullmatch(r"(\d{1,5})(?:-(\d{1,5}))?", text, re.ASCII)
    first, last = (int(found[1]), int(found[2] or found[1])) if found else (0, 0)
    if not 0 < first <= last < 1 << 16:
        raise argparse.ArgumentTypeError(f"{text!r} are no ports; write FIRST-LAST, such as 6700-6799")
    return range(first, last + 1)
