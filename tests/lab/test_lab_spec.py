import msgspec
import pytest

from segue.lab import names, wiring
from segue.lab.errors import LabError
from segue.lab.spec import LabHost, LabNode, LabPort, LabSpec, check

PORT = LabPort("p1", "02:00:00:00:00:01", ("10.0.0.1/24",), ("10.0.0.254",))
GOOD = LabSpec("demo", (LabNode("n1", "172.31.0.1"),), (LabHost("h1", "n1", (PORT,)),))


def changed_port(**changes: object) -> LabSpec:
    port = msgspec.structs.replace(PORT, **changes)
    return msgspec.structs.replace(GOOD, hosts=(LabHost("h1", "n1", (port,)),))


def test_a_good_spec_passes_and_survives_json() -> None:
    check(GOOD)
    assert msgspec.json.decode(msgspec.json.encode(GOOD), type=LabSpec) == GOOD


@pytest.mark.parametrize(
    ("spec", "complaint"),
    [
        (msgspec.structs.replace(GOOD, name="my-lab"), "no dash"),
        (msgspec.structs.replace(GOOD, name="x" * 25), "at most 24"),
        (msgspec.structs.replace(GOOD, name=""), "lab name"),
        (msgspec.structs.replace(GOOD, nodes=()), "no nodes"),
        (msgspec.structs.replace(GOOD, nodes=(LabNode("n" * 41, "172.31.0.1"),)), "at most 40"),
        (msgspec.structs.replace(GOOD, nodes=(LabNode("ul", "172.31.0.1"),)), "reserved"),
        (msgspec.structs.replace(GOOD, nodes=(LabNode("n1", "fd00::1/200"),)), "n1"),
        (msgspec.structs.replace(GOOD, nodes=(LabNode("n1", "fd00::1", 1, ("1.1.1",)),)), "n1"),
        (msgspec.structs.replace(GOOD, nodes=(LabNode("n1", "1.1.1.1", 1 << 48),)), "48 bits"),
        (msgspec.structs.replace(GOOD, hosts=(LabHost("n1", "n1"),)), "used twice"),
        (msgspec.structs.replace(GOOD, hosts=(LabHost("../h", "n1"),)), "name '../h'"),
        (msgspec.structs.replace(GOOD, hosts=(LabHost("h1", "nowhere"),)), "not there"),
        (msgspec.structs.replace(GOOD, hosts=(LabHost("h1", "n1", (PORT, PORT)),)), "port name 'p1'"),
        (msgspec.structs.replace(GOOD, underlay_mtu=100), "underlay_mtu"),
        (changed_port(mac="03:00:00:00:00:01"), "unicast"),
        (changed_port(mac="00:00:00:00:00:00"), "unicast"),
        (changed_port(interface="eth0123456789012"), "15"),
        (changed_port(addresses=("10.0.0.300/24",)), "10.0.0.300"),
        (changed_port(gateways=("fd00::1",)), "family"),
        (changed_port(name="p 1"), "port name"),
    ],
)
def test_what_is_wrong_is_said(spec: LabSpec, complaint: str) -> None:
    with pytest.raises(LabError, match=complaint):
        check(spec)


def test_nodes_share_one_network() -> None:
    nodes = (LabNode("n1", "172.31.0.1"), LabNode("n2", "172.31.1.1"))
    with pytest.raises(LabError, match="one network"):
        check(msgspec.structs.replace(GOOD, nodes=nodes))
    check(msgspec.structs.replace(GOOD, nodes=(LabNode("n1", "172.31.0.1/16"), LabNode("n2", "172.31.1.1/16"))))


def test_nodes_share_one_network_of_each_family() -> None:
    nodes = (LabNode("n1", "172.31.0.1", 1, ("fd00::1",)), LabNode("n2", "fd00::2"), LabNode("n3", "172.31.0.3"))
    check(msgspec.structs.replace(GOOD, nodes=nodes))
    for last, complaint in (
        (LabNode("n4", "fd00:0:0:1::4"), "IPv6 underlay addresses are not in one network"),
        (LabNode("n4", "172.31.0.4", 4, ("fd00::4/48",)), "IPv6 underlay addresses are not in one network"),
        (LabNode("n4", "172.31.0.4", 4, ("fd00:0::1",)), "fd00::1 is used twice"),
    ):
        with pytest.raises(LabError, match=complaint):
            check(msgspec.structs.replace(GOOD, nodes=(*nodes, last)))


def test_interface_names_fit_the_kernel_and_stay_apart() -> None:
    ports = ["p1", "br-int", "ovs-x", "a" * 16, "a" * 17, "0ba1e2f4-17e1-4a6e-8d3a-3e9d5a3a2f10", "x:y"]
    short = [names.switch_interface(p) for p in ports]
    assert short[0] == "p1"
    assert len(set(short)) == len(ports)
    assert all(len(s) <= 15 for s in short)
    assert not {"br-int", "ovs-x"} & set(short)
    assert all(len(names.underlay_port(n)) <= 15 for n in ("n1", "n" * 40))
    assert names.switch_interface(ports[5]) == names.switch_interface(ports[5])


def test_each_default_route_has_a_metric_of_its_own() -> None:
    second = LabPort("p2", "02:00:00:00:00:02", ("10.1.0.1/24",), ("10.2.0.254",), "eth1")
    host = LabHost("h1", "n1", (PORT, second))
    routes = [line for line in wiring.host_setup(host, host.ports) if "route" in line]
    assert routes == [
        "route add default via 10.0.0.254 dev eth0 metric 1",
        "route add default via 10.2.0.254 dev eth1 onlink metric 17",
    ]
