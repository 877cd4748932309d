"""Whatever is handed to ``segue apply``: one clear error, exit status 2, and nothing is applied."""

from __future__ import annotations

from pathlib import Path

import pytest
from cli_session import Session

NETWORK = "nodes: [n1]\nnetworks: {web: 10.0.0.0/24}\n"
CLIENT = "ports: {client: {network: web, node: n1, address: 10.0.0.10}}\n"

BAD = {
    "malformed YAML": ("nodes: [n1\n", "not YAML"),
    "malformed JSON": ('{"nodes": ["n1",}', "not JSON"),
    "no mapping": ("- n1\n", "an intent is a mapping"),
    "not UTF-8": (b"nodes: [n\xff]\n", "is not UTF-8"),
    "unknown kind": ("node: [n1]\n", "did you mean nodes?"),
    "unknown field": (NETWORK + "ports: {client: {network: web, adress: 10.0.0.10}}\n", "did you mean address?"),
    "wrong type": (NETWORK + "ports: {client: {network: [web], node: n1}}\n", "must be text, not a list"),
    "wrong number": ("instances: {f: {port: p, weight: many}}\n", "whole number"),
    "dangling reference": (NETWORK + "ports: {client: {network: wab, node: n1}}\n", "there is no network 'wab'"),
    "dangling instance": (NETWORK + CLIENT + "groups: {g: [f]}\n", "there is no instance 'f'"),
    "circular groups": ("groups: {a: [b], b: [a]}\n", "there is no instance"),
    "a chain through itself": (
        NETWORK + CLIENT + "chains: {loud: {match: {from: client}, through: [loud]}}\n",
        "there is no group or instance 'loud'",
    ),
    "overlapping subnets": ("networks: {web: [10.0.0.0/24, 10.0.0.0/25]}\n", "overlaps"),
    "one address twice": (
        NETWORK + "ports: {a: {network: web, address: 10.0.0.1}, b: {network: web, address: 10.0.0.1}}\n",
        "is also that of port 'a'",
    ),
    "an address outside": (NETWORK + "ports: {a: {network: web, address: 10.1.0.1}}\n", "is in no subnet"),
    "a chain without instances": (NETWORK + CLIENT + "chains: {loud: {match: {from: client}, through: []}}\n", "empty"),
    "a chain through an empty group": (
        NETWORK + CLIENT + "groups: {g: []}\nchains: {loud: {match: {from: client}, through: [g]}}\n",
        "group 'g' has no instance",
    ),
    "unsupported encapsulation": (
        NETWORK
        + CLIENT
        + "instances: {f: n1}\nchains: {loud: {match: {from: client}, through: [f], encapsulation: vxlan}}\n",
        "there is no encapsulation 'vxlan'",
    ),
    "a long name": (f"nodes: [{'n' * 10_000}]\n", "10000 characters long"),
    "deep nesting": ("nodes: " + "[" * 1000 + "]" * 1000, "deep"),
}


@pytest.mark.parametrize(("text", "message"), BAD.values(), ids=BAD)
def test_bad_text_is_refused_whole(segue: Session, tmp_path: Path, text: str | bytes, message: str) -> None:
    file = tmp_path / "bad.yaml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    ran = segue("apply", str(file))
    assert ran.status == 2
    assert ran.err.startswith(f"segue: {file}")
    assert message in ran.err
    assert "Traceback" not in ran.err
    assert len(ran.err) < 1000
    assert ran.out == ""
    assert segue("get", "all").out == "nothing is declared\n"


def test_the_error_names_the_line(segue: Session, tmp_path: Path) -> None:
    file = tmp_path / "bad.yaml"
    file.write_text(NETWORK + "\nports:\n  client: {network: wab, node: n1}\n")
    assert segue("apply", str(file)).err.startswith(f'segue: {file}:5: port "client": network: there is no network')


def test_a_file_of_100_megabytes_is_refused_unread(nowhere: Session, tmp_path: Path) -> None:
    file = tmp_path / "big.yaml"
    with file.open("wb") as sparse:
        sparse.truncate(100_000_000)
    ran = nowhere("apply", str(file))
    assert (ran.status, ran.err) == (2, f"segue: {file} has 100 MB; the limit is 64 MiB; split it\n")


def test_standard_input_has_the_same_limit(nowhere: Session) -> None:
    ran = nowhere("apply", "-", stdin=bytes((64 << 20) + 1))
    assert ran.status == 2
    assert "standard input" in ran.err
    assert "64 MiB" in ran.err


def test_files_that_cannot_be_read(nowhere: Session, tmp_path: Path) -> None:
    ran = nowhere("apply", str(tmp_path / "nowhere.yaml"))
    assert (ran.status, ran.err) == (2, f"segue: there is no file {tmp_path}/nowhere.yaml\n")
    ran = nowhere("apply", str(tmp_path))
    assert (ran.status, ran.err) == (2, f"segue: {tmp_path} is a directory; name the files in it: {tmp_path}/*.yaml\n")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["aply"], "there is no command 'aply'; did you mean apply?"),
        (["apply"], "FILE"),
        (["apply", "x", "--wait", "soon"], "number of seconds"),
        (["apply", "x", "--wait", "-1"], "number of seconds"),
        (["get", "chian"], "there is no kind 'chian'; did you mean chain?"),
        (["delete"], "say what to delete"),
        (["delete", "chain"], "which chain?"),
        (["delete", "chain/loud", "upper"], "'upper' is not KIND/NAME"),
        (["lab", "down"], "say which lab"),
        (["lab", "exec", "client"], "which command?"),
        (["--server", "ftp://x", "get", "all"], "no server address"),
        (["--server", "http://x:y", "get", "all"], "no server address"),
        (["--server", "unix:", "get", "all"], "no server address"),
    ],
)
def test_a_wrong_command_line_is_told_in_one_line(nowhere: Session, words: list[str], message: str) -> None:
    ran = nowhere(*words)
    assert ran.status == 2
    assert ran.err.startswith("segue: ")
    assert message in ran.err
    assert ran.err.count("\n") == 1
