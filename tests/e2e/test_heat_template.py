"""From a Heat template to packets: what ``segue apply`` makes of one carries traffic through its functions, and the
networking API shows it as its own.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from segue.neutron.names import id_of

from .cloud import Cloud
from .fabric import PYTHON, host
from .talk import Talk, adder

pytestmark = [pytest.mark.root, pytest.mark.slow]

TEMPLATE = """\
heat_template_version: queens
parameters:
  function_host: {type: string}
resources:
  net: {type: OS::Neutron::Net, properties: {name: web}}
  subnet: {type: OS::Neutron::Subnet, properties: {network: {get_resource: net}, cidr: 10.20.0.0/24}}
  client: {type: OS::Neutron::Port, properties: {network: {get_resource: net}, "binding:host_id": n1}}
  server: {type: OS::Neutron::Port, properties: {network: {get_resource: net}, "binding:host_id": n3}}
"""
FUNCTION = """\
  {name}-in:
    type: OS::Neutron::Port
    properties:
      network: {{get_resource: net}}
      no_fixed_ips: true
      device_id: {name}
      "binding:host_id": {node}
  {name}-out:
    type: OS::Neutron::Port
    properties:
      network: {{get_resource: net}}
      no_fixed_ips: true
      device_id: {name}
      "binding:host_id": {node}
  {name}:
    type: OS::Neutron::PortPair
    properties: {{ingress: {{get_resource: {name}-in}}, egress: {{get_resource: {name}-out}}}}
  {name}-group: {{type: OS::Neutron::PortPairGroup, properties: {{port_pairs: [{{get_resource: {name}}}]}}}}
  {name}-udp:
    type: OS::Neutron::FlowClassifier
    properties:
      protocol: udp
      logical_source_port: {{get_resource: client}}
      destination_port_range_min: {low}
      destination_port_range_max: 7001
  {name}-chain:
    type: OS::Neutron::PortChain
    properties:
      port_pair_groups: [{{get_resource: {name}-group}}]
      flow_classifiers: [{{get_resource: {name}-udp}}]
"""
GRAPH = """\
  graph:
    type: OS::Neutron::ServiceGraph
    properties: {port_chains: {first-chain: [{get_resource: second-chain}]}}
"""


@pytest.fixture(scope="module")
def cloud() -> Iterator[Cloud]:
    with Cloud() as running:
        for machine in (
            host("client", "n1", "10.20.0.2/24"),
            host("server", "n3", "10.20.0.3/24"),
            adder("first", "n2", 1),
            adder("second", "n3", 2),
        ):
            running.lab.add_host(machine)
        yield running


def trails(cloud: Cloud, port: int) -> set[tuple[int, ...]]:
    with Talk(cloud, {4: "10.20.0.3"}, range(20000, 20004), port) as talk:
        return set(talk.trails(4)[0].values())


def test_packets_go_through_what_a_template_declares(cloud: Cloud, tmp_path: Path) -> None:
    template = tmp_path / "heat.yaml"
    first = FUNCTION.format(name="first", node="{get_param: function_host}", low=7000)
    second = FUNCTION.format(name="second", node="n3", low=7001)

    def segue(text: str, *words: str) -> None:
        template.write_text(text)
        command = [PYTHON, "-m", "segue", "apply", str(template), "--param", "function_host=n2", "--server", cloud.url]
        done = subprocess.run([*command, *words], capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        cloud.calm()

    segue(TEMPLATE)
    assert trails(cloud, 7000) == {()}
    segue(TEMPLATE + first)
    chain = id_of("chain", "first-chain")
    cloud.active(chain)
    assert trails(cloud, 7000) == trails(cloud, 7001) == {(1,)}
    assert trails(cloud, 7002) == {()}
    assert cloud.show("port_chain", chain)["chain_id"] == 1
    (port,) = cloud.every("port", name="first-in")
    assert (port["device_id"], port["binding:host_id"]) == ("first", "n2")

    segue(TEMPLATE + first + second + GRAPH)
    cloud.active(id_of("chain", "second-chain"))
    assert trails(cloud, 7000) == {(1,)}
    assert trails(cloud, 7001) == {(1, 2)}
    (graph,) = cloud.every("service_graph")
    assert graph["port_chains"] == {chain: [id_of("chain", "second-chain")]}
