from __future__ import annotations

from typing import Any

import pytest

from segue.neutron import rules
from segue.neutron.caller import Caller
from segue.neutron.errors import Fault

from . import ADMIN, ONE, OTHER, World, complete, refused


@pytest.fixture
def world() -> World:
    return World()


def addresses(world: World, port: str) -> list[str]:
    return [fixed["ip_address"] for fixed in world.show("port", port)["fixed_ips"]]


def test_a_subnet_gets_a_gateway_and_the_pools_that_the_gateway_leaves(world: World) -> None:
    network, subnet = world.network("10.0.0.0/24")
    shown = world.show("subnet", subnet)
    assert shown["gateway_ip"] == "10.0.0.1"
    assert shown["allocation_pools"] == [{"start": "10.0.0.2", "end": "10.0.0.254"}]
    assert world.show("network", network)["subnets"] == [subnet]


def test_a_gateway_in_the_middle_leaves_two_pools(world: World) -> None:
    _, subnet = world.network("10.0.0.0/29", gateway_ip="10.0.0.3")
    pools = [(pool["start"], pool["end"]) for pool in world.show("subnet", subnet)["allocation_pools"]]
    assert pools == [("10.0.0.1", "10.0.0.2"), ("10.0.0.4", "10.0.0.6")]


@pytest.mark.parametrize(
    ("cidr", "gateway", "pool"),
    [
        ("10.0.0.0/30", None, [("10.0.0.1", "10.0.0.2")]),
        ("10.0.0.0/31", None, [("10.0.0.0", "10.0.0.1")]),
        ("2001:db8::/64", None, [("2001:db8::1", "2001:db8::ffff:ffff:ffff:ffff")]),
        ("2001:db8::/64", "2001:db8::1", [("2001:db8::2", "2001:db8::ffff:ffff:ffff:ffff")]),
    ],
)
def test_pools_leave_out_the_network_and_broadcast_addresses(
    world: World, cidr: str, gateway: str | None, pool: list[tuple[str, str]]
) -> None:
    _, subnet = world.network(cidr, gateway_ip=gateway)
    assert [(p["start"], p["end"]) for p in world.show("subnet", subnet)["allocation_pools"]] == pool


def test_a_network_too_small_for_a_gateway_has_none(world: World) -> None:
    assert world.show("subnet", world.network("10.0.0.0/31")[1])["gateway_ip"] is None


def pools(*ranges: tuple[str, str]) -> list[dict[str, str]]:
    return [{"start": start, "end": end} for start, end in ranges]


@pytest.mark.parametrize(
    ("given", "status", "type"),
    [
        ({"ip_version": 6}, 400, "InvalidInput"),
        ({"gateway_ip": "10.0.0.0"}, 400, "InvalidInput"),
        ({"gateway_ip": "10.0.0.255"}, 400, "InvalidInput"),
        ({"gateway_ip": "fe80::1"}, 400, "InvalidInput"),
        ({"allocation_pools": pools(("10.0.0.9", "10.0.0.8"))}, 400, "InvalidAllocationPool"),
        ({"allocation_pools": pools(("10.0.0.9", "10.0.1.8"))}, 400, "OutOfBoundsAllocationPool"),
        ({"allocation_pools": pools(("fe80::1", "fe80::2"))}, 400, "InvalidAllocationPool"),
        (
            {"allocation_pools": pools(("10.0.0.9", "10.0.0.12"), ("10.0.0.5", "10.0.0.9"))},
            409,
            "OverlappingAllocationPools",
        ),
        ({"allocation_pools": pools(("10.0.0.1", "10.0.0.8"))}, 409, "GatewayConflictWithAllocationPools"),
    ],
)
def test_a_subnet_that_makes_no_sense_is_refused(world: World, given: dict, status: int, type: str) -> None:
    network = world.create("network")["id"]
    with refused(status, type):
        world.create("subnet", **{"network_id": network, "cidr": "10.0.0.0/24", "ip_version": 4, **given})


def test_subnets_of_one_network_do_not_overlap(world: World) -> None:
    network, _ = world.network("10.0.0.0/24")
    with refused(400, "InvalidInput", "overlaps with another subnet"):
        world.create("subnet", network_id=network, cidr="10.0.0.128/25", ip_version=4)
    world.network("10.0.0.128/25")


def test_a_subnet_in_a_foreign_network_is_a_network_not_found(world: World) -> None:
    network, _ = world.network()
    with refused(404, "NetworkNotFound", f"Network {network} could not be found."):
        world.create("subnet", OTHER, network_id=network, cidr="10.1.0.0/24", ip_version=4)
    world.create("subnet", ADMIN, network_id=network, cidr="10.1.0.0/24", ip_version=4)


def test_ports_get_the_lowest_free_addresses(world: World) -> None:
    network, _ = world.network(allocation_pools=pools(("10.0.0.10", "10.0.0.11"), ("10.0.0.20", "10.0.0.20")))
    ports = [world.port(network) for _ in range(3)]
    assert [addresses(world, port) for port in ports] == [["10.0.0.10"], ["10.0.0.11"], ["10.0.0.20"]]
    with refused(409, "IpAddressGenerationFailure", f"No more IP addresses available on network {network}."):
        world.port(network)
    world.delete("port", ports[1])
    assert addresses(world, world.port(network)) == ["10.0.0.11"]


def test_a_port_gets_an_address_of_each_ip_version(world: World) -> None:
    network, _ = world.network("10.0.0.0/24")
    world.create("subnet", network_id=network, cidr="10.0.1.0/24", ip_version=4)
    world.create("subnet", network_id=network, cidr="2001:db8::/64", ip_version=6)
    assert addresses(world, world.port(network)) == ["10.0.0.2", "2001:db8::2"]


def test_a_port_without_addresses_is_one_that_asks_for_none(world: World) -> None:
    network, _ = world.network()
    assert addresses(world, world.port(network, fixed_ips=[])) == []


@pytest.mark.parametrize(
    ("asked", "status", "type"),
    [
        ({"ip_address": "10.0.0.2"}, 409, "IpAddressAlreadyAllocated"),
        ({"ip_address": "10.9.0.2"}, 400, "InvalidIpForNetwork"),
        ({"ip_address": "10.0.0.255"}, 400, "InvalidIpForNetwork"),
        ({"ip_address": "10.0.0.0", "subnet_id": "own"}, 400, "InvalidIpForSubnet"),
        ({"ip_address": "10.0.0.9", "subnet_id": "elsewhere"}, 400, "InvalidInput"),
        ({"subnet_id": "elsewhere"}, 400, "InvalidInput"),
    ],
)
def test_an_address_that_cannot_be_given_is_refused(world: World, asked: dict, status: int, type: str) -> None:
    network, subnet = world.network()
    named = {"own": subnet, "elsewhere": world.network()[1]}
    world.port(network)
    if "subnet_id" in asked:
        asked = {**asked, "subnet_id": named[asked["subnet_id"]]}
    with refused(status, type):
        world.port(network, fixed_ips=[asked])


def test_addresses_outside_the_pools_can_be_asked_for(world: World) -> None:
    network, subnet = world.network()
    port = world.port(network, fixed_ips=[{"ip_address": "10.0.0.1"}, {"subnet_id": subnet}])
    assert addresses(world, port) == ["10.0.0.1", "10.0.0.2"]


def test_an_address_that_the_request_names_is_not_given_a_second_time(world: World) -> None:
    network, subnet = world.network()
    port = world.port(network, fixed_ips=[{"subnet_id": subnet}, {"ip_address": "10.0.0.2"}, {"subnet_id": subnet}])
    assert addresses(world, port) == ["10.0.0.3", "10.0.0.2", "10.0.0.4"]
    with refused(400, "InvalidInput", "Exceeded maximum amount of fixed ips per port"):
        world.port(network, fixed_ips=[{"subnet_id": subnet}] * 6)


def test_an_update_keeps_the_address_where_only_the_subnet_is_named(world: World) -> None:
    network, subnet = world.network()
    world.port(network)
    port = world.port(network)
    assert addresses(world, port) == ["10.0.0.3"]
    world.update("port", port, fixed_ips=[{"subnet_id": subnet}, {"ip_address": "10.0.0.9"}])
    assert addresses(world, port) == ["10.0.0.3", "10.0.0.9"]
    world.update("port", port, fixed_ips=[{"ip_address": "10.0.0.9"}])
    assert addresses(world, port) == ["10.0.0.9"]
    assert addresses(world, world.port(network)) == ["10.0.0.3"]


def test_a_derived_mac_address_depends_on_the_id_and_is_its_networks_only_one(world: World) -> None:
    network, elsewhere = (world.create("network")["id"] for _ in range(2))

    def mac(network: str, id: str, **given: str) -> str:
        values = complete("port", {"network_id": network, **given})
        world.apply(rules.create(world.state, ONE, "port", values, id))
        return str(world.show("port", id)["mac_address"])

    derived = mac(network, "some id")
    assert derived.startswith("fa:16:3e:")
    world.delete("port", "some id")
    assert mac(network, "another id") != derived
    assert mac(network, "some id") == derived
    world.delete("port", "some id")
    mac(network, "third id", mac_address=derived)
    assert mac(network, "some id") != derived
    world.delete("port", "some id")
    assert mac(elsewhere, "some id") == derived


def test_a_mac_address_is_used_once_in_a_network(world: World) -> None:
    network, _ = world.network()
    world.port(network, mac_address="02:00:00:00:00:01")
    second = world.port(network)
    with refused(409, "MacAddressInUse", f"network {network}. The mac address 02:00:00:00:00:01 is in use."):
        world.port(network, mac_address="02:00:00:00:00:01")
    with refused(409, "MacAddressInUse"):
        world.update("port", second, mac_address="02:00:00:00:00:01")
    world.port(world.network()[0], mac_address="02:00:00:00:00:01")


def test_the_networks_port_security_is_the_ports_default(world: World) -> None:
    network = world.create("network", port_security_enabled=False)["id"]
    values = complete("port", {"network_id": network})
    values.pop("port_security_enabled", None)
    made = rules.create(world.state, ONE, "port", values, "new")[("port", "new")]
    assert made is not None
    assert made["port_security_enabled"] is False
    assert world.show("port", world.port(network, port_security_enabled=True))["port_security_enabled"] is True


def test_what_is_in_use_stays(world: World) -> None:
    network, subnet = world.network()
    port = world.port(network)
    with refused(409, "NetworkInUse", f"Unable to complete operation on network {network}."):
        world.delete("network", network)
    with refused(409, "SubnetInUse", f"Unable to complete operation on subnet {subnet}:"):
        world.delete("subnet", subnet)
    world.delete("port", port)
    world.delete("subnet", subnet)
    assert world.show("network", network)["subnets"] == []


def test_a_network_goes_with_its_subnets(world: World) -> None:
    network, subnet = world.network()
    world.delete("network", network)
    assert not world.has("subnet", subnet)


def test_a_port_that_a_pair_or_a_classifier_uses_stays(world: World) -> None:
    network, _ = world.network()
    paired, classified = world.port(network), world.port(network)
    world.create("port_pair", ingress=paired, egress=paired)
    world.classifier(logical_destination_port=classified)
    for port in (paired, classified):
        with refused(409, "PortInUse", port):
            world.delete("port", port)


def test_the_device_of_a_paired_port_stays(world: World) -> None:
    network, _ = world.network()
    port = world.port(network)
    pair = world.create("port_pair", ingress=port, egress=port)["id"]
    with refused(409, "PortInUse", pair):
        world.update("port", port, device_id="another")
    world.update("port", port, device_id="vm", name="renamed")
    world.delete("port_pair", pair)
    assert world.update("port", port, device_id="another")["device_id"] == "another"


def test_a_foreign_object_is_not_found(world: World) -> None:
    network, subnet = world.network()
    port, router = world.port(network), world.create("router")["id"]
    for kind, id in (("network", network), ("subnet", subnet), ("port", port), ("router", router)):
        with refused(404, f"{kind.capitalize()}NotFound", id):
            world.update(kind, id, OTHER, name="mine")
        with refused(404, f"{kind.capitalize()}NotFound", id):
            world.delete(kind, id, OTHER)
        assert world.update(kind, id, ADMIN, name="seen")["name"] == "seen"
    with refused(404, "NetworkNotFound"):
        world.port(network, OTHER)


def test_the_gateway_of_a_subnet_stays_while_a_router_has_it(world: World) -> None:
    _, subnet = world.network()
    router = world.create("router")["id"]
    world.connect(router, subnet_id=subnet)
    with refused(409, "GatewayIpInUse", "10.0.0.1"):
        world.update("subnet", subnet, gateway_ip=None)
    world.disconnect(router, subnet_id=subnet)
    assert world.update("subnet", subnet, gateway_ip=None)["gateway_ip"] is None


def test_a_gateway_cannot_move_into_a_pool(world: World) -> None:
    _, subnet = world.network()
    with refused(409, "GatewayConflictWithAllocationPools"):
        world.update("subnet", subnet, gateway_ip="10.0.0.9")
    moved = world.update("subnet", subnet, gateway_ip="10.0.0.9", allocation_pools=pools(("10.0.0.20", "10.0.0.30")))
    assert moved["gateway_ip"] == "10.0.0.9"


# Routers


def test_a_router_interface_by_subnet_is_a_port_with_the_gateways_address(world: World) -> None:
    network, subnet = world.network()
    router = world.create("router")["id"]
    answer = world.connect(router, subnet_id=subnet)
    assert answer["id"] == router
    assert (answer["subnet_id"], answer["network_id"]) == (subnet, network)
    port = world.show("port", answer["port_id"])
    assert (port["device_id"], port["device_owner"]) == (router, "network:router_interface")
    assert addresses(world, port["id"]) == ["10.0.0.1"]
    with refused(409, "ServicePortInUse", port["id"]):
        world.delete("port", port["id"])
    with refused(409, "RouterInUse", f"Router {router} still has ports"):
        world.delete("router", router)
    world.disconnect(router, subnet_id=subnet)
    assert not world.has("port", port["id"])
    world.delete("router", router)


def test_a_router_interface_by_port_gives_the_port_a_device(world: World) -> None:
    network, _ = world.network()
    router = world.create("router")["id"]
    port = world.port(network, device_id="")
    world.connect(router, port_id=port)
    assert world.show("port", port)["device_id"] == router
    pair = world.create("port_pair", ingress=port, egress=port)["id"]
    with refused(409, "PortInUse", pair):
        world.disconnect(router, port_id=port)
    world.delete("port_pair", pair)
    for change in ({"device_id": ""}, {"device_owner": ""}):
        with refused(409, "UnsupportedPortDeviceOwner"):
            world.update("port", port, **change)
    world.disconnect(router, port_id=port)
    assert not world.has("port", port)


@pytest.mark.parametrize(
    ("body", "status", "type"),
    [
        ({}, 400, "BadRequest"),
        ({"port_id": "used", "subnet_id": "free"}, 400, "BadRequest"),
        ({"port_id": "used"}, 409, "PortInUse"),
        ({"port_id": "addressless"}, 400, "BadRequest"),
        ({"port_id": "missing"}, 404, "PortNotFound"),
        ({"subnet_id": "missing"}, 404, "SubnetNotFound"),
        ({"subnet_id": "connected"}, 400, "BadRequest"),
        ({"subnet_id": "overlapping"}, 400, "BadRequest"),
        ({"subnet_id": "without gateway"}, 400, "BadRequest"),
        ({"subnet_id": 7}, 400, "BadRequest"),
    ],
)
def test_an_interface_that_cannot_be_is_refused(world: World, body: dict, status: int, type: str) -> None:
    network, connected = world.network()
    router = world.create("router")["id"]
    world.connect(router, subnet_id=connected)
    named = {
        "connected": connected,
        "used": world.port(network),
        "addressless": world.port(network, fixed_ips=[], device_id=""),
        "free": world.network("10.5.0.0/24")[1],
        "overlapping": world.network("10.0.0.128/25")[1],
        "without gateway": world.network("10.6.0.0/24", gateway_ip=None)[1],
    }
    with refused(status, type):
        world.connect(router, **{key: named.get(value, value) for key, value in body.items()})


def test_a_port_made_a_routers_interface_by_its_attributes_is_checked_like_one(world: World) -> None:
    network, subnet = world.network()
    router = world.create("router")["id"]
    foreign = world.create("router", OTHER)["id"]
    owner = {"device_owner": "network:router_interface"}
    for device in (foreign, "nobody"):
        with refused(409, "DeviceIDNotOwnedByProject", device):
            world.port(network, device_id=device, **owner)
    world.connect(router, subnet_id=subnet)
    with refused(400, "BadRequest", "already has a port on subnet"):
        world.port(network, device_id=router, **owner)
    port = world.port(network)
    with refused(400, "BadRequest", "already has a port on subnet"):
        world.update("port", port, device_id=router, **owner)


def test_an_interface_is_removed_by_what_names_it(world: World) -> None:
    _, subnet = world.network()
    _, elsewhere = world.network("10.1.0.0/24")
    router = world.create("router")["id"]
    port = world.connect(router, subnet_id=subnet)["port_id"]
    with refused(404, "RouterInterfaceNotFound", f"does not have an interface with id {elsewhere}"):
        world.disconnect(router, port_id=elsewhere)
    with refused(404, "RouterInterfaceNotFoundForSubnet", f"has no interface on subnet {elsewhere}"):
        world.disconnect(router, subnet_id=elsewhere)
    with refused(400, "SubnetMismatchForPort"):
        world.disconnect(router, port_id=port, subnet_id=elsewhere)
    with refused(400, "BadRequest"):
        world.disconnect(router)
    for body in ({"port_id": "x" * 100_000}, {"subnet_id": "x" * 100_000}, {"port_id": port, "subnet_id": ["x"] * 999}):
        with pytest.raises(Fault) as caught:
            world.disconnect(router, **body)
        assert len(caught.value.message) < 500
    with refused(404, "RouterNotFound", f"Router {router} could not be found"):
        world.disconnect(router, OTHER, port_id=port)
    world.disconnect(router, port_id=port, subnet_id=subnet)


def test_a_route_keeps_the_interface_that_it_needs(world: World) -> None:
    _, subnet = world.network()
    router = world.create("router")["id"]
    routes = [{"destination": "10.9.0.0/16", "nexthop": "10.0.0.7"}]
    with refused(400, "InvalidRoutes", "the nexthop is not connected with router"):
        world.update("router", router, routes=routes)
    world.connect(router, subnet_id=subnet)
    world.update("router", router, routes=routes)
    with refused(409, "RouterInterfaceInUseByRoute", subnet):
        world.disconnect(router, subnet_id=subnet)
    world.update("router", router, routes=[])
    world.disconnect(router, subnet_id=subnet)


def test_an_admin_makes_objects_for_others(world: World) -> None:
    network = world.create("network", ADMIN, project_id="one", tenant_id="one")
    assert (network["project_id"], network["tenant_id"]) == ("one", "one")
    world.port(network["id"], ONE)
    with refused(404, "NetworkNotFound"):
        world.delete("network", network["id"], Caller("operators"))


def on_anothers_network(world: World) -> tuple[str, str, str]:
    """A network and subnet of one project, and a port there that an administrator has given to the other."""
    network, subnet = world.network()
    values = {"network_id": network, "project_id": OTHER.project, "tenant_id": OTHER.project}
    return network, subnet, world.create("port", ADMIN, **values)["id"]


@pytest.mark.parametrize(
    "values",
    [
        {"fixed_ips": [{"ip_address": "10.0.0.1"}]},
        {"fixed_ips": []},
        {"mac_address": "fa:16:3e:00:00:07"},
        {"port_security_enabled": False},
        {"allowed_address_pairs": [{"ip_address": "10.0.0.0/24"}]},
        {"name": "x", "port_security_enabled": False},
    ],
)
def test_what_a_port_is_on_a_network_is_for_who_has_the_network(world: World, values: dict[str, Any]) -> None:
    _, _, port = on_anothers_network(world)
    before = world.show("port", port)
    with refused(403, "PolicyNotAuthorized", "the port's network is another project's"):
        world.update("port", port, OTHER, **values)
    assert world.show("port", port) == before
    unchanged = {name: before[name] for name in values if name != "name"}
    assert world.update("port", port, OTHER, name="mine", device_id="d", **unchanged)["name"] == "mine"
    assert world.update("port", port, ADMIN, **values)["mac_address"]


def test_a_network_gets_its_router_from_who_has_it(world: World) -> None:
    network, _, port = on_anothers_network(world)
    values = {"network_id": network, "project_id": OTHER.project, "tenant_id": OTHER.project}
    subnet = world.create("subnet", ADMIN, ip_version=4, cidr="10.0.1.0/24", **values)["id"]
    router = world.create("router", OTHER)["id"]
    for body in ({"port_id": port}, {"subnet_id": subnet}):
        with refused(404, "NetworkNotFound", network):
            world.connect(router, OTHER, **body)
    with refused(404, "NetworkNotFound", network):
        world.update("port", port, OTHER, device_id=router, device_owner="network:router_interface")
    assert not world.state.interfaces_of_router(router)
    world.connect(router, ADMIN, port_id=port)


def test_routes_lead_to_any_of_a_routers_subnets(world: World) -> None:
    router = world.create("router")["id"]
    for cidr in ("10.0.0.0/24", "10.0.1.0/25", "2001:db8::/64"):
        world.connect(router, subnet_id=world.network(cidr)[1])
    hops = {"10.0.0.255": True, "10.0.1.127": True, "10.0.1.128": False, "2001:db8::9": True, "2001:db8:0:1::": False}
    for hop, reached in hops.items():
        destination = "2001:db8:9::/48" if ":" in hop else "10.9.0.0/16"
        routes = [{"destination": "10.8.0.0/16", "nexthop": "10.0.0.9"}, {"destination": destination, "nexthop": hop}]
        if reached:
            assert world.update("router", router, routes=routes)["routes"] == routes
        else:
            with refused(400, "InvalidRoutes", "the nexthop is not connected with router"):
                world.update("router", router, routes=routes)


def test_routes_and_address_pairs_have_a_number(world: World) -> None:
    """Of both each is work for every node: nobody may ask for 10,000."""
    network, subnet = world.network()
    router = world.create("router")["id"]
    world.connect(router, subnet_id=subnet)
    routes = [{"destination": f"10.9.{n}.0/24", "nexthop": "10.0.0.7"} for n in range(101)]
    with refused(400, "RoutesExhausted", "The number of routes exceeds the maximum 100."):
        world.update("router", router, routes=routes)
    assert world.update("router", router, routes=routes[:100])["routes"] == routes[:100]
    pairs = [{"ip_address": f"10.9.{n}.1"} for n in range(101)]
    text = "The number of allowed address pair exceeds the maximum 100."
    with refused(400, "AllowedAddressPairExhausted", text):
        world.port(network, allowed_address_pairs=pairs)
    port = world.port(network, allowed_address_pairs=pairs[:100])
    with refused(400, "AllowedAddressPairExhausted", text):
        world.update("port", port, allowed_address_pairs=pairs)
