"""``segue get``: what is declared, and the paths made of it."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

from segue.cli import output
from segue.cli.client import Client, part
from segue.cli.errors import Mistake
from segue.cli.identity import identity
from segue.cli.kinds import LISTED, PLURALS, kind_of
from segue.cli.tables import Cell, table
from segue.cli.terminal import complain
from segue.model.limits import (
    DEFAULT_COPIES,
    DEFAULT_ENCAPSULATION,
    DEFAULT_FLOWS,
    DEFAULT_ORDER,
    DEFAULT_PACKET_INS,
    DEFAULT_PRECEDENCE,
    NODE_ENCAPSULATIONS,
)

ABOUT = """\
Shows what is declared. With -o yaml or json, in the form that `segue apply` takes. `segue get paths` shows the chains
as they are rendered: path ids, the instances of each step, and in a service graph the paths that lead on from there.

With --watch, a line follows for each change as it comes, of objects and of the state of chains and nodes, until it is
interrupted; with -o json, one JSON object a line. A connection that is lost is made again, and nothing is missed."""
EXAMPLES = f"""\
examples:
  segue get all
  segue get chains
  segue get chain loud -o yaml
  segue get all -o yaml > backup.yaml
  segue get ports -o name
  segue get paths
  segue get chains --watch
  segue get all -w -o json

{LISTED};
besides: all, paths"""

Row = dict[str, Any]


def add_parsers(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser("get", help="show what is declared", description=ABOUT, epilog=EXAMPLES)
    parser.add_argument("kind", metavar="KIND", help="a kind, all, or paths")
    parser.add_argument("name", nargs="?", metavar="NAME", help="this one only")
    parser.add_argument("-w", "--watch", action="store_true", help="then show each change as it comes")
    output.option(parser, "table", "json", "yaml", "name")
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    kind = kind_of(args.kind.partition("/")[0], "all", "path", "paths")
    name = args.name
    if "/" in args.kind and name is None:
        name = args.kind.partition("/")[2]
    client = Client(args.server, identity(args))
    if args.watch:
        _watch(client, kind, name, args.output)
        return 0
    if kind in ("path", "paths"):
        _paths(client, name, args.output)
        return 0
    if kind == "all" and name is not None:
        raise Mistake("`segue get all` takes no name; write: segue get KIND NAME")
    if args.output in ("json", "yaml"):
        chosen = None if kind == "all" else kind
        print(client.text("/v1/text", kind=chosen, name=name, form=args.output), end="")
        return 0
    if kind == "all":
        by_kind: dict[str, list[Row]] = client.get("/v1/objects")
    else:
        path = f"/v1/objects/{kind}"
        by_kind = {kind: client.get(path) if name is None else [client.get(f"{path}/{part(name)}")]}
    if args.output == "name":
        for each, rows in by_kind.items():
            for row in sorted(rows, key=lambda row: row["name"]):
                print(f"{each}/{row['name']}")
        return 0
    _tables(by_kind, client)
    return 0


def _watch(client: Client, kind: str, name: str | None, form: str) -> None:
    from segue.cli import watch

    if kind in ("path", "paths"):
        raise Mistake("paths cannot be watched; watch the chains")
    if kind == "all" and name is not None:
        raise Mistake("`segue get all` takes no name; write: segue get KIND NAME")
    if form not in ("table", "json"):
        raise Mistake(f"-o {form} has no form for changes; leave it out, or write: -o json")

    def listed(by_kind: dict[str, list[Row]]) -> None:
        if name is not None and not by_kind[kind]:
            complain(f"there is no {kind} {name[:60]!r} yet")
        else:
            _tables(by_kind, client)

    def words(kind: str, row: Row) -> str:
        cells = {header.lower(): show(row) for header, show in (COLUMNS[kind] | COMMON).items()}
        return "; ".join(f"{header}: {cell}" for header, cell in cells.items() if cell != "")

    shown = watch.AsJson() if form == "json" else watch.AsTable(PLURALS if kind == "all" else [kind], listed, words)
    watch.watch(client, None if kind == "all" else kind, name, shown)


def _tables(by_kind: dict[str, list[Row]], client: Client) -> None:
    subnets: list[Row] = []
    if by_kind.get("network"):
        subnets = by_kind["subnet"] if "subnet" in by_kind else client.get("/v1/objects/subnet")
    shown = {kind: rows for kind, rows in by_kind.items() if rows}
    if not shown:
        print(f"no {PLURALS[next(iter(by_kind))]}" if len(by_kind) == 1 else "nothing is declared")
    for position, (kind, rows) in enumerate(shown.items()):
        if position:
            print()
        if kind == "network":
            rows = [row | {"subnets": [s["cidr"] for s in subnets if s["network"] == row["name"]]} for row in rows]
        columns = COLUMNS[kind] | COMMON
        body = [[row["name"], *(show(row) for show in columns.values())] for row in sorted(rows, key=_name)]
        print(table([kind.upper(), *columns], body))


def _name(row: Row) -> str:
    name: str = row["name"]
    return name


def _field(name: str, default: Any = "") -> Callable[[Row], Cell]:
    def show(row: Row) -> Cell:
        value = row.get(name, default)
        if isinstance(value, bool):
            return "yes" if value else ""
        if isinstance(value, list):
            return ", ".join(value)
        return value if isinstance(value, int) else str(value or "")

    return show


def _unusual(name: str, default: int) -> Callable[[Row], Cell]:
    """Empty for the default: a column that no row needs is left out, so that the table is not too wide."""

    def show(row: Row) -> Cell:
        value: int = row.get(name, default)
        return "" if value == default else value

    return show


def _routes(row: Row) -> Cell:
    return ", ".join(f"{route['destination']} via {route['via']}" for route in row.get("routes", []))


def _branches(row: Row) -> Cell:
    return "; ".join(f"{branch['chain']} > {', '.join(branch['into'])}" for branch in row.get("branches", []))


def _permissions(row: Row) -> Cell:
    given = row.get("permissions", {})
    words = [word.replace("_", "-") for word, value in given.items() if value is True]
    if given.get("rewrite"):
        words.append(f"rewrite {' '.join(given['rewrite'])}")
    return ", ".join(words)


def match(row: Row) -> Cell:
    """A classifier in a few words."""
    words = []
    for word, end in (("from", "source"), ("to", "destination")):
        found = [str(row[field]) for field in (f"{end}_port", f"{end}_prefix") if row.get(field)]
        if found:
            words.append(f"{word} {' '.join(found)}")
    words += [str(row[field]) for field in ("ethertype", "protocol") if row.get(field)]
    for word, field in (("source", "source_ports"), ("destination", "destination_ports")):
        if row.get(field):
            low, high = row[field]
            words.append(f"{word} port {low}" if low == high else f"{word} ports {low}-{high}")
    if row.get("network"):
        words.append(f"in network {row['network']}")
    return ", ".join(words) or "everything"


COLUMNS: dict[str, dict[str, Callable[[Row], Cell]]] = {
    "node": {"ADDRESS": _field("address"), "ENCAPSULATIONS": _field("encapsulations", list(NODE_ENCAPSULATIONS))},
    "network": {"SUBNETS": _field("subnets")},
    "subnet": {"NETWORK": _field("network"), "CIDR": _field("cidr"), "GATEWAY": _field("gateway")},
    "router": {"SUBNETS": _field("subnets"), "ROUTES": _routes},
    "port": {
        "NETWORK": _field("network"),
        "NODE": _field("node"),
        "ADDRESSES": _field("addresses"),
        "MAC": _field("mac"),
    },
    "instance": {
        "INGRESS": _field("ingress"),
        "EGRESS": _field("egress"),
        "AWARE": _field("aware"),
        "MODE": _field("mode", "bridge"),
        "REWRITES": _field("rewrites", False),
        "WEIGHT": _field("weight", 1),
    },
    "group": {"INSTANCES": _field("instances")},
    "classifier": {"MATCH": match},
    "chain": {
        "CLASSIFIERS": _field("classifiers"),
        "THROUGH": _field("groups"),
        "SYMMETRIC": _field("symmetric", False),
        "ENCAPSULATION": _field("encapsulation", DEFAULT_ENCAPSULATION),
        "PRECEDENCE": _field("precedence", DEFAULT_PRECEDENCE),
    },
    "graph": {"BRANCHES": _branches},
    "service": {
        "HOOK": _field("hook"),
        "ATTACHED": _field("attach"),
        "ORDER": _field("order", DEFAULT_ORDER),
        "MAY": _permissions,
        "FLOWS": _unusual("flows", DEFAULT_FLOWS),
        "PACKET-INS": _unusual("packet_ins", DEFAULT_PACKET_INS),
        "COPIES": _unusual("copies", DEFAULT_COPIES),
    },
}


COMMON: dict[str, Callable[[Row], Cell]] = {"LABEL": _field("label"), "PROJECT": _field("project")}
"""Of every kind; shown where any object has one."""


def _paths(client: Client, name: str | None, form: str) -> None:
    chains = client.get("/v1/status")["chains"]
    paths = [path for chain in chains for path in chain["paths"] if name is None or str(path["id"]) == name]
    if name is not None and not paths:
        raise Mistake(f"there is no path {name[:60]!r}; `segue get paths` lists those there are")
    if form in ("json", "yaml"):
        output.show(paths, form)
    elif form == "name":
        for path in paths:
            print(f"path/{path['id']}")
    elif not paths:
        print("no paths")
    else:
        print(path_table(paths))


def path_table(paths: list[Row]) -> str:
    def steps(path: Row) -> str:
        return " > ".join("|".join(one["instance"] for one in step["instances"]) for step in path["steps"])

    def into(path: Row) -> str:
        return ", ".join(f"{one['path'] or 'no path'} ({one['chain']})" for one in path["into"])

    header = ["PATH", "CHAIN", "DIRECTION", "NETWORK", "ENCAPSULATION", "PHASE", "THROUGH"]
    fields = ("id", "chain", "direction", "network", "encapsulation", "phase")
    branches = any(path["into"] for path in paths)
    rows: list[list[Cell]] = [
        [*(path[field] for field in fields), steps(path), *([into(path)] if branches else [])] for path in paths
    ]
    return table([*header, *(["INTO"] if branches else [])], rows)
