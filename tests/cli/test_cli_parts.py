"""The small parts: kinds, tables, colours; and copies of the model's facts, held equal to it."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from cli_docs import commands, render
from cli_session import DOCS, Session

from segue.api.app import LARGEST_BODY
from segue.api.files import FILES
from segue.cli import files, get, kinds
from segue.cli.tables import table
from segue.cli.terminal import coloured
from segue.intent.problems import PLURALS
from segue.intent.text import MAX_SIZE
from segue.model.intent import KINDS


def test_copies_of_the_model_are_true() -> None:
    assert list(kinds.PLURALS) == list(KINDS) == list(get.COLUMNS)
    assert {plural: kind for kind, plural in kinds.PLURALS.items()} == PLURALS
    assert (files.LARGEST, files.LARGEST_BODY, files.FILES) == (MAX_SIZE, LARGEST_BODY, FILES)


@pytest.mark.parametrize(
    ("word", "kind"),
    [("chain", "chain"), ("Chains", "chain"), ("port-pair-groups", "group"), ("port_pair", "instance")],
)
def test_kinds_by_any_name(word: str, kind: str) -> None:
    assert kinds.kind_of(word) == kind


def test_a_table_lines_up_and_leaves_out_empty_columns() -> None:
    text = table(["NAME", "WHY", "N"], [["a", "", 1], [("long", "red"), "", 20]])
    assert text == "NAME   N\na      1\nlong  20"
    text = table(["NAME", "N"], [["a", 1], [("long", "red"), 20]], colours=True)
    assert text == "NAME   N\na      1\n\x1b[31mlong\x1b[0m  20"


def test_colours_are_for_terminals_that_want_them(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert coloured(Terminal())
    assert not coloured(io.StringIO())
    monkeypatch.setenv("NO_COLOR", "1")
    assert not coloured(Terminal())


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({}, "everything"),
        (
            {"source_prefix": "10.0.0.0/24", "protocol": "tcp", "destination_ports": [80, 90], "network": "web"},
            "from 10.0.0.0/24, tcp, destination ports 80-90, in network web",
        ),
    ],
)
def test_a_classifier_in_words(row: dict[str, object], words: str) -> None:
    assert get.match(row) == words


def test_a_graph_in_words():
    row = {"name": "g", "branches": [{"chain": "a", "into": ["b", "c"]}, {"chain": "b", "into": ["c"]}]}
    assert [show(row) for show in get.COLUMNS["graph"].values()] == ["a > b, c; b > c"]
    assert [show({"name": "g"}) for show in get.COLUMNS["graph"].values()] == [""]


def test_a_service_in_words():
    row = {
        "name": "s",
        "hook": "ingress",
        "attach": ["port/p", "network/n"],
        "permissions": {"drop": True, "packet_in": True, "rewrite": ["vlan", "ip_ecn"]},
        "flows": 7,
        "copies": 0,
    }
    columns = get.COLUMNS["service"].values()
    may = "drop, packet-in, rewrite vlan ip_ecn"
    assert [show(row) for show in columns] == ["ingress", "port/p, network/n", 100, may, 7, "", 0]
    assert [show({"name": "s", "hook": "egress"}) for show in columns] == ["egress", "", 100, "", "", "", ""]


def test_the_client_loads_little() -> None:
    """What start-up costs is what is imported; the heavy ones would be noticed by everybody who types."""
    code = "import sys, segue.cli.main as m; m.parser(); print(*sorted(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    heavy = {"msgspec", "yaml", "litestar", "uvicorn", "websockets", "asyncio", "subprocess", "segue.intent"}
    assert heavy.isdisjoint(loaded)


def test_a_reader_that_goes_away_is_no_error() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    ran = subprocess.run([sys.executable, "-m", "segue", "schema"], stdout=writing, stderr=subprocess.PIPE, text=True)
    os.close(writing)
    assert (ran.returncode, ran.stderr) == (141, "")


def test_interruption_is_quiet(nowhere: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("segue.cli.client.Client.get", interrupt)
    assert nowhere("status") == (130, "", "")


@pytest.mark.parametrize("command", [name for name, _ in commands()])
def test_every_command_teaches(nowhere: Session, command: str) -> None:
    ran = nowhere(*command.split(), "--help")
    assert ran.status == 0
    assert ran.out.startswith(f"usage: segue {command}")
    assert max(map(len, ran.out.splitlines())) <= 120


def test_the_documentation_is_what_the_commands_say(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OVS_RUNDIR", raising=False)
    assert (DOCS / "cli.md").read_text() == render(), "python tests/cli/cli_docs.py > docs/cli.md"


def test_the_version(nowhere: Session) -> None:
    assert nowhere("version").out == nowhere("--version").out
    assert re.match(r"segue \d+\.\d+", nowhere("version").out)


def test_lab_commands_say_what_is_wrong(nowhere: Session, tmp_path: Path) -> None:
    ran = nowhere("lab", "down", "No Such Lab")
    assert (ran.status, ran.out) == (2, "")
    assert "neither a file nor the name of a lab" in ran.err
    file = tmp_path / "x.yaml"
    file.write_text("nodes: [n1]\nports: {a: {node: n2}}\n")
    ran = nowhere("lab", "up", str(file))
    assert ran.status == 2
    assert f"{file} cannot be tried in a lab: port 'a' is on node 'n2', which the file does not declare" in ran.err
    file.write_text("nodes: [n1\n")
    assert nowhere("lab", "up", str(file)).status == 2
    ran = nowhere("lab", "exec", "--lab", "no_such_lab_here", "client", "ls")
    assert (ran.status, ran.err) == (2, "segue: there is no lab 'no_such_lab_here'\n")
