"""apply, get, delete and status against a server; no agents, so nothing comes into force where nodes are."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from cli_session import EXAMPLE, Session

ALONE = "networks: {web: 10.0.0.0/24}\nports: {client: {network: web, address: 10.0.0.10}}\n"
"""Needs no node."""


def test_what_is_applied_is_shown_and_kept(segue: Session, tmp_path: Path) -> None:
    file = tmp_path / "net.yaml"
    file.write_text(ALONE)
    ran = segue("apply", str(file))
    assert (ran.status, ran.err) == (0, "")
    assert ran.out.endswith('+ port "client"\n    network: web\n    addresses: [10.0.0.10]\n3 added\nready\n')
    assert segue("apply", str(file)).out == "nothing changes\nready\n"
    file.write_text(ALONE.replace("10.0.0.10", "10.0.0.11"))
    assert segue("apply", str(file)).out == (
        '~ port "client"\n    addresses: [10.0.0.10] -> [10.0.0.11]\n1 changed\nready\n'
    )
    assert segue("get", "port", "client").out.splitlines() == [
        "PORT    NETWORK  ADDRESSES",
        "client  web      10.0.0.11",
    ]


def test_a_dry_run_changes_nothing(segue: Session) -> None:
    ran = segue("apply", "--dry-run", "-", stdin=ALONE)
    assert ran.status == 0
    assert ran.out.endswith("would be added: 3\n")
    assert segue("get", "all").out == "nothing is declared\n"
    segue("apply", "-", stdin=ALONE)
    assert segue("delete", "port", "client", "--dry-run").out == '- port "client"\nwould be removed: 1\n'
    assert segue("get", "ports", "-o", "name").out == "port/client\n"


@pytest.mark.parametrize("form", ["yaml", "json"])
def test_what_get_prints_can_be_applied_again(segue: Session, form: str) -> None:
    segue("apply", str(EXAMPLE), "--no-wait")
    text = segue("get", "all", "-o", form).out
    assert segue("delete", "-f", str(EXAMPLE), "--no-wait").status == 0
    assert segue("get", "all").out == "nothing is declared\n"
    segue("apply", "-", "--no-wait", stdin=text)
    assert segue("get", "all", "-o", form).out == text


def test_not_in_force_in_time_says_why(segue: Session) -> None:
    ran = segue("apply", str(EXAMPLE), "--wait", "0.2")
    assert ran.status == 1
    assert "node n1 has no agent connected" in ran.err
    assert segue("get", "chains", "-o", "name").out == "chain/loud\n"
    ran = segue("apply", str(EXAMPLE), "--no-wait")
    assert ran.status == 0
    assert ran.out.startswith("nothing changes\naccepted; it waits for:\n  ")


def test_a_longer_wait_reads_the_status(segue: Session) -> None:
    ran = segue("apply", str(EXAMPLE), "--wait", "1.3", "-o", "json")
    assert ran.status == 1
    answer = json.loads(ran.out)
    assert answer["ready"] is False
    assert "chain loud: node n2 has no agent connected" in answer["waiting"]
    assert "node n1 has no agent connected" in answer["waiting"]


def test_labels_and_projects_are_shown_where_there_are_any(segue: Session, tmp_path: Path) -> None:
    file = tmp_path / "labels.yaml"
    file.write_text("networks: {a: {label: Web servers}, b: {project: shop, description: unseen}}")
    segue("apply", str(file), "--no-wait")
    assert segue("get", "networks").out.splitlines() == [
        "NETWORK  LABEL        PROJECT",
        "a        Web servers",
        "b                     shop",
    ]
    assert 'label: "Web servers"' in segue("get", "network", "a", "-o", "yaml").out


def test_tables(segue: Session) -> None:
    segue("apply", str(EXAMPLE), "--no-wait")
    assert segue("get", "port-pairs").out.splitlines() == [
        "INSTANCE  INGRESS   EGRESS     MODE    WEIGHT",
        "upper     upper-in  upper-out  bridge       1",
    ]
    assert segue("get", "chain", "loud").out.splitlines()[1] == "loud   loud-1       upper    nsh                   100"
    assert segue("get", "flow-classifier").out.splitlines()[1] == (
        "loud-1      from server, to client, udp, source port 2345"
    )
    assert segue("get", "networks").out.splitlines()[1] == "web      10.0.0.0/24"
    everything = segue("get", "all").out
    assert everything.startswith("NODE  ADDRESS    ENCAPSULATIONS\nn1    192.0.2.1  nsh, mpls\n")
    assert "\n\nCHAIN  CLASSIFIERS" in everything
    paths = segue("get", "paths").out.splitlines()
    assert paths[0].split() == ["PATH", "CHAIN", "DIRECTION", "NETWORK", "ENCAPSULATION", "PHASE", "THROUGH"]
    assert paths[1].split()[1:] == ["loud", "forward", "web", "nsh", "prepare", "upper"]


def test_status_in_words_and_by_exit_status(segue: Session) -> None:
    ran = segue("status")
    assert (ran.status, ran.out) == (0, "nothing is declared; see `segue apply --help`\n")
    segue("apply", str(EXAMPLE), "--no-wait")
    ran = segue("status")
    assert ran.status == 1
    assert ran.out.startswith("NODE  STATE   REASON\nn1    absent  no agent connected")
    assert "\n\nCHAIN  STATE      ENTERED  LEFT  REASON\nloud   preparing        0     0  node n2" in ran.out
    ran = segue("status", "loud")
    assert "PATH  INDEX  STEP   INSTANCE  NODE  SHARE  PROXIED" in ran.out
    assert "255  upper  upper     n2    100%   by MAC" in ran.out
    assert json.loads(segue("status", "-o", "json").out)["chains"][0]["paths"][0]["chain"] == "loud"
    assert yaml.safe_load(segue("status", "loud", "-o", "yaml").out)["chains"][0]["name"] == "loud"
    ran = segue("status", "silent")
    assert (ran.status, ran.err) == (2, "segue: there is no chain 'silent'; `segue get chains` lists those there are\n")


def test_what_others_refer_to_is_not_deleted(segue: Session) -> None:
    segue("apply", "-", stdin=ALONE)
    ran = segue("delete", "network", "web")
    assert ran.status == 2
    assert 'port "client"' in ran.err
    assert segue("delete", "network/web", "port/client").out.endswith("3 removed\nready\n")
    ran = segue("delete", "port", "client")
    assert (ran.status, ran.err) == (2, "segue: there is no port 'client'; `segue get ports` lists those there are\n")


def test_several_files_are_one_change(segue: Session, tmp_path: Path) -> None:
    network, port = tmp_path / "network.yaml", tmp_path / "port.json"
    network.write_text("networks: {web: 10.0.0.0/24}\n")
    port.write_text('{"ports": {"client": {"network": "web", "address": "10.0.0.10"}}}')
    assert segue("apply", str(port)).status == 2
    ran = segue("apply", str(port), str(network))
    assert (ran.status, ran.out.splitlines()[-2:]) == (0, ["3 added", "ready"])
    ran = segue("delete", "-f", str(port), str(network))
    assert (ran.status, ran.out.splitlines()[-2:]) == (0, ["3 removed", "ready"])


def test_problems_in_several_files_name_their_files(segue: Session, tmp_path: Path) -> None:
    one, two = tmp_path / "one.yaml", tmp_path / "two.yaml"
    one.write_text("nodes: [n1]\nports:\n  a: {node: n1}\n")
    two.write_text("nodes: [n2]\nports:\n\n  a: {node: n1}\n")
    ran = segue("apply", str(one), str(two))
    assert ran.status == 2
    assert f'{two}:4: port "a": port "a" is declared twice (see {one}:3)' in ran.err
    assert f'{two}:1: node "n2": address 192.0.2.1 is that of node "n1" too (see {one}:1)' in ran.err
    two.write_text("ports: {b: {node: n9}}\n")
    assert segue("apply", str(one), str(two)).err.startswith(f'segue: {two}:1: port "b": node: there is no node')
    two.write_text("ports: {b: [}\n")
    one.write_text("node: n1\n")
    err = segue("apply", str(one), str(two)).err
    assert f"{one}:1: there is no key" in err
    assert f"{two}:1: this is not YAML" in err
    two.write_bytes(b"ports:\n  \xff\n")
    assert "two.yaml:2: byte 0xff is not UTF-8" in segue("apply", str(one), str(two)).err
    assert segue("apply", str(one), str(one)).err == f"segue: {one} is named twice\n"
    assert segue("get", "all").out == "nothing is declared\n"


def test_flows_and_trace_say_what_is_missing(segue: Session) -> None:
    ran = segue("flows", "n1")
    assert (ran.status, ran.err) == (2, "segue: there is no node 'n1'; `segue get nodes` lists those there are\n")
    segue("apply", str(EXAMPLE), "--no-wait")
    ran = segue("flows", "n1")
    assert (ran.status, ran.err) == (1, "segue: node n1 has no agent connected\n")
    ran = segue("trace", "client > server udp 2345")
    assert (ran.status, ran.err) == (1, "segue: port client has no interface on any node whose agent is connected\n")
    assert segue("trace", "client", ">", "server", "udp", "2345").err == ran.err
    assert segue("trace", "client").status == 2


def test_schema_is_json(nowhere: Session) -> None:
    ran = nowhere("schema")
    assert ran.status == 0
    assert json.loads(ran.out)["$schema"].endswith("2020-12/schema")
