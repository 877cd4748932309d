"""Many writers at once, and a server that is killed under them: everything fits together afterwards, and is there."""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import random
import signal
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
import pytest
from api_server import Running, running
from neutron_asgi import Front, Said, at, run
from neutron_sound import consistent, survives

from segue.neutron.attributes import KINDS
from segue.neutron.state import Resource

ROUNDS = 20
KILLS = int(os.environ.get("SEGUE_KILLS", "8"))
WRITERS = 6
EXPECTED = {200, 201, 204, 404, 409}
QUOTA = 7


# -- in one process --------------------------------------------------------------------------------------------------


async def _at_once(front: Front, rng: random.Random, *requests: tuple[str, str, Any]) -> list[Said]:
    """All of them, in some order, their bodies coming at their own pace."""
    front.haste = rng
    order = rng.sample(range(len(requests)), len(requests))
    said = await asyncio.gather(*(front.ask(*requests[place]) for place in order))
    front.haste = None
    answers = [said[order.index(place)] for place in range(len(requests))]
    for request, answer in zip(requests, answers, strict=True):
        assert answer.status in EXPECTED, (request, answer)
    return answers


def _race(tmp_path: Path, race: Any) -> set[Any]:
    """``race`` many times in one world, and what must hold after each; returns the outcomes that there were."""

    async def scenario(front: Front) -> set[Any]:
        rng = random.Random(3)
        await front.ask("PUT", "/v2.0/quotas/admin", {"quota": dict.fromkeys(KINDS, -1)})
        outcomes = set()
        for number in range(ROUNDS):
            ids = await front.furnish("admin")
            for graph in ids["service_graph"]:
                await front.ask("DELETE", at("service_graph", graph))
            outcomes.add(await race(front, rng, ids))
            consistent(front)
            if number % 10 == 0:
                survives(front, tmp_path / f"copy{number}")
            await _clear(front)
        return outcomes

    found: set[Any] = run(tmp_path / "data", scenario)
    return found


async def _clear(front: Front) -> None:
    """Users before what they use."""
    for router in front.neutron.state.all("router"):
        for port in front.neutron.state.interfaces_of_router(router["id"]):
            path = at("router", f"{router['id']}/remove_router_interface")
            assert (await front.ask("PUT", path, {"port_id": port["id"]})).status == 200
    for kind in reversed(KINDS):
        for one in list(front.neutron.state.all(kind)):
            said = await front.ask("DELETE", at(kind, one["id"]))
            assert said.status == 204 or kind == "subnet", said
    assert not front.neutron.state.resources().keys() - {("quota", "admin")}


@pytest.mark.parametrize("kind", ["port_chain", "network", "port", "port_pair_group"])
def test_of_two_deletes_and_an_update_one_delete_wins(tmp_path: Path, kind: str) -> None:
    async def race(front: Front, rng: random.Random, ids: dict[str, list[str]]) -> tuple[int, ...]:
        if kind in ("network", "port"):
            values = {"network_id": ids["network"][0]} if kind == "port" else {}
            id = (await front.make(kind, **values))["id"]
        else:
            id = ids[kind][0]
            if kind == "port_pair_group":
                await front.ask("DELETE", at("port_chain", ids["port_chain"][0]))
        path, name = at(kind, id), str(rng.random())
        requests = (("DELETE", path, None), ("DELETE", path, None), ("PUT", path, {kind: {"name": name}}))
        one, other, update = await _at_once(front, rng, *requests)
        assert sorted((one.status, other.status)) == [204, 404]
        assert update.status in (200, 404)
        assert front.neutron.state.get(kind, id) is None
        return one.status, update.status

    winners, updates = zip(*_race(tmp_path, race), strict=True)
    assert (set(winners), set(updates)) == ({204, 404}, {200, 404})


@pytest.mark.parametrize("used", ["port_pair_group", "flow_classifier", "port_pair", "port"])
def test_a_chain_is_made_while_what_it_needs_is_deleted(tmp_path: Path, used: str) -> None:
    async def race(front: Front, rng: random.Random, ids: dict[str, list[str]]) -> tuple[int, int]:
        await front.ask("DELETE", at("port_chain", ids["port_chain"][0]))
        id = ids[used][0]
        new = {"port_pair_groups": ids["port_pair_group"][:1], "flow_classifiers": ids["flow_classifier"][:1]}
        body: tuple[str, dict[str, Any]] = ("port_chain", new | {"chain_parameters": {"correlation": "nsh"}})
        if used == "port_pair":  # a group is made with it
            await front.ask("DELETE", at("port_pair_group", ids["port_pair_group"][0]))
            body = ("port_pair_group", {"port_pairs": [id]})
        elif used == "port":
            id = (await front.make("port", network_id=ids["network"][0], device_id="vm"))["id"]
            body = ("port_pair", {"ingress": id, "egress": id})
        requests = (("POST", at(body[0]), {body[0]: body[1]}), ("DELETE", at(used, id), None))
        made, deleted = await _at_once(front, rng, *requests)
        return made.status, deleted.status

    assert _race(tmp_path, race) == {(201, 409), (404, 204)}


def test_a_pair_gets_into_one_of_two_groups(tmp_path: Path) -> None:
    async def race(front: Front, rng: random.Random, ids: dict[str, list[str]]) -> tuple[int, ...]:
        (pair, *_), groups = ids["port_pair"], ids["port_pair_group"]
        free = {"port_pair_group": {"port_pairs": []}}
        taken = {"port_pair_group": {"port_pairs": [pair]}}
        for group in groups:
            assert (await front.ask("PUT", at("port_pair_group", group), free)).status == 200
        requests = [("PUT", at("port_pair_group", group), taken) for group in groups]
        said = await _at_once(front, rng, *requests, ("PUT", at("port_pair_group", groups[0]), free))
        owner = front.neutron.state.group_of_pair(pair)
        assert owner in (*groups, None)
        return tuple(each.status for each in said)

    assert {(200, 409, 200), (409, 200, 200), (200, 200, 200)} <= _race(tmp_path, race)


def test_a_quota_holds_whoever_comes_first(tmp_path: Path) -> None:
    async def scenario(front: Front) -> None:
        rng = random.Random(4)
        front.neutron.set_quota("red", {"network": QUOTA})
        made: set[str] = set()
        for _ in range(ROUNDS):
            posts = [("POST", "/v2.0/networks", {"network": {"project_id": "red"}})] * (QUOTA + 3)
            deletes = [("DELETE", at("network", id), None) for id in made]
            several = ("POST", "/v2.0/networks", {"networks": [{"project_id": "red"}] * 3})
            said = await _at_once(front, rng, *posts, several, *deletes)
            left = {one["id"] for one in front.neutron.state.all("network", "red")}
            assert QUOTA - 2 <= len(left) <= QUOTA
            assert {each.status for each in said} == {201, 409} | ({204} if made else set())
            made = left
            consistent(front)

    run(tmp_path, scenario)


def test_addresses_macs_and_numbers_are_given_once(tmp_path: Path) -> None:
    async def race(front: Front, rng: random.Random, ids: dict[str, list[str]]) -> int:
        network = ids["network"][0]
        port = {"network_id": network, "device_id": "vm"}
        address = port | {"fixed_ips": [{"ip_address": "10.0.0.77"}]}
        groups, pairs = ids["port_pair_group"], ids["port_pair"]
        ends = front.neutron.state.get("port_pair", pairs[0])
        assert ends is not None
        pair = {"ingress": ends["egress"], "egress": ends["ingress"]}
        chain = {"port_pair_groups": groups[::-1], "chain_id": 99, "chain_parameters": {"correlation": "nsh"}}
        said = await _at_once(
            front,
            rng,
            *[("POST", at("port"), {"port": port})] * 4,
            *[("POST", at("port"), {"port": address})] * 3,
            *[("POST", at("port_pair_group"), {"port_pair_group": {}})] * 3,
            ("DELETE", at("subnet", ids["subnet"][0]), None),
        )
        assert sorted(each.status for each in said) == [201] * 8 + [409] * 3
        # These are refused with 400, as networking-sfc does.
        front.haste = rng
        twice = [("POST", at("port_pair"), {"port_pair": pair})] * 2 + [
            ("POST", at("port_chain"), {"port_chain": chain})
        ] * 2
        again = await asyncio.gather(*(front.ask(*request) for request in twice))
        front.haste = None
        assert [sorted(each.status for each in again[place : place + 2]) for place in (0, 2)] == [
            [201, 400],
            [201, 409],
        ]
        return len(said)

    _race(tmp_path, race)


# -- a server of its own ---------------------------------------------------------------------------------------------


class Writer(threading.Thread):
    """Asks over a connection of its own until it is told to stop, or the server is gone. Notes what it was told."""

    def __init__(self, server: Running, number: int, most: int) -> None:
        super().__init__(daemon=True)
        self.server, self.rng, self.most = server, random.Random(number), most
        self.there: dict[tuple[str, str], str] = {}
        """Acknowledged and not deleted by this one, which alone deletes it: its name."""
        self.gone: set[tuple[str, str]] = set()
        self.doubt: set[tuple[str, str]] = set()
        """What a request was about that had no answer."""
        self.names: set[str] = set()
        """Of requests to make something that had no answer."""
        self.statuses: Counter[int] = Counter()
        self.shared: list[str] = []
        """Networks of everybody, which this one changes and deletes too."""
        self.stop = threading.Event()

    def run(self) -> None:
        connection = self.server.connect()
        try:
            while not self.stop.is_set() and self.statuses.total() < self.most:
                self._step(connection)
        except (OSError, http.client.HTTPException):
            pass
        finally:
            connection.close()

    def _ask(self, connection: http.client.HTTPConnection, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        connection.request(method, path, None if body is None else msgspec.json.encode(body))
        answer = connection.getresponse()
        data = answer.read()
        self.statuses[answer.status] += 1
        return answer.status, json.loads(data) if data else None

    def _step(self, connection: http.client.HTTPConnection) -> None:
        name = f"{self.ident}-{self.statuses.total()}"
        networks = [id for kind, id in self.there if kind == "network"]
        match self.rng.randrange(8):
            case 0 | 1:
                self._make(connection, "network", name=name)
            case 2 | 3 if networks:
                self._make(connection, "port", name=name, network_id=self.rng.choice(networks), device_id="vm")
            case 4 if self.there:
                key = self.rng.choice(list(self.there))
                self.doubt.add(key)
                status, _ = self._ask(connection, "PUT", at(*key), {key[0]: {"name": name}})
                if status == 200:
                    self.there[key] = name
                    self.doubt.discard(key)
            case 5 if self.there:
                key = self.rng.choice(list(self.there))
                self.doubt.add(key)
                status, _ = self._ask(connection, "DELETE", at(*key))
                if status == 204:
                    del self.there[key]
                    self.gone.add(key)
                self.doubt.discard(key)
            case 6 if self.shared:
                method = self.rng.choice(("DELETE", "PUT"))
                path = at("network", self.rng.choice(self.shared))
                self._ask(connection, method, path, {"network": {"name": name}} if method == "PUT" else None)
            case _:
                ports = [id for kind, id in self.there if kind == "port"]
                if ports:
                    one, other = self.rng.choices(ports, k=2)
                    self._make(connection, "port_pair", name=name, ingress=one, egress=other)

    def _make(self, connection: http.client.HTTPConnection, kind: str, **values: Any) -> None:
        self.names.add(values["name"])
        status, body = self._ask(connection, "POST", at(kind), {kind: values})
        self.names.discard(values["name"])
        if status == 201:
            self.there[kind, body[kind]["id"]] = values["name"]


def _listed(server: Running) -> dict[tuple[str, str], Resource]:
    return {(kind, one["id"]): one for kind in KINDS for one in server.ask(at(kind)).body[KINDS[kind].plural]}


def _unlimited(server: Running) -> list[str]:
    quota = msgspec.json.encode({"quota": dict.fromkeys(KINDS, -1)})
    assert server.ask("/v2.0/quotas/admin", "PUT", quota).status == 200
    shared = server.ask("/v2.0/networks", "POST", msgspec.json.encode({"networks": [{"name": "shared"}] * 20})).body
    return [one["id"] for one in shared["networks"]]


def test_writers_on_connections_of_their_own_leave_what_they_were_told(tmp_path: Path) -> None:
    with running() as server:
        shared = _unlimited(server)
        writers = [Writer(server, number, 150) for number in range(WRITERS)]
        for writer in writers:
            writer.shared = shared
            writer.start()
        for writer in writers:
            writer.join(60)
            assert not writer.is_alive()
            # A port pair of a port that is in another pair of the same ports is refused with 400, as upstream does.
            assert writer.statuses.keys() <= EXPECTED | {400}
            assert writer.statuses.total() >= 150
        listed = _listed(server)
        told = {key: name for writer in writers for key, name in writer.there.items()}
        assert {key: one["name"] for key, one in listed.items() if one["id"] not in shared} == told
        assert "Traceback" not in server.log()
        server.process.terminate()
        server.process.wait(10)
        front = Front(server.directory, native="")
        try:
            consistent(front)
            assert {key for key in front.neutron.state.resources() if key[0] in KINDS} == listed.keys()
        finally:
            front.close()


@pytest.mark.slow
def test_what_was_acknowledged_outlives_a_kill(tmp_path: Path) -> None:
    rng = random.Random(5)
    there: dict[tuple[str, str], str] = {}
    data = tmp_path / "data"
    for number in range(KILLS):
        with running("--data", str(data)) as server:
            if number == 0:
                _unlimited(server)
            writers = [Writer(server, number * WRITERS + each, 10_000) for each in range(WRITERS)]
            for writer in writers:
                writer.start()
            threading.Event().wait(rng.uniform(0.05, 0.4))
            os.kill(server.process.pid, signal.SIGKILL)
            for writer in writers:
                writer.join(20)
                assert not writer.is_alive()
        front = Front(data, native="")
        try:
            consistent(front)
            resources = {key: one for key, one in front.neutron.state.resources().items() if key[0] in KINDS}
        finally:
            front.close()
        for writer in writers:
            assert writer.statuses.keys() <= EXPECTED | {400}
            there |= writer.there
        doubt = set().union(*(writer.doubt for writer in writers))
        names = set().union(*(writer.names for writer in writers), {"shared"})
        for key, name in there.items():
            assert key in doubt or (key in resources and resources[key]["name"] == name), (number, key)
        for writer in writers:
            assert not writer.gone & resources.keys()
        strays = [one for key, one in resources.items() if key not in there and one["name"] not in names]
        assert not strays
        assert len(names) <= WRITERS + 1
        there = {key: one["name"] for key, one in resources.items()}
    assert len(there) > KILLS
