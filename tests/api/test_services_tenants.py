"""A second tenant tries everything it can against the first: every route, every method, with whatever it may know."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from api_server import Tokens
from service_api import FLOWS, Projects, projects, until

from segue.api.description import description

METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS")
BODIES: dict[str, Any] = {
    "": {"name": "eye", "hook": "ingress", "attach": []},
    "attach": {"attach": ["port/blue-1"]},
    "token": {"expires_in": 60},
    "controller": {"target": "tcp:127.0.0.1:9"},
    "flows": {"flows": FLOWS},
    "flows/0": {"flows": []},
    "messages": {"messages": [{"type": "OFPT_FLOW_MOD", "command": "OFPFC_DELETE", "table_id": "OFPTT_ALL"}]},
    "packet-ins": {},
}
"""Below ``/v1/services/NAME``: what would change something if it were taken."""
RED = r"\bred\b|10\.9\.|10\.0\.0"
"""What is the first's own."""
NAMES = ("eye", "ey%65", "./eye", "eye/.", "eye/../eye", "service%2Feye", "EYE")


@pytest.fixture(scope="module")
def ask(tokens: Tokens, admin: str) -> Iterator[Projects]:
    with projects(tokens, admin, "--services-networks", "127.0.0.0/8") as made:
        made.made("red", "eye", attach=["port/red-1", "network/red-net"], permissions={"drop": True, "redirect": True})
        made.made("blue", "spy", attach=["port/blue-1"], permissions={"drop": True, "redirect": True, "copy": True})
        assert made("eye", "PUT", "/v1/services/eye/flows/0?wait=0", {"flows": FLOWS}).status == 200
        yield made


def test_the_list_of_what_is_tried_is_whole() -> None:
    routes = {path.removeprefix("/v1/services") for path in description()["paths"] if path.startswith("/v1/services")}
    tried = {f"/{{name}}/{rest}".rstrip("/").replace("flows/0", "flows/{table}") for rest in BODIES}
    assert routes == tried | {""}


def test_nothing_of_the_first_is_changed_or_seen_and_all_is_logged(ask: Projects) -> None:
    """All that the second has: a member's token, a reader's, its service's; and what it may guess."""
    before = ask.state()["services"]["eye"], ask.state()["objects"]
    secret = ask.who["spy"].partition(".")[2]
    theirs = {
        "blue": ask.who["blue"],
        "blue-reader": ask.who["blue-reader"],
        "spy": ask.who["spy"],
        "forged": f"service-1-1.{secret}",
    }
    tried = 0
    for (who, token), method, name, rest in itertools.product(theirs.items(), METHODS, NAMES[:2], BODIES):
        if who == "forged" and (method not in ("GET", "PUT") or name != "eye" or rest not in ("", "flows/0")):
            continue  # who guesses is soon answered no more
        path = f"/v1/services/{name}/{rest}".rstrip("/")
        answer = ask(token, method, path, BODIES[rest])
        tried += 1
        if method == "OPTIONS" and answer.status in (200, 204):
            continue
        assert answer.status in ((401,) if who == "forged" else (403, 404, 405)), (who, method, path, answer)
        if answer.status == 404 and answer.body:
            assert answer.body == {"error": "there is no service 'eye'; `segue service list` lists those there are"}
        assert method == "HEAD" or not re.search(RED, json.dumps(answer.body)), answer
    assert tried > 300
    for who, name in itertools.product(("blue", "spy"), NAMES[2:]):
        assert ask(who, "PUT", f"/v1/services/{name}/flows/0", {"flows": []}).status in (400, 403, 404, 405)
    assert (ask.state()["services"]["eye"], ask.state()["objects"]) == before
    log = ask.server.log()
    when = r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} "
    for who, why in (
        (r"127\.0\.0\.1, \w+ of project 'blue': DELETE '/v1/services/eye'", "404, there is no service 'eye'"),
        (r"127\.0\.0\.1: PUT '/v1/services/eye/flows/0'", "service/spy: the token of service spy is good for"),
        (r"127\.0\.0\.1: (GET|PUT) '/v1/services/eye", "service eye: service-1-1: not the secret"),
    ):
        assert re.search(f"{when}.*refused {who}.*{re.escape(why)}", log, re.MULTILINE), who


def test_what_cannot_be_taken_over_by_declaring(ask: Projects) -> None:
    before = ask.state()
    for hook, target in (
        ("ingress", "port/red-1"),
        ("egress", "network/red-net"),
        ("forward", "router/red-router"),
        ("ingress", "port/nowhere"),
        ("ingress", "network/shared"),
    ):
        answer = ask("blue", "POST", "/v1/services", {"name": "steal", "hook": hook, "attach": [target]})
        kind, _, name = target.partition("/")
        said = f"service \"steal\": attach: there is no {kind} '{name}' in project 'blue'"
        assert (answer.status, answer.body["error"]) == (409, said)
        answer = ask("blue", "PUT", "/v1/services/spy/attach", {"attach": ["port/blue-1", target]})
        assert answer.status == 409 or hook != "ingress"
    for fields in ({"project": "red"}, {"project": ""}, {"project": "admin"}):
        answer = ask("blue", "POST", "/v1/services", {"name": "steal", "hook": "ingress", **fields})
        assert answer.status == 403, answer
    for name in ("eye", "spy"):
        assert ask("blue", "POST", "/v1/services", {"name": name, "hook": "ingress"}).status == 409
    for path in ("/v1/apply", "/v1/delete", "/v1/delete-file"):
        assert ask("blue", "POST", path, {"services": {"eye": {"hook": "egress"}}}).status == 403
    for method, path in itertools.product(
        ("GET", "PUT", "DELETE"), ("/v1/objects/service/eye", "/v1/events", "/v1/text")
    ):
        assert ask("blue", method, path, {"hook": "egress"}).status == 403
    assert ask.state() == before
    log = ask.server.log()
    assert "of project 'blue': POST '/v1/services': 409, service \"steal\": attach: there is no port 'red-1'" in log


def test_what_a_service_names_that_is_anothers_is_refused(ask: Projects) -> None:
    """By the numbers that the first's ports have in the network, and by registers that are Segue's own."""
    before = ask.state()

    def flow(match: dict[str, Any], *actions: dict[str, Any]) -> dict[str, Any]:
        return {"match": match, "instructions": [{"type": "OFPIT_APPLY_ACTIONS", "actions": list(actions)}]}

    for number in (2, 3, 100, 0xFFFFFF00):
        for one in (flow({"in_port": number}), flow({}, {"type": "OFPAT_OUTPUT", "port": number})):
            assert ask("spy", "PUT", "/v1/services/spy/flows/0?wait=0", {"flows": [one]}).status == 409
    for field in ("reg7", "reg8", "xreg6", "tunnel_id", "metadata_mask"):
        for one in (flow({field: 1}), flow({}, {"type": "OFPAT_SET_FIELD", "field": {field: 1}})):
            assert ask("spy", "PUT", "/v1/services/spy/flows/0?wait=0", {"flows": [one]}).status in (400, 403, 409)
    for number in (1, 0x5E000000):
        group = flow({}, {"type": "OFPAT_GROUP", "group_id": number})
        assert ask("spy", "PUT", "/v1/services/spy/flows/0?wait=0", {"flows": [group]}).status == 409
    assert ask.state() == before


def test_what_the_second_may_see_says_nothing_of_the_first(ask: Projects) -> None:
    for who in ("blue", "blue-reader"):
        assert [one["name"] for one in ask(who, "GET", "/v1/services").body] == ["spy"]
        assert not re.search(RED, json.dumps(ask(who, "GET", "/v1/services").body))
    assert not re.search(RED, json.dumps(ask("spy", "GET", "/v1/services/spy").body))


def test_a_project_has_so_many_services_and_no_more(ask: Projects, tokens: Tokens) -> None:
    who = tokens.make("member", "many")
    for number in range(100):
        assert ask(who, "POST", "/v1/services", {"name": f"many-{number}", "hook": "ingress"}).status == 201
    answer = ask(who, "POST", "/v1/services", {"name": "one-more", "hook": "ingress"})
    assert answer.status == 409 and "delete one" in answer.body["error"]
    for number in range(100):
        assert ask(who, "DELETE", f"/v1/services/many-{number}").status == 204


def test_projects_do_not_have_the_server_call_itself(tokens: Tokens, admin: str) -> None:
    with projects(tokens, admin) as ask:
        ask.made("red", "eye", attach=["port/red-1"])
        ask.made("admin", "own")
        for host in ("127.0.0.1", "[::1]", "169.254.169.254", "[::ffff:127.0.0.1]"):
            for who in ("red", "eye", "admin"):
                answer = ask(who, "PUT", "/v1/services/eye/controller", {"target": f"tcp:{host}:80"})
                assert answer.status == 400 and "--services-networks" in answer.body["error"], (who, answer)
            assert ask("own", "PUT", "/v1/services/own/controller", {"target": f"tcp:{host}:80"}).status == 200
        answer = ask("eye", "PUT", "/v1/services/eye/controller", {"target": "tcp:localhost:80"})
        assert answer.status == 200
        until(lambda: "own machine" in ask("eye", "GET", "/v1/services/eye").body["controller"]["trouble"])


def test_services_of_a_project_have_so_many_flows_together(tokens: Tokens, admin: str) -> None:
    with projects(tokens, admin, "--services-project-flows", "150") as ask:
        ask.made("red", "one", flows=100)
        body = {"name": "two", "hook": "ingress", "flows": 51}
        answer = ask("red", "POST", "/v1/services", body)
        assert answer.status == 403 and "at most 150 flows together" in answer.body["error"], answer
        assert ask("blue", "POST", "/v1/services", body).status == 201
        ask("blue", "DELETE", "/v1/services/two")
        assert ask("red", "POST", "/v1/services", {**body, "flows": 50}).status == 201
        assert ask("admin", "POST", "/v1/services", {**body, "name": "three", "project": "red"}).status == 201


def test_who_deletes_what_a_service_is_attached_to_is_told_how_to_detach_it(ask: Projects) -> None:
    ask.made("red", "holds", attach=["port/red-2"])
    answer = ask("admin", "DELETE", "/v1/objects/port/red-2")
    assert answer.status == 409 and "`segue service attach holds`" in answer.body["error"], answer
    answer = ask("red", "POST", "/v1/services", {"name": "more", "hook": "ingress", "attach": ["port/nowhere"]})
    assert answer.status == 409 and "service attach" not in answer.body["error"]
    assert ask("red", "DELETE", "/v1/services/holds").status == 204
