from __future__ import annotations

from typing import Any

import pytest

from segue.neutron import quota

from . import ADMIN, ONE, OTHER, World, refused


@pytest.fixture
def world() -> World:
    return World()


def test_the_defaults_are_neutrons(world: World) -> None:
    assert quota.limits(world.state, "one") == {
        "network": 100,
        "subnet": 100,
        "port": 500,
        "router": 10,
        "flow_classifier": 100,
        "port_pair": 100,
        "port_pair_group": 10,
        "port_chain": 10,
        "service_graph": -1,
    }


def test_one_too_many_is_refused_in_the_project_that_it_is_for(world: World) -> None:
    for _ in range(10):
        world.create("router")
    with refused(409, "OverQuota", "Quota exceeded for resources: ['router']."):
        world.create("router")
    with refused(409, "OverQuota"):
        world.create("router", ADMIN, project_id="one")
    world.create("router", OTHER)


@pytest.mark.parametrize(
    ("kind", "given"),
    [
        ("network", {}),
        ("subnet", {"network_id": "missing", "cidr": "10.0.0.0/24", "ip_version": 4}),
        ("port", {"network_id": "missing"}),
        ("router", {}),
        ("flow_classifier", {"logical_source_port": "missing"}),
        ("port_pair", {"ingress": "missing", "egress": "missing"}),
        ("port_pair_group", {"port_pairs": ["missing"]}),
        ("port_chain", {"port_pair_groups": ["missing"]}),
        ("service_graph", {"port_chains": {"missing": []}}),
    ],
)
def test_a_quota_comes_before_what_the_object_refers_to(world: World, kind: str, given: dict[str, Any]) -> None:
    world.apply(quota.update(world.state, "one", {kind: 0}))
    with refused(409, "OverQuota", f"['{kind}']"):
        world.create(kind, **given)


def test_limits_are_set_one_by_one_and_go_back(world: World) -> None:
    world.apply(quota.update(world.state, "one", {"router": "0"}))
    world.apply(quota.update(world.state, "one", {"network": -1}))
    assert quota.limits(world.state, "one") | {"router": 0, "network": -1} == quota.limits(world.state, "one")
    with refused(409, "OverQuota"):
        world.create("router")
    world.apply(quota.reset(world.state, "one"))
    world.create("router")
    assert quota.usage(world.state, "one")["router"] == {"limit": 10, "used": 1, "reserved": 0}
    with refused(404, "ProjectQuotaNotFound", "Quota for project one could not be found."):
        quota.reset(world.state, "one")


def test_what_was_deleted_does_not_count(world: World) -> None:
    world.apply(quota.update(world.state, "one", {"router": 1}))
    for _ in range(3):
        world.delete("router", world.create("router", ONE)["id"])


@pytest.mark.parametrize("value", [None, True, "x", "", 1.5, [], {}, -2, "-2", 1 << 31, "9" * 5000])
def test_a_limit_that_is_no_number_is_refused(world: World, value: Any) -> None:
    with refused(400, "HTTPBadRequest", "Invalid input for network. Reason: "):
        quota.update(world.state, "one", {"network": value})


def test_a_limit_of_an_unknown_kind_is_refused(world: World) -> None:
    with refused(400, "HTTPBadRequest", "Unrecognized attribute(s) 'balloon'"):
        quota.update(world.state, "one", {"balloon": 1, "port": 1})
