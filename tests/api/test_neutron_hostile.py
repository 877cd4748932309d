"""Nonsense, and other projects' objects: 10,000 requests, of which none fails the server or changes what it may not."""

from __future__ import annotations

import http.client
import random
import re
from collections import Counter
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import msgspec
from api_server import Running, Tokens, running
from neutron_asgi import PROJECTS, Front, Snapshot, at, run
from neutron_fuzz import Asked, Fuzz, Ids
from neutron_sound import consistent, survives

from segue.intent import dump, parse
from segue.neutron.attributes import KINDS
from segue.neutron.state import ROUTER_INTERFACE

REQUESTS = 10_000
OVER_A_SOCKET = 500
SPARES = 500
"""Requests after which there are new objects, for those that their owners have deleted."""
LONGEST_MESSAGE = 2000
_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def fault(data: bytes) -> str:
    """The type of the error that a body says, which has Neutron's form."""
    body = msgspec.json.decode(data)
    assert body.keys() == {"NeutronError"}, body
    error = body["NeutronError"]
    assert error.keys() == {"type", "message", "detail"}, body
    assert all(isinstance(text, str) for text in error.values()), body
    assert error["type"] and error["message"] and len(error["message"]) < LONGEST_MESSAGE, body
    return str(error["type"])


def owners(before: Snapshot, after: Snapshot) -> set[str]:
    """Whose objects differ."""
    found = set()
    for one, other in zip(before, after, strict=True):
        for key in one.keys() | other.keys():
            old: Any = one.get(key)
            new: Any = other.get(key)
            if old is not new and old != new:
                found |= {_owner(each) for each in (old, new) if each is not None}
    return found


def _owner(each: Any) -> str:
    return str(each["project_id"] if isinstance(each, dict) else each.project)


def betrayed(token: str, said: bytes, asked: Asked, there: Snapshot) -> set[str]:
    """The ids of others' objects that a refusal names, and neither the request nor an object of one's own does."""
    asked_for = unquote(asked.path) + (asked.body or b"").decode(errors="replace")
    named = {id for id in _ID.findall(said.decode()) if id not in asked_for}
    named &= {id for (_, id), one in there[0].items() if one.get("project_id") != token}
    own = [str(one) for one in there[0].values() if one.get("project_id") == token] if named else []
    return {id for id in named if not any(id in text for text in own)}


async def _spare(front: Front, project: str, ids: dict[str, list[str]]) -> None:
    """Of each kind one more that nothing uses: only its owner's name stands before its end."""

    async def made(kind: str, **values: Any) -> str:
        id = str((await front.make(kind, project, **values))["id"])
        ids[kind].append(id)
        return id

    network = await made("network")
    await made("subnet", network_id=network, cidr="10.7.0.0/24", ip_version=4)
    await made("router")
    ends = [await made("port", network_id=network, device_id="spare") for _ in range(2)]
    await made("flow_classifier", logical_source_port=ends[0], logical_destination_port=ends[1])
    await made("port_pair", ingress=ends[0], egress=ends[1])
    await made("port_chain", port_pair_groups=[await made("port_pair_group")])
    await made("port_pair_group")
    await made("service_graph", port_chains={})


async def _entangle(front: Front, one: str, other: str) -> None:
    """Objects of one project's that use the ports of another's."""
    ports = [port for port in front.neutron.state.all("port", other) if port["device_owner"] != ROUTER_INTERFACE]
    for port in ports:
        packets = {"protocol": "tcp", "logical_source_port": port["id"], "source_ip_prefix": "10.99.0.0/16"}
        body = {"flow_classifier": {**packets, "project_id": one}}
        await front.ask("POST", at("flow_classifier"), body)  # a second time it is in conflict with itself


def test_ten_thousand_malformed_requests_are_refused_and_change_nothing(tmp_path: Path) -> None:
    async def scenario(front: Front) -> tuple[Counter[int], set[str]]:
        ids = {project: await front.furnish(project) for project in PROJECTS}
        rng = random.Random(1)
        fuzz = {name: Fuzz(rng, ids[name], ids[other]) for name, other in (PROJECTS, PROJECTS[::-1])}
        everything = {kind: [one["id"] for one in front.neutron.state.all(kind)] for kind in KINDS}
        fuzz["admin"] = Fuzz(rng, everything, {})
        for project in PROJECTS:
            front.neutron.set_quota(project, dict.fromkeys(KINDS, -1))
        statuses: Counter[int] = Counter()
        types: set[str] = set()
        before = front.snapshot()
        for number in range(REQUESTS):
            if number % SPARES == 0:
                for project in PROJECTS:
                    await _spare(front, project, ids[project])
                before = front.snapshot()
            mixed = number > REQUESTS * 0.9  # an administrator makes objects of one project that name another's
            if mixed and number % SPARES == SPARES // 2:
                for one, other in (PROJECTS, PROJECTS[::-1]):
                    await _entangle(front, one, other)
                before = front.snapshot()
            token = rng.choice((*PROJECTS, "admin") if mixed else PROJECTS)
            asked = fuzz[token].request()
            if mixed and token != "admin" and number % 4 == 0:
                asked = Asked("DELETE", at("port", rng.choice(ids[token]["port"])), None)
            said = await front.ask(*asked, token=token)
            after = front.snapshot()
            where = f"request {number}: {token} {asked.method} {asked.path[:300]} {(asked.body or b'')[:600]!r}: {said}"
            statuses[said.status] += 1
            if said.status >= 400:
                assert said.status < 500, where
                assert before == after, where
                types |= {fault(said.data)} if asked.method != "HEAD" else set()
            else:
                assert said.status in (200, 201, 204), where
                assert token == "admin" or owners(before, after) <= {token}, where
            if not mixed:
                (other,) = set(PROJECTS) - {token}
                told = [id for several in ids[other].values() for id in several if id.encode() in said.data]
                asked_for = asked.path.encode() + (asked.body or b"")
                assert all(id.encode() in asked_for for id in told), where
            elif said.status >= 400 and token != "admin":
                assert not betrayed(token, said.data, asked, before), where
            before = after
        consistent(front)
        survives(front, tmp_path / "copy")
        assert parse(dump(front.conductor.declared.objects), "again").objects == front.conductor.declared.objects
        return statuses, types

    statuses, types = run(tmp_path / "data", scenario)
    assert {200, 201, 204, 400, 404, 405, 409} <= statuses.keys()
    assert sum(number for status, number in statuses.items() if status >= 400) > REQUESTS * 0.7
    assert len(types) > 30, types


def test_over_a_socket_too_and_nobody_elses_objects_change(tmp_path: Path) -> None:
    tokens = Tokens(tmp_path / "tokens.yaml")
    red, blue = (tokens.make("member", project) for project in PROJECTS)
    with running("--tokens", str(tokens.path)) as server:
        ids = {token: _furnish(server, token) for token in (red, blue)}
        before = _everything(server, blue)
        fuzz = Fuzz(random.Random(2), ids[red], ids[blue])
        connection = server.connect()
        statuses: Counter[int] = Counter()
        for number in range(OVER_A_SOCKET):
            asked = _possible(fuzz)
            headers = {"X-Auth-Token": red}
            try:
                connection.request(*asked, headers=headers)
                answer = connection.getresponse()
            except http.client.RemoteDisconnected:  # what the last answer ended
                connection.close()
                connection.request(*asked, headers=headers)
                answer = connection.getresponse()
            data = answer.read()
            statuses[answer.status] += 1
            if answer.status >= 400:
                assert answer.status < 500, (asked, data)
                assert asked.method == "HEAD" or fault(data), (asked, data)
            if number % 100 == 99:
                assert _everything(server, blue) == before
        connection.close()
        assert {200, 400, 404, 405} <= statuses.keys()
        assert "Traceback" not in server.log()


def _possible(fuzz: Fuzz) -> Asked:
    """One that Python's client will send: it does not write what is no proper path."""
    while True:
        asked = fuzz.request()
        if asked.path.isascii() and asked.path.isprintable() and " " not in asked.path and len(asked.path) < 8000:
            return asked


def _furnish(server: Running, token: str) -> Ids:
    def made(kind: str, **values: Any) -> str:
        body = msgspec.json.encode({kind: values})
        answer = server.ask(at(kind), "POST", body, X_Auth_Token=token)
        assert answer.status == 201, answer
        return str(answer.body[kind]["id"])

    network = made("network", name="net")
    subnet = made("subnet", network_id=network, cidr="10.0.0.0/24", ip_version=4)
    ports = [made("port", network_id=network, device_id="vm") for _ in range(3)]
    pair = made("port_pair", ingress=ports[0], egress=ports[1])
    group = made("port_pair_group", port_pairs=[pair])
    classifier = made("flow_classifier", logical_source_port=ports[2])
    chain = made("port_chain", port_pair_groups=[group], flow_classifiers=[classifier])
    single = {"network": network, "subnet": subnet, "port_pair": pair, "port_pair_group": group, "port_chain": chain}
    return {**{kind: [id] for kind, id in single.items()}, "port": ports, "flow_classifier": [classifier]}


def _everything(server: Running, token: str) -> dict[str, Any]:
    return {kind: server.ask(at(kind), X_Auth_Token=token).body for kind in KINDS}
