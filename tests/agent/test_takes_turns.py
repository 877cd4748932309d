"""A large change of one injected service is in nobody's way, on a real switch; and what is acknowledged is there."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from agent_scene import BRIDGE, FRAME, Server, dump, flows, go, met, rule, running, serving

from openflow.open_vswitch import OpenVSwitch
from segue.agent.agent import Agent
from segue.agent.portions import LARGE, told_with
from segue.drivers.ovs.switch import Switch
from segue.model.plan import Plan, Refused
from segue.model.program import Next, SetField, ToService
from segue.model.protocol import Applied, Send
from segue.model.stages import TABLE, VERDICT
from segue.model.view import AnyRecord, FlowRecord, HookRecord, ServiceRecord, Turn

pytestmark = pytest.mark.root

MANY = 4 * LARGE
OTHER = FRAME[:12] + b"\x88\xb5" + FRAME[14:]


def many(service: int) -> dict[str, AnyRecord | None]:
    some = (rule(service, Next("service_1"), eth_type=0x800, ipv4_src=number) for number in range(MANY))
    return flows(service, some)


def called(service: int) -> dict[str, AnyRecord | None]:
    """A port's packets are handed to the service."""
    return {
        f"service/{service}": ServiceRecord(f"s{service}", service, "ingress", ()),
        f"hook/ingress:port:{service}": HookRecord("ingress", "port", service, (Turn(0, f"s{service}", service),)),
    }


def count(ovs: OpenVSwitch, service: int) -> int:
    """The service's flows in its own table."""
    return dump(ovs, service).count(f" table={TABLE['service_0']},")


class Switches:
    """``plans``: whose each was that a switch was told, and what of it was on the switch when it was done. Each that is
    large waits for ``go``."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, done: Callable[[], Any]) -> None:
        self.plans: list[set[str]] = []
        self.seen: list[Any] = []
        self.go = asyncio.Semaphore(0)
        self.reached = asyncio.Semaphore(0)
        apply = Switch.apply

        async def told(switch: Switch, plan: Plan, *, felt: bool = True) -> Refused:
            rules = (*plan.add.values(), *plan.remove.values())
            self.plans.append({told_with(one) for one in rules})
            if len(rules) >= MANY:
                self.reached.release()
                await self.go.acquire()
            refused = await apply(switch, plan, felt=felt)
            self.seen.append(done())
            return refused

        monkeypatch.setattr(Switch, "apply", told)


def test_others_wait_for_one_large_change_and_are_acknowledged_before_the_next(
    ovs: OpenVSwitch, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scene(server: Server, agent: Agent) -> None:
        await server.hold({**called(7), **called(8), **called(9), **flows(8, (rule(8, Next("service_1")),))})
        done = server.revision
        switches = Switches(monkeypatch, lambda: tuple(count(ovs, service) for service in (7, 8, 9)))
        await server.tell({**many(7), **many(9)})
        await switches.reached.acquire()
        two = (rule(8, Next("service_1")), rule(8, Next("service_2"), priority=11))
        await server.tell({**flows(8, two), **called(10)})
        switches.go.release()
        await switches.reached.acquire()
        # The network's change and the small one are there, and acknowledged; of the last service nothing is.
        await server.until(lambda: server.applied[-1].revision == server.revision)
        assert server.applied[-1].behind == {"service/s9": done}
        assert switches.plans == [{"service/s7"}, {"", "service/s8"}, {"service/s9"}]
        assert switches.seen == [(MANY, 1, 0), (MANY, 2, 0)]
        assert "reg7=0xa" in ovs.ofctl(6, "dump-flows", ovs.management(BRIDGE))
        assert not any(one.revision == server.revision and not one.behind for one in server.applied)
        switches.go.release()
        await server.hold()
        assert count(ovs, 9) == MANY
        # Its changes are one bundle each, also the one that takes all away.
        for _ in range(2):
            switches.go.release()
        await server.hold({**dict.fromkeys(many(9)), **dict.fromkeys(many(7))})
        assert switches.seen[-2:] in ([(0, 2, MANY), (0, 2, 0)], [(MANY, 2, 0), (0, 2, 0)])

    go(ovs, scene)


def test_a_service_comes_with_what_hands_packets_to_it(ovs: OpenVSwitch, monkeypatch: pytest.MonkeyPatch) -> None:
    """In one bundle: otherwise packets would pass for a while as if it were not there."""

    async def scene(server: Server, agent: Agent) -> None:
        switches = Switches(monkeypatch, lambda: None)
        switches.go.release()
        await server.hold({**called(7), **many(7)})
        assert switches.plans == [{"", "service/s7"}]
        assert count(ovs, 7) == MANY

    go(ovs, scene)


def test_an_agent_that_dies_between_two_portions_is_followed_by_one_that_puts_the_rest(
    ovs: OpenVSwitch, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        async with serving(ovs) as server:
            async with running(ovs, server):
                await server.hold({**called(7), **called(9)})
                with monkeypatch.context() as patched:
                    switches = Switches(patched, lambda: None)
                    await server.tell({**many(7), **many(9)})
                    await switches.reached.acquire()
                    switches.go.release()
                    await switches.reached.acquire()
            assert [count(ovs, service) for service in (7, 9)] == [MANY, 0]
            async with running(ovs, server):
                assert [count(ovs, service) for service in (7, 9)] == [MANY, MANY]
                assert server.applied[-1].behind == {}

    asyncio.run(asyncio.wait_for(main(), 60))


def test_a_service_of_which_a_rule_was_refused_is_behind_while_the_former_is_in_force(
    ovs: OpenVSwitch, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scene(server: Server, agent: Agent) -> None:
        former = rule(7, Next("service_1"), eth_type=0x800)
        refused = rule(7, SetField("tcp_dst", 80), Next("service_1"), eth_type=0x800)
        await server.hold({**called(7), **called(9), **flows(7, (former,))})
        done = server.revision
        there: list[tuple[int, int, int]] = []
        say = agent._keeper._report

        def report(message: Applied) -> None:
            there.append((message.revision, message.behind.get("service/s7", message.revision), count(ovs, 7)))
            say(message)

        monkeypatch.setattr(agent._keeper, "_report", report)
        switches = Switches(monkeypatch, lambda: count(ovs, 7))
        await server.tell({**flows(7, (refused,)), **many(9)})
        # What is left to be told of the refusal goes before the large change of another.
        await switches.reached.acquire()
        assert switches.plans == [{"service/s7"}, {"service/s7"}, {"service/s9"}]
        assert switches.seen == [1, 0]
        switches.go.release()
        said = await server.hold()
        assert list(said.refused) == ["flow/7/1"]
        assert (done + 1, done, 1) in there
        assert all(held == done or not flows for _, held, flows in there), there

    go(ovs, scene)


def test_packets_of_a_service_wait_for_its_own_change_and_not_for_anothers(
    ovs: OpenVSwitch, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scene(server: Server, agent: Agent) -> None:
        taken = SetField(VERDICT, 0)
        await server.hold({**called(7), **called(9), **flows(7, (rule(7, ToService(7, 0, 1), taken, priority=1),))})
        switches = Switches(monkeypatch, lambda: None)
        nine = {"flow/9/last": FlowRecord(rule(9, ToService(9, 0, 1), taken, priority=1))}
        await server.tell({**many(9), **nine})
        await switches.reached.acquire()
        await server._say(Send(met(9), OTHER, "", 9))
        for _ in range(20):
            await server._say(Send(met(7), FRAME, "", 7))
        await server.until(lambda: len(server.punted) == 20)
        assert {packet.service for packet in server.punted} == {7}
        switches.go.release()
        await server.until(lambda: any(packet.service == 9 for packet in server.punted))

    go(ovs, scene)
