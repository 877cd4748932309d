"""From the ``openstack`` command to packets: every object of a chain by OpenStack's own client, as a user types it."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from segue.lab.lab import tear_down

from .cloud import Cloud
from .fabric import PYTHON
from .talk import ADDER, Talk

pytestmark = [pytest.mark.root, pytest.mark.slow]

TOP = Path(__file__).parents[2]
OpenStack = Callable[..., str]


@pytest.fixture(scope="module")
def command() -> str:
    here = TOP / ".venv-clients" / "bin" / "openstack"
    found = str(here) if here.exists() else shutil.which("openstack")
    if found is None:
        pytest.skip("there is no `openstack` command: run scripts/install test")
    return found


@pytest.fixture(scope="module")
def cloud() -> Iterator[Cloud]:
    with Cloud() as running:
        yield running


@pytest.fixture
def openstack(command: str, cloud: Cloud) -> OpenStack:
    """A command as one writes it, its words divided by spaces; what it prints, in its ``value`` format if any."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("OS_")}
    env = {**clean, "OS_AUTH_TYPE": "none", "OS_ENDPOINT": cloud.url}

    def run(words: str) -> str:
        done = subprocess.run([command, *words.split()], env=env, text=True, capture_output=True, timeout=60)
        assert done.returncode == 0, f"openstack {words}\n{done.stderr}"
        return done.stdout.strip()

    return run


def trails(cloud: Cloud, port: int = 7000) -> set[tuple[int, ...]]:
    with Talk(cloud, {4: "10.0.0.20"}, range(20000, 20008), port) as talk:
        return set(talk.trails(4)[0].values())


def test_the_thinnest_path(openstack: OpenStack, cloud: Cloud) -> None:
    network = openstack("network create web -f value -c id")
    openstack("subnet create web --network web --subnet-range 10.0.0.0/24")
    for name, node, address in (("client", "n1", "10.0.0.10"), ("server", "n3", "10.0.0.20")):
        openstack(f"port create {name} --network web --host {node} --device {name} --fixed-ip ip-address={address}")
    for name in ("loud-in", "loud-out"):
        openstack(f"port create {name} --network web --host n2 --device loud")
    made = {port["name"]: port for port in cloud.every("port", network_id=network)}
    for name in ("client", "server"):
        node = made[name]["binding:host_id"]
        cloud.plug_host(name, node, made[name])
    cloud.devices["loud"] = "n2", [made["loud-in"], made["loud-out"]]
    cloud.plug("loud", f"{PYTHON} {ADDER} --id 7")
    cloud.calm()
    assert trails(cloud) == {()}

    openstack("sfc port pair create pp --ingress loud-in --egress loud-out --service-function-parameters weight=2")
    openstack("sfc port pair group create ppg --port-pair pp --port-pair-group-parameters lb-fields=ip_src&ip_dst")
    openstack(
        "sfc flow classifier create fc --ethertype IPv4 --protocol udp --destination-port 7000:7001"
        " --logical-source-port client --logical-destination-port server"
    )
    chain = openstack(
        "sfc port chain create pc --port-pair-group ppg --flow-classifier fc --chain-parameters symmetric=true"
        " -f value -c ID"
    )
    cloud.active(chain)
    assert openstack("sfc port chain list -f value -c ID -c Name") == f"{chain} pc"
    assert trails(cloud) == {(7,)}
    assert trails(cloud, 7002) == {()}

    openstack("sfc port chain unset pc --flow-classifier fc")
    cloud.down(chain, "it has no flow classifier")
    cloud.calm()
    assert trails(cloud) == {()}
    openstack("sfc port chain set pc --flow-classifier fc")
    cloud.active(chain)
    assert trails(cloud) == {(7,)}

    openstack("sfc port chain delete pc")
    cloud.calm()
    assert trails(cloud) == {()}
    for words in ("flow classifier delete fc", "port pair group delete ppg", "port pair delete pp"):
        openstack(f"sfc {words}")
    assert cloud.get("/v1/objects/instance") == []


def test_the_example(command: str) -> None:
    lab = f"t{os.getpid()}_openstack"
    try:
        done = subprocess.run(
            [str(TOP / "examples" / "openstack.sh")],
            env={**os.environ, "OPENSTACK": command, "LAB": lab},
            cwd="/",
            text=True,
            capture_output=True,
            timeout=180,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        answers = [line for line in done.stdout.splitlines() if line.startswith("the answer: ")]
        assert answers == ["the answer: here is dragonflow", "the answer: here is DRAGONFLOW"]
        status = next(line for line in done.stdout.splitlines() if " loud " in line)
        assert " ready " in status
    finally:
        subprocess.run([PYTHON, "-m", "segue", "lab", "down", lab], capture_output=True, timeout=60)
        tear_down(lab)
