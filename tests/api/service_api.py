"""A server with the elements of two projects, and their tokens; and what it takes to speak of services to it."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Iterator
from typing import Any

from api_server import Answer, Running, Tokens, running

NETWORK = """
nodes: {n1: 192.0.2.1}
networks:
  red-net: {project: red}
  blue-net: {project: blue}
  shared: {project: red}
subnets:
  red-sub: {network: red-net, cidr: 10.0.0.0/24, project: red, gateway: 10.0.0.1}
  blue-sub: {network: blue-net, cidr: 10.1.0.0/24, project: blue, gateway: 10.1.0.1}
routers:
  red-router: {subnets: [red-sub], project: red}
  blue-router: {subnets: [blue-sub], project: blue}
ports:
  red-1: {network: red-net, node: n1, addresses: [10.0.0.10], project: red}
  red-2: {network: red-net, node: n1, addresses: [10.0.0.11], project: red}
  blue-1: {network: blue-net, node: n1, addresses: [10.1.0.10], project: blue}
  guest: {network: shared, node: n1, project: blue}
  host: {network: shared, node: n1, project: red}
"""
FLOWS = [
    {"priority": 10, "match": {"eth_type": 0x800, "ipv4_src": "10.9.0.0/16"}},
    {
        "priority": 5,
        "match": {"in_port": 1},
        "instructions": [
            {"type": "OFPIT_APPLY_ACTIONS", "actions": [{"type": "OFPAT_OUTPUT", "port": "OFPP_NORMAL"}]},
        ],
    },
]


class Projects:
    """``who``: a role's or a service's token, by name."""

    def __init__(self, server: Running, tokens: Tokens, admin: str) -> None:
        self.server = server
        self.who = {
            "admin": admin,
            "red": tokens.make("member", "red"),
            "blue": tokens.make("member", "blue"),
            "blue-reader": tokens.make("reader", "blue"),
            "red-reader": tokens.make("reader", "red"),
        }

    def __call__(self, who: str, method: str, path: str, body: Any = None) -> Answer:
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        token = self.who.get(who, who)
        return self.server.ask(path, method, data, **({"X_Auth_Token": token} if token else {}))

    def made(self, who: str, name: str, **fields: Any) -> str:
        """Its token."""
        answer = self(who, "POST", "/v1/services", {"name": name, "hook": "ingress", **fields})
        assert answer.status == 201, answer
        answer = self(who, "POST", f"/v1/services/{name}/token")
        assert answer.status == 201, answer
        self.who[name] = answer.body["token"]
        return str(answer.body["token"])

    def state(self) -> dict[str, Any]:
        """All that there is, as an administrator sees it; without ages."""
        services = {one["name"]: one for one in self("admin", "GET", "/v1/services").body}
        for name, one in services.items():
            one["has"] = self("admin", "GET", f"/v1/services/{name}/flows").body["flows"]
            for flow in one["has"]:
                del flow["duration"]
        return {"objects": self("admin", "GET", "/v1/objects").body, "services": services}


@contextlib.contextmanager
def projects(tokens: Tokens, admin: str, *options: str) -> Iterator[Projects]:
    with running("--tokens", str(tokens.path), "--rate", "0", *options) as server:
        made = Projects(server, tokens, admin)
        answer = server.ask("/v1/apply", "POST", NETWORK.encode(), X_Auth_Token=admin, Content_Type="application/yaml")
        assert answer.status == 200, answer
        yield made


def until(true: Callable[[], Any], within: float = 10.0) -> None:
    end = time.monotonic() + within
    while not true():
        assert time.monotonic() < end
        time.sleep(0.05)
