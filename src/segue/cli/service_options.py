"""What controllers of injected services are met with, from the options of ``segue server`` and ``segue up``."""

from __future__ import annotations

import argparse
import re
from typing import TYPE_CHECKING

from segue.cli.errors import Mistake

if TYPE_CHECKING:
    from segue.openflow.endpoint import Certificates

_FILES = ("services_certificate", "services_key", "services_authority")


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


def words(args: argparse.Namespace) -> list[str]:
    """The same options, for another process."""
    given = {f"--{name.replace('_', '-')}": getattr(args, name) for name in _FILES}
    if args.services_listen is not None:
        given["--services-listen"] = f"{args.services_listen[0]}-{args.services_listen[-1]}"
    return [word for option, value in given.items() if value is not None for word in (option, value)]


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


def _ports(text: str) -> range:
    found = re.fullmatch(r"(\d{1,5})(?:-(\d{1,5}))?", text, re.ASCII)
    first, last = (int(found[1]), int(found[2] or found[1])) if found else (0, 0)
    if not 0 < first <= last < 1 << 16:
        raise argparse.ArgumentTypeError(f"{text!r} are no ports; write FIRST-LAST, such as 6700-6799")
    return range(first, last + 1)
