"""Who may speak to a server, from the options of ``segue server`` and ``segue up``: tokens, Keystone, TLS, limits."""

from __future__ import annotations

import argparse
import ipaddress
import logging
import socket
import ssl
from pathlib import Path
from typing import TYPE_CHECKING

from segue.cli.defaults import CONNECTIONS, RATE
from segue.cli.errors import Mistake
from segue.cli.listening import ListenError

if TYPE_CHECKING:
    from segue.api.auth import Access, Authority
    from segue.api.token_file import TokenFile

log = logging.getLogger(__name__)

_SPARE = 256
"""Files that the server has open besides connections."""


def add_options(parser: argparse.ArgumentParser) -> None:
    who = parser.add_mutually_exclusive_group()
    who.add_argument("--tokens", metavar="FILE", help="ask for a token; FILE has them, see `segue token`")
    who.add_argument(
        "--no-authentication",
        action="store_true",
        help="let in everybody, as an administrator, at whatever address it listens",
    )
    parser.add_argument(
        "--keystone",
        metavar="CONFIG",
        help="ask for a token of Keystone's; CONFIG has [keystone_authtoken], as that of every OpenStack service",
    )
    parser.add_argument("--tls-cert", metavar="FILE", help="speak TLS: the server's certificate, and those above it")
    parser.add_argument("--tls-key", metavar="FILE", help="its key, if that is another file")
    parser.add_argument(
        "--client-ca", metavar="FILE", help="let in only clients with a certificate that this one signed"
    )
    parser.add_argument(
        "--rate",
        type=_number,
        default=RATE,
        metavar="N",
        help=f"requests per second that one caller may make; 0: any (default {RATE:g})",
    )
    parser.add_argument(
        "--connections",
        type=_count,
        default=CONNECTIONS,
        metavar="N",
        help=f"connections at a time; 0: any number (default {CONNECTIONS})",
    )


def words(args: argparse.Namespace) -> list[str]:
    """The same options, for another process."""
    given = [("--tokens", args.tokens), ("--keystone", args.keystone)]
    given += [("--tls-cert", args.tls_cert), ("--tls-key", args.tls_key)]
    given += [("--client-ca", args.client_ca), ("--rate", f"{args.rate:g}"), ("--connections", str(args.connections))]
    found = [word for option, value in given if value is not None for word in (option, value)]
    return [*found, "--no-authentication"] if args.no_authentication else found


def check_address(bound: socket.socket, args: argparse.Namespace) -> None:
    """Raises ListenError where anybody who reaches this address would be let in."""
    host, port = bound.getsockname()[:2]
    if ipaddress.ip_address(host.partition("%")[0]).is_loopback or args.no_authentication:
        return
    if not (args.tokens or args.keystone):
        raise ListenError(
            f"cannot listen on {args.listen} without authentication: whoever reaches it could change the network. "
            f"Write --tokens FILE (`segue token create` makes one), or --keystone CONFIG, "
            f"or --listen 127.0.0.1:{port}, or --no-authentication if that is what you want"
        )
    if not args.tls_cert:
        log.warning("tokens cross the network to %s in clear; write --tls-cert FILE", args.listen)


def access(args: argparse.Namespace) -> Access:
    """Raises Mistake."""
    from segue.api.auth import Access, ByFile
    from segue.api.token_file import TokenFile
    from segue.api.tokens import TokensError

    if args.keystone and args.no_authentication:
        raise Mistake("--keystone asks for a token, and --no-authentication does not; leave one of them out")
    try:
        file = TokenFile(Path(args.tokens)) if args.tokens else None
    except TokensError as error:
        raise Mistake(f"{error}; `segue token create --file {args.tokens}` makes one") from None
    by_file = ByFile(file) if file else None
    return Access(_with_keystone(args.keystone, file, by_file) if args.keystone else by_file, args.rate)


def _with_keystone(config: str, file: TokenFile | None, by_file: Authority | None) -> Authority:
    """Its library is loaded where it is asked for, and nowhere else. Raises Mistake."""
    from segue.api.keystone import FileFirst, keystone
    from segue.api.keystone_middleware import KeystoneError

    try:
        found = keystone(Path(config))
    except KeystoneError as error:
        raise Mistake(f"Keystone: {error}") from None
    return FileFirst(file, by_file, found) if file and by_file else found


def tls(args: argparse.Namespace) -> ssl.SSLContext | None:
    """None where it was not asked for. Raises Mistake."""
    if not args.tls_cert:
        if args.tls_key or args.client_ca:
            raise Mistake("TLS needs --tls-cert FILE")
        return None
    for name in (args.tls_cert, args.tls_key, args.client_ca):
        if name and not Path(name).is_file():
            raise Mistake(f"TLS: there is no file {name}")
    try:
        made = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=args.client_ca)
        made.load_cert_chain(args.tls_cert, args.tls_key)
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", "") or str(error)
        raise Mistake(f"TLS: {args.tls_cert}: {reason.lower().replace('_', ' ')}") from None
    if args.client_ca:
        made.verify_mode = ssl.CERT_REQUIRED
    made.set_alpn_protocols(["http/1.1"])
    return made


def make_room(connections: int) -> None:
    """Let this process have as many files open as it may, where ``connections`` need them."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + _SPARE if connections else hard
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(wanted, hard), hard))


def _number(text: str) -> float:
    value = float(text)
    if not 0 <= value < 1e9:
        raise argparse.ArgumentTypeError("a number, 0 or more")
    return value


def _count(text: str) -> int:
    value = int(text)
    if value < 0:
        raise argparse.ArgumentTypeError("a number, 0 or more")
    return value
