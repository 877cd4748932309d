"""How flows spread over a group's instances: by weight, alike in both directions, and moved by a change only where
they must move. Functions leave their ids on every packet, so each flow tells where it was.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest

from . import scene
from .fabric import ApiError, Fabric
from .scene import IDS, SERVER
from .talk import Talk, delete
from .talk import apply as apply_now

pytestmark = pytest.mark.root
FLOWS = range(30000, 30400)


@pytest.fixture(scope="module")
def fabric() -> Iterator[Fabric]:
    with Fabric(scene.hosts("plain")) as running:
        running.apply(scene.intent("plain"))
        yield running


@pytest.fixture(params=[4, 6], ids=["IPv4", "IPv6"])
def talk(fabric: Fabric, request: pytest.FixtureRequest) -> Iterator[Talk]:
    with Talk(fabric, {request.param: SERVER[request.param]}, FLOWS) as made:
        yield made


def apply(fabric: Fabric, *steps: list[str], **weights: int) -> None:
    """A symmetric chain through these steps; ``weights``: of instances, 1 where none is given."""
    instances = {f"plain-{name}": {"node": node, "weight": weights.get(name, 1)} for name, node in scene.PLACES.items()}
    chain = {
        "match": {"from": "client", "to": "server", "protocol": "udp"},
        "through": [[f"plain-{name}" for name in step] for step in steps],
        "symmetric": True,
    }
    apply_now(fabric, {"instances": instances, "chains": {"c": chain}})


def choices(talk: Talk) -> dict[int, tuple[str, ...]]:
    """By flow: the instances that it met, which are those that its answer met in reverse."""
    (family,) = talk.addresses
    there, back = talk.trails(family)
    assert there.keys() == back.keys() == set(FLOWS)
    names = {identity: name.removeprefix("plain-") for name, identity in IDS.items()}
    for flow, met in there.items():
        assert back[flow] == met[::-1], f"flow {flow} met {met}, its answer {back[flow]}"
    return {flow: tuple(names[identity] for identity in met) for flow, met in there.items()}


def test_each_flow_stays_where_it_is(fabric: Fabric, talk: Talk) -> None:
    apply(fabric, ["x1", "x2", "x3"], ["y1", "y3"])
    first = choices(talk)
    assert all(choices(talk) == first for _ in range(3))
    # The steps choose independently of each other: every combination occurs.
    met = Counter(first.values())
    assert len(met) == 6
    assert min(met.values()) > len(FLOWS) / 6 / 2


def test_weights_count(fabric: Fabric, talk: Talk) -> None:
    apply(fabric, ["x1", "x2"], x1=3)
    met = Counter(choices(talk).values())
    assert 265 <= met["x1",] <= 335, met
    assert met["x1",] + met["x2",] == len(FLOWS)
    apply(fabric, ["x1", "x2", "x3"], x1=0, x2=200, x3=50)
    met = Counter(choices(talk).values())
    assert 285 <= met["x2",] <= 355, met
    assert met["x2",] + met["x3",] == len(FLOWS)


def test_a_greater_weight_draws_flows_to_it_only(fabric: Fabric, talk: Talk) -> None:
    apply(fabric, ["x1", "x2", "x3"])
    before = choices(talk)
    apply(fabric, ["x1", "x2", "x3"], x2=2)
    after = choices(talk)
    moved = {flow for flow in FLOWS if before[flow] != after[flow]}
    assert moved
    assert {after[flow] for flow in moved} == {("x2",)}


@pytest.mark.parametrize("gone", ["x1", "x2", "y1"])
def test_losing_an_instance_moves_its_own_flows(fabric: Fabric, talk: Talk, gone: str) -> None:
    everyone = ["x1", "x2", "x3", "y1"]
    if fabric.get("/v1/objects/chain"):
        delete(fabric, ("chain", "c"))  # and with it the memory of who was where
    apply(fabric, everyone)
    before = choices(talk)
    assert set(before.values()) == {(name,) for name in everyone}
    apply(fabric, [name for name in everyone if name != gone])
    without = choices(talk)
    assert {flow: name for flow, name in before.items() if name != (gone,)}.items() <= without.items()
    # Those that had to move are spread over all that are left.
    heirs = Counter(without[flow] for flow in FLOWS if before[flow] == (gone,))
    assert len(heirs) == 3
    assert min(heirs.values()) > 10
    # It comes back, and so do its flows, and no others move.
    apply(fabric, everyone)
    assert choices(talk) == before


def test_a_new_instance_takes_flows_and_moves_no_others(fabric: Fabric, talk: Talk) -> None:
    apply(fabric, ["x1", "x3"])
    before = choices(talk)
    apply(fabric, ["x1", "x3", "x2"])
    after = choices(talk)
    moved = {flow for flow in FLOWS if before[flow] != after[flow]}
    assert 400 / 3 - 40 < len(moved) < 400 / 3 + 40
    assert {after[flow] for flow in moved} == {("x2",)}


def test_all_but_one_may_go(fabric: Fabric, talk: Talk) -> None:
    apply(fabric, ["x1", "x2", "x3", "y1", "y2", "y3"])
    before = choices(talk)
    assert len(set(before.values())) == 6
    apply(fabric, ["y3"])
    assert set(choices(talk).values()) == {("y3",)}


def test_a_group_without_weight_is_refused(fabric: Fabric) -> None:
    with pytest.raises(ApiError, match="no instance with a weight") as refused:
        apply(fabric, ["x1", "x2"], x1=0, x2=0)
    assert refused.value.status == 409
