"""``segue token``: who may speak to a server. Works on the file that ``segue server --tokens`` reads."""

from __future__ import annotations

import argparse
import os
import secrets
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from segue.cli import output
from segue.cli.defaults import DATA
from segue.cli.errors import Failure, Mistake

if TYPE_CHECKING:
    from segue.api.tokens import Token

FILE = f"{DATA}/tokens.yaml"
ROLES = ("admin", "member", "reader", "agent")
ABOUT = """\
Makes, lists and revokes the tokens of a server that was started with --tokens FILE. The file has hashes of them, no
tokens; the server reads it again as soon as it changes."""
CREATE = """\
Makes a token, prints it once, and adds what the server needs to know of it to the file. Nothing can show it again.

  admin    may do everything
  member   may use the objects of its project, by the Neutron API
  reader   may look at them; of the project admin: at the whole network
  agent    may be the agent of a node"""
CREATE_EXAMPLES = """\
examples:
  segue token create --project web --role member --expires 30d --for "the shop's deployment"
  segue token create --role agent > /etc/segue/agent.token"""
LIST = """\
Lists the tokens of the file, with what is known of them. The tokens themselves are not in it."""
REVOKE = """\
Takes tokens out of the file. What they are used for at this moment ends within two seconds."""
REVOKE_EXAMPLES = """\
examples:
  segue token revoke 7f3a09c2"""


def add_parsers(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    token = subparsers.add_parser("token", help="who may speak to a server", description=ABOUT)
    commands = token.add_subparsers(metavar="COMMAND", required=True, title="commands")

    create = commands.add_parser("create", help="make a token", description=CREATE, epilog=CREATE_EXAMPLES)
    create.add_argument(
        "--project", metavar="NAME", help="whose objects it may use (default for admin and agent: admin)"
    )
    create.add_argument("--role", action="append", choices=ROLES, required=True, help="may be given more than once")
    create.add_argument(
        "--expires", metavar="WHEN", help="30d, 12h, or a time, as 2030-01-31T12:00:00Z (default: never)"
    )
    create.add_argument("--id", metavar="ID", help="what to call it (default: eight random digits)")
    create.add_argument("--for", dest="purpose", default="", metavar="TEXT", help="what it is for; a note for people")
    _file(create)
    create.set_defaults(run=_create)

    listing = commands.add_parser("list", help="list tokens", description=LIST)
    _file(listing)
    output.option(listing, "table", "json", "yaml")
    listing.set_defaults(run=_list)

    revoke = commands.add_parser("revoke", help="revoke tokens", description=REVOKE, epilog=REVOKE_EXAMPLES)
    revoke.add_argument("ids", nargs="+", metavar="ID", help="as `segue token list` shows it")
    _file(revoke)
    revoke.set_defaults(run=_revoke)


def _file(parser: argparse.ArgumentParser) -> None:
    default = os.environ.get("SEGUE_TOKENS") or FILE
    text = f"the tokens; JSON if its name ends so, else YAML (default $SEGUE_TOKENS, else {FILE})"
    parser.add_argument("--file", default=default, metavar="FILE", help=text)


def _create(args: argparse.Namespace) -> int:
    from segue.api.token_file import change
    from segue.api.tokens import SECRET_BYTES, TokensError, new_token

    project = args.project
    if project is None:
        if not set(args.role) <= {"admin", "agent"}:
            raise Mistake(f"whose objects may it use? write --project NAME with --role {args.role[0]}")
        project = "admin"
    expires = _time(args.expires, datetime.now(UTC)) if args.expires else None
    id_ = args.id or secrets.token_hex(4)
    roles = list(dict.fromkeys(args.role))
    try:
        text, token = new_token(id_, secrets.token_bytes(SECRET_BYTES), project, roles, expires, args.purpose)
    except TokensError as error:
        raise Mistake(f"there can be no such token: {error}") from None

    def added(there: dict[str, Token]) -> dict[str, Token]:
        if id_ in there:
            raise Mistake(f"there is a token {id_} already; choose another --id, or revoke that one")
        return {**there, id_: token}

    try:
        change(Path(args.file), added)
    except TokensError as error:
        raise Failure(str(error)) from None
    print(text)
    print(f"token {id_} is in {args.file}; it is not shown again", file=sys.stderr)
    return 0


def _time(text: str, now: datetime) -> datetime:
    from segue.api.tokens import seconds

    span = seconds(text)
    try:
        found = now + timedelta(seconds=span) if span else datetime.fromisoformat(text)
    except (ValueError, OverflowError):
        raise Mistake(f"{text!r} is no time; write 30d, 12h, or 2030-01-31T12:00:00Z") from None
    if found.tzinfo is None:
        found = found.replace(tzinfo=UTC)
    if found <= now:
        raise Mistake(f"{text} is over already; write a time to come")
    return found.replace(microsecond=0)


def _list(args: argparse.Namespace) -> int:
    from segue.api.token_file import read
    from segue.api.tokens import TokensError, shown

    try:
        tokens = list(read(Path(args.file))[0].values())
    except TokensError as error:
        raise Failure(str(error)) from None
    if args.output != "table":
        output.show([shown(token) for token in tokens], args.output)
    elif not tokens:
        print("no tokens; make one with `segue token create`")
    else:
        from segue.cli.tables import table
        from segue.cli.terminal import coloured

        now = datetime.now(UTC)
        rows = [[t.id, t.project, ", ".join(t.roles), _expiry(t, now), t.purpose] for t in tokens]
        print(table(["ID", "PROJECT", "ROLES", "EXPIRES", "FOR"], rows, coloured(sys.stdout)))
    return 0


def _expiry(token: Token, now: datetime) -> str | tuple[str, str]:
    if token.expires is None:
        return "never"
    text = f"{token.expires.astimezone(UTC):%Y-%m-%d %H:%M}Z"
    return (f"{text} (over)", "red") if token.ended(now) else text


def _revoke(args: argparse.Namespace) -> int:
    from segue.api.token_file import change
    from segue.api.tokens import TokensError

    def left(there: dict[str, Token]) -> dict[str, Token]:
        for id_ in args.ids:
            if id_ not in there:
                raise Mistake(
                    f"there is no token {id_[:80]!r} in {args.file}; `segue token list` lists those there are"
                )
        return {id_: token for id_, token in there.items() if id_ not in args.ids}

    try:
        change(Path(args.file), left)
    except TokensError as error:
        raise Failure(str(error)) from None
    print("\n".join(f"token {id_} is revoked" for id_ in dict.fromkeys(args.ids)))
    return 0
