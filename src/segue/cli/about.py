"""``segue schema`` and ``segue version``: what can be said without a server."""

from __future__ import annotations

import argparse

SCHEMA = """\
Prints the JSON Schema (draft 2020-12) of what `segue apply` takes, for editors and other programs."""
SCHEMA_EXAMPLES = """\
examples:
  segue schema > schema.json
  then, as the first line of a file, for the YAML language server:
  # yaml-language-server: $schema=schema.json"""


def add_parsers(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    schema = subparsers.add_parser(
        "schema", help="print the JSON Schema of an intent", description=SCHEMA, epilog=SCHEMA_EXAMPLES
    )
    schema.set_defaults(run=_schema)
    version = subparsers.add_parser(
        "version", help="print the version", description="Prints the version of this command."
    )
    version.set_defaults(run=_version)


def _schema(_: argparse.Namespace) -> int:
    import json

    from segue.intent import schema

    print(json.dumps(schema(), indent=2))
    return 0


def _version(_: argparse.Namespace) -> int:
    from segue import __version__

    print(f"segue {__version__}")
    return 0
