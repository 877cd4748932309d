from __future__ import annotations

from pathlib import Path

import pytest

from segue.intent import parse
from segue.lab.errors import LabError
from segue.lab.from_intent import lab_name, lab_spec
from segue.lab.spec import LabHost, LabNode, LabPort, check
from segue.packet.addresses import derived_mac, format_mac

EXAMPLES = Path(__file__).parents[2] / "examples"


def mac(port: str) -> str:
    return format_mac(derived_mac("port", port))


def hosts(text: str) -> dict[str, LabHost]:
    spec = lab_spec(parse(text, "net.yaml"))
    check(spec)
    return {host.name: host for host in spec.hosts}


def test_the_example() -> None:
    file = EXAMPLES / "dragonflow.yaml"
    document = parse(file.read_bytes(), str(file))
    spec = lab_spec(document)
    check(spec)
    assert spec.name == "dragonflow"
    assert spec.nodes == tuple(LabNode(f"n{n}", f"192.0.2.{n}/24") for n in (1, 2, 3))
    assert document.lab is not None
    client = LabPort("client", mac("client"), ("10.0.0.10/24",))
    server = LabPort("server", mac("server"), ("10.0.0.20/24",))
    arms = tuple(LabPort(name, mac(name), interface=name) for name in ("upper-in", "upper-out"))
    assert spec.hosts == (
        LabHost("server", "n3", (server,), document.lab.hosts["server"].run),
        LabHost("upper", "n2", arms, document.lab.hosts["upper"].run),
        LabHost("client", "n1", (client,)),
    )


NODES = "nodes: [n1, n2]\nnetworks: {web: {cidr: 10.0.0.0/24, gateway: 10.0.0.1}, db: {cidr: 10.1.0.0/16}}\n"


def test_ports_that_nobody_claims_get_hosts() -> None:
    found = hosts(NODES + "ports: {a: {network: web, node: n1, address: 10.0.0.5}}\ninstances: {fw: n2, nat: n1}\n")
    assert {name: [p.interface for p in host.ports] for name, host in found.items()} == {
        "a": ["eth0"],
        "fw": ["fw-in", "fw-out"],
        "nat": ["nat-in", "nat-out"],
    }


def test_a_host_claims_ports_by_list_by_its_name_or_as_an_instance() -> None:
    text = NODES + (
        "ports: {a: {node: n1}, b: {node: n1}, c: {node: n2}}\n"
        "instances: {a-function-of-note: {node: n2, arms: 1}}\n"
        "lab: {hosts: {both: {ports: [b, a]}, c: {forward: true, env: {X: y}}, a-function-of-note: {run: sleep 1}}}\n"
    )
    found = hosts(text)
    assert list(found) == ["both", "c", "a-function-of-note"]
    assert [(p.name, p.interface) for p in found["both"].ports] == [("b", "eth0"), ("a", "eth1")]
    assert (found["c"].forward, found["c"].env) == (True, {"X": "y"})
    assert [p.interface for p in found["a-function-of-note"].ports] == ["a-function-of-n"]
    assert found["a-function-of-note"].run == ("sleep 1",)


def test_addresses_have_their_subnets_length_and_gateways_a_router() -> None:
    text = NODES + "ports: {a: {network: %s, node: n1, address: %s, mac: 'AA:00:00:00:00:0B'}}\n"
    assert hosts(text % ("web", "10.0.0.5"))["a"].ports[0].gateways == ()
    routed = text + "routers: {r: [web]}\n"
    port = hosts(routed % ("web", "10.0.0.5"))["a"].ports[0]
    assert port == LabPort("a", "aa:00:00:00:00:0b", ("10.0.0.5/24",), ("10.0.0.1",), "eth0")
    assert hosts(routed % ("db", "10.1.9.5"))["a"].ports[0].addresses == ("10.1.9.5/16",)


def test_a_function_that_routes_forwards() -> None:
    text = NODES + "ports: {r: {network: web, node: n1, address: 10.0.0.7}}\ninstances: {r: {port: r, mode: route}}\n"
    assert hosts(text)["r"].forward


def test_the_underlay_is_as_wide_as_it_must_be() -> None:
    spec = lab_spec(parse("nodes: {a: 10.1.0.1, b: 10.2.0.0, c: 10.3.255.255}", "x.yaml"))
    check(spec)
    assert [node.address for node in spec.nodes] == ["10.1.0.1/13", "10.2.0.0/13", "10.3.255.255/13"]


def test_each_family_has_an_underlay() -> None:
    spec = lab_spec(parse("nodes: {a: '2001:db8::1', b: 192.0.2.1, c: '2001:db8:0:1::1', d: 192.0.2.2}", "x.yaml"))
    check(spec)
    assert [node.address for node in spec.nodes] == [
        "2001:db8::1/63",
        "192.0.2.1/24",
        "2001:db8:0:1::1/63",
        "192.0.2.2/24",
    ]
    far = lab_spec(parse("nodes: {a: '2001:db8::1', b: 'fd00::1'}", "x.yaml"))
    with pytest.raises(LabError, match="IPv6 underlay addresses are not in one network"):
        check(far)


@pytest.mark.parametrize(
    ("source", "name"),
    [("a/Web Shop-2.yaml", "web_shop_2"), ("stdin", "stdin"), ("-.yaml", "lab"), ("x" * 40 + ".yaml", "x" * 24)],
)
def test_the_name_comes_from_the_file(source: str, name: str) -> None:
    document = parse("nodes: [n1]", source)
    assert lab_name(document) == lab_spec(document).name == name
    check(lab_spec(document))
    assert lab_spec(document, "other").name == "other"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("ports: {a: {node: n9}}", "port 'a' is on node 'n9', which the file does not declare"),
        ("ports: {a: {network: web}}", "no node is said for port 'a'"),
        ("ports: {a: {network: lan, node: n1, address: 10.9.0.1}}", "10.9.0.1 of port 'a' is in no subnet"),
        ("lab: {hosts: {a: {ports: [b]}}}", "host 'a' holds port 'b', which the file does not declare"),
        ("lab: {hosts: {a: }}", "host 'a' holds no port"),
        ("ports: {a: {node: n1}}\nlab: {hosts: {x: {ports: [a]}, a: }}", "hosts 'x' and 'a' both hold port 'a'"),
        (
            "ports: {a: {node: n1}, b: {node: n2}}\nlab: {hosts: {x: {ports: [a, b]}}}",
            "host 'x' holds ports of several nodes: 'a' on 'n1', 'b' on 'n2'",
        ),
        ("instances: {f: n1}\nlab: {hosts: {f: {ports: [f-in]}}}", "port 'f-out' would be in host 'f'"),
    ],
)
def test_what_cannot_be_a_lab_is_told(text: str, message: str) -> None:
    with pytest.raises(LabError) as caught:
        lab_spec(parse(NODES + text, "net.yaml"))
    assert str(caught.value).startswith("net.yaml cannot be tried in a lab: ")
    assert message in str(caught.value)
