"""From nothing to a chain that works, by the commands alone."""

from __future__ import annotations

import json
import os
import re
import secrets
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from cli_session import EXAMPLE, Ran, Session

pytestmark = pytest.mark.root

ASK = """
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(3)
s.sendto(b"a dragonflow", ("10.0.0.20", 2345))
print(s.recv(100).decode())
"""


@pytest.fixture
def lab(nowhere: Session, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Session, str]]:
    """The command, and the name of a lab that is up with its server."""
    name = f"c{os.getpid()}_{secrets.token_hex(2)}"
    try:
        up = nowhere("lab", "up", str(EXAMPLE), "--name", name, "--listen", "127.0.0.1:0")
        assert up.status == 0, up.err
        url = re.search(r"its server is at (\S+)", up.out)
        assert url
        assert f"  export SEGUE_SERVER={url[1]}\n  segue apply {EXAMPLE}\n" in up.out
        yield Session(url[1], monkeypatch), name
    finally:
        assert nowhere("lab", "down", name).out == f"lab {name} is down\n"


def inside(lab: str, *words: str) -> Ran:
    """``lab exec`` takes the place of the process that runs it, so it is given one."""
    command = [sys.executable, "-m", "segue", "lab", "exec", "--lab", lab, *words]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=30)
    return Ran(ran.returncode, ran.stdout, ran.stderr)


def test_the_first_steps(lab: tuple[Session, str]) -> None:
    segue, name = lab
    ran = segue("apply", str(EXAMPLE))
    assert (ran.status, ran.out.splitlines()[-2:]) == (0, ["12 added", "ready"]), ran.err
    assert inside(name, "client", "python3", "-c", ASK).out == "a DRAGONFLOW\n"
    ran = segue("status", "loud", "-o", "json")
    assert ran.status == 0
    assert {one["packets"] for one in json.loads(ran.out)["chains"][0]["counters"]} == {1}
    assert segue("status").out.splitlines()[1] == "n1    ready"
    owners = {flow["owner"] for flow in json.loads(segue("flows", "n3", "--owner", "chain/loud", "-o", "json").out)}
    assert owners == {"chain/loud"}
    traced = segue("trace", "server > client udp 2345 > 40000", "--live")
    assert traced.status == 0, traced.err
    assert traced.out.endswith("the switches agree\n")
    assert "delivered to client" in traced.out

    again = segue("lab", "up", str(EXAMPLE), "--name", name)
    assert again.status == 0
    assert f"lab {name} is up already" in again.err
    assert segue("status").status == 0
    listed = {one["name"]: one for one in json.loads(segue("lab", "list", "-o", "json").out)}
    assert [host["name"] for host in listed[name]["hosts"]] == ["server", "upper", "client"]

    assert inside(name, "client", "sh", "-c", "exit 7").status == 7
    assert inside(name, "n1", "--", "ovs-vsctl", "br-exists", "br-int").status == 0
    assert inside(name, "nobody", "ls").err == f"segue: lab '{name}' has no node or host 'nobody'\n"
    ran = segue("delete", "chain", "loud")
    assert (ran.status, ran.out.splitlines()[-1]) == (0, "ready"), ran.err
    assert inside(name, "client", "python3", "-c", ASK).out == "a dragonflow\n"


def test_apply_waits_while_a_function_is_missing(lab: tuple[Session, str], tmp_path: Path) -> None:
    segue, name = lab
    file = tmp_path / "chain.yaml"
    file.write_text(EXAMPLE.read_text().replace("upper: n2", "upper: n2\n  late: {port: late}\n", 1))
    text = file.read_text().replace("through: [upper]", "through: [late]")
    file.write_text(text.replace("ports:\n", "ports:\n  late: {node: n2}\n", 1))
    for _ in range(20):  # until the agents have connected: before that it is they that are waited for
        ran = segue("apply", str(file), "--wait", "0.5")
        assert ran.status == 1
        if "late" in ran.err:
            break
    assert "chain loud: " in ran.err
    assert "late" in ran.err

    def plug() -> None:
        time.sleep(1.5)
        add = ["--", "add-port", "br-int", "late", "--", "set", "interface", "late", "type=internal"]
        inside(name, "n2", "ovs-vsctl", *add, "external_ids:iface-id=late")

    assert segue("delete", "chain", "loud", "--no-wait").status == 0
    thread = threading.Thread(target=plug)
    thread.start()
    ran = segue("apply", str(file), "--wait", "20")
    thread.join()
    assert (ran.status, ran.out.splitlines()[-1]) == (0, "ready"), ran.err
