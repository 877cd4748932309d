"""TLS for the commands that connect and listen: what is made of the options."""

from __future__ import annotations

import argparse
import os
import ssl

from segue.cli.errors import Mistake
from segue.openflow.endpoint import Certificates, Endpoint

_OPTIONS = ("certificate", "key", "ca")


def certificates(args: argparse.Namespace, *ends: Endpoint, prefix: str = "") -> Certificates | None:
    """Of the options for these ends. Raises Mistake: some of the three are missing, or no end has TLS."""
    given = [getattr(args, f"{prefix}{name}") for name in _OPTIONS]
    if not any(given):
        return None
    if not all(given):
        names = [f"--{prefix.replace('_', '-')}{name}" for name in _OPTIONS]
        raise Mistake(f"TLS needs all of {names[0]}, {names[1]} and {names[2]}")
    if not any(end.secure for end in ends):
        raise Mistake(
            f"--{prefix.replace('_', '-')}certificate is for TLS: write ssl: in place of tcp:, pssl: of ptcp:"
        )
    return Certificates(*given)


def context(where: Endpoint, given: Certificates | None) -> ssl.SSLContext | None:
    """What `where` is reached with, or waited at; None without TLS. Raises Mistake."""
    if not where.secure:
        return None
    if given is None:
        raise Mistake(f"{str(where)!r}: TLS needs --certificate, --key and --ca")
    try:
        return given.context(server=where.passive)
    except ValueError as error:
        raise Mistake(str(error)) from None


def why(error: BaseException) -> str:
    """What went wrong between two ends, in a few words."""
    if isinstance(error, ssl.SSLError):
        return f"TLS: {(error.reason or str(error)).lower().replace('_', ' ')}"
    if isinstance(error, TimeoutError) and not error.strerror:
        return "no answer in time"
    number = getattr(error, "errno", None)
    if number is not None and number > 0:  # asyncio has words of its own for some
        return os.strerror(number).lower()
    return (getattr(error, "strerror", None) or str(error) or type(error).__name__).lower()
