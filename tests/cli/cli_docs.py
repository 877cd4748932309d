"""docs/cli.md, from what the commands say of themselves.

To write it anew: python tests/cli/cli_docs.py > docs/cli.md
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator

from segue.cli.main import parser

HEAD = """\
# The command line

`segue COMMAND --help` prints what stands here. [The intent](intent.md) says what to write into files.

**The server.** Commands that talk to a server find it by `--server URL`, before or after the command; else by
the environment variable `SEGUE_SERVER`; else at `http://127.0.0.1:7468`. `unix:/PATH` means a unix socket.

**Where the server asks who speaks**, these commands take, before or after the command: `--token-file FILE`, the
token to show (else `SEGUE_TOKEN_FILE`, else `SEGUE_TOKEN`, which is the token itself); for `https://`, `--ca FILE`,
who signed the server's certificate (else `SEGUE_CA`, else the system's), and `--cert FILE` and `--key FILE`, one's
own (else `SEGUE_CERT`, `SEGUE_KEY`).

**Output** is for people; `-o json` and `-o yaml` are for programs. Results go to standard output, what is wrong
goes to standard error, as `segue: ...`. Colours appear on a terminal only, and not where `NO_COLOR` is set.

**Exit status:**

| status | meaning |
| --- | --- |
| 0 | done, and so |
| 1 | not so, or not possible now: not in force in time, not ready, server not there |
| 2 | something is wrong with what was asked; nothing was changed, unless the command below says otherwise |
| 130, 141 | interrupted; whoever read the output went away |

**Names.** Where a command takes a KIND, it takes the plural too, and the names that networking-sfc has for it:

| kind | networking-sfc |
| --- | --- |
| instance | `port-pair` |
| group | `port-pair-group` |
| classifier | `flow-classifier` |
| chain | `port-chain` |
| graph | `service-graph` |
"""


def commands() -> Iterator[tuple[str, argparse.ArgumentParser]]:
    """Every command with its parser; of ``segue lab`` those that it has."""
    for name, command in _choices(parser()).items():
        inner = _choices(command)
        yield from ((f"{name} {word}", found) for word, found in inner.items())
        if not inner:
            yield name, command


def _choices(whole: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    found = [action.choices for action in whole._actions if isinstance(action, argparse._SubParsersAction)]
    return dict(found[0]) if found else {}


def render() -> str:
    return "\n".join([HEAD, *(_section(name, command) for name, command in commands())])


def _section(name: str, command: argparse.ArgumentParser) -> str:
    parts = [f"## segue {name}", str(command.description)]
    # Suppressed: help, and the options of all commands that talk to a server, which the head tells of.
    rows = [_row(action) for action in command._actions if action.default != argparse.SUPPRESS]
    if rows:
        parts.append("\n".join(["| argument | meaning |", "| --- | --- |", *rows]))
    if command.epilog:
        parts.append(f"```text\n{command.epilog}\n```")
    return "\n\n".join(parts) + "\n"


def _row(action: argparse.Action) -> str:
    value = action.metavar or ("\\|".join(action.choices) if action.choices else action.dest.upper())
    value = str(value).replace("FILE|NAME", "FILE\\|NAME")
    takes = f" {value}" if action.nargs != 0 else ""
    words = ", ".join(action.option_strings) + takes if action.option_strings else value
    return f"| `{words}` | {action.help or ''} |"


if __name__ == "__main__":
    os.environ.pop("OVS_RUNDIR", None)
    print(render(), end="")
