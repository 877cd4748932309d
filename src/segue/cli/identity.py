"""What a command shows to the server, and what it wants to see of it: a token, certificates.

Loaded at every start of a command, so it loads nothing that is slow.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from segue.cli.errors import Mistake

if TYPE_CHECKING:
    import ssl

_OPTIONS = (
    (
        "--token-file",
        "SEGUE_TOKEN_FILE",
        "the token to show to the server (default $SEGUE_TOKEN_FILE; else SEGUE_TOKEN)",
    ),
    ("--ca", "SEGUE_CA", "who signed the server's certificate, for https:// (default $SEGUE_CA, else the system's)"),
    ("--cert", "SEGUE_CERT", "this side's certificate, where the server asks for one (default $SEGUE_CERT)"),
    ("--key", "SEGUE_KEY", "and its key, if that is another file (default $SEGUE_KEY)"),
)


class Identity(NamedTuple):
    """Files by name, or empty. ``token_file`` goes before ``token``."""

    token_file: str = ""
    token: str = ""
    ca: str = ""
    cert: str = ""
    key: str = ""

    def secret(self) -> str:
        """The token as it is now, or nothing. Raises Mistake."""
        text, where = self.token, "SEGUE_TOKEN"
        if self.token_file:
            where = self.token_file
            try:
                text = Path(where).read_text()
            except (OSError, UnicodeDecodeError) as error:
                raise Mistake(f"cannot read the token in {where}: {getattr(error, 'strerror', '') or error}") from None
        text = text.strip()
        if not all("!" <= letter <= "~" for letter in text) or (self.token_file and not text):
            raise Mistake(f"{where} has no token; a token is one word, as `segue token create` prints it")
        return text

    def context(self) -> ssl.SSLContext:
        """Raises Mistake."""
        import ssl

        for name in (self.ca, self.cert, self.key):
            if name and not Path(name).is_file():
                raise Mistake(f"TLS: there is no file {name}")
        try:
            made = ssl.create_default_context(cafile=self.ca or None)
            if self.cert:
                made.load_cert_chain(self.cert, self.key or None)
        except (OSError, ValueError) as error:
            raise Mistake(f"TLS: {(getattr(error, 'reason', '') or str(error)).lower().replace('_', ' ')}") from None
        return made


def add_options(parser: argparse.ArgumentParser, default: Any = "") -> None:
    """``default``: SUPPRESS leaves alone what was given before the command."""
    for option, variable, text in _OPTIONS:
        given = default or os.environ.get(variable, "")
        parser.add_argument(option, metavar="FILE", default=given, help=text)


def identity(args: argparse.Namespace) -> Identity:
    return Identity(args.token_file, os.environ.get("SEGUE_TOKEN", ""), args.ca, args.cert, args.key)
