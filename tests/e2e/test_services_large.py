"""While one injected service puts as many flows as it may, others change theirs; and what would make every switch slow
is refused."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from segue.inject.flow_mods import MOST_MASKS
from segue.openflow import FlowMod
from segue.openflow.as_json import to_json
from segue.openflow.wire import V15

from .fabric import ApiError, Fabric
from .injected import ON, flow, key_of, put, rules, udp_to
from .talk import apply

pytestmark = [pytest.mark.root, pytest.mark.slow]

FLOWS = 8_000
INTENT: dict[str, Any] = {
    "nodes": ["n1", "n2"],
    "networks": {"web": "10.0.0.0/24"},
    "ports": {
        name: {"network": "web", "node": node, "address": f"10.0.0.{last}"}
        for name, node, last in (("a", "n1", 10), ("b", "n2", 20), ("c", "n1", 30), ("d", "n2", 40))
    },
    "services": {
        "much": {"hook": "ingress", "attach": ["port/a", "port/b"], "flows": 10_000, "permissions": {"drop": True}},
        "little": {"hook": "ingress", "attach": ["port/c", "port/d"], "permissions": {"drop": True}},
    },
}


@pytest.fixture(scope="module")
def fabric() -> Iterator[Fabric]:
    with Fabric(nodes=2) as f:
        apply(f, INTENT)
        yield f


def body(flows: list[FlowMod]) -> bytes:
    return json.dumps({"flows": [to_json(one, 0, V15) for one in flows]}).encode()


def test_others_change_their_flows_while_one_puts_thousands(fabric: Fabric) -> None:
    """Each time the others' are on all switches when they are said to be; so are the many, all of them."""
    key = {name: key_of(fabric, name) for name in ("much", "little")}
    wanted = body([flow({"eth_type": 0x0800, "ipv4_src": number}, ON) for number in range(FLOWS)])
    answered: list[Any] = []

    def much() -> None:
        answered.append(fabric.request("PUT", "/v1/services/much/flows/0?wait=60", wanted, timeout=120))

    thread = threading.Thread(target=much)
    thread.start()
    changes = 0
    while thread.is_alive():
        changes += 1
        put(fabric, "little", *(flow(udp_to(1 + number)) for number in range(changes % 5)), settled=False)
        for node in fabric.nodes:
            assert len(rules(fabric, node, [key["little"]])) == changes % 5
    assert len(answered[0]["flows"]) == FLOWS
    for node in fabric.nodes:
        assert len(rules(fabric, node, [key["much"]])) == FLOWS
    print(f"{changes} changes meanwhile")
    assert changes >= 5
    put(fabric, "much")
    put(fabric, "little")


def test_flows_that_look_at_too_many_sets_of_bits_are_refused_and_no_switch_has_one(fabric: Fabric) -> None:
    key = key_of(fabric, "much")
    masks = [((1 << a) - 1 << 32 - a, (1 << b) - 1 << 32 - b) for a in range(1, 33) for b in range(1, 33)]
    flows = [flow({"eth_type": 0x0800, "ipv4_src": (0, a), "ipv4_dst": (0, b)}, ON) for a, b in masks]
    with pytest.raises(ApiError) as refused:
        put(fabric, "much", *flows[: MOST_MASKS + 1])
    assert refused.value.status == 409
    assert f"{MOST_MASKS} different sets of bits" in refused.value.body["error"]
    assert "OFPFMFC_TABLE_FULL" in refused.value.body["error"]
    put(fabric, "much", *flows[:MOST_MASKS])
    for node in fabric.nodes:
        assert len(rules(fabric, node, [key])) == MOST_MASKS
    with pytest.raises(ApiError):
        put(fabric, "much", flows[-1], table=3)
    put(fabric, "much", *flows[-MOST_MASKS:])
    put(fabric, "much")
