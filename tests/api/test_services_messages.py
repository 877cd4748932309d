"""What the holder of a token sends in one request: what is refused of it, and what stays as it was."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from api_server import Tokens
from service_api import FLOWS, Projects, projects

from segue.inject.packets import MOST_OCTETS
from segue.server.service_packets import MOST_OUT

MESSAGES = "/v1/services/eye/messages?wait=0"
TABLE = "/v1/services/eye/flows/0?wait=0"
FRAME = "ffffffffffff020000000001" + "0806" + "00" * 46
ADD = {"type": "OFPT_FLOW_MOD", "command": "OFPFC_ADD", "table_id": 0, **FLOWS[0]}


def out(**more: Any) -> dict[str, Any]:
    send = {"type": "OFPAT_OUTPUT", "port": 1}
    return {"type": "OFPT_PACKET_OUT", "match": {"in_port": "OFPP_CONTROLLER"}, "actions": [send], "data": FRAME} | more


@pytest.fixture(scope="module")
def made(tokens: Tokens, admin: str) -> Iterator[Projects]:
    with projects(tokens, admin) as ask:
        ask.made("red", "eye", attach=["port/red-1"], permissions={"drop": True, "redirect": True})
        yield ask


@pytest.fixture
def ask(made: Projects) -> Projects:
    assert made("eye", "PUT", TABLE, {"flows": []}).status == 200
    return made


def flows(ask: Projects) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = ask("eye", "GET", "/v1/services/eye/flows?table=0").body["flows"]
    return found


@pytest.mark.parametrize("version", ["1.0", "1.3", "1.4", "1.5"])
def test_a_packet_can_be_sent_in_every_version_that_services_speak(ask: Projects, version: str) -> None:
    for port in ("OFPP_CONTROLLER", 1):
        body = out(version=version, match={"in_port": port})
        if version != "1.5":
            del body["match"]
            body["in_port"] = port
        answer = ask("eye", "POST", MESSAGES, {"messages": [body]})
        assert answer.status == 200, answer


@pytest.mark.parametrize("version", ["1.1", "1.2"])
def test_versions_that_services_do_not_speak_are_refused(ask: Projects, version: str) -> None:
    for messages in ([{**ADD, "version": version}], [ADD, {**ADD, "version": version}]):
        answer = ask("eye", "POST", MESSAGES, {"messages": messages})
        assert answer.status == 400
        expected = f"services speak OpenFlow 1.0, 1.3, 1.4 and 1.5, not {version}"
        assert answer.body["error"] == f"messages[{len(messages) - 1}]: version: {expected}"
    assert flows(ask) == []


@pytest.mark.parametrize(
    ("messages", "status", "said"),
    [
        ([ADD, *[out()] * (MOST_OUT + 1)], 429, "send these in parts"),
        ([ADD, out(actions=[{"type": "OFPAT_OUTPUT", "port": 99}])], 409, "messages[1]: "),
        (
            [ADD, out(), out(data=FRAME + "00" * 100_000)],
            409,
            f"messages[2]: 100060 octets are no packet that can be sent; there is room for {MOST_OCTETS} ",
        ),
    ],
)
def test_with_a_packet_all_that_is_sent_is_refused(ask: Projects, messages: list[Any], status: int, said: str) -> None:
    answer = ask("eye", "POST", MESSAGES, {"messages": messages})
    assert answer.status == status and said in answer.body["error"], answer
    assert flows(ask) == []


def test_who_puts_flows_is_told_which_of_them_is_wrong(ask: Projects) -> None:
    meter = {"instructions": [{"type": "OFPIT_APPLY_ACTIONS", "actions": [{"type": "OFPAT_OUTPUT", "port": 7}]}]}
    answer = ask("eye", "PUT", TABLE, {"flows": [FLOWS[0], {"priority": 3, **meter}]})
    assert answer.status == 409 and answer.body["error"].startswith("flows[1]: "), answer
    answer = ask("eye", "PUT", TABLE, {"flows": [FLOWS[0], FLOWS[1], {**FLOWS[0], "cookie": 9}]})
    assert answer.status == 400 and "flows[2] has priority and match of flows[0]" in answer.body["error"], answer
    assert flows(ask) == []


def test_flows_of_every_version_are_as_old_as_they_were_when_what_was_told_is_put(ask: Projects) -> None:
    for version, field in (("1.0", "dl_type"), ("1.3", "eth_type"), ("1.4", "eth_type"), ("1.5", "eth_type")):
        match, priority = {field: 0x806}, 1 + int(version[-1])
        add = {
            "type": "OFPT_FLOW_MOD",
            "command": "OFPFC_ADD",
            "match": match,
            "priority": priority,
            "version": version,
        }
        assert ask("eye", "POST", MESSAGES, {"messages": [{**add, "hard_timeout": 100}]}).status == 200
    before = flows(ask)
    assert len(before) == 4
    ages = [one["duration"] for one in before]
    for _ in range(2):
        assert ask("eye", "PUT", TABLE, {"flows": flows(ask)}).status == 200
    assert all(now["duration"] > age for now, age in zip(flows(ask), ages, strict=True))
