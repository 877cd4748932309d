"""Which chains, and which paths, packets may go into behind a chain: a service graph, as the command shows it."""

from __future__ import annotations

import json

from cli_session import Session

INTENT = """
nodes: {n1: 192.0.2.1}
networks: {web: 10.0.0.0/24}
ports:
  client: {network: web, node: n1, address: 10.0.0.10}
  server: {network: web, node: n1, address: 10.0.0.20}
instances: {fw: n1, cache: n1, log: n1}
chains:
  screened: {match: {from: client}, through: [fw], precedence: 200}
  cached: {match: {from: client, protocol: tcp}, through: [cache], encapsulation: nsh}
  logged: {match: {from: client, protocol: udp}, through: [log]}
"""
GRAPH = "graphs: {shop: {branch: {screened: [cached, logged]}}}\n"


def columns(text: str, header: str) -> dict[str, str]:
    """By the first column: what stands under ``header``."""
    lines = text.splitlines()
    start = lines[0].index(header)
    following = [word for word in lines[0][start:].split() if word != header]
    end = lines[0].index(following[0], start) if following else None
    return {line.split()[0]: line[start:end].strip() for line in lines[1:]}


def ids(segue: Session) -> dict[str, int]:
    return {path["chain"]: path["id"] for path in json.loads(segue("get", "paths", "-o", "json").out)}


def test_branches_are_shown_in_tables_and_as_json(segue: Session) -> None:
    segue("apply", "--no-wait", "-", stdin=INTENT + GRAPH)
    path = ids(segue)
    into = f"{path['cached']} (cached), {path['logged']} (logged)"
    shown = columns(segue("get", "paths").out, "INTO")
    assert shown == {str(path["screened"]): into, str(path["cached"]): "", str(path["logged"]): ""}
    told = segue("status").out.partition("\n\n")[2]
    assert columns(told, "INTO") == {"screened": "cached, logged", "cached": "", "logged": ""}
    assert into in segue("status", "screened").out

    status = json.loads(segue("status", "screened", "-o", "json").out)
    (chain,) = status["chains"]
    assert chain["into"] == ["cached", "logged"]
    branches = [{"path": path[name], "chain": name} for name in ("cached", "logged")]
    assert chain["paths"][0]["into"] == branches
    assert {tuple(one["into"]) for one in json.loads(segue("status", "-o", "json").out)["chains"]} == {
        ("cached", "logged"),
        (),
    }
    by_id = {one["id"]: one["into"] for one in json.loads(segue("get", "paths", "-o", "json").out)}
    assert by_id == {path["screened"]: branches, path["cached"]: [], path["logged"]: []}


def test_without_a_graph_there_is_no_such_column(segue: Session) -> None:
    segue("apply", "--no-wait", "-", stdin=INTENT)
    for words in (("get", "paths"), ("status",), ("status", "screened")):
        assert "INTO" not in segue(*words).out
    assert json.loads(segue("status", "screened", "-o", "json").out)["chains"][0]["into"] == []
