"""``segue COMMAND``. This file parses arguments and hands over; what a command needs it loads when it runs.

Each module's ``add_parsers`` adds its commands and sets ``run``: a callable that takes the parsed arguments and returns
the exit status. ``args.server`` is the server's address, whether it was given before the command, after it, or not.
"""

from __future__ import annotations

import argparse
import errno
import os
import re
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any, NoReturn

from segue import __version__
from segue.cli.defaults import SERVER
from segue.cli.errors import Failure, Mistake
from segue.cli.identity import add_options
from segue.cli.terminal import complain

ABOUT = """\
Declares which traffic goes through which functions, and keeps it so."""
EXAMPLES = """\
to begin, on one machine, as root:
  segue lab up examples/dragonflow.yaml      a network to try it in
  segue apply examples/dragonflow.yaml       declare
  segue status                               see
  segue trace 'server > client udp 2345 > 2345'

`segue COMMAND --help` says more of each. The server's address is --server, or SEGUE_SERVER; where it asks
for a token, --token-file, or SEGUE_TOKEN.
exit status: 0 done, 1 not so or not possible now, 2 something is wrong with what was asked."""

_COMMANDS = {
    "apply": ("apply",),
    "delete": ("delete",),
    "get": ("get",),
    "status": ("status",),
    "trace": ("trace",),
    "flows": ("flows",),
    "about": ("schema", "version"),
    "laboratory": ("lab",),
    "processes": ("server", "agent", "up"),
    "service": ("service",),
    "token": ("token",),
    "openflow": ("openflow",),
}
"""By module."""
_SIGINT, _SIGPIPE = 130, 141
"""What a shell calls a process that ended by these signals."""
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class _Parser(argparse.ArgumentParser):
    """Also the class of every command's parser: help as it was laid out, mistakes in one line."""

    def __init__(self, **options: Any) -> None:
        options.setdefault("formatter_class", argparse.RawDescriptionHelpFormatter)
        super().__init__(allow_abbrev=False, **options)

    def error(self, message: str) -> NoReturn:
        # argparse lists every choice; the one that was meant says more.
        wrong = re.match(r"argument COMMAND: invalid choice: '(.*)' \(choose from (.*)\)", message, re.DOTALL)
        if wrong is not None:
            from difflib import get_close_matches

            near = get_close_matches(wrong[1][:40], wrong[2].replace("'", "").split(", "), n=1, cutoff=0.6)
            message = f"there is no command {wrong[1][:40]!r}" + (f"; did you mean {near[0]}?" if near else "")
        self.exit(Mistake.status, f"segue: {message}; see `{self.prog} --help`\n")


def parser(first: str = "") -> argparse.ArgumentParser:
    """For every command; for one alone, which starts faster, where it is the ``first`` word."""
    whole = _Parser(prog="segue", description=ABOUT, epilog=EXAMPLES)
    whole.add_argument("--version", action="version", version=f"segue {__version__}")
    default = os.environ.get("SEGUE_SERVER") or SERVER
    whole.add_argument("--server", metavar="URL", default=default, help=f"default $SEGUE_SERVER, else {SERVER}")
    add_options(whole)
    commands = whole.add_subparsers(metavar="COMMAND", required=True, title="commands")
    for module in [module for module, names in _COMMANDS.items() if first in names] or _COMMANDS:
        import_module(f"segue.cli.{module}").add_parsers(commands)
    for name, command in commands.choices.items():
        if name not in ("server", "up", "lab", "schema", "version", "openflow", "token"):
            # Without a default of its own it leaves alone what was given before the command.
            text = "the server: http://HOST:PORT, https://HOST:PORT or unix:/PATH"
            for one in (command, *_within(command)):
                one.add_argument("--server", metavar="URL", default=argparse.SUPPRESS, help=text)
                add_options(one, argparse.SUPPRESS)
    return whole


def _within(command: argparse.ArgumentParser) -> list[argparse.ArgumentParser]:
    """A command's own commands."""
    inner = [action.choices for action in command._actions if isinstance(action, argparse._SubParsersAction)]
    return [parser for choices in inner for parser in choices.values()]


def main(argv: Sequence[str] | None = None) -> int:
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:  # closed by who started us
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_RDWR), mode, encoding="utf-8"))
    try:
        words = sys.argv[1:] if argv is None else argv
        args = parser(words[0] if words else "").parse_args(words)
        status: int = args.run(args)
        sys.stdout.flush()
        return status
    except Failure as failure:
        complain(str(failure))
        return failure.status
    except KeyboardInterrupt:
        return _SIGINT
    except BrokenPipeError:
        # Whoever read our output has gone. Python would complain once more while it closes standard output.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _SIGPIPE
    except OSError as error:
        if error.errno not in _FULL or error.filename is not None:
            raise
        complain(f"cannot write: {(error.strerror or '').lower()}")
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Failure.status
