"""Options that several of the commands have. Nothing is loaded for them: every command pays for it."""

from __future__ import annotations

import argparse


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--certificate", metavar="FILE", help="TLS: our certificate (PEM), with --key and --ca")
    parser.add_argument("--key", metavar="FILE", help="TLS: our private key")
    parser.add_argument("--ca", metavar="FILE", help="TLS: who signed the certificate of the other end")


def add_target_options(parser: argparse.ArgumentParser) -> None:
    """For a command that stands between two ends, of which TARGET may know another authority."""
    text = "TLS: our certificate towards TARGET, where that is not the same, with the next two"
    parser.add_argument("--target-certificate", metavar="FILE", help=text)
    parser.add_argument("--target-key", metavar="FILE", help="TLS: our private key towards TARGET")
    parser.add_argument("--target-ca", metavar="FILE", help="TLS: who signed the certificate of TARGET")
