"""Declared services: what nodes and the injector are told of them, and what is kept beyond the compiler's records."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from segue.compile.views import ServiceInfo
from segue.intent import parse
from segue.model.intent import Object, Ref, Service
from segue.model.program import Rule
from segue.model.protocol import PROTOCOL, Applied, Register
from segue.model.view import AnyRecord, FlowRecord, HookRecord, ServiceRecord
from segue.neutron.caller import Caller
from segue.neutron.errors import Fault
from segue.neutron.names import id_of
from segue.packet.addresses import derived_mac
from segue.server.agents import Agents, Session
from segue.server.beyond import Beyond, Services, Told
from segue.server.conductor import Conductor, Refused
from segue.server.counted import Counted
from segue.server.neutron import Neutron
from segue.store.base import StoreFull, Transaction
from segue.store.sqlite import SqliteStore

NODES = ("n1", "n2", "n3", "n4")
BASE = """
nodes: [n1, n2, n3, n4]
networks: {web: {cidr: 10.0.0.0/24, gateway: 10.0.0.1}, db: {cidr: 10.1.0.0/24, gateway: 10.1.0.1}, far: 10.2.0.0/24}
routers: {edge: [web, db]}
ports:
  a: {network: web, node: n1, address: 10.0.0.10}
  b: {network: web, node: n2, address: 10.0.0.11}
  c: {network: db, node: n3, address: 10.1.0.10}
  d: {network: far, node: n4, address: 10.2.0.10}
  bare: {node: n4}
  loose: {network: web, address: 10.0.0.12}
"""


def objects(text: str) -> dict[Ref, Object | None]:
    return dict(parse(text, "test").objects)


class Recorder:
    """An injector with one flow for each service, and a memory of what it was told."""

    def __init__(self, conductor: Conductor) -> None:
        self.conductor = conductor
        self.infos: dict[str, ServiceInfo] = {}
        self.told: list[dict[str, ServiceInfo | None]] = []
        self.at: list[int] = []
        """The revision of the nodes when that was told."""
        self.refusals: list[tuple[str, dict[str, str]]] = []

    def services(self, changed: Services) -> None:
        self.told.append(dict(changed))
        self.at.append(self.conductor.revision)
        for name, info in changed.items():
            if info is None:
                del self.infos[name]
            else:
                self.infos[name] = info

    def beyond(self, changes: Told) -> Told:
        return {
            (node, f"flow/{key.partition('/')[2]}/1"): None if record is None else flow(int(key.partition("/")[2]))
            for (node, key), record in changes.items()
            if key.startswith("service/")
        }

    def refused(self, node: str, reasons: Mapping[str, str]) -> None:
        self.refusals.append((node, dict(reasons)))

    def elements(self, name: str) -> list[tuple[str, str, str]]:
        return [(one.kind, one.name, one.node) for one in self.infos[name].elements]


def flow(service: int, number: int = 1) -> FlowRecord:
    return FlowRecord(Rule("service_0", number, (("reg7", service),), (), f"service {service}"))


class Bench:
    """``said``: by node, the revisions that it was told, each with its changes."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.open()

    def open(self) -> None:
        self.store = SqliteStore(self.directory)
        self.conductor = Conductor(self.store, 0.0)
        self.recorder = Recorder(self.conductor)
        self.conductor.injector = self.recorder
        self.said: dict[str, list[tuple[int, dict[str, AnyRecord | None]]]] = {node: [] for node in NODES}
        for node in NODES:
            self.conductor.listen(node, self._listener(node))

    def _listener(self, node: str) -> Callable[[int, Mapping[str, AnyRecord | None]], None]:
        return lambda revision, records: self.said[node].append((revision, dict(records)))

    def reopen(self) -> None:
        self.store.close()
        self.open()

    def apply(self, text: str, **options: Any) -> None:
        self.conductor.apply(objects(text), **options)

    def delete(self, *refs: Ref) -> None:
        self.conductor.apply(dict.fromkeys(refs))

    def key(self, kind: str, name: str) -> int:
        return self.conductor.declared.ids[kind, name]

    def hooks(self, hook: str, kind: str, name: str) -> dict[str, list[str]]:
        """By node: the services that this element meets there, in their order."""
        key = f"hook/{hook}:{kind}:{self.key(kind, name)}"
        found = {node: view.get(key) for node, view in self.conductor.views.items()}
        for record in found.values():
            assert record is None or (isinstance(record, HookRecord) and record.hook == hook and record.element == kind)
        return {node: [t.name for t in r.turns] for node, r in found.items() if isinstance(r, HookRecord)}

    def services(self, name: str) -> dict[str, ServiceRecord]:
        """By node."""
        key = f"service/{self.key('service', name)}"
        found = {node: view.get(key) for node, view in self.conductor.views.items()}
        return {node: record for node, record in found.items() if isinstance(record, ServiceRecord)}

    def flows(self) -> set[tuple[str, str]]:
        return {(n, key) for n, view in self.conductor.views.items() for key in view if key.startswith("flow/")}

    def break_store(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def full(transaction: Transaction) -> int:
            raise StoreFull("no room")

        monkeypatch.setattr(self.store, "commit", full)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def scenario(test: Callable[..., None]) -> Callable[..., None]:
    """In an event loop, with the networks of ``BASE``; the store is closed at the end."""

    def ran(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
        async def main() -> None:
            try:
                bench.apply(BASE)
                if test.__code__.co_argcount == 1:
                    test(bench)
                else:
                    test(bench, monkeypatch)
            finally:
                monkeypatch.undo()
                bench.store.close()

        asyncio.run(main())

    ran.__name__ = test.__name__
    return ran


@scenario
def test_a_port_meets_its_services_in_order_on_its_own_node(b: Bench) -> None:
    b.apply("services: {z: {hook: ingress, attach: [port/a]}, y: {hook: ingress, attach: [port/a]}}")
    b.apply("services: {x: {hook: ingress, attach: [network/web], order: 7}, w: {hook: egress, attach: [port/a]}}")
    assert b.hooks("ingress", "port", "a") == {"n1": ["x", "y", "z"]}
    assert b.hooks("ingress", "port", "b") == {"n2": ["x"]}
    assert b.hooks("egress", "port", "a") == {"n1": ["w"]}
    assert b.hooks("ingress", "port", "c") == b.hooks("egress", "port", "b") == {}
    assert set(b.services("x")) == {"n1", "n2"} and set(b.services("w")) == {"n1"}
    record = b.services("x")["n2"]
    keys = {name: b.key("port", name) for name in ("a", "b", "loose")}
    assert record.ports == ((keys["a"], "a", "n1"), (keys["b"], "b", "n2"), (keys["loose"], "loose", ""))
    assert (record.name, record.key, record.hook) == ("x", b.key("service", "x"), "ingress")


@scenario
def test_other_hooks_are_wherever_the_network_is_known(b: Bench) -> None:
    b.apply("services: {s: {hook: pre-routing, attach: [port/a]}, t: {hook: forward, attach: [port/d, router/edge]}}")
    assert b.hooks("pre-routing", "port", "a") == {node: ["s"] for node in NODES[:3]}
    assert b.hooks("forward", "port", "d") == {"n4": ["t"]}
    assert b.hooks("forward", "router", "edge") == {node: ["t"] for node in NODES[:3]}
    assert set(b.services("s")) == {"n1", "n2", "n3"} and set(b.services("t")) == set(NODES)
    assert b.services("t")["n1"].ports == ((b.key("port", "d"), "d", "n4"),)
    b.apply("ports: {e: {network: db, node: n4, address: 10.1.0.11}}")
    assert set(b.services("s")) == set(b.hooks("pre-routing", "port", "a")) == set(NODES)
    b.delete(("port", "e"))
    assert set(b.services("s")) == set(b.hooks("pre-routing", "port", "a")) == {"n1", "n2", "n3"}


@scenario
def test_a_port_can_be_reached_where_its_network_is_not(b: Bench) -> None:
    """A service at ingress sends to its own ports from the nodes of any of them."""
    b.apply("services: {s: {hook: ingress, attach: [port/bare, port/a]}}")
    assert (
        set(b.services("s"))
        == {"n1", "n4"}
        == set(b.hooks("ingress", "port", "a") | b.hooks("ingress", "port", "bare"))
    )


@scenario
def test_services_follow_a_port_that_moves(b: Bench) -> None:
    b.apply("services: {s: {hook: ingress, attach: [network/web]}}")
    assert b.hooks("ingress", "port", "loose") == {}
    b.conductor.seen("n4", ["loose"])
    assert b.hooks("ingress", "port", "loose") == {"n4": ["s"]}
    assert set(b.services("s")) == {"n1", "n2", "n4"}
    assert b.recorder.elements("s")[2] == ("port", "loose", "n4")
    b.conductor.seen("n3", ["loose"])
    assert b.hooks("ingress", "port", "loose") == {"n3": ["s"]}
    assert set(b.services("s")) == {"n1", "n2", "n3"}
    b.apply("ports: {b: {network: web, node: n4, address: 10.0.0.11}}")
    assert b.hooks("ingress", "port", "b") == {"n4": ["s"]}
    assert set(b.services("s")) == {"n1", "n3", "n4"}
    assert b.recorder.elements("s") == [("port", "a", "n1"), ("port", "b", "n4"), ("port", "loose", "n3")]


@scenario
def test_a_network_is_its_ports_as_they_come_and_go(b: Bench) -> None:
    b.apply("services: {s: {hook: post-routing, attach: [network/web, port/a, router/edge]}}")
    ports = [("port", "a", "n1"), ("port", "b", "n2"), ("port", "loose", "")]
    assert b.recorder.elements("s") == [*ports, ("router", "edge", "")]
    b.apply("ports: {new: {network: web, node: n4, mac: '02:00:00:00:00:77'}}")
    assert b.recorder.elements("s") == [*ports, ("port", "new", "n4"), ("router", "edge", "")]
    new, router = b.recorder.infos["s"].elements[3:]
    assert (new.key, new.mac, new.network) == (b.key("port", "new"), 0x020000000077, b.key("network", "web"))
    assert (router.key, router.mac) == (b.key("router", "edge"), derived_mac("router", "edge", "db"))
    assert len(b.services("s")["n4"].ports) == 4
    b.apply("ports: {new: {network: far, node: n4}}")
    assert b.recorder.elements("s") == [*ports, ("router", "edge", "")]
    assert b.hooks("post-routing", "port", "new") == {}
    b.delete(("port", "loose"))
    assert b.recorder.elements("s") == [*ports[:2], ("router", "edge", "")]
    assert all(len(record.ports) == 2 for record in b.services("s").values())


@scenario
def test_a_service_that_is_deleted_leaves_nothing_and_its_number_to_nobody(b: Bench) -> None:
    b.apply("services: {s: {hook: ingress, attach: [network/web]}, t: {hook: ingress, attach: [port/a]}}")
    number = b.key("service", "s")
    b.delete(("service", "s"))
    assert b.recorder.told[-1] == {"s": None}
    assert b.hooks("ingress", "port", "a") == {"n1": ["t"]} and b.hooks("ingress", "port", "b") == {}
    assert not any(key == f"service/{number}" for view in b.conductor.views.values() for key in view)
    b.apply("services: {s: {hook: ingress}}")
    assert b.key("service", "s") not in (number, b.key("service", "t"))
    assert b.recorder.elements("s") == [] and b.services("s") == {}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{hook: ingress, attach: [port/x]}", "there is no port 'x'"),
        ("{hook: egress, attach: [network/x]}", "there is no network 'x'"),
        ("{hook: forward, attach: [router/x]}", "there is no router 'x'"),
        (
            "{hook: pre-routing, attach: [port/bare]}",
            "port 'bare' has no network, so none of its packets come to hook pre-routing; give it one, or take hook "
            "ingress or egress",
        ),
    ],
)
def test_what_cannot_be_attached_is_refused_and_told_to_nobody(tmp_path: Path, text: str, problem: str) -> None:
    b = Bench(tmp_path)
    b.apply(BASE)
    said = [list(each) for each in b.said.values()]
    with pytest.raises(Refused) as refused:
        b.apply(f"services: {{s: {text}}}")
    assert str(refused.value) == f"service s (attach): {problem}"
    assert b.recorder.told == [] and [list(each) for each in b.said.values()] == said
    assert ("service", "s") not in b.conductor.declared.ids
    b.store.close()


@scenario
def test_what_no_text_can_say_is_refused_too(b: Bench) -> None:
    service = Service(name="s", hook="nat", attach=("port/a",))
    with pytest.raises(Refused, match="there is no hook 'nat'; the hooks are ingress, pre-routing, forward"):
        b.conductor.apply({("service", "s"): service})
    service = Service(name="s", hook="ingress", attach=("router/edge",))
    with pytest.raises(
        Refused, match="a router has no hook ingress; write hook: pre-routing or forward or post-routing"
    ):
        b.conductor.apply({("service", "s"): service})


@scenario
def test_what_a_service_is_attached_to_is_not_deleted_before_it(b: Bench) -> None:
    b.apply("services: {s: {hook: forward, attach: [port/a, network/far, router/edge]}}")
    neutron = Neutron(b.store, b.conductor)
    for kind, name in (("port", "a"), ("network", "far"), ("router", "edge")):
        with pytest.raises(Refused, match=f"service s \\(attach\\): there is no {kind} '{name}'"):
            b.delete((kind, name), ("port", "d"), ("subnet", "far"))
    with pytest.raises(Fault) as fault:
        neutron.delete(Caller("shop", admin=True), "port", id_of("port", "a"))
    said = "an injected service that is not the project's is attached to port 'a'; it has to be detached first"
    assert (fault.value.status, fault.value.message) == (409, said)
    with pytest.raises(Refused, match="has no network"):
        b.apply("ports: {a: {node: n1}}")
    b.delete(("port", "a"), ("service", "s"))
    assert b.recorder.infos == {}
    neutron.delete(Caller("shop", admin=True), "router", id_of("router", "edge"))


@scenario
def test_nothing_is_told_before_it_is_durable(b: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    b.apply("services: {s: {hook: ingress, attach: [port/a]}}")
    told = list(b.recorder.told)
    info = b.recorder.infos["s"]
    b.break_store(monkeypatch)
    with pytest.raises(StoreFull):
        b.apply("services: {s: {hook: ingress, attach: [port/b]}, t: {hook: ingress, attach: [port/a]}}")
    assert b.recorder.told == [*told, {"s": info}]
    assert b.hooks("ingress", "port", "a") == {"n1": ["s"]} and b.hooks("ingress", "port", "b") == {}
    told = list(b.recorder.told)
    b.apply("services: {t: {hook: ingress, attach: [port/a]}}", dry_run=True)
    assert b.recorder.told == told


@scenario
def test_the_declaration_is_part_of_what_is_told(b: Bench) -> None:
    b.apply("services: {s: {hook: ingress, attach: [port/a], flows: 5}}")
    before = len(b.recorder.told)
    b.apply("services: {s: {hook: ingress, attach: [port/a], flows: 6, permissions: {drop: true}}}")
    assert len(b.recorder.told) == before + 1
    info = b.recorder.infos["s"]
    assert (info.name, info.hook, info.declared.flows, info.declared.permissions.drop) == ("s", "ingress", 6, True)
    b.apply("ports: {c: {network: db, node: n4, address: 10.1.0.10}}")
    assert len(b.recorder.told) == before + 1


@scenario
def test_flows_come_and_go_with_their_service_in_one_revision(b: Bench) -> None:
    b.apply("services: {s: {hook: ingress, attach: [network/web]}}")
    key = b.key("service", "s")
    assert b.flows() == {("n1", f"flow/{key}/1"), ("n2", f"flow/{key}/1")}
    revision, records = b.said["n1"][-1]
    assert {f"service/{key}", f"flow/{key}/1"} <= records.keys() and revision == b.conductor.revision
    assert b.recorder.at[-1] < revision
    b.conductor.seen("n3", ["loose"])
    assert records_of(b, "n3")[f"flow/{key}/1"] == flow(key)
    assert b.conductor.sent["n3"] == b.conductor.revision
    b.conductor.seen("n4", ["loose"])
    assert records_of(b, "n3")[f"flow/{key}/1"] is None and records_of(b, "n3")[f"service/{key}"] is None
    assert b.flows() == {(node, f"flow/{key}/1") for node in ("n1", "n2", "n4")}
    b.delete(("service", "s"))
    assert b.flows() == set()


def records_of(b: Bench, node: str) -> dict[str, AnyRecord | None]:
    """What ``node`` was told last."""
    return b.said[node][-1][1]


@scenario
def test_published_records_outlive_a_failing_store(b: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    b.apply("services: {s: {hook: ingress, attach: [port/a]}}")
    key = b.key("service", "s")
    before = b.conductor.revision
    revision = b.conductor.publish({("n1", f"flow/{key}/2"): flow(key, 2), ("n1", f"flow/{key}/3"): flow(key, 3)})
    assert revision == b.conductor.revision == before + 1 == b.conductor.sent["n1"]
    assert b.said["n1"][-1] == (revision, {f"flow/{key}/2": flow(key, 2), f"flow/{key}/3": flow(key, 3)})
    assert b.conductor.publish({("n1", f"flow/{key}/3"): None}) == revision + 1
    assert b.conductor.publish({}) == revision + 1
    b.break_store(monkeypatch)
    with pytest.raises(StoreFull):
        b.delete(("service", "s"))
    assert b.flows() == {("n1", f"flow/{key}/1"), ("n1", f"flow/{key}/2")}
    assert records_of(b, "n1")[f"flow/{key}/2"] == flow(key, 2)


@scenario
def test_published_records_that_went_with_their_service_stay_gone(b: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    b.apply("services: {s: {hook: ingress, attach: [port/a]}}")
    key = b.key("service", "s")
    b.conductor.publish({("n1", f"flow/{key}/1"): flow(key)})
    b.delete(("service", "s"))
    b.break_store(monkeypatch)
    with pytest.raises(StoreFull):
        b.delete(("port", "a"))
    assert b.flows() == set()


def test_what_there_is_no_more_is_told_when_all_is_told_anew(tmp_path: Path) -> None:
    b = Bench(tmp_path)
    b.apply(BASE + "services: {s: {hook: ingress}, t: {hook: egress}}")
    beyond, infos = Beyond(), dict(b.recorder.infos)
    beyond.begin(recorder := Recorder(b.conductor), infos, {})
    beyond.anew({"t": infos["t"]})
    beyond.anew({"t": infos["t"]})
    assert recorder.told == [infos, {"s": None, "t": infos["t"]}, {"t": infos["t"]}]
    b.store.close()


@scenario
def test_a_restart_tells_the_injector_all_services_once(b: Bench) -> None:
    b.apply("services: {s: {hook: ingress, attach: [network/web]}, t: {hook: forward, attach: [router/edge]}}")
    b.conductor.seen("n4", ["loose"])
    infos, views, keys = dict(b.recorder.infos), b.conductor.views, b.conductor.declared.ids
    b.reopen()
    assert b.recorder.told == [infos]
    assert b.conductor.views == views and b.conductor.declared.ids == keys
    assert b.recorder.elements("s")[2] == ("port", "loose", "n4")
    assert b.flows()


@scenario
def test_what_a_switch_refuses_is_heard_until_it_does_not(b: Bench) -> None:
    agents = Agents(b.conductor, Counted({}))
    session = agents.register(Register("n1", PROTOCOL, "test"))
    assert isinstance(session, Session)
    epoch = b.conductor.epoch
    session.incoming(Applied(epoch, b.conductor.revision))
    assert b.recorder.refusals == []
    session.incoming(Applied(epoch, b.conductor.revision, refused={"flow/1/1": "no such field"}))
    session.incoming(Applied(epoch, b.conductor.revision))
    session.incoming(Applied(epoch, b.conductor.revision))
    assert b.recorder.refusals == [("n1", {"flow/1/1": "no such field"}), ("n1", {})]
    session.incoming(Applied("another", b.conductor.revision, refused={"flow/1/1": "no such field"}))
    assert len(b.recorder.refusals) == 2
